#include "api.h"

#include "cuda_api.h"
#include "nvml_api.h"

const struct hawser_api *const hawser_apis[] = {&hawser_cuda_api, &hawser_nvml_api, NULL};

const struct hawser_api_function *hawser_api_function(uint32_t number) {
    for (const struct hawser_api *const *api = hawser_apis; *api; api++) {
        if (number < (*api)->first || number >= (*api)->limit) continue;
        const struct hawser_api_function *f = &(*api)->functions[number - (*api)->first];
        return f->name ? f : NULL;
    }
    return NULL;
}

static bool is_retired(const ProtobufCMessageDescriptor *message, uint32_t number) {
    for (const struct hawser_api *const *api = hawser_apis; *api; api++)
        for (const struct hawser_retired_field *f = (*api)->retired; f->message; f++)
            if (f->message == message && f->number == number) return true;
    return false;
}

/* The messages in a field of a message: how many there are from *first on. */
static size_t parts_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, ProtobufCMessage *const **first) {
    const char *at = (const char *)m + f->offset;
    if (f->type != PROTOBUF_C_TYPE_MESSAGE) return 0;
    *first = f->label == PROTOBUF_C_LABEL_REPEATED ? *(ProtobufCMessage ***)at : (ProtobufCMessage **)at;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) return *(const size_t *)((const char *)m + f->quantifier_offset);
    return **first != NULL;
}

bool hawser_api_understood(const ProtobufCMessage *m) {
    for (unsigned i = 0; i < m->n_unknown_fields; i++)
        if (!is_retired(m->descriptor, m->unknown_fields[i].tag)) return false;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        ProtobufCMessage *const *part;
        size_t n = parts_of(m, &m->descriptor->fields[i], &part);
        for (size_t k = 0; k < n; k++)
            if (!hawser_api_understood(part[k])) return false;
    }
    return true;
}
