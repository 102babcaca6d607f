/* For programs that run on the software GPU without a server: it is the device in any case. */
#include "redirect.h"

int hawser_guest_software(void);

int hawser_guest_software(void) {
    return 1;
}

__attribute__((constructor)) static void prepare(void) {
    if (!hawser_real_dlsym) hawser_find_dlsym();
}
