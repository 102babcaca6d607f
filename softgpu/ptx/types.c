// Names and sizes of the IR's vocabulary.
#include "ir.h"

static const struct {
    const char *name;
    uint8_t bytes;
} type_table[SG_TYPE_COUNT] = {
    [SG_PRED] = {"pred", 1},       [SG_B8] = {"b8", 1},         [SG_B16] = {"b16", 2},
    [SG_B32] = {"b32", 4},         [SG_B64] = {"b64", 8},       [SG_B128] = {"b128", 16},
    [SG_U8] = {"u8", 1},           [SG_U16] = {"u16", 2},       [SG_U32] = {"u32", 4},
    [SG_U64] = {"u64", 8},         [SG_S8] = {"s8", 1},         [SG_S16] = {"s16", 2},
    [SG_S32] = {"s32", 4},         [SG_S64] = {"s64", 8},       [SG_F16] = {"f16", 2},
    [SG_F16X2] = {"f16x2", 4},     [SG_BF16] = {"bf16", 2},     [SG_BF16X2] = {"bf16x2", 4},
    [SG_F32] = {"f32", 4},         [SG_F32X2] = {"f32x2", 8},   [SG_F64] = {"f64", 8},
    [SG_TF32] = {"tf32", 4},       [SG_U16X2] = {"u16x2", 4},   [SG_S16X2] = {"s16x2", 4},
    [SG_E4M3] = {"e4m3", 1},       [SG_E5M2] = {"e5m2", 1},     [SG_E4M3X2] = {"e4m3x2", 2},
    [SG_E5M2X2] = {"e5m2x2", 2},   [SG_E4M3X4] = {"e4m3x4", 4}, [SG_E5M2X4] = {"e5m2x4", 4},
    [SG_E2M1X2] = {"e2m1x2", 1},   [SG_E2M3X2] = {"e2m3x2", 2}, [SG_E3M2X2] = {"e3m2x2", 2},
    [SG_E2M1X4] = {"e2m1x4", 2},   [SG_E2M3X4] = {"e2m3x4", 4}, [SG_E3M2X4] = {"e3m2x4", 4},
    [SG_UE8M0X2] = {"ue8m0x2", 2}, [SG_B1] = {"b1", 1},         [SG_B4] = {"b4", 1},
    [SG_U4] = {"u4", 1},           [SG_S4] = {"s4", 1},
};

unsigned sg_type_bytes(enum sg_type type) {
    return (unsigned)type < SG_TYPE_COUNT ? type_table[type].bytes : 0;
}

const char *sg_type_name(enum sg_type type) {
    return (unsigned)type < SG_TYPE_COUNT && type_table[type].name ? type_table[type].name : "";
}

bool sg_type_is_float(enum sg_type type) {
    return type >= SG_F16 && type <= SG_TF32;
}

bool sg_type_is_signed(enum sg_type type) {
    return (type >= SG_S8 && type <= SG_S64) || type == SG_S16X2 || type == SG_S4;
}
