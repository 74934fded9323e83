// SPDX-License-Identifier: GPL-2.0-only
/*
 * First a reader's job: open the executable, with all that the kernel knows of who
 * runs it.  What it brought is told at once, since it is worth knowing even if the
 * hash never comes.  Then the hash, by the descriptor of the job.
 */
#include "identity.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroups.h"
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

	if (!id)
		return NULL;
	id->hash.evidence = SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	id->fd = -1;
	return id;
}

int identity_take_file(struct identity *id)
{
	int fd = id->fd;

	if (fd >= 0)
		(*id->open)--;
	id->fd = -1;
	return fd;
}

void identity_free(struct identity *id)
{
	if (!id)
		return;
	process_facts_free(&id->facts);
	program_free(id->program);
	free(id->cgroup);
	if (id->fd >= 0)
		close(identity_take_file(id));
	free(id);
}

static bool listed(const struct reading *r, const char *type)
{
	for (size_t i = 0; r->conf->unverifiable[i]; i++)
		if (!fnmatch(r->conf->unverifiable[i], type, 0))
			return true;
	return false;
}

/*
 * A FUSE server could make us wait for ever; a network server can show us one
 * content and the caller another.  Asked of the very file, each time: a file system
 * that a user mounts can have the numbers of another, and so the key of a file whose
 * hash we know.  What the kernel does not tell is not verifiable.
 *
 * FUSE itself is refused by the kernel with the descriptor, and nobody but root can
 * mount any other whose content changes at will.
 */
static bool unverifiable(const struct reading *r, const struct process_exe *exe)
{
	return !exe->fs[0] || listed(r, exe->fs) ||
	       (exe->layer[0] && listed(r, exe->layer));
}

/*
 * A file of a mount that is not the machine's has a path that only its own mount
 * namespace knows.  Many services have one of their own, whose paths are mostly
 * those of the machine: what leads to the same file here too is no stranger.
 */
static bool is_foreign(const struct process_exe *exe)
{
	return !exe->mounted && (!exe->facts.path ||
				 !mounts_lead_to(exe->facts.path, exe->fd));
}

static void read_process(struct reading *r)
{
	struct process_facts *facts = &r->id->facts;
	struct process_exe exe;

	if (r->conf->open_exe(r->ask.id, &exe, r->conf->arg)) {
		process_read("/proc", &r->ask.process, facts);
		facts->foreign = true;
		return;
	}
	*facts = exe.facts;
	facts->foreign = is_foreign(&exe);
	if (unverifiable(r, &exe))
		close(exe.fd);
	else
		r->fd = exe.fd;
}

static void read_place(struct reading *r)
{
	char path[4096];

	if (!r->conf->cgroups ||
	    cgroups_path(r->conf->cgroups, r->ask.cgroup, path, sizeof(path)))
		return;
	place_learn(cgroups_root(r->conf->cgroups), "", path, &r->id->place);
	process_clean_text(path);
	process_clean_text(r->id->place.names.unit);
	process_clean_text(r->id->place.names.container);
	process_clean_text(r->id->place.service);
	process_clean_text(r->id->place.app);
	process_clean_text(r->id->place.image);
	r->id->cgroup = strdup(path);
}

static void run(struct job *job)
{
	struct reading *r = (struct reading *)job;

	read_process(r);
	read_place(r);
}

static void keep_file(const struct identity_conf *conf, struct identity *id, int fd)
{
	if (fd < 0 || !conf->open || *conf->open >= conf->max_open)
		return;
	id->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (id->fd < 0)
		return;
	id->open = conf->open;
	++*id->open;
}

static void done(struct job *job)
{
	struct reading *r = (struct reading *)job;
	const struct identity_conf *conf = r->conf;
	struct identity *id = r->id;

	bool hashed = r->fd < 0 ||
		      hash_known(conf->hashes, &r->ask.exe, &id->hash);

	id->hashed = hashed;
	keep_file(conf, id, r->fd);
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
