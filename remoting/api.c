#include "api.h"

#include "cuda_api.h"
#include "nvml_api.h"

const struct hawser_api_function *hawser_api_function(uint32_t number)
{
    const struct hawser_api_function *f = NULL;
    if (number < HAWSER_FN_LIMIT)
        f = &hawser_cuda_api[number];
    else if (number >= HAWSER_NVML_FIRST && number < HAWSER_NVML_LIMIT)
        f = &hawser_nvml_api[number - HAWSER_NVML_FIRST];
    return f && f->name ? f : NULL;
}

static bool is_retired(const struct hawser_retired_field *list, const ProtobufCMessageDescriptor *message, uint32_t number)
{
    for (; list->message; list++)
        if (list->message == message && list->number == number) return true;
    return false;
}

/* The messages in a field of a message: how many there are from *first on. */
static size_t parts_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, ProtobufCMessage *const **first)
{
    const char *at = (const char *)m + f->offset;
    if (f->type != PROTOBUF_C_TYPE_MESSAGE) return 0;
    *first = f->label == PROTOBUF_C_LABEL_REPEATED ? *(ProtobufCMessage ***)at : (ProtobufCMessage **)at;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) return *(const size_t *)((const char *)m + f->quantifier_offset);
    return **first != NULL;
}

bool hawser_api_understood(const ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->n_unknown_fields; i++) {
        uint32_t number = m->unknown_fields[i].tag;
        if (!is_retired(hawser_cuda_retired, m->descriptor, number) &&
            !is_retired(hawser_nvml_retired, m->descriptor, number))
            return false;
    }
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        ProtobufCMessage *const *part;
        size_t n = parts_of(m, &m->descriptor->fields[i], &part);
        for (size_t k = 0; k < n; k++)
            if (!hawser_api_understood(part[k])) return false;
    }
    return true;
}
