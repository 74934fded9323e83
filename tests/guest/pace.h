/* SPDX-License-Identifier: GPL-2.0-only */
/* How patient to be, and how often to do what takes long. */
#ifndef GUEST_PACE_H
#define GUEST_PACE_H

/* pace - by what time limits are multiplied, at least 1 (LAB_PACE) */
unsigned int pace(void);

/* pace_rounds - how often to do it, if the caller of the tests has a wish (LAB_ROUNDS) */
unsigned int pace_rounds(unsigned int usual);

#endif
