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
#include <sys/vfs.h>
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

static bool listed(const struct reading *r, const char *type)
{
	for (size_t i = 0; r->conf->unverifiable[i]; i++)
		if (!fnmatch(r->conf->unverifiable[i], type, 0))
			return true;
	return false;
}

/* NULL if the caller sees nothing but what we do, or is gone. */
static struct mounts *their_mounts(const struct reading *r)
{
	uint32_t pid = r->ask.process.pid;
	char theirs[64];

	if (mounts_seen_by(r->conf->mounts, pid))
		return NULL;
	snprintf(theirs, sizeof(theirs), "/proc/%u", pid);
	return mounts_open(theirs);
}

/* Of a mount that we do not see, as the caller does. */
static bool type_of_their_mount(const struct reading *r, char *type,
				size_t size)
{
	struct mounts *theirs;
	uint64_t id;
	bool found;

	if (mounts_id(r->fd, &id))
		return false;
	theirs = their_mounts(r);
	found = theirs && mounts_type_of_mount(theirs, id, type, size);
	mounts_close(theirs);
	return found;
}

/* Of a mount of the machine's own. */
static bool type_of_our_mount(const struct reading *r, char *type, size_t size)
{
	uint64_t id;

	return !mounts_id(r->fd, &id) &&
	       mounts_type_of_mount(r->conf->mounts, id, type, size);
}

/*
 * The tables are looked at first: a network file system whose server is away
 * would keep us in fstatfs().
 */
static bool type_of_file(const struct reading *r, char *type, size_t size)
{
	const char *known;
	struct statfs fs;

	if (type_of_their_mount(r, type, size))
		return true;
	if (fstatfs(r->fd, &fs))
		return false;
	known = mounts_type_of_magic((unsigned long)fs.f_type);
	if (!known)
		return false;
	snprintf(type, size, "%s", known);
	return true;
}

/*
 * The layer below an overlay may be hidden from everybody.  FUSE there is
 * refused by the kernel with the descriptor, and nobody but root can mount
 * any other whose content changes at will.
 */
static bool layer_is_listed(const struct reading *r)
{
	uint32_t dev = r->ask.exe.dev;
	struct mounts *theirs;
	char type[64];
	bool found;

	if (mounts_type_of_device(r->conf->mounts, dev, type, sizeof(type)))
		return listed(r, type);
	theirs = their_mounts(r);
	found = theirs && mounts_type_of_device(theirs, dev, type, sizeof(type));
	mounts_close(theirs);
	return found && listed(r, type);
}

/*
 * A FUSE server could make us wait for ever; a network server can show us one
 * content and the caller another.  Asked of the very descriptor, each time: a
 * file system that a user mounts can have the numbers of another, and so the
 * key of a file whose hash we know.  What is not known is not verifiable.
 *
 * A file of a mount that is not the machine's has a path that only its own mount
 * namespace knows.  Many services have one of their own, whose paths are mostly
 * those of the machine: what leads to the same file here too is no stranger.
 */
static bool unverifiable(struct reading *r)
{
	struct process_facts *facts = &r->id->facts;
	char type[64];

	if (!type_of_our_mount(r, type, sizeof(type))) {
		facts->foreign = !facts->path ||
				 !mounts_lead_to(facts->path, r->fd);
		if (!type_of_file(r, type, sizeof(type)))
			return true;
	}
	return listed(r, type) ||
	       (!strcmp(type, "overlay") && layer_is_listed(r));
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

	r->fd = r->conf->open_exe(r->ask.id, r->conf->arg);
	process_read("/proc", &r->ask.process, r->fd, &r->id->facts);
	r->id->facts.foreign = r->fd < 0;
	if (r->fd >= 0 && unverifiable(r)) {
		close(r->fd);
		r->fd = -1;
	}
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
