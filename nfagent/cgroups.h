/* SPDX-License-Identifier: GPL-2.0-only */
/* Control groups by their ids, remembered. */
#ifndef NFAGENT_CGROUPS_H
#define NFAGENT_CGROUPS_H

#include <stddef.h>
#include <stdint.h>

struct cgroups;

/*
 * cgroups_new
 * @root: from cgroup_open_hierarchy(), the cgroups' from here
 * Returns NULL if out of memory, with @root closed.
 */
struct cgroups *cgroups_new(int root);
void cgroups_free(struct cgroups *c);

/* The root of the hierarchy; theirs. */
int cgroups_root(const struct cgroups *c);

/*
 * cgroups_path - as cgroup_path(); in any thread
 * A group's path is the same for as long as it lives, and its id is never another's.
 */
int cgroups_path(struct cgroups *c, uint64_t id, char *buf, size_t size);

#endif
