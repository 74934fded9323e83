// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "loader.h"
#include "pool.h"

struct loader {
	struct pool *pool;
	char *file;
	loader_fn fn;
	void *arg;
};

struct load {
	struct job job;			/* first: a job is its load */
	struct loader *loader;
	uint64_t owner, id;
	char *text;			/* NULL: read the file */
	char *name;
	struct policy *policy;
	struct policy_error err;
};

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

static void run(struct job *job)
{
	struct load *load = (struct load *)job;
	struct policy *p;

	if (!load->text) {
		load->policy = policy_load(load->name, &load->err);
		return;
	}
	p = policy_parse(load->text, strlen(load->text), load->name, &load->err);
	if (p && !policy_warn(p, &load->err) && !replace_file(load))
		load->policy = p;
	else
		policy_free(p);
}

static void done(struct job *job)
{
	struct load *load = (struct load *)job;
	struct loader *l = load->loader;

	if (l->fn)
		l->fn(load->owner, load->id, load->policy, load->name, &load->err,
		      l->arg);
	else
		policy_free(load->policy);
	free(load->text);
	free(load->name);
	free(load);
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
	free(load->text);
	free(load->name);
	free(load);
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
	free(load->name);
	free(load);
	errno = ENOMEM;
	return -1;
}

int loader_reload(struct loader *l)
{
	struct load *load = new_load(l, l->file);

	return load ? submit(l, load) : -1;
}
