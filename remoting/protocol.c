#include "protocol.h"

#include "api.h"

/* What hosts serve that do not tell it: all that had a number when the telling began. */
static const uint32_t untold[] = {1,   51,  100, 118, 120, 124, 126, 130, 132, 142, 200, 208,  210,  238,  300,
                                  316, 320, 326, 330, 334, 340, 354, 360, 370, 375, 379, 1001, 1111, 1113, 1113};

uint32_t hawser_minor_in_force(uint32_t other) {
    return other < HAWSER_PROTOCOL_MINOR ? other : HAWSER_PROTOCOL_MINOR;
}

size_t hawser_protocol_functions(uint32_t *pairs, size_t room) {
    size_t n = 0;
    bool before = false;
    for (const struct hawser_api *const *api = hawser_apis; *api; api++)
        for (uint32_t number = (*api)->first; number <= (*api)->limit; number++) {
            bool now = hawser_api_function(number) != NULL;
            if (now != before && n++ < room) pairs[n - 1] = now ? number : number - 1;
            before = now;
        }
    return n;
}

bool hawser_protocol_serves(const Hawser__Opened *host, uint32_t function) {
    bool told = host->protocol_minor >= HAWSER_MINOR_FUNCTIONS;
    const uint32_t *pairs = told ? host->functions : untold;
    size_t n = told ? host->n_functions : sizeof untold / sizeof *untold;
    for (size_t i = 0; i + 1 < n; i += 2)
        if (function >= pairs[i] && function <= pairs[i + 1]) return true;
    return false;
}
