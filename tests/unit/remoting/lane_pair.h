/*
 * The most trivial lane, for tests: a socketpair. "pair://NAME" is listened to once and connected to once, in one
 * process. A message is one packet, so that there is room for few of them.
 */
#ifndef LANE_PAIR_H
#define LANE_PAIR_H

#include "lane.h"

/* hawser_lane_add_scheme(&lane_pair) makes it known. */
extern const struct hawser_lane_scheme lane_pair;

/* While it is set, no end sends: there is no room. How often that was said, since the process began. */
extern _Atomic(bool) lane_pair_full;
extern _Atomic(unsigned) lane_pair_refused;

#endif
