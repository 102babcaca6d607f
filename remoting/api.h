/* What both ends know about a function that travels: the rows of a generated API table. */
#ifndef HAWSER_API_H
#define HAWSER_API_H

#include <protobuf-c/protobuf-c.h>

enum hawser_api_flags {
    HAWSER_API_POST = 1,  /* no reply */
    HAWSER_API_CALL = 2,
    HAWSER_API_WAITS = 4, /* may take long on the host: must not hold up other calls */
    HAWSER_API_SYNCS = 8, /* reports what earlier posts on the context ran into */
};

struct hawser_api_function {
    const char *name; /* NULL: no function has this number */
    int flags;
    const ProtobufCMessageDescriptor *request, *reply;
};

struct hawser_api_name {
    const char *name;
    int carried; /* else it answers "not supported" */
};

#endif
