/* What a call says of being traced. */
#include <criterion/criterion.h>
#include <string.h>

#include "shim.h"
#include "trace.h"

Test(trace, a_call_that_is_not_traced_says_so) {
    struct shim_call c;
    memset(&c, 0x5a, sizeof c); /* as a caller's stack may be */
    shim_trace_start(&c);
    cr_expect_eq(c.who.trace, 0);
}

Test(trace, a_traced_call_carries_its_number) {
    struct shim_call c = {.function = HAWSER_FN_TraceFlush};
    hawser_guest_trace_calls()->id = 7;
    shim_trace_start(&c);
    shim_trace_end(&c);
    cr_expect_eq(c.who.trace, 7);
    cr_expect_eq(hawser_guest_trace_calls()->calls, 1);
}
