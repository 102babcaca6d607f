/* What hawserd lends of the machine's devices, and what of its environment its sessions must not have. */
#ifndef HAWSER_LEND_H
#define HAWSER_LEND_H

#include <stdbool.h>

/* Drops the variables that are a guest's; all of them if the server is private, for it was started in its guest's
 * environment. */
void lend_environment(bool private);
/* Whether the CUDA driver in this library works here and has a device. */
bool lend_works(const char *library);
/* Whether it is the software GPU's. Asked once, here; workers and guests are told. */
bool lend_software(const char *library);
/* Where CUDA_VISIBLE_DEVICES limits what is lent, makes it a list of whole names, among which guests choose. */
void lend_by_name(const char *library);

#endif
