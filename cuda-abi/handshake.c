/*
 * The handshake: CUDA's runtime asks the driver for a message authentication code over facts of the
 * process and its devices, and goes on only when it is right. docs/private-abi.md has the layout.
 */
#include "abi_internal.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 16
#define DIGEST 16

static const uint8_t key[BLOCK] = {0x14, 0x6a, 0xdd, 0xae, 0x53, 0xa9, 0xa7, 0x52,
                                   0xaa, 0x08, 0x41, 0x36, 0x0b, 0xf5, 0x5a, 0x9f};

/* HMAC (RFC 2104) with MD2. text has BLOCK free bytes in front, which are overwritten. */
static void hmac_in_place(uint8_t *text, size_t size, uint8_t *digest) {
    uint8_t outer[BLOCK + DIGEST];
    for (int i = 0; i < BLOCK; i++) {
        text[i] = key[i] ^ 0x36;
        outer[i] = key[i] ^ 0x5c;
    }
    hawser_abi_md2(text, BLOCK + size, outer + BLOCK);
    hawser_abi_md2(outer, sizeof outer, digest);
}

void hawser_abi_handshake(const struct abi_handshake *h, const struct abi_handshake_device *devices, unsigned n,
                          uint8_t *digest) {
    _Static_assert(sizeof *h == 48 && sizeof *devices == 28, "the layout has no padding");
    /* Two values of the version's last digit have fixed answers. */
    static const uint64_t fixed[2][2] = {{0x3341181c03cb675c, 0x8ed383aa1f4cd1e8},
                                         {0x1841181c03cb675c, 0x8ed383aa1f4cd1e8}};
    if (h->version % 10 < 2) {
        memcpy(digest, fixed[h->version % 10], DIGEST);
        return;
    }
    size_t size = sizeof *h + n * sizeof *devices;
    uint8_t *text = malloc(BLOCK + size);
    memset(digest, 0, DIGEST);
    if (!text) return; /* the runtime then reports that its checks failed */
    memcpy(text + BLOCK, h, sizeof *h);
    if (n) memcpy(text + BLOCK + sizeof *h, devices, n * sizeof *devices);
    hmac_in_place(text, size, digest);
    free(text);
}
