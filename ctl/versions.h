/* SPDX-License-Identifier: GPL-2.0-only */
/* What `sockgate policy` does with the versions of the policy manager. */
#ifndef CTL_VERSIONS_H
#define CTL_VERSIONS_H

#include <stdint.h>

#include "options.h"

#define VERSIONS_KEY_DEFAULT "/etc/sockgate/manager/policy.key"
#define VERSIONS_WAIT_MAX 3600

/* How a version is made. */
struct version_options {
	const char *comment;	/* NULL: none was given */
	const char *key;	/* private */
	uint64_t number;	/* 0: one more than the newest */
	uint64_t wait;		/* seconds for the servers' answers, 0: not at all */
};

/* All of these print what they have to, and return RESULT_*. */
int versions_push(const struct options *o, const struct version_options *v, const char *file);

/*
 * versions_rollback - the text of an older version, as a new one
 * @number: 0: that of @back versions ago
 */
int versions_rollback(const struct options *o, const struct version_options *v,
		      uint64_t number, uint32_t back);
int versions_list(const struct options *o, uint32_t last);
int versions_show(const struct options *o, uint64_t number);

/* @forget: a server that is away for good; NULL: none */
int versions_servers(const struct options *o, const char *forget);

/* Makes the key that signs. */
int versions_key(const struct options *o, const char *file);

#endif
