/* The control channel between hawserd and a worker: what control.proto says, on a pair of sockets that keep packets
 * apart. */
#ifndef HAWSER_CONTROL_H
#define HAWSER_CONTROL_H

#include <stdbool.h>

#include "control.pb-c.h"

enum { CONTROL_TOKEN = 32 /* bytes */ };

/* False when it could not be sent: the other side is gone, or does not read. Never waits. */
bool control_send(int fd, const ProtobufCMessage *m);
/* The next message, to be freed with protobuf_c_message_free_unpacked. NULL with errno EAGAIN when there is none and
 * `wait` is false; else NULL when the other side is gone or what it sent makes no sense. */
ProtobufCMessage *control_receive(int fd, const ProtobufCMessageDescriptor *what, bool wait);

#endif
