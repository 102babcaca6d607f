/* What releases that differ know of each other. */
#include <criterion/criterion.h>

#include "api.h"
#include "cuda_api.h"
#include "protocol.h"

Test(protocol, the_smaller_minor_number_is_in_force) {
    cr_assert_eq(hawser_minor_in_force(0), 0);
    cr_assert_eq(hawser_minor_in_force(HAWSER_PROTOCOL_MINOR), HAWSER_PROTOCOL_MINOR);
    cr_assert_eq(hawser_minor_in_force(HAWSER_PROTOCOL_MINOR + 7), HAWSER_PROTOCOL_MINOR);
}

Test(protocol, what_is_told_is_what_is_served) {
    uint32_t pairs[128];
    Hawser__Opened host = HAWSER__OPENED__INIT;
    host.protocol_minor = HAWSER_MINOR_FUNCTIONS;
    host.functions = pairs;
    host.n_functions = hawser_protocol_functions(pairs, 128);
    cr_assert(host.n_functions % 2 == 0 && host.n_functions < 128);
    for (uint32_t n = 0; n < 3000; n++)
        cr_assert_eq(hawser_protocol_serves(&host, n), hawser_api_function(n) != NULL, "%u", n);
}

Test(protocol, a_host_that_tells_nothing_serves_what_there_was_before) {
    Hawser__Opened host = HAWSER__OPENED__INIT;
    host.protocol_minor = HAWSER_MINOR_GRAPHS;
    cr_assert(hawser_protocol_serves(&host, HAWSER_FN_Launch));
    cr_assert(hawser_protocol_serves(&host, 1113));
    cr_assert_not(hawser_protocol_serves(&host, 119), "retired");
    cr_assert_not(hawser_protocol_serves(&host, 52), "not given yet");
    cr_assert_not(hawser_protocol_serves(&host, 1114), "not given yet");
    host.protocol_minor = HAWSER_MINOR_FUNCTIONS;
    cr_assert_not(hawser_protocol_serves(&host, HAWSER_FN_Launch));
}

static bool understood(const ProtobufCMessageDescriptor *d, const char *bytes, size_t size) {
    ProtobufCMessage *m = protobuf_c_message_unpack(d, NULL, size, (const uint8_t *)bytes);
    cr_assert_not_null(m);
    bool ok = hawser_api_understood(m);
    protobuf_c_message_free_unpacked(m, NULL);
    return ok;
}

Test(protocol, fields_of_a_later_release_are_not_understood) {
    cr_assert(understood(&hawser__mem_free__descriptor, "\x08\x05", 2));
    cr_assert_not(understood(&hawser__mem_free__descriptor, "\x08\x05\x78\x01", 4), "field 15");
    cr_assert(understood(&hawser__graph_node__descriptor, "\x52\x02\x08\x05", 4), "field 10, a launch");
    cr_assert_not(understood(&hawser__graph_node__descriptor, "\x52\x02\x78\x01", 4), "field 15 of the launch");
}

Test(protocol, fields_of_an_earlier_release_are_understood) {
    cr_assert(understood(&hawser__pool_default__descriptor, "\x18\x01", 2), "current, which was field 3");
    cr_assert_not(understood(&hawser__pool_default__descriptor, "\x20\x01", 2));
    cr_assert_not(understood(&hawser__mem_free__descriptor, "\x18\x01", 2), "another message's");
}
