/* What both ends know about a function that travels: the rows of a generated API table. */
#ifndef HAWSER_API_H
#define HAWSER_API_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hawser_api_flags {
    HAWSER_API_POST = 1, /* no reply */
    HAWSER_API_CALL = 2,
    HAWSER_API_WAITS = 4,    /* may take long on the host: must not hold up other calls */
    HAWSER_API_SYNCS = 8,    /* reports what earlier posts on the context ran into */
    HAWSER_API_WORK = 16,    /* puts work into the stream that orders it */
    HAWSER_API_AT_ONCE = 32, /* taken in ahead of calls that wait */
};

/* What a field of a request is, other than a number. */
enum hawser_role {
    HAWSER_ROLE_HANDLE = 1, /* the number of a handle */
    HAWSER_ROLE_NEW = 2,    /* of one that the call makes */
    HAWSER_ROLE_GONE = 4,   /* of one that goes with the call */
    HAWSER_ROLE_ADDRESS = 8,
    HAWSER_ROLE_TAKES = 16,  /* bytes that an allocation takes; of several fields, their product */
    HAWSER_ROLE_FREES = 32,  /* the address of an allocation that is given back */
    HAWSER_ROLE_ORDERS = 64, /* the stream that orders the call */
};

struct hawser_field_role {
    uint32_t number;   /* of the field; 0 ends a list */
    unsigned role;     /* enum hawser_role */
    const char *kinds; /* of a handle: "stream", "module|library" */
};

struct hawser_api_function {
    const char *name; /* NULL: no function has this number */
    int flags;
    const ProtobufCMessageDescriptor *request, *reply;
    const struct hawser_field_role *roles; /* of the request's fields; NULL for none */
};

/* One API: what travels, by number from first to before limit. */
struct hawser_api {
    uint32_t first, limit;
    const struct hawser_api_function *functions; /* from first on */
    const struct hawser_retired_field *retired;
};

/* All APIs, by their numbers; ends with NULL. */
extern const struct hawser_api *const hawser_apis[];

/* The row of a number that a guest sent, of any API; NULL when this release knows no such function. */
const struct hawser_api_function *hawser_api_function(uint32_t number);

/* Of an array that travels with a call. */
#define HAWSER_MAX_ELEMENTS 4096u

/* A function of a host's library, and where its address goes in the API's table of them; ends with NULL. */
struct hawser_symbol {
    const char *name;
    size_t offset;
};

/* A field that a message had in an earlier release; a list of them ends with NULL. */
struct hawser_retired_field {
    const ProtobufCMessageDescriptor *message;
    uint32_t number;
};

/* Whether this release knows what a received message asks for: it has no field that is neither ours nor retired. */
bool hawser_api_understood(const ProtobufCMessage *m);

struct hawser_api_name {
    const char *name;
    int carried; /* else it answers "not supported" */
};

#endif
