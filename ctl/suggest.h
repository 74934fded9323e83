/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy that allows what was recorded as allowed, and nothing else. */
#ifndef CTL_SUGGEST_H
#define CTL_SUGGEST_H

#include <stdint.h>

#include "options.h"

/*
 * suggest - print it
 * @last: from so many of the recorded events, the latest
 * Returns RESULT_OK; RESULT_NO if nothing was recorded, or it did not work.
 */
int suggest(const struct options *o, uint32_t last);

#endif
