/* SPDX-License-Identifier: GPL-2.0-only */
/* How long to wait before a connection is tried again. */
#ifndef SOCKGATE_BACKOFF_H
#define SOCKGATE_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 200

/*
 * backoff_ms - how long to wait before the next round of attempts
 * @round:  rounds that failed since the last connection, from 1
 * @random: any number; spreads those that lost a peer at the same moment
 * Between half and all of 200 ms, doubled each round up to 10 s.
 */
unsigned int backoff_ms(unsigned int round, uint32_t random);

#endif
