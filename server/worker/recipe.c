#include "recipe.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"

#define HASH 32 /* bytes of BLAKE2b */

struct recipe {
    const struct hawser_api_function *api;
    uint64_t bulk; /* bytes; 0: none came */
    uint8_t hash[HASH];
    size_t size;
    uint8_t args[]; /* the packed message */
};

static void hash_bulk(const struct served *c, struct recipe *r) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, HASH);
    for (unsigned i = 0; i < c->n_frames; i++) {
        crypto_generichash_update(&state, c->frames[i].data, c->frames[i].size);
        r->bulk += c->frames[i].size;
    }
    crypto_generichash_final(&state, r->hash, HASH);
}

struct recipe *recipe_of(const struct served *c) {
    if (!c->args) return NULL;
    size_t size = protobuf_c_message_get_packed_size(c->args);
    struct recipe *r = malloc(sizeof *r + size);
    if (!r) return NULL;
    r->api = c->api;
    r->bulk = 0;
    r->size = size;
    protobuf_c_message_pack(c->args, r->args);
    if (c->n_frames) hash_bulk(c, r);
    return r;
}

const char *recipe_text(const struct recipe *r, char *out, size_t size) {
    ProtobufCMessage *args = r ? protobuf_c_message_unpack(r->api->request, NULL, r->size, r->args) : NULL;
    char hash[2 * HASH + 1];
    if (!args) return "";
    hawser_dump(out, size, r->api, args);
    protobuf_c_message_free_unpacked(args, NULL);
    size_t used = strlen(out);
    if (r->bulk)
        snprintf(out + used, size - used, ", %llu bytes %s", (unsigned long long)r->bulk,
                 sodium_bin2hex(hash, sizeof hash, r->hash, HASH));
    return out;
}
