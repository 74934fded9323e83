/* SPDX-License-Identifier: GPL-2.0-only */
/* What a control group's path says: systemd unit, container. */
#ifndef NFAGENT_CGROUP_H
#define NFAGENT_CGROUP_H

#include <stddef.h>
#include <stdint.h>

struct cgroup_names {
	char unit[256];		/* empty: none */
	char container[129];	/* id as the runtime prints it; empty: none */
	size_t unit_end;	/* where their names end in the path */
	size_t container_end;
	char outermost[129];	/* the container around all others; often the same */
	size_t outermost_end;
};

/*
 * cgroup_parse - unit and container out of a path of the version 2 hierarchy
 *
 * The unit is the innermost .service or .scope (a user's unit below
 * user@N.service counts), unless it only wraps a container: then the container
 * has the name and the unit is the one around it.  Containers of docker,
 * podman, containerd, cri-o, kubernetes, lxc, and machines of systemd-nspawn
 * and libvirt are known.  A process can only be put into such a group by who
 * may write to the parent group: within a subtree delegated to a user these
 * names are that user's word.
 */
void cgroup_parse(const char *path, struct cgroup_names *names);

/*
 * cgroup_open_hierarchy - find where the version 2 hierarchy is mounted
 * @mountinfo: "/proc/self/mountinfo"
 * Returns a descriptor of its root, or -1 with errno (ENOENT: not mounted).
 */
int cgroup_open_hierarchy(const char *mountinfo);

/*
 * cgroup_path - path of a group by its id, below the root at @root
 * Exact for the very group the id names: ids are not used twice, and a group
 * that is gone is ESTALE.  Returns 0, or -1 with errno.
 */
int cgroup_path(int root, uint64_t id, char *buf, size_t size);

#endif
