#include "control.h"

#include <errno.h>
#include <sys/socket.h>

#define MOST 4096 /* bytes of a message */

bool control_send(int fd, const ProtobufCMessage *m) {
    uint8_t buf[MOST];
    size_t size = protobuf_c_message_get_packed_size(m);
    if (size > sizeof buf) return false;
    protobuf_c_message_pack(m, buf);
    return send(fd, buf, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

ProtobufCMessage *control_receive(int fd, const ProtobufCMessageDescriptor *what, bool wait) {
    uint8_t buf[MOST];
    ssize_t n;
    do
        n = recv(fd, buf, sizeof buf, wait ? 0 : MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0) return NULL;
    ProtobufCMessage *m = n ? protobuf_c_message_unpack(what, NULL, (size_t)n, buf) : NULL;
    if (!m) errno = EPIPE;
    return m;
}
