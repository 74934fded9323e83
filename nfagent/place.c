// SPDX-License-Identifier: GPL-2.0-only
#include "place.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sockgate.pb-c.h"

#define FACT(name) ((uint32_t)SOCKGATE__PLACE_FACT__PLACE_FACT_##name)

/*
 * The group around the one whose name ends at @end.
 * Returns -1 if that could not be learned, as of one that is gone.
 */
static int made_by_root(int cgroups, const char *path, size_t end)
{
	char around[PATH_MAX];
	struct stat st;

	while (end && path[end - 1] != '/')
		end--;
	if (end >= sizeof(around) - 1)
		return -1;
	snprintf(around, sizeof(around), ".%s%.*s", *path == '/' ? "" : "/", (int)end, path);
	if (fstatat(cgroups, around, &st, AT_SYMLINK_NOFOLLOW))
		return -1;
	return !st.st_uid;
}

static void learn_service(int cgroups, const char *path, struct place *out)
{
	const struct cgroup_names *n = &out->names;
	const char *whose = "";
	char stable[UNIT_SIZE];

	out->learned |= FACT(SERVICE);
	if (!n->unit[0])
		return;
	if (n->outermost[0] && n->outermost_end < n->unit_end)
		whose = "container:";
	else if (made_by_root(cgroups, path, n->unit_end) <= 0)
		whose = "user:";
	unit_stable(n->unit, stable, sizeof(stable));
	snprintf(out->service, sizeof(out->service), "%s%.*s", whose,
		 (int)(sizeof(out->service) - 1 - strlen(whose)), stable);
	if (!unit_bundle(stable, out->app, sizeof(out->app)))
		out->app[0] = '\0';
}

static void learn_image(int cgroups, const char *root, const char *path, struct place *out)
{
	const struct cgroup_names *n = &out->names;
	int made = n->outermost[0] ? made_by_root(cgroups, path, n->outermost_end) : 0;

	if (made < 0)
		return;
	if (!made) {
		out->learned |= FACT(IMAGE);
		return;
	}
	if (image_of_container(root, n->outermost, out->image, sizeof(out->image)))
		out->learned |= FACT(IMAGE);
	else
		out->image[0] = '\0';
}

void place_learn(int cgroups, const char *root, const char *path, struct place *out)
{
	memset(out, 0, sizeof(*out));
	cgroup_parse(path, &out->names);
	learn_service(cgroups, path, out);
	learn_image(cgroups, root, path, out);
}
