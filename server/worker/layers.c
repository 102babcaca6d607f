#include "layers.h"

#include "clock.h"
#include "log.h"

static bool always(void) {
    return true;
}

static bool when_debugging(void) {
    return hawser_log_enabled(HAWSER_DEBUG);
}

/* From the caller to the driver: a layer sees what those before it let through. */
static const struct {
    bool (*wanted)(void);
    void (*install)(struct cuda_driver *d);
} layers[] = {
    {when_debugging, layer_trace},
    {always, layer_account},
};

void layers_install(struct cuda_driver *d) {
    for (size_t i = sizeof layers / sizeof *layers; i-- > 0;)
        if (layers[i].wanted()) layers[i].install(d);
}

uint64_t layer_begins(void) {
    return hawser_now_ns();
}

void layer_ends(const char *name, CUresult result, uint64_t begin) {
    hawser_log(HAWSER_DEBUG, "the driver's %s -> %d, %llu us", name, result,
               (unsigned long long)(hawser_now_ns() - begin) / 1000);
}
