/* SPDX-License-Identifier: GPL-2.0-only */
/* In which rules two policies differ. */
#ifndef CTL_DIFF_H
#define CTL_DIFF_H

#include "options.h"
#include "secsrv/policy.h"

/*
 * diff - print what is no more, what is new, and what stands elsewhere
 * Rules are told apart by their names.  Returns RESULT_OK if there is nothing to tell,
 * else RESULT_NO.
 */
int diff(const struct options *o, const struct policy *before,
	 const struct policy *after);

#endif
