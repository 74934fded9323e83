/* SPDX-License-Identifier: GPL-2.0-only */
/* Does the signature database know what the rules of a policy name? */
#ifndef CTL_SIGNATURES_H
#define CTL_SIGNATURES_H

#include "secsrv/policy.h"

/*
 * signatures_warn - add a warning for each rule that names only what has no signature
 * @file: the database
 * Returns 0; or -1 with @err filled in.
 */
int signatures_warn(struct policy *policy, const char *file, struct policy_error *err);

#endif
