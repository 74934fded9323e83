// SPDX-License-Identifier: GPL-2.0-only
/*
 * First a reader's job: open the executable, read /proc.  What it brought is
 * told at once, since it is worth knowing even if the hash never comes.  Then
 * the hash, by the descriptor of the job.
 */
#include "identity.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mounts.h"

struct reading {
	struct job job;
	const struct identity_conf *conf;
	uint64_t number;
	struct ask ask;
	int fd;
	struct identity *id;
};

struct identity *identity_blank(void)
{
	struct identity *id = calloc(1, sizeof(*id));

	if (id)
		id->hash.evidence = SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	return id;
}

void identity_free(struct identity *id)
{
	if (!id)
		return;
	process_facts_free(&id->facts);
	free(id->cgroup);
	free(id);
}

/*
 * A FUSE server could make us wait for ever in open(); a network server can
 * show us one content and the caller another.  The type is looked up by the
 * device's number, first where we are, then where the caller is.
 */
static bool unverifiable(const struct reading *r)
{
	char mountinfo[64], type[64];

	snprintf(mountinfo, sizeof(mountinfo), "/proc/%u/mountinfo",
		 r->ask.process.pid);
	if (!mounts_find_type("/proc/self/mountinfo", r->ask.exe.dev, type,
			      sizeof(type)) &&
	    !mounts_find_type(mountinfo, r->ask.exe.dev, type, sizeof(type)))
		return false;
	for (size_t i = 0; r->conf->unverifiable[i]; i++)
		if (!fnmatch(r->conf->unverifiable[i], type, 0))
			return true;
	return false;
}

static void read_place(struct reading *r)
{
	char path[4096];

	if (r->conf->cgroup_root < 0 ||
	    cgroup_path(r->conf->cgroup_root, r->ask.cgroup, path,
			sizeof(path)))
		return;
	cgroup_parse(path, &r->id->place);
	process_clean_text(path);
	process_clean_text(r->id->place.unit);
	process_clean_text(r->id->place.container);
	r->id->cgroup = strdup(path);
}

static void run(struct job *job)
{
	struct reading *r = (struct reading *)job;

	if (!unverifiable(r))
		r->fd = r->conf->open_exe(r->ask.id, r->conf->arg);
	process_read("/proc", &r->ask.process, r->fd, &r->id->facts);
	read_place(r);
}

static void done(struct job *job)
{
	struct reading *r = (struct reading *)job;
	const struct identity_conf *conf = r->conf;
	struct identity *id = r->id;

	bool hashed = r->fd < 0 ||
		      hash_known(conf->hashes, &r->ask.exe, &id->hash);

	id->hashed = hashed;
	/* The identity is theirs from here. */
	if (conf->learned(r->number, id, conf->arg) && !hashed)
		hash_get(conf->hashes, r->number, r->ask.uid, &r->ask.exe,
			 r->fd);
	else if (r->fd >= 0)
		close(r->fd);
	free(r);
}

void identity_learn(const struct identity_conf *conf, uint64_t number,
		    const struct ask *ask)
{
	struct reading *r = calloc(1, sizeof(*r));

	if (!r)
		goto fail;
	r->job.run = run;
	r->job.done = done;
	r->conf = conf;
	r->number = number;
	r->ask = *ask;
	r->fd = -1;
	r->id = identity_blank();
	if (!r->id || pool_submit(conf->readers, &r->job))
		goto fail;
	return;
fail:
	if (r)
		identity_free(r->id);
	free(r);
	(void)conf->learned(number, NULL, conf->arg);
}

void identity_forget(const struct identity_conf *conf, uint64_t number,
		     const struct ask *ask)
{
	hash_forget(conf->hashes, number, &ask->exe);
}
