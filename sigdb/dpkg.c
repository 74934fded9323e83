// SPDX-License-Identifier: GPL-2.0-only
/*
 * dpkg-query says what is installed and which files it has; nothing of dpkg's
 * database is read here but the checksums, which no tool prints.  Every
 * executable is hashed as it lies on the disk.  One that is not what its package
 * brought gets no signature: whoever replaced curl does not become curl.
 */
#include "dpkg.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "categories.h"
#include "build_id.h"
#include "checksums.h"
#include "diversion.h"
#include "executable.h"
#include "line.h"
#include "progress.h"
#include "text.h"

/* A file that changed so short a time ago can change again within one tick. */
#define SETTLED_SECONDS 2

/* The levels of schema.sql. */
#define TRUST_UNKNOWN_ORIGIN	2
#define TRUST_KNOWN_ORIGIN	3
#define TRUST_DISTRIBUTION	4

struct import {
	const struct dpkg_import *job;
	struct dpkg_report *report;
	struct sigdb *db;
	struct store *store;
	struct packages packages;
	struct diversions diversions;
	char admindir[PATH_MAX];
	int root;		/* descriptor of the machine's file system */
	char *why;
	size_t why_size;

	/* The package whose files are coming in. */
	struct package *current;
	struct checksums sums;
	int64_t application;	/* 0: not made yet */
	int trust;		/* of its files that are as it brought them */
};

static int fail(struct import *im)
{
	snprintf(im->why, im->why_size, "%s", sigdb_error(im->db));
	return -1;
}

/* ---- one package --------------------------------------------------------- */

static int trust_of(const struct import *im, const struct package *pkg)
{
	if (!*pkg->origin)
		return TRUST_UNKNOWN_ORIGIN;
	if (pkg->offered && categories_is_distribution(im->job->map, pkg->origin))
		return TRUST_DISTRIBUTION;
	return TRUST_KNOWN_ORIGIN;
}

static int make_application(struct import *im)
{
	const struct package *pkg = im->current;
	const struct categories_package about = {
		.name = pkg->name,
		.section = pkg->section,
		.tags = pkg->tags,
		.homepage = pkg->homepage,
		.maintainer = pkg->maintainer,
		.origin = pkg->origin,
	};
	char name[128], version[128], vendor[128], origin[128];
	const struct store_identity identity = {
		.name = name,
		.version = version,
		.category = categories_category(im->job->map, &about),
		.vendor = vendor,
		.origin = origin,
	};

	sigdb_text_clean(pkg->name, name, sizeof(name));
	sigdb_text_clean(pkg->version, version, sizeof(version));
	sigdb_text_clean(pkg->origin, origin, sizeof(origin));
	categories_vendor(im->job->map, &about, vendor, sizeof(vendor));
	im->application = store_application(im->store, &identity);
	return im->application < 0 ? fail(im) : 0;
}

static int begin_package(struct import *im, const char *id)
{
	checksums_free(&im->sums);
	im->application = 0;
	im->current = packages_find(&im->packages, id);
	if (!im->current)
		return 0;	/* not installed, only its configuration is left */
	im->trust = trust_of(im, im->current);
	progress_set(im->report->packages++);
	if (checksums_read(&im->sums, im->admindir, im->current))
		progress_note("%s: its checksums cannot be read (%m): trust %d at most",
			      id, TRUST_UNKNOWN_ORIGIN);
	return 0;
}

/* ---- one file ------------------------------------------------------------ */

static int64_t nanoseconds(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static void describe(const struct stat *st, struct store_file *file)
{
	memset(file, 0, sizeof(*file));
	file->device = st->st_dev;
	file->inode = st->st_ino;
	file->size = (uint64_t)st->st_size;
	file->mtime_ns = nanoseconds(&st->st_mtim);
	file->ctime_ns = nanoseconds(&st->st_ctim);
}

static bool unchanged(const struct store_file *a, const struct store_file *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* Returns 1 if it was hashed, 0 if it is left out, -1 to end the import. */
static int hash(struct import *im, int fd, const struct stat *st, const char *path,
		struct store_file *file)
{
	if (!executable_hash(fd, st, file->sha256, file->md5)) {
		im->report->hashed++;
		im->report->bytes += (uint64_t)st->st_size;
		file->build_id_size = build_id_read(fd, file->build_id);
		return 1;
	}
	if (errno == EINTR)
		return -1;
	progress_note("%s: %s: left out", path,
		      errno == ESTALE ? "changed while it was read" : strerror(errno));
	im->report->unreadable++;
	return 0;
}

/* The hashes of an open file, from the last import if it has not changed since. */
static int learn(struct import *im, int fd, const struct stat *st, const char *path,
		 struct store_file *file)
{
	struct store_file before;
	int ret;

	describe(st, file);
	ret = store_file_get(im->store, path, &before);
	if (ret < 0)
		return fail(im);
	if (ret && unchanged(&before, file)) {
		*file = before;
	} else {
		ret = hash(im, fd, st, path, file);
		if (ret != 1)
			return ret;
	}
	if (st->st_ctim.tv_sec + SETTLED_SECONDS > im->job->now)
		return 1;
	return store_file_put(im->store, path, file) ? fail(im) : 1;
}

/*
 * What another version of the file will claim; it shows, but counts for nothing as
 * long as the package is known by a hash.
 */
static int claim(struct import *im, int fd, const struct store_file *file)
{
	char path[SIGDB_PATH_MAX + 1];
	struct store_claim claim = {
		.kind = SIGDB_CLAIM_PACKAGE_FILE,
		.value = path,
		.application = im->application,
		.trust = SIGDB_CLAIM_TRUST_MAX,
	};

	if (!executable_place(im->root, fd, path, sizeof(path)) &&
	    sigdb_text_valid(path) &&
	    store_claim(im->store, &claim) == STORE_ERROR)
		return fail(im);
	claim.kind = SIGDB_CLAIM_BUILD_ID;
	claim.value = file->build_id;
	claim.size = file->build_id_size;
	if (claim.size && store_claim(im->store, &claim) == STORE_ERROR)
		return fail(im);
	return 0;
}

static int sign(struct import *im, int fd, const char *path,
		const struct store_file *file, int trust)
{
	const char *slash = strrchr(path, '/');
	struct store_signature sig = {
		.trust = trust,
		.file_name = slash + 1,
	};

	if (!im->application && make_application(im))
		return -1;
	sig.application = im->application;
	/* Packages may ship the same file; the first has it. */
	if (store_hash(im->store, file->sha256, &sig))
		return fail(im);
	im->report->executables++;
	return claim(im, fd, file);
}

static int take_hashes(struct import *im, int fd, const char *listed, const char *path,
		       const struct store_file *file)
{
	switch (checksums_compare(&im->sums, listed, file->md5)) {
	case CHECKSUMS_SAME:
		return sign(im, fd, path, file, im->trust);
	case CHECKSUMS_DIFFERENT:
		progress_note("%s: is not what package %s brought: left out", path,
			      im->current->id);
		im->report->changed++;
		return 0;
	default:
		return sign(im, fd, path, file, TRUST_UNKNOWN_ORIGIN);
	}
}

static int take_file(struct import *im, const char *listed)
{
	const char *path = diversions_path(&im->diversions, im->current->name, listed);
	struct store_file file;
	struct stat st;
	int fd, ret;

	fd = executable_open(im->root, path, &st);
	if (fd < 0) {
		if (!errno)
			return 0;
		progress_note("%s: %m: left out", path);
		im->report->unreadable++;
		return 0;
	}
	ret = learn(im, fd, &st, path, &file);
	if (ret == 1)
		ret = take_hashes(im, fd, listed, path, &file);
	close(fd);
	return ret;
}

/* ---- all of them --------------------------------------------------------- */

/* "P id" begins a package; " /path" is one of its files. */
static int take_line(struct import *im, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "P ", 2) == 0)
		return begin_package(im, line + 2);
	if (!im->current || line[0] != ' ' || line[1] != '/')
		return 0;
	return take_file(im, line + 1);
}

static int read_files(struct import *im, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len = 0;
	int ret = 0;

	while (!ret && !interrupted() && (len = line_read(&line, &size, in)) > 0)
		ret = take_line(im, line);
	/* The rest would be taken for what is no longer installed. */
	if (!ret && len < 0) {
		snprintf(im->why, im->why_size, "reading what dpkg-query says: %m");
		ret = -1;
	}
	free(line);
	checksums_free(&im->sums);
	return ret;
}

static int import_files(struct import *im)
{
	struct words w = { 0 };
	struct command cmd;
	int ret, status;

	words_add(&w, "dpkg-query");
	machine_words(&im->job->machine, &w);
	words_add(&w, "--show");
	words_add(&w, "--showformat=P ${binary:Package}\n${db-fsys:Files}");
	words_add(&w, "--");
	for (size_t i = 0; i < im->job->pattern_count; i++)
		words_add(&w, "%s", im->job->patterns[i]);
	ret = command_open(&cmd, &w, false);
	words_free(&w);
	if (ret) {
		snprintf(im->why, im->why_size, "dpkg-query: %m");
		return -1;
	}
	ret = read_files(im, cmd.out);
	status = command_close(&cmd);
	if (!ret && status)
		snprintf(im->why, im->why_size, "dpkg-query failed with status %d; "
			 "nothing was changed", status);
	return ret || status || interrupted() ? -1 : 0;
}

static int sweep(struct import *im)
{
	if (im->job->keep)
		return 0;
	store_grace(im->store, im->job->now, im->job->grace_s);
	if (!im->job->pattern_count)
		return store_sweep(im->store, NULL) ? fail(im) : 0;
	for (size_t i = 0; i < im->packages.count; i++)
		if (store_sweep(im->store, im->packages.list[i].name))
			return fail(im);
	return 0;
}

/* Signatures of another root do not replace those of this machine. */
static void make_label(const struct machine *machine, char *out, size_t size)
{
	const char *given = machine->root ? machine->root : machine->admindir;
	char real[PATH_MAX];

	if (given && !realpath(given, real))
		snprintf(real, sizeof(real), "%s", given);
	if (!given || strcmp(real, "/") == 0)
		snprintf(out, size, "dpkg");
	else
		snprintf(out, size, "dpkg:%s", real);
}

static int import_all(struct import *im)
{
	char label[PATH_MAX + 8];
	int ret;

	make_label(&im->job->machine, label, sizeof(label));
	im->store = store_begin(im->db, label, STORE_RANK_PACKAGE);
	if (!im->store)
		return fail(im);
	progress_begin("packages", im->packages.count);
	ret = import_files(im);
	progress_end();
	if (!ret)
		ret = sweep(im);
	if (ret) {
		store_rollback(im->store);
		return -1;
	}
	return store_commit(im->store, &im->report->counts) ? fail(im) : 0;
}

static int prepare(struct import *im)
{
	const struct machine *machine = &im->job->machine;

	if (machine_admindir(machine, im->admindir, sizeof(im->admindir))) {
		snprintf(im->why, im->why_size, "the path of dpkg's database is too long");
		return -1;
	}
	im->root = executable_root(machine->root ? machine->root : "/");
	if (im->root < 0) {
		snprintf(im->why, im->why_size, "%s: %m%s",
			 machine->root ? machine->root : "/",
			 errno == ENOSYS || errno == EPERM ?
			 " (openat2 is needed: Linux 5.6, and no filter on it)" : "");
		return -1;
	}
	if (diversions_read(&im->diversions, machine, im->why, im->why_size) ||
	    packages_read(&im->packages, machine, im->job->patterns,
			  im->job->pattern_count, im->why, im->why_size))
		return -1;
	im->report->have_tags = im->packages.have_tags;
	im->report->have_origins = im->packages.have_origins;
	return 0;
}

int dpkg_import(struct sigdb *db, const struct dpkg_import *job,
		struct dpkg_report *report, char *why, size_t why_size)
{
	struct import im = {
		.job = job,
		.report = report,
		.db = db,
		.root = -1,
		.why = why,
		.why_size = why_size,
	};
	int ret;

	memset(report, 0, sizeof(*report));
	ret = prepare(&im);
	if (!ret)
		ret = import_all(&im);
	if (ret && interrupted())
		snprintf(why, why_size, "interrupted; nothing was changed");
	packages_free(&im.packages);
	diversions_free(&im.diversions);
	if (im.root >= 0)
		close(im.root);
	return ret;
}
