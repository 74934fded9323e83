/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a process runs: unit, container, what they were made of, and by whom. */
#ifndef NFAGENT_PLACE_H
#define NFAGENT_PLACE_H

#include <stdint.h>

#include "cgroup.h"
#include "image.h"
#include "unit.h"

struct place {
	struct cgroup_names names;
	/* Of the unit what is the same at each start; whose it may be before it. */
	char service[UNIT_SIZE];		/* cut: a server takes no more */
	char app[UNIT_SIZE];			/* that the unit was made for; empty: none */
	char image[IMAGE_SIZE];			/* of the container; empty: none */
	uint32_t learned;			/* PlaceFact bits of the wire */
};

/*
 * place_learn - what a control group's path says
 * @cgroups: root of the hierarchy
 * @root:    "" or where another machine's files are (tests)
 *
 * A group is made by who may write to the one around it.  Where that is not root, the
 * unit has "user:" before its name, and the container no image; a unit inside of a
 * container has "container:".
 */
void place_learn(int cgroups, const char *root, const char *path, struct place *out);

#endif
