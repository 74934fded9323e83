// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "groups.h"

/* Groups in groups: more than that is a circle. */
#define DEPTH_MAX 16
#define ELEMS_MAX 1000000

const char *group_name(const config_setting_t *s)
{
	const char *text = config_setting_get_string(s);

	return text && *text == '@' ? text + 1 : NULL;
}

/* @at: what is written in the rule, for messages */
static int spend(const struct groups *groups, const config_setting_t *at,
		 struct policy_error *err)
{
	if (!*groups->left)
		return settings_fail(err, at, "with this the groups of the policy stand for "
				     "more than %d values", GROUPS_VALUES_MAX);
	--*groups->left;
	return 0;
}

static int add_elem(struct group_elems *elems, const config_setting_t *s,
		    struct policy_error *err)
{
	const config_setting_t **more;
	int room = elems->room ? 2 * elems->room : 8;

	if (elems->count == ELEMS_MAX)
		return settings_fail(err, s, "stands for too many values");
	if (elems->count == elems->room) {
		more = reallocarray(elems->elem, (size_t)room, sizeof(*more));
		if (!more)
			return settings_fail(err, s, "out of memory");
		elems->elem = more;
		elems->room = room;
	}
	elems->elem[elems->count++] = s;
	return 0;
}

static int add_all(struct group_elems *elems, const config_setting_t *s,
		   const config_setting_t *at, const struct groups *groups,
		   unsigned int depth, struct policy_error *err)
{
	int n = settings_count(s, err), rc = 0;

	for (int i = 0; i < n && !rc; i++) {
		const config_setting_t *e = settings_elem(s, i);
		config_setting_t *g;
		const char *name = group_name(e);

		if (!name) {
			rc = depth && spend(groups, at, err) ? -1 : add_elem(elems, e, err);
			continue;
		}
		g = groups->lists ? config_setting_get_member(groups->lists, name) : NULL;
		if (!g)
			return settings_fail(err, depth ? s : at,
					     "group \"@%s\" is not defined in groups", name);
		config_setting_set_hook(g, (void *)groups);
		if (depth == DEPTH_MAX)
			return settings_fail(err, s, "group \"@%s\" contains itself, or too "
					     "many in each other", name);
		rc = add_all(elems, g, at, groups, depth + 1, err);
	}
	return n < 0 ? -1 : rc;
}

int group_elems(struct group_elems *elems, const config_setting_t *s,
		const struct groups *groups, struct policy_error *err)
{
	return add_all(elems, s, s, groups, 0, err);
}

void group_elems_free(struct group_elems *elems)
{
	free(elems->elem);
	memset(elems, 0, sizeof(*elems));
}

static int check_all(const config_setting_t *all, const struct groups *groups,
		     const char *key, struct policy_error *err)
{
	if (!all)
		return 0;
	if (!config_setting_is_group(all))
		return settings_fail(err, all, "%s must be a group { ... }", key);
	for (int i = 0; i < config_setting_length(all); i++) {
		struct group_elems elems = { 0 };
		int rc = group_elems(&elems, config_setting_get_elem(all, (unsigned int)i),
				     groups, err);

		group_elems_free(&elems);
		if (rc)
			return rc;
	}
	return 0;
}

int groups_check(const struct groups *groups, struct policy_error *err)
{
	int rc = check_all(groups->lists, groups, "groups", err);

	return rc ? rc : check_all(groups->hosts, groups, "host_groups", err);
}

bool group_is_used(const config_setting_t *group)
{
	return config_setting_get_hook(group);
}
