/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists that have a name: "@name" in a value stands for what the list holds. */
#ifndef SECSRV_GROUPS_H
#define SECSRV_GROUPS_H

#include "settings.h"

/* Of a policy; either may be NULL. */
struct groups {
	const config_setting_t *hosts;	/* its host_groups, which host_group names */
	const config_setting_t *lists;	/* its groups */
	unsigned int *left;		/* values that groups may still stand for */
};

/*
 * Values that the groups of a policy stand for, wherever they are named: groups in
 * groups make of a short text any number of them.
 */
#define GROUPS_VALUES_MAX 4000000

/*
 * groups_check - look at all of them, used or not
 * Returns 0; or -1 with @err filled in: one is empty, names one that is not there, or
 * itself.
 */
int groups_check(const struct groups *groups, struct policy_error *err);

struct group_elems {
	const config_setting_t **elem;
	int count, room;
};

/*
 * group_elems - a value as one list of plain values
 * group_elems_free() is due either way.  Returns 0, or -1 with @err filled in.
 */
int group_elems(struct group_elems *elems, const config_setting_t *s,
		const struct groups *groups, struct policy_error *err);
void group_elems_free(struct group_elems *elems);

/* Has any value, or another group, named it? */
bool group_is_used(const config_setting_t *group);

/* The name of the group that a value stands for; NULL if it stands for itself. */
const char *group_name(const config_setting_t *s);

#endif
