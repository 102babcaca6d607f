/* What would make an object of a session again: the call that made it, with its arguments as they came, and of the bulk
 * data that came with it (a module's image) length and hash. */
#ifndef HAWSER_RECIPE_H
#define HAWSER_RECIPE_H

#include "served.h"

/* Of the call that is being served; NULL when the session makes the object by itself or memory is short. One block, to
 * be freed. */
struct recipe *recipe_of(const struct served *c);
/* "cuStreamCreate(phstream=new stream 260, flags=1)", and after it ", 1234 bytes HASH" of bulk data; "" for NULL. */
const char *recipe_text(const struct recipe *r, char *out, size_t size);

#endif
