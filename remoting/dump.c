#include "dump.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MOST_SHOWN 8 /* of an array */
#define MOST_TEXT 64 /* bytes of a string */

struct text {
    char *out;
    size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->out + t->used, t->size - t->used, fmt, ap);
    va_end(ap);
    t->used += n > 0 ? (size_t)n : 0;
    if (t->used >= t->size) t->used = t->size - 1;
}

static const struct hawser_field_role *role_of(const struct hawser_field_role *roles, uint32_t number) {
    for (; roles && roles->number; roles++)
        if (roles->number == number) return roles;
    return NULL;
}

static void put_number(struct text *t, uint64_t value, const struct hawser_field_role *role) {
    unsigned what = role ? role->role : 0;
    if (what & HAWSER_ROLE_ADDRESS)
        put(t, "0x%" PRIx64, value);
    else if (what & (HAWSER_ROLE_HANDLE | HAWSER_ROLE_NEW | HAWSER_ROLE_GONE))
        put(t, "%s%s %" PRIu64,
            what & HAWSER_ROLE_NEW    ? "new "
            : what & HAWSER_ROLE_GONE ? "gone "
                                      : "",
            role->kinds, value);
    else
        put(t, "%" PRIu64, value);
}

/* Text of the guest's: nothing in it may begin a line of its own. */
static void put_text(struct text *t, const char *s) {
    put(t, "\"");
    for (size_t i = 0; s[i] && i < MOST_TEXT; i++)
        put(t, "%c", s[i] >= ' ' && s[i] < 127 && s[i] != '"' ? s[i] : '?');
    put(t, "%s", strlen(s) > MOST_TEXT ? "...\"" : "\"");
}

static void put_message(struct text *t, const ProtobufCMessage *m, const struct hawser_field_role *roles);

static void put_value(struct text *t, const ProtobufCFieldDescriptor *f, const void *at,
                      const struct hawser_field_role *role) {
    switch (f->type) {
    case PROTOBUF_C_TYPE_SINT64:
        put(t, "%" PRId64, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        put(t, "%s", *(const protobuf_c_boolean *)at ? "yes" : "no");
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        put(t, "%g", (double)*(const float *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        put_text(t, *(const char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        put(t, "%zu bytes", ((const ProtobufCBinaryData *)at)->len);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        put_message(t, *(const ProtobufCMessage *const *)at, NULL);
        break;
    default:
        put_number(t, *(const uint64_t *)at, role);
    }
}

static size_t width_of(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_FLOAT:
        return sizeof(float);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 8; /* numbers and pointers */
    }
}

static bool is_zero(const ProtobufCFieldDescriptor *f, const void *at) {
    static const char zero[8];
    if (f->type == PROTOBUF_C_TYPE_BYTES) return ((const ProtobufCBinaryData *)at)->len == 0;
    if (f->type == PROTOBUF_C_TYPE_STRING) return **(const char *const *)at == 0;
    return memcmp(at, zero, width_of(f->type)) == 0;
}

static void put_array(struct text *t, const ProtobufCFieldDescriptor *f, const char *first, size_t n,
                      const struct hawser_field_role *role) {
    put(t, "[");
    for (size_t i = 0; i < n && i < MOST_SHOWN; i++) {
        if (i) put(t, " ");
        put_value(t, f, first + i * width_of(f->type), role);
    }
    put(t, n > MOST_SHOWN ? " ... of %zu]" : "]", n);
}

static void put_message(struct text *t, const ProtobufCMessage *m, const struct hawser_field_role *roles) {
    const char *between = "";
    put(t, "(");
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        const char *at = (const char *)m + f->offset;
        bool many = f->label == PROTOBUF_C_LABEL_REPEATED;
        size_t n = many ? *(const size_t *)((const char *)m + f->quantifier_offset) : 0;
        if (many ? n == 0 : is_zero(f, at)) continue;
        put(t, "%s%s=", between, f->name);
        between = ", ";
        if (many)
            put_array(t, f, *(const char *const *)at, n, role_of(roles, f->id));
        else
            put_value(t, f, at, role_of(roles, f->id));
    }
    put(t, ")");
}

char *hawser_dump(char *out, size_t size, const struct hawser_api_function *f, const ProtobufCMessage *m) {
    struct text t = {out, size, 0};
    put(&t, "%s", f->name);
    put_message(&t, m, f->roles);
    return out;
}
