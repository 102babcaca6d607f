/* A library with the names of those that hawser carries inside: whoever calls it, dies. It stands for a program's own
 * libzmq, libprotobuf-c and libsodium of other versions, which must not become hawser's. */
#include <stdio.h>
#include <stdlib.h>

#define NAME(name)                                                                                                     \
    void name(void);                                                                                                   \
    void name(void) {                                                                                                  \
        fprintf(stderr, "hawser called the program's " #name "\n");                                                    \
        abort();                                                                                                       \
    }
/* clang-format off */
NAME(zmq_ctx_new) NAME(zmq_ctx_set) NAME(zmq_ctx_term) NAME(zmq_socket) NAME(zmq_close) NAME(zmq_connect)
NAME(zmq_bind) NAME(zmq_setsockopt) NAME(zmq_getsockopt) NAME(zmq_msg_init) NAME(zmq_msg_init_data)
NAME(zmq_msg_init_size) NAME(zmq_msg_send) NAME(zmq_msg_recv) NAME(zmq_msg_data) NAME(zmq_msg_size)
NAME(zmq_msg_more) NAME(zmq_msg_close) NAME(zmq_poll) NAME(zmq_errno) NAME(zmq_strerror) NAME(zmq_socket_monitor)
NAME(zmq_send) NAME(zmq_recv) NAME(zmq_version)
NAME(protobuf_c_message_pack) NAME(protobuf_c_message_unpack) NAME(protobuf_c_message_get_packed_size)
NAME(protobuf_c_message_free_unpacked) NAME(protobuf_c_message_init)
NAME(protobuf_c_message_descriptor_get_field_by_name)
NAME(sodium_init) NAME(randombytes_buf) NAME(crypto_box_keypair) NAME(crypto_scalarmult_base)
    /* clang-format on */
