// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "log.h"
#include "loader.h"
#include "pool.h"

struct loader {
	struct pool *pool;
	char *file;
	loader_fn fn;
	void *arg;
	struct load *unnoted;		/* in force, but its note could not be written */
	uint64_t last;			/* version in the file; the thread's */
};

struct load {
	struct job job;			/* first: a job is its load */
	struct loader *loader;
	uint64_t owner, id;
	char *text;			/* NULL: read the file */
	char *name;
	struct signed_policy version;	/* without its text; number 0: it is none */
	char *note_file, *note_text;
	bool again, unnoted;		/* only its note, which was not written */
	struct policy *policy;
	struct policy_error err;
};

static void free_load(struct load *load)
{
	free(load->text);
	free(load->name);
	free(load->note_file);
	free(load->note_text);
	free(load);
}

struct loader *loader_open(struct event_base *base, const char *file, loader_fn fn,
			   void *arg)
{
	struct loader *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->file = strdup(file);
	l->fn = fn;
	l->arg = arg;
	/* One thread: they come into force in the order in which they came. */
	l->pool = l->file ? pool_new(base, 1, LOADER_MAX) : NULL;
	if (l->pool)
		return l;
	free(l->file);
	free(l);
	return NULL;
}

void loader_close(struct loader *l)
{
	if (!l)
		return;
	l->fn = NULL;
	/* What hangs on the disk keeps what it needs until the process ends. */
	if (pool_free(l->pool))
		return;
	if (l->unnoted)
		free_load(l->unnoted);
	free(l->file);
	free(l);
}

/* The file keeps its mode; who may write it is the directory's affair. */
static int replace_file(struct load *load)
{
	const char *file = load->loader->file;
	mode_t mode = 0640;
	struct stat st;

	if (!stat(file, &st))
		mode = st.st_mode & 0777;
	snprintf(load->err.file, sizeof(load->err.file), "%s", file);
	load->err.line = 0;
	return file_replace(file, load->text, strlen(load->text), mode, true,
			    load->err.reason, sizeof(load->err.reason));
}

/* A version is looked at only once it is known to be the one that was signed. */
static bool is_signed_text(struct load *load)
{
	struct signed_policy whole = load->version;

	whole.text = load->text;
	load->err.line = 0;
	snprintf(load->err.file, sizeof(load->err.file), "%s", load->name);
	return !load->version.number ||
	       !signed_policy_check_text(&whole, load->err.reason, sizeof(load->err.reason));
}

/* A note that comes late must not replace the one of a newer version. */
static void note(struct load *load)
{
	struct loader *l = load->loader;
	char why[512];
	bool failed;

	if (!load->version.number || load->version.number < l->last)
		return;
	l->last = load->version.number;
	failed = file_replace(load->note_file, load->note_text, strlen(load->note_text), 0600,
			      true, why, sizeof(why)) != 0;
	if (failed && !load->unnoted)
		log_warnx("version %llu of the policy is in force, but not noted yet: %s",
			  (unsigned long long)load->version.number, why);
	load->unnoted = failed;
}

static void run(struct job *job)
{
	struct load *load = (struct load *)job;
	struct policy *p;

	if (load->again) {
		note(load);
		return;
	}
	if (!load->text) {
		load->policy = policy_load(load->name, &load->err);
		return;
	}
	if (!is_signed_text(load))
		return;
	p = policy_parse(load->text, strlen(load->text), load->name, &load->err);
	if (!p || policy_warn(p, &load->err) || replace_file(load)) {
		policy_free(p);
		return;
	}
	load->policy = p;
	note(load);
}

/* Only the newest is of interest. */
static void keep_unnoted(struct loader *l, struct load *load)
{
	load->again = true;
	load->policy = NULL;
	if (l->unnoted && l->unnoted->version.number > load->version.number) {
		free_load(load);
		return;
	}
	if (l->unnoted)
		free_load(l->unnoted);
	l->unnoted = load;
}

static void done(struct job *job)
{
	struct load *load = (struct load *)job;
	struct loader *l = load->loader;

	if (load->again)
		;	/* it was told of when it came into force */
	else if (l->fn)
		l->fn(load->owner, load->id, load->policy, load->name, &load->err,
		      load->version.number ? &load->version : NULL, l->arg);
	else
		policy_free(load->policy);
	if (load->unnoted)
		keep_unnoted(l, load);
	else
		free_load(load);
}

void loader_tick(struct loader *l)
{
	if (l->unnoted && !pool_submit(l->pool, &l->unnoted->job))
		l->unnoted = NULL;	/* done() has it */
}

static struct load *new_load(struct loader *l, const char *name)
{
	struct load *load = calloc(1, sizeof(*load));

	if (load)
		load->name = strdup(name);
	if (!load || !load->name) {
		free(load);
		errno = ENOMEM;
		return NULL;
	}
	load->job.run = run;
	load->job.done = done;
	load->loader = l;
	return load;
}

static int submit(struct loader *l, struct load *load)
{
	int error;

	if (!pool_submit(l->pool, &load->job))
		return 0;
	error = errno;
	free_load(load);
	errno = error;
	return -1;
}

int loader_text(struct loader *l, uint64_t owner, uint64_t id, const char *text,
		const char *name)
{
	struct load *load = new_load(l, name);

	if (!load)
		return -1;
	load->owner = owner;
	load->id = id;
	load->text = strdup(text);
	if (load->text)
		return submit(l, load);
	free_load(load);
	errno = ENOMEM;
	return -1;
}

int loader_version(struct loader *l, struct signed_policy *version, const char *note_file,
		   const char *note_text)
{
	struct load *load;
	char name[48];

	snprintf(name, sizeof(name), "version %llu", (unsigned long long)version->number);
	load = new_load(l, name);
	if (!load) {
		signed_policy_free(version);
		return -1;
	}
	load->version = *version;
	load->text = version->text;
	load->version.text = version->text = NULL;
	load->note_file = strdup(note_file);
	load->note_text = strdup(note_text);
	if (load->note_file && load->note_text)
		return submit(l, load);
	free_load(load);
	errno = ENOMEM;
	return -1;
}

int loader_reload(struct loader *l)
{
	struct load *load = new_load(l, l->file);

	return load ? submit(l, load) : -1;
}
