// The checked IR of the software GPU: what the PTX front end hands to whoever runs kernels.
//
// A module is indexed when it is loaded and a function's body is parsed at its first use, so that
// modules of many megabytes cost little. What a parsed function holds has been checked: operand
// kinds and register sizes agree with the instruction, and every register, label and symbol named
// exists. An executor decodes a function from this form once; it never sees PTX text.
//
// Ownership: everything hangs off struct sg_module and is freed by sg_module_free; nothing here is
// freed singly. Pointers stay valid and addresses stable as long as the module lives.
// Threads: sg_function_parse and sg_kernel_prepare lock the module; a function whose `parsed` is
// set (read it through sg_function_parse) does not change any more, except for the fields marked
// "executor's", which this library never touches after setting them to zero.
//
// Names follow the PTX ISA document, release 9.x, by which all meanings here are defined.
#ifndef SOFTGPU_PTX_IR_H
#define SOFTGPU_PTX_IR_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- limits, in one place -------------------------------------------------------------------

enum {
    SG_MAX_SCOPES = 64,             // nested { } inside one body
    SG_MAX_VECTOR = 64,             // elements of one { } operand (wmma/mma fragments are the longest)
    SG_MAX_EXPR_DEPTH = 64,         // nesting of constant expressions
    SG_MAX_INIT_DEPTH = 16,         // nesting of initializer braces and array dimensions
    SG_MAX_REGS = 1 << 20,          // registers of one function
    SG_MAX_BRANCH_TARGETS = 16384,  // of one brx.idx
    SG_MAX_PARAMS = 4096,           // parameters of one function
    SG_MAX_FRAME_BYTES = 512 << 10, // .local, and .param, of one function; as on a GPU
    SG_MAX_DIAG_TEXT = 256,
};
#define SG_MAX_TEXT_BYTES ((size_t)512 << 20)   // one PTX text or one decompressed image
#define SG_MAX_SYMBOL_BYTES ((uint64_t)1 << 34) // one variable

// ---- diagnostics ----------------------------------------------------------------------------

enum sg_code {
    SG_OK = 0,
    SG_INVALID_PTX,             // -> CUDA_ERROR_INVALID_PTX
    SG_UNSUPPORTED_PTX_VERSION, // -> CUDA_ERROR_UNSUPPORTED_PTX_VERSION
    SG_UNSUPPORTED_INSTRUCTION, // well-formed as far as known, but not in the table
    SG_INVALID_IMAGE,           // -> CUDA_ERROR_INVALID_IMAGE
    SG_NO_BINARY_FOR_GPU,       // -> CUDA_ERROR_NO_BINARY_FOR_GPU
    SG_UNRESOLVED_SYMBOL,       // an extern that no linked text defines -> CUDA_ERROR_INVALID_PTX
    SG_NO_MEMORY,
};

// What went wrong first. The caller owns it; all text is cut to fit and NUL-terminated.
struct sg_diag {
    enum sg_code code;
    uint32_t line; // 1-based line of the PTX text, 0 if none
    char kernel[SG_MAX_DIAG_TEXT];
    char instruction[SG_MAX_DIAG_TEXT];
    char message[SG_MAX_DIAG_TEXT];
};

// ---- vocabulary -----------------------------------------------------------------------------

// The operations, in no particular order. A test builds all of this with another one.
#ifndef SG_OPS_DEF
#define SG_OPS_DEF "ops.def"
#endif
enum sg_op {
    SG_OP_NONE,
#define SG_OP(id, ...) SG_OP_##id,
#include SG_OPS_DEF
#undef SG_OP
    SG_OP_COUNT
};

// insn.is: what an operation does, beside what its guard and its operands say.
enum sg_property {
    SG_P_PURE = 1 << 0,         // gives results that its operands alone decide, and does nothing else; see SG_F_CC
    SG_P_UNIFORM = 1 << 1,      // results are the same in all lanes where its operands are; see sg_is_uniform
    SG_P_READS = 1 << 2,        // memory
    SG_P_WRITES = 1 << 3,       // memory
    SG_P_WAITS = 1 << 4,        // may wait for other threads
    SG_P_BARRIER = 1 << 5,      // arrives at a barrier of the block; with SG_P_WAITS it waits there
    SG_P_OF_CLUSTER = 1 << 6,   // the barrier is the cluster's
    SG_P_DIVERGES = 1 << 7,     // lanes may go different ways from it
    SG_P_ENDS_BLOCK = 1 << 8,   // the last of its basic block
    SG_P_LEAVES = 1 << 9,       // lanes may end in it
    SG_P_COLLECTIVE = 1 << 10,  // the lanes of a warp execute it together, unless it names members
    SG_P_SYNCHRONIZES = 1 << 11 // a loop around it may be one that waits for what another thread does
};

enum sg_type {
    SG_NONE,
    SG_PRED,
    SG_B8,
    SG_B16,
    SG_B32,
    SG_B64,
    SG_B128,
    SG_U8,
    SG_U16,
    SG_U32,
    SG_U64,
    SG_S8,
    SG_S16,
    SG_S32,
    SG_S64,
    SG_F16,
    SG_F16X2,
    SG_BF16,
    SG_BF16X2,
    SG_F32,
    SG_F32X2,
    SG_F64,
    SG_TF32,
    SG_U16X2,
    SG_S16X2,
    SG_E4M3,
    SG_E5M2,
    SG_E4M3X2,
    SG_E5M2X2,
    SG_E4M3X4,
    SG_E5M2X4,
    SG_E2M1X2,
    SG_E2M3X2,
    SG_E3M2X2,
    SG_E2M1X4,
    SG_E2M3X4,
    SG_E3M2X4,
    SG_UE8M0X2,
    SG_B1,
    SG_B4,
    SG_U4,
    SG_S4, // only as mma fragments
    SG_TYPE_COUNT
};

enum sg_space {
    SG_GENERIC,
    SG_GLOBAL,
    SG_SHARED,
    SG_LOCAL,
    SG_CONST,
    SG_PARAM,
    SG_SHARED_CLUSTER, // .shared::cluster; with clusters of one block the same as SG_SHARED
    SG_TEX,
    SG_FUNC, // symbols only: texture reference, function
    SG_SPACE_COUNT
};

// Rounding: RN..RP of a floating result (RN is also the default), RNI..RPI of cvt to an integer
// (value). SG_RND_DEFAULT means that none was written; SG_F_APPROX/SG_F_FULL are flags.
enum sg_rnd {
    SG_RND_DEFAULT,
    SG_RN,
    SG_RZ,
    SG_RM,
    SG_RP,
    SG_RNI,
    SG_RZI,
    SG_RMI,
    SG_RPI,
    SG_RNA, // nearest, ties away (cvt.rna.tf32)
    SG_RS,  // stochastic
};

enum sg_cmp {
    SG_CMP_NONE,
    SG_EQ,
    SG_NE,
    SG_LT,
    SG_LE,
    SG_GT,
    SG_GE,
    SG_LO,
    SG_LS,
    SG_HI,
    SG_HS, // unsigned, the same as LT LE GT GE on .u
    SG_EQU,
    SG_NEU,
    SG_LTU,
    SG_LEU,
    SG_GTU,
    SG_GEU, // true if either operand is NaN
    SG_NUM,
    SG_NAN,
};

enum sg_boolop { SG_BOOL_NONE, SG_BOOL_AND, SG_BOOL_OR, SG_BOOL_XOR };

enum sg_sem {
    SG_WEAK,
    SG_RELAXED,
    SG_ACQUIRE,
    SG_RELEASE,
    SG_ACQ_REL,
    SG_SC,
    SG_VOLATILE,
    SG_MMIO,
};
enum sg_scope { SG_SCOPE_NONE, SG_SCOPE_CTA, SG_SCOPE_CLUSTER, SG_SCOPE_GPU, SG_SCOPE_SYS };

// insn.atom of ATOM, RED and REDUX. Floating add is ADD with a floating type.
enum sg_atom {
    SG_ATOM_NONE,
    SG_ATOM_ADD,
    SG_ATOM_MIN,
    SG_ATOM_MAX,
    SG_ATOM_AND,
    SG_ATOM_OR,
    SG_ATOM_XOR,
    SG_ATOM_EXCH,
    SG_ATOM_CAS,
    SG_ATOM_INC,
    SG_ATOM_DEC,
};

// insn.mode: one enumeration for the second dotted word of the ops that have one.
enum sg_mode {
    SG_MODE_NONE,
    SG_SHFL_UP,
    SG_SHFL_DOWN,
    SG_SHFL_BFLY,
    SG_SHFL_IDX,
    SG_VOTE_ALL,
    SG_VOTE_ANY,
    SG_VOTE_UNI,
    SG_VOTE_BALLOT,
    SG_MATCH_ANY,
    SG_MATCH_ALL,
    // bar and barrier; .cta is dropped. BAR_RED reduces with insn.atom ADD(popc)/AND/OR.
    SG_BAR_SYNC,
    SG_BAR_ARRIVE,
    SG_BAR_RED,
    SG_BAR_WARP_SYNC,
    SG_BAR_CLUSTER_ARRIVE,
    SG_BAR_CLUSTER_WAIT,
    SG_TESTP_FINITE,
    SG_TESTP_INFINITE,
    SG_TESTP_NUMBER,
    SG_TESTP_NOTANUMBER,
    SG_TESTP_NORMAL,
    SG_TESTP_SUBNORMAL,
    SG_PRMT_F4E,
    SG_PRMT_B4E,
    SG_PRMT_RC8,
    SG_PRMT_ECL,
    SG_PRMT_ECR,
    SG_PRMT_RC16,
    SG_SHF_L,
    SG_SHF_R, // with SG_F_CLAMP or (SG_F_WRAP)
    SG_VMAD_SHR7,
    SG_VMAD_SHR15,
    SG_LOP3_OR,
    SG_LOP3_AND, // these have a predicate destination too
    SG_CP_ASYNC,
    SG_CP_COMMIT_GROUP,
    SG_CP_WAIT_GROUP,
    SG_CP_WAIT_ALL,
    SG_CP_MBARRIER_ARRIVE,
    SG_CP_BULK,
    SG_CP_BULK_MASKED,
    SG_CP_BULK_PREFETCH,
    SG_CP_BULK_COMMIT_GROUP,
    SG_CP_BULK_WAIT_GROUP,
    SG_CLC_TRY_CANCEL, // clusterlaunchcontrol
    SG_CLC_QUERY,
    SG_CLC_IS_CANCELED,
    SG_CLC_FIRST_BLOCK,
    SG_MBAR_INIT,
    SG_MBAR_INVAL,
    SG_MBAR_EXPECT_TX,
    SG_MBAR_COMPLETE_TX,
    SG_MBAR_ARRIVE,
    SG_MBAR_ARRIVE_DROP,
    SG_MBAR_ARRIVE_EXPECT_TX,
    SG_MBAR_TEST_WAIT,
    SG_MBAR_TRY_WAIT,
    SG_MBAR_PENDING_COUNT,
    SG_WMMA_LOAD_A,
    SG_WMMA_LOAD_B,
    SG_WMMA_LOAD_C,
    SG_WMMA_STORE_D,
    SG_WMMA_MMA,
    SG_GDC_LAUNCH_DEPENDENTS,
    SG_GDC_WAIT,
    SG_CVT_PACK, // type: each packed field's, type2: the sources', src[2] if given: packed above
    SG_TEX_BASE, // tex: without any of these, the level that the texture's own settings say
    SG_TEX_LEVEL,
    SG_TEX_GRAD,
    SG_TLD4_R,
    SG_TLD4_G,
    SG_TLD4_B,
    SG_TLD4_A,
    SG_TXQ_LEVEL, // with insn.query WIDTH, HEIGHT or DEPTH: of the level src[1]
    SG_SURF_B,    // x in bytes, data as they are
    SG_SURF_P,    // x in texels, data converted
    SG_IS_TEXREF,
    SG_IS_SAMPLERREF,
    SG_IS_SURFREF,
};

// insn.geom of tex, tld4, suld, sust, sured: what the coordinates mean.
enum sg_geom {
    SG_GEOM_NONE,
    SG_GEOM_1D,
    SG_GEOM_2D,
    SG_GEOM_3D,
    SG_GEOM_A1D, // layer, x
    SG_GEOM_A2D, // layer, x, y, ignored
    SG_GEOM_CUBE,
    SG_GEOM_ACUBE, // layer, x, y, z
};

// insn.bounds of surface accesses: what happens outside the surface.
enum sg_bounds { SG_BOUNDS_TRAP, SG_BOUNDS_CLAMP, SG_BOUNDS_ZERO };

// insn.query of txq and suq.
enum sg_query {
    SG_QUERY_NONE,
    SG_QUERY_WIDTH,
    SG_QUERY_HEIGHT,
    SG_QUERY_DEPTH,
    SG_QUERY_CHANNEL_DATA_TYPE,
    SG_QUERY_CHANNEL_ORDER,
    SG_QUERY_NORMALIZED_COORDS,
    SG_QUERY_ARRAY_SIZE,
    SG_QUERY_NUM_MIPMAP_LEVELS,
    SG_QUERY_NUM_SAMPLES,
    SG_QUERY_MEMORY_LAYOUT,
    SG_QUERY_FORCE_UNNORMALIZED_COORDS,
    SG_QUERY_FILTER_MODE,
    SG_QUERY_ADDR_MODE_0,
    SG_QUERY_ADDR_MODE_1,
    SG_QUERY_ADDR_MODE_2,
};

enum sg_flag {
    SG_F_FTZ = 1u << 0, // .ftz: flush subnormal inputs and results to signed zero
    SG_F_SAT = 1u << 1, // .sat: integers clamp, floats clamp to [0,1] with NaN -> 0
    SG_F_SATFINITE = 1u << 2,
    SG_F_APPROX = 1u << 3, // .approx
    SG_F_FULL = 1u << 4,   // div.full
    SG_F_HI = 1u << 5,     // mul.hi, mad.hi, mul24.hi, dp2a.hi
    SG_F_LO = 1u << 6,
    SG_F_WIDE = 1u << 7,   // mul.wide: `type` is the source type, the result has twice its width
    SG_F_CC = 1u << 8,     // writes the carry flag
    SG_F_UNI = 1u << 9,    // bra.uni, call.uni, ret.uni: the program promises uniformity
    SG_F_NC = 1u << 10,    // ld.global.nc
    SG_F_CLAMP = 1u << 11, // shf.clamp, bmsk.clamp, szext.clamp
    SG_F_WRAP = 1u << 12,
    SG_F_SHIFTAMT = 1u << 13, // bfind.shiftamt
    SG_F_ALIGNED = 1u << 14,  // barrier.sync.aligned, bar.* (always), mma.sync.aligned
    SG_F_TO = 1u << 15,       // cvta.to: generic -> space; without it, space -> generic
    SG_F_NAN = 1u << 16,      // min.NaN, max.NaN, redux..NaN
    SG_F_XORSIGN_ABS = 1u << 17,
    SG_F_ABS = 1u << 18, // redux.abs
    SG_F_RELU = 1u << 19,
    SG_F_OOB = 1u << 20, // fma.oob
    SG_F_NOFTZ = 1u << 21,
    SG_F_TRANS = 1u << 22, // ldmatrix.trans, stmatrix.trans
    SG_F_A_COL = 1u << 23, // mma, wmma: layout of A (or of the one matrix) is column-major
    SG_F_B_COL = 1u << 24,
    SG_F_PARITY = 1u << 25, // mbarrier.*_wait.parity
    SG_F_NOCOMPLETE = 1u << 26,
    SG_F_NOINC = 1u << 27,
    SG_F_READ = 1u << 28, // cp.async.bulk.wait_group.read
    SG_F_POPC = 1u << 29, // mma.and.popc / mma.xor.popc: see insn.atom
    SG_F_PO = 1u << 30,   // vmad.po: plus one
};

enum sg_sreg {
    SG_SREG_NONE,
    SG_SREG_TID_X,
    SG_SREG_TID_Y,
    SG_SREG_TID_Z,
    SG_SREG_NTID_X,
    SG_SREG_NTID_Y,
    SG_SREG_NTID_Z,
    SG_SREG_CTAID_X,
    SG_SREG_CTAID_Y,
    SG_SREG_CTAID_Z,
    SG_SREG_NCTAID_X,
    SG_SREG_NCTAID_Y,
    SG_SREG_NCTAID_Z,
    SG_SREG_LANEID,
    SG_SREG_WARPID,
    SG_SREG_NWARPID,
    SG_SREG_SMID,
    SG_SREG_NSMID,
    SG_SREG_GRIDID,
    SG_SREG_LANEMASK_EQ,
    SG_SREG_LANEMASK_LE,
    SG_SREG_LANEMASK_LT,
    SG_SREG_LANEMASK_GE,
    SG_SREG_LANEMASK_GT,
    SG_SREG_CLOCK,
    SG_SREG_CLOCK_HI,
    SG_SREG_CLOCK64,
    SG_SREG_GLOBALTIMER,
    SG_SREG_GLOBALTIMER_LO,
    SG_SREG_GLOBALTIMER_HI,
    SG_SREG_DYNAMIC_SMEM_SIZE,
    SG_SREG_TOTAL_SMEM_SIZE,
    SG_SREG_AGGR_SMEM_SIZE,
    SG_SREG_RESERVED_SMEM_OFFSET_BEGIN,
    SG_SREG_RESERVED_SMEM_OFFSET_END,
    SG_SREG_RESERVED_SMEM_OFFSET_CAP,
    SG_SREG_RESERVED_SMEM_OFFSET_0,
    SG_SREG_RESERVED_SMEM_OFFSET_1,
    SG_SREG_IS_EXPLICIT_CLUSTER,
    SG_SREG_CLUSTERID_X,
    SG_SREG_CLUSTERID_Y,
    SG_SREG_CLUSTERID_Z,
    SG_SREG_NCLUSTERID_X,
    SG_SREG_NCLUSTERID_Y,
    SG_SREG_NCLUSTERID_Z,
    SG_SREG_CLUSTER_CTAID_X,
    SG_SREG_CLUSTER_CTAID_Y,
    SG_SREG_CLUSTER_CTAID_Z,
    SG_SREG_CLUSTER_NCTAID_X,
    SG_SREG_CLUSTER_NCTAID_Y,
    SG_SREG_CLUSTER_NCTAID_Z,
    SG_SREG_CLUSTER_CTARANK,
    SG_SREG_CLUSTER_NCTARANK,
    SG_SREG_ENVREG0, // ENVREG0 + n for %envreg<n>, n < 32
    SG_SREG_ENVREG1,
    SG_SREG_ENVREG2,
    SG_SREG_ENVREG31 = SG_SREG_ENVREG0 + 31,
    SG_SREG_PM0, // PM0 + n for %pm<n> and %pm<n>_64, n < 8
    SG_SREG_PM7 = SG_SREG_PM0 + 7,
    SG_SREG_WARPSZ, // the constant 32
};

// As written in PTX. wide: the 64-bit form, of those that have two.
void sg_sreg_name(enum sg_sreg sreg, bool wide, char name[24]);

// ---- operands and instructions --------------------------------------------------------------

enum sg_operand_kind {
    SG_OPND_NONE,
    SG_OPND_REG,   // reg (neg: !%p, or -%r of vmad); parts of it: see `parts`
    SG_OPND_IMM,   // imm, truncated to the instruction's type: integers two's complement sign-
                   // or zero-extended to 64 bits, floats their bits in the width they are used in
    SG_OPND_ADDR,  // [reg + off], [sym + off], [sym + reg + off] or [off]; reg < 0 or sym NULL if
                   // absent
    SG_OPND_SYM,   // the address of sym + off as a value, in sym's own space (generic: bool)
    SG_OPND_SREG,  // sreg
    SG_OPND_LABEL, // block: index into fn->blocks
    SG_OPND_VEC,   // vec[0..n)
    SG_OPND_SINK,  // `_`
};

enum { SG_PARTS_HALVES = 8 };

struct sg_operand {
    uint8_t kind;  // enum sg_operand_kind
    uint8_t type;  // enum sg_type: as what the instruction takes or gives it; .b where bits are only passed on. Of
                   // SG_OPND_VEC that of each element; SG_NONE of addresses, labels and what has none
    uint8_t sreg;  // enum sg_sreg
    bool neg;      // logical negation of a predicate register
    bool generic;  // SG_OPND_SYM: generic(sym)
    uint8_t parts; // SG_OPND_REG of a video instruction: how many bytes or, with SG_PARTS_HALVES, halves of it are
                   // chosen; 0 if none are named
    uint16_t n;    // SG_OPND_VEC: elements. With `parts`: which, four bits each, the first named on top
    int32_t reg;   // index into fn->regs, or -1
    uint32_t block;
    union {
        uint64_t imm;
        int64_t off;
    };
    union {
        struct sg_symbol *sym;
        struct sg_operand *vec;
    };
};

// Operand order is that of the PTX text, destinations apart from sources:
//   d = op a, b, ...     dst[0] = d;  src = a, b, ...
//   setp p|q, shfl d|p, match.all d|p, elect d|p, lop3.or d|p: dst[0], dst[1] (ndst 1 if no second)
//   st [a], b; red [a], b: ndst 0; src[0] = address, src[1] = value
//   atom d, [a], b, c: dst[0] = d (or SINK); src[0] = address, src[1] = b, src[2] = c
//   mov {a,b}, r / mov r, {a,b}: one side is SG_OPND_VEC; ld/st .v2 .v4 .v8 too
//   bra L: src[0] = LABEL.  brx.idx i, {L..}: src[0] = index register, src[1] = VEC of LABEL
//   call: dst = returned values, src[0] = SYM of a function or REG (indirect, see `proto`),
//         src[1..] = arguments. An argument or result is a SYM in SG_PARAM space (a variable of the
//         caller's parameter frame), a REG or an IMM.
//   bar.sync a, b: src[0] = barrier, src[1] = thread count if written. bar.red: dst[0]; predicate
//   tex d|p, [a, c], ...: the brackets dissolve: src[0] = a (REG or SYM), src[1] = c, then level or
//   gradients and offsets as written. suld, sust, sured, txq, suq, tld4 likewise.
//   last cvta, mul, ...: as written. Cache policies and other hints are dropped, also as operands.
struct sg_insn {
    uint16_t op;    // enum sg_op
    uint8_t type;   // enum sg_type: the (destination) type
    uint8_t type2;  // cvt, set, slct, dp4a...: the source type as written second; mma: A; a
                    // wmma.mma of halves writes two types only, D and C: type and type2
    uint8_t type3;  // mma: B
    uint8_t type4;  // mma: C
    uint8_t space;  // enum sg_space
    uint8_t space2; // cp.async: the source's
    uint8_t vec;    // ld, st, atom, red, tex, suld, sust: 1, 2, 4 or 8 elements; ldmatrix: 1, 2, 4
                    // matrices
    uint8_t rnd;    // enum sg_rnd
    uint8_t cmp;    // enum sg_cmp
    uint8_t boolop; // enum sg_boolop
    uint8_t sem;    // enum sg_sem
    uint8_t scope;  // enum sg_scope
    uint8_t atom;   // enum sg_atom
    uint8_t mode;   // enum sg_mode
    uint8_t ndst;
    uint8_t geom;   // enum sg_geom
    uint8_t bounds; // enum sg_bounds
    uint8_t query;  // enum sg_query
    bool guard_neg;
    bool blend;      // in a block with a non-empty frontier: some destination is live in a frontier
                     // block, so lanes outside the execution mask must keep their old values
    uint8_t members; // sources up to the one that names the lanes that take part; 0: there is none
    uint16_t is;     // enum sg_property
    uint8_t m, n, k; // mma, wmma, ldmatrix shapes (k in elements, cut to 8 bits: 256 is kept as 0)
    uint16_t nsrc;
    int32_t guard;  // predicate register index, or -1
    uint32_t flags; // enum sg_flag
    uint32_t line;
    struct sg_operand *dst;
    struct sg_operand *src;
    struct sg_proto *proto; // indirect call: the prototype, else NULL
};

// ---- functions ------------------------------------------------------------------------------

// Registers are distinct per declaration: two scopes that declare %r1 give two indices.
struct sg_reg {
    uint8_t type;  // enum sg_type as declared
    uint8_t bytes; // 1 for a predicate, else 1, 2, 4, 8, 16
    bool uniform;  // certainly the same value in all lanes of a warp that execute its definitions
    const char *name;
    int32_t number; // of %r<n>: name "%r", number 0..n-1; else -1
};

// A parameter or return value, in order of declaration.
struct sg_param {
    const char *name;
    struct sg_symbol *sym; // SG_PARAM variable, or NULL when `reg` is used (old .reg parameters)
    int32_t reg;           // register index, or -1
    uint8_t type;          // element type
    uint8_t ptr_space;     // .ptr .global etc. (SG_GENERIC if not written)
    bool is_ptr;
    uint32_t ptr_align;   // .ptr .align, 0 if not written
    uint64_t size, align; // bytes
    // Entry: byte offset in the launch's parameter buffer, as CUDA lays it out (each at the next
    // multiple of its alignment from 0). Device function: offset in its parameter frame.
    uint64_t offset;
};

struct sg_proto {
    const char *name;
    struct sg_param *params, *returns;
    uint32_t nparams, nreturns;
};

// A basic block. fn->blocks is in scheduling order: blocks[0] is the entry, then come the blocks
// that only leave (a bare ret or exit), then the others in a reverse post-order in which each
// loop's blocks lie together. A correct executor keeps a pending mask per block and always runs the
// lowest-numbered block that has pending lanes. Frontiers, blend, uniform and uniform_branch hold
// for that rule alone: an executor that departs from it (to break a spin, or to park lanes at a
// barrier) must then go by its run-time masks.
struct sg_block {
    uint32_t first, count; // instructions fn->insns[first .. first + count)
    // Successors. A guarded bra: succ[0] taken, succ[1] not taken. brx: its targets, see src[1],
    // then the fall-through if guarded. Guarded ret/exit: the fall-through. Else the next block.
    uint32_t nsucc;
    uint32_t *succ;
    // The blocks that may hold pending lanes while this one runs, ascending. Empty: all lanes of
    // the warp that have not exited are here, and no execution mask is needed.
    uint32_t nfrontier;
    uint32_t *frontier;
    uint64_t *live_in; // bitset over registers, (fn->nregs + 63) / 64 words
    uint64_t *live_out;
    bool uniform_branch; // the terminator sends all its lanes one way
    bool loop_head;      // target of an edge from this block or a later one
};

struct sg_shared_use {
    struct sg_symbol *sym;
    uint32_t offset; // in the block's shared window; the dynamic part's for extern arrays
};

struct sg_function {
    const char *name;
    struct sg_module *module;
    struct sg_symbol *sym; // of space SG_FUNC
    bool entry, external, weak, visible, noreturn;
    uint32_t line;

    // Known from the index on.
    struct sg_param *params, *returns;
    uint32_t nparams, nreturns;
    uint64_t param_bytes;            // entry: size of the parameter buffer
    uint32_t maxntid[3], reqntid[3]; // 0 if not given
    uint32_t minnctapersm, maxnreg, reqnctapercluster[3], maxclusterrank;
    uint32_t registers; // entry: a thread's, as the machine code beside the text has them; 0 if there is none
    bool explicitcluster;

    // Set by the parse.
    bool parsed;
    enum sg_code parse_code; // the lasting outcome of the parse
    uint32_t nregs, ninsns, nblocks;
    struct sg_reg *regs;
    struct sg_insn *insns; // in program order
    struct sg_block *blocks;
    uint64_t local_bytes, local_align; // per-thread frame of .local variables (sym->offset)
    uint64_t frame_bytes, frame_align; // per-thread frame of .param variables: formals and locals
    bool has_indirect_call;
    bool has_barrier; // of the block or cluster; not bar.warp.sync
    uint32_t ncallees;
    struct sg_function **callees; // direct ones, each once

    // Entries, set by sg_kernel_prepare.
    bool prepared;
    struct sg_shared_use *shared; // everything the kernel and its call closure use
    uint32_t nshared;
    uint32_t shared_bytes;        // static; the dynamic part begins at dynamic_offset
    uint32_t dynamic_offset;      // shared_bytes rounded up to the extern arrays' alignment
    struct sg_function **closure; // functions it may call, directly or not
    uint32_t nclosure;

    void *exec;           // executor's
    struct sg_body *body; // the front end's; NULL if no text defines the function
};

// ---- symbols and modules --------------------------------------------------------------------

struct sg_reloc {
    uint64_t offset; // in the initializer
    struct sg_symbol *sym;
    int64_t addend;
    uint8_t bytes; // 1..8 bytes written, after
    uint8_t shift; // shifting right by this (mask(): one byte of the address)
    bool generic;
};

struct sg_symbol {
    const char *name;
    uint8_t space; // enum sg_space
    uint8_t type;  // element type
    uint8_t vec;   // 1, 2 or 4
    bool external; // declared here; after linking: nothing defines it
    bool visible, weak, common, managed;
    bool dynamic; // extern .shared array without a size
    bool function_scope;
    bool entry_param;     // SG_PARAM: a kernel's own parameter, at `offset` in the launch's parameter
                          // buffer; all other SG_PARAM symbols live in the per-thread .param frame
    uint64_t size, align; // bytes; size 0 for dynamic
    uint64_t offset;      // SG_LOCAL, SG_PARAM: in the function's frame
    const uint8_t *init;  // init_size bytes, NULL if none; the rest is zero
    uint64_t init_size;
    struct sg_reloc *relocs;
    uint32_t nrelocs;
    struct sg_function *function; // SG_FUNC
    struct sg_symbol *definition; // linking: who defines it, or itself; references in functions
                                  // are already to the definition
    uint32_t line;
    uint64_t address; // executor's: where global/const variables live, functions' address tokens
    void *user;       // executor's
};

struct sg_module {
    uint32_t version; // 10 * major + minor of the newest text
    uint32_t target;  // SM number of the newest text
    bool debug;
    uint32_t maxnreg; // what whoever loads it wants kept as the functions' own; 0 if nothing
    // Module-scope variables (global, const, shared) and functions of all texts. Memory is wanted
    // for those with space SG_GLOBAL or SG_CONST, `definition` pointing to themselves and not
    // external.
    uint32_t nsymbols;
    struct sg_symbol **symbols;
    uint32_t nfunctions;
    struct sg_function **functions;
    pthread_mutex_t lock;
    struct sg_module_private *priv;
};

// ---- what the front end offers --------------------------------------------------------------

struct sg_text {
    const char *bytes; // need not be NUL-terminated; a NUL ends it early
    size_t size;
};

// Indexes and links `n` PTX texts into one module (an rdc program has several; one is usual). The
// texts are copied. NULL with *diag filled on failure.
struct sg_module *sg_module_load(const struct sg_text *texts, size_t n, struct sg_diag *diag);
void sg_module_free(struct sg_module *module);

struct sg_function *sg_module_entry(const struct sg_module *module, const char *name);
// A module-scope variable or function by name, NULL if there is none.
struct sg_symbol *sg_module_symbol(const struct sg_module *module, const char *name);

// Parses the body at first use; any thread. Returns the same outcome each time.
enum sg_code sg_function_parse(struct sg_function *fn, struct sg_diag *diag);
// Parses a kernel and everything it may call, and lays out its shared memory.
enum sg_code sg_kernel_prepare(struct sg_function *kernel, struct sg_diag *diag);
// Offset of a shared variable in a prepared kernel's window; false if the kernel does not use it.
bool sg_shared_offset(const struct sg_function *kernel, const struct sg_symbol *sym, uint32_t *offset);

// Register width in bytes a type needs (predicates: 1), 0 for SG_NONE.
unsigned sg_type_bytes(enum sg_type type);
bool sg_type_is_float(enum sg_type type);  // f16 bf16 f32 f64 and their vectors
bool sg_type_is_signed(enum sg_type type); // .s types
const char *sg_type_name(enum sg_type type);
const char *sg_op_name(enum sg_op op);

#endif
