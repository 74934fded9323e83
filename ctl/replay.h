/* SPDX-License-Identifier: GPL-2.0-only */
/* What was recorded, decided again by another policy. */
#ifndef CTL_REPLAY_H
#define CTL_REPLAY_H

#include "options.h"
#include "reading.h"

/*
 * replay - print each decision that would be another one
 * @last: so many of the recorded events, the latest
 * Returns RESULT_OK if there is none, else RESULT_NO.
 */
int replay(const struct options *o, const struct reading *r, uint32_t last);

/*
 * replay_events - hand out what was recorded, oldest first
 * @take: gets each record; returns false if it is out of memory
 * Returns 0, or -1 with a sentence in @why.
 */
int replay_events(const struct options *o, uint32_t last,
		  bool (*take)(const Sockgate__Record *r, void *arg), void *arg,
		  char *why, size_t why_size);

#endif
