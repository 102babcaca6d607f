"""What the kernels of a program stand in: the C program that launches them and compares what they noted."""

FILL = 0xa5a5a5a5  # what a thread's words hold beyond its notes

STRUCTURE = r"""
struct Check {
    const char *kernel;
    void (*run)(unsigned *);
    unsigned threads, slots;
    const unsigned *want;
    const unsigned short *what;
};
"""

MAIN = r"""
static const char *running = "";
static void late(int) {
    dprintf(1, SEED " %s: did not end\n", running);
    _exit(1);
}

static int check(const Check &c) {
    size_t n = (size_t)c.threads * c.slots;
    unsigned *noted, *got = (unsigned *)malloc(n * 4), wrong = 0;
    running = c.kernel;
    cudaError_t e = cudaMalloc(&noted, n * 4);
    if (!e) e = cudaMemset(noted, 0xa5, n * 4);
    if (!e) c.run<<<1, c.threads>>>(noted);
    if (!e) e = cudaGetLastError();
    if (!e) e = cudaMemcpy(got, noted, n * 4, cudaMemcpyDeviceToHost);
    if (e) printf(SEED " %s: %s\n", c.kernel, cudaGetErrorName(e));
    for (size_t k = 0; !e && k < n; k++) {
        if (got[k] == c.want[k] || wrong++ >= 3) continue;
        printf(SEED " %s: thread %zu, lane %zu, word %zu, %s: got %#x, want %#x\n", c.kernel, k / c.slots,
               k / c.slots % 32, k % c.slots, names[c.what[k]], got[k], c.want[k]);
    }
    if (wrong > 3) printf(SEED " %s: %u of %zu words are wrong\n", c.kernel, wrong, n);
    if (e) cudaDeviceReset(), cudaGetLastError(); // the next kernel begins anew
    else cudaFree(noted);
    free(got);
    return e || wrong;
}

int main(int argc, char **argv) {
    int wrong = 0;
    signal(SIGALRM, late);
    alarm(argc > 1 ? atoi(argv[1]) : 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (const Check &c : checks) wrong |= check(c);
    return wrong;
}
"""

HEADERS = ["<csignal>", "<cstdio>", "<cstdlib>", "<unistd.h>"]


def table(kind, name, numbers):
    """A constant table of the device."""
    return f"static __device__ const {kind} {name}[] = {{{', '.join(f'{n:#x}' for n in numbers)}}};"


class Kernel:
    """One kernel: its text for a given number of words a thread, and for each thread of its only block the notes."""

    def __init__(self, name, text, threads, notes):
        self.name, self.text, self.threads, self.notes = name, text, threads, notes
        self.slots = max(sum(len(words) for _, words in n) for n in notes) + 1

    def words(self):
        """(what, word) for every word that the kernel is to leave."""
        for notes in self.notes:
            row = [(what, word) for what, words in notes for word in words]
            yield from row
            yield from [("nothing more", FILL)] * (self.slots - len(row))


def program(seed, kernels, headers, prelude):
    names, tables, rows = {}, [], []
    for k in kernels:
        words = list(k.words())
        what = ", ".join(str(names.setdefault(w, len(names))) for w, _ in words)
        tables.append(f"static const unsigned {k.name}_want[] = {{{', '.join(f'{w:#x}' for _, w in words)}}};")
        tables.append(f"static const unsigned short {k.name}_what[] = {{{what}}};")
        rows.append(f'    {{"{k.name}", {k.name}, {k.threads}, {k.slots}, {k.name}_want, {k.name}_what}},')
    quoted = ", ".join(f'"{n}"' for n in names)
    return "\n".join([
        *(f"#include {h}" for h in [*HEADERS, *headers]), f'#define SEED "seed {seed}"', prelude,
        *(k.text(k.slots) for k in kernels), *tables, f"static const char *const names[] = {{{quoted}}};", STRUCTURE,
        "static const Check checks[] = {", *rows, "};", MAIN])
