// SPDX-License-Identifier: GPL-2.0-only
/*
 * One slot for each id: what falls on another's takes it.  Whoever makes groups
 * without end costs others the look-up, and us no more memory.
 */
#include "cgroups.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"

#define SLOTS 256

struct slot {
	uint64_t id;
	char *path;		/* NULL: empty */
};

struct cgroups {
	pthread_mutex_t lock;	/* covers the slots */
	int root;
	struct slot slot[SLOTS];
};

struct cgroups *cgroups_new(int root)
{
	struct cgroups *c = calloc(1, sizeof(*c));

	if (!c) {
		close(root);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	c->root = root;
	return c;
}

void cgroups_free(struct cgroups *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		free(c->slot[i].path);
	pthread_mutex_destroy(&c->lock);
	close(c->root);
	free(c);
}

int cgroups_root(const struct cgroups *c)
{
	return c->root;
}

static struct slot *slot_of(struct cgroups *c, uint64_t id)
{
	return &c->slot[id % SLOTS];
}

static bool recall(struct cgroups *c, uint64_t id, char *buf, size_t size)
{
	struct slot *p = slot_of(c, id);
	bool known;

	pthread_mutex_lock(&c->lock);
	known = p->path && p->id == id && strlen(p->path) < size;
	if (known)
		strcpy(buf, p->path);
	pthread_mutex_unlock(&c->lock);
	return known;
}

static void remember(struct cgroups *c, uint64_t id, const char *path)
{
	struct slot *p = slot_of(c, id);
	char *copy = strdup(path);

	if (!copy)
		return;
	pthread_mutex_lock(&c->lock);
	free(p->path);
	*p = (struct slot){ id, copy };
	pthread_mutex_unlock(&c->lock);
}

int cgroups_path(struct cgroups *c, uint64_t id, char *buf, size_t size)
{
	if (recall(c, id, buf, size))
		return 0;
	if (cgroup_path(c->root, id, buf, size))
		return -1;
	remember(c, id, buf);
	return 0;
}
