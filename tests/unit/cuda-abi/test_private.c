/* The private tables, context-local storage, MD2 and the handshake. */
#include "driver.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void hex(const uint8_t *digest, char *out) {
    for (int i = 0; i < 16; i++)
        sprintf(out + 2 * i, "%02x", digest[i]);
}

Test(md2, gives_the_digests_of_rfc_1319) {
    static const char *const vectors[][2] = {
        {"", "8350e5a3e24c153df2275c9f80692773"},
        {"a", "32ec01ec4a6dac72c0ab96fb34c0b5d1"},
        {"abc", "da853b0d3f88d99b30283a69e6ded6bb"},
        {"message digest", "ab4f496bfb2a530b219ff33031fe06b0"},
        {"abcdefghijklmnopqrstuvwxyz", "4e8ddff3650292ab5a4108c3aa47940b"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint8_t digest[16];
        char text[33];
        hawser_abi_md2((const uint8_t *)vectors[i][0], strlen(vectors[i][0]), digest);
        hex(digest, text);
        cr_expect_str_eq(text, vectors[i][1]);
    }
}

Test(handshake, matches_the_known_answers) {
    static const char *const answers[] = {"026df6c540738e78c8b464bae85d8850", "eaedb099d19b7ed7c5fdb982af2c604c",
                                          "b9b722ce71f59cb12b5922d47616b9b6"};
    struct abi_handshake h = {13000, 13002, 1234, 0x1000, 0x1111, 0x2222, 0x3333, 1700000000};
    struct abi_handshake_device devices[2] = {{.bus = 1}, {.bus = 1}};
    for (int i = 0; i < 16; i++)
        devices[0].uuid[i] = devices[1].uuid[i] = (uint8_t)i;
    for (unsigned n = 0; n < 3; n++) {
        uint8_t digest[16];
        char text[33];
        hawser_abi_handshake(&h, devices, n, digest);
        hex(digest, text);
        cr_expect_str_eq(text, answers[n]);
    }
}

static const void *const *table(const unsigned char id[16]) {
    const void *t = NULL;
    CUuuid uuid;
    memcpy(uuid.bytes, id, 16);
    return cuGetExportTable(&t, &uuid) == CUDA_SUCCESS ? t : NULL;
}

static const unsigned char hooks[] = {0xa0, 0x94, 0x79, 0x8c, 0x2e, 0x74, 0x2e, 0x74,
                                      0x93, 0xf2, 0x08, 0x00, 0x20, 0x0c, 0x0a, 0x66};
static const unsigned char toolsctx[] = {0x21, 0x31, 0x8c, 0x60, 0x97, 0x14, 0x32, 0x48,
                                         0x8c, 0xa6, 0x41, 0xff, 0x73, 0x24, 0xc8, 0xf2};

Test(tables, the_hook_flags_have_room_for_every_runtime_call) {
    const void *const *t = table(hooks);
    cr_assert(t && (size_t)t[0] == 7 * sizeof(void *));
    uint32_t *flags = NULL;
    size_t n = 0;
    ((void (*)(uint32_t **, size_t *))t[2])(&flags, &n);
    cr_assert_eq(n, 1024); /* CUDA 13.0's runtime has 523 */
    for (size_t i = 0; i < n; i++)
        cr_expect(!flags[i]);
}

Test(tables, an_unknown_slot_is_a_function_that_is_not_supported_and_logs) {
    const void *const *t = table(toolsctx);
    cr_assert(t && (size_t)t[0] == 95 * sizeof(void *));
    for (int i = 1; i < 95; i++)
        cr_assert(t[i]);
    cr_expect(((CUresult(*)(void))t[94])() == CUDA_ERROR_NOT_SUPPORTED);
    cr_expect(logged == 1);
}

Test(tables, an_unknown_id_clears_the_pointer_and_fails) {
    const void *t = &t;
    CUuuid id = {"unknown"};
    cr_expect(cuGetExportTable(&t, &id) != CUDA_SUCCESS);
    cr_expect(!t);
}

static unsigned destroyed;
static void destroy(CUcontext ctx, void *key, void *value) {
    (void)ctx, (void)key;
    destroyed += *(unsigned *)value;
}

Test(cls, values_belong_to_a_context_and_a_key) {
    int a, b, key, other;
    unsigned one = 1;
    void *value = NULL;
    cr_expect(hawser_abi_cls_get(&value, NULL, &key) == CUDA_ERROR_INVALID_HANDLE);
    current = (CUcontext)&a;
    cr_assert(hawser_abi_cls_set(NULL, &key, &one, destroy) == CUDA_SUCCESS);
    cr_assert(hawser_abi_cls_get(&value, (CUcontext)&a, &key) == CUDA_SUCCESS && value == &one);
    cr_expect(hawser_abi_cls_get(&value, NULL, &other) == CUDA_ERROR_INVALID_HANDLE);
    cr_expect(hawser_abi_cls_get(&value, (CUcontext)&b, &key) == CUDA_ERROR_INVALID_HANDLE);
}

Test(cls, delete_forgets_without_the_destructor_and_a_gone_context_runs_it_once) {
    int a, key, other;
    unsigned one = 1;
    void *value;
    current = (CUcontext)&a;
    hawser_abi_cls_set(NULL, &key, &one, destroy);
    hawser_abi_cls_set(NULL, &other, &one, destroy);
    cr_expect(hawser_abi_cls_delete(NULL, &key) == CUDA_SUCCESS);
    cr_expect(destroyed == 0);
    hawser_abi_context_gone(current);
    hawser_abi_context_gone(current);
    cr_expect(destroyed == 1);
    cr_expect(hawser_abi_cls_get(&value, NULL, &other) == CUDA_ERROR_INVALID_HANDLE);
}
