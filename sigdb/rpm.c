// SPDX-License-Identifier: GPL-2.0-only
/*
 * librpm reads the packages and checks what they are signed with.  A package has the
 * SHA-256 of each of its files, so none is read: a file that was replaced on the disk
 * is not what the package says, and has no signature.
 */
#include "rpm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rpm/rpmcrypto.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmfiles.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <rpm/rpmts.h>

#include "categories.h"
#include "progress.h"
#include "text.h"

/* The levels of schema.sql.  What a repository still offers is not known here. */
#define TRUST_UNKNOWN_ORIGIN	2
#define TRUST_KNOWN_ORIGIN	3

#define BUILD_ID_LINKS "/usr/lib/.build-id/"

struct import {
	const struct rpm_import *job;
	struct rpm_report *report;
	struct sigdb *db;
	struct store *store;
	rpmts ts;
	uint64_t seen;		/* packages of what is installed */
	char *why;
	size_t why_size;

	/* The package whose files are coming in. */
	int64_t application;
	int trust;
};

static int fail(struct import *im)
{
	snprintf(im->why, im->why_size, "%s", interrupted() ?
		 "interrupted; nothing was changed" : sigdb_error(im->db));
	return -1;
}

/* ---- one package --------------------------------------------------------- */

static void text_of(Header head, rpmTagVal tag, char *out, size_t size)
{
	char *text = headerGetAsString(head, tag);

	sigdb_text_clean(text ? text : "", out, size);
	free(text);
}

/*
 * Of the header, in which the digests of files are: the older kind, over all of the
 * package, is not looked at where only the header is read.
 */
static bool is_signed(Header head)
{
	return headerIsEntry(head, RPMTAG_RSAHEADER) ||
	       headerIsEntry(head, RPMTAG_DSAHEADER);
}

/* The address behind a name, as packagers write it, is no part of a vendor. */
static void cut_address(char *text)
{
	char *angle = strstr(text, " <");

	if (angle)
		*angle = '\0';
}

static int begin_package(struct import *im, Header head, bool verified)
{
	char name[128], version[128], group[128], url[256], packager[128], origin[128];
	char vendor[128];
	const struct categories_package about = {
		.name = name,
		.section = group,
		.tags = "",
		.homepage = url,
		.maintainer = packager,
		.origin = origin,
	};
	struct store_identity identity = {
		.name = name,
		.version = version,
		.vendor = vendor,
		.origin = origin,
	};

	text_of(head, RPMTAG_NAME, name, sizeof(name));
	text_of(head, RPMTAG_EVR, version, sizeof(version));
	text_of(head, RPMTAG_GROUP, group, sizeof(group));
	text_of(head, RPMTAG_URL, url, sizeof(url));
	text_of(head, RPMTAG_PACKAGER, packager, sizeof(packager));
	text_of(head, RPMTAG_VENDOR, origin, sizeof(origin));
	cut_address(origin);
	identity.category = categories_category(im->job->map, &about);
	categories_vendor(im->job->map, &about, vendor, sizeof(vendor));
	im->trust = verified && *origin ? TRUST_KNOWN_ORIGIN : TRUST_UNKNOWN_ORIGIN;
	im->application = store_application(im->store, &identity);
	return im->application < 0 ? fail(im) : 0;
}

/* ---- one file ------------------------------------------------------------ */

static int claim(struct import *im, enum sigdb_claim kind, const void *value, size_t size)
{
	const struct store_claim claim = {
		.kind = kind,
		.value = value,
		.size = size,
		.application = im->application,
		.trust = SIGDB_CLAIM_TRUST_MAX,
	};

	return store_claim(im->store, &claim) == STORE_ERROR ? fail(im) : 0;
}

/* A package has a link for each build-id: .build-id/ab/cdef..., perhaps with ".1". */
static int take_link(struct import *im, const char *path)
{
	const char *at = path + strlen(BUILD_ID_LINKS);
	char hex[2 * SIGDB_BUILD_ID_MAX + 1];
	uint8_t id[SIGDB_BUILD_ID_MAX];
	size_t used = 0;

	if (strncmp(path, BUILD_ID_LINKS, strlen(BUILD_ID_LINKS)) != 0)
		return 0;
	for (; *at && *at != '.' && used < sizeof(hex) - 1; at++)
		if (*at != '/')
			hex[used++] = *at;
	hex[used] = '\0';
	if (used < 2 * SIGDB_BUILD_ID_MIN || used % 2 || hex_decode(hex, id, used / 2))
		return 0;
	return claim(im, SIGDB_CLAIM_BUILD_ID, id, used / 2);
}

static int take_executable(struct import *im, rpmfiles files, int i, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct store_signature sig = {
		.application = im->application,
		.trust = im->trust,
		.file_name = slash ? slash + 1 : path,
	};
	const unsigned char *digest;
	size_t size = 0;
	int algorithm = 0;

	digest = rpmfilesFDigest(files, i, &algorithm, &size);
	if (!digest || algorithm != RPM_HASH_SHA256 || size != SHA256_SIZE) {
		im->report->weak++;
		return 0;
	}
	im->report->executables++;
	if (!sigdb_text_valid(path) || strlen(path) > SIGDB_PATH_MAX)
		sig.file_name = NULL;
	if (store_hash(im->store, digest, &sig))
		return fail(im);
	return sig.file_name ? claim(im, SIGDB_CLAIM_PACKAGE_FILE, path, 0) : 0;
}

/* In the database some files of a package may be marked as left out. */
static bool is_there(rpmfiles files, int i)
{
	rpmfileState state = rpmfilesFState(files, i);

	if (rpmfilesFFlags(files, i) & RPMFILE_GHOST)
		return false;
	return state == RPMFILE_STATE_MISSING || RPMFILE_IS_INSTALLED(state);
}

static int take_file(struct import *im, rpmfiles files, int i)
{
	rpm_mode_t mode = rpmfilesFMode(files, i);
	char *path;
	int ret = 0;

	if (!is_there(files, i) || (!S_ISLNK(mode) && !(S_ISREG(mode) && (mode & 0111))))
		return 0;
	path = rpmfilesFN(files, i);
	if (!path) {
		snprintf(im->why, im->why_size, "out of memory");
		return -1;
	}
	if (S_ISLNK(mode))
		ret = take_link(im, path);
	else if (rpmfilesFSize(files, i) >= 2)
		ret = take_executable(im, files, i, path);
	free(path);
	return ret;
}

static int take_package(struct import *im, Header head, bool verified)
{
	rpmfiles files;
	int ret;

	ret = begin_package(im, head, verified);
	if (ret)
		return ret;
	files = rpmfilesNew(NULL, head, RPMTAG_BASENAMES, RPMFI_KEEPHEADER);
	for (int i = 0; !ret && i < (int)rpmfilesFC(files); i++)
		ret = take_file(im, files, i);
	rpmfilesFree(files);
	progress_set(++im->report->packages);
	return ret ? ret : interrupted() ? fail(im) : 0;
}

/* ---- what is installed --------------------------------------------------- */

/* By the index of names, which is another table than that of the packages. */
static uint64_t count_installed(struct import *im)
{
	rpmdbIndexIterator names = rpmdbIndexIteratorInit(rpmtsGetRdb(im->ts), RPMDBI_NAME);
	uint64_t count = 0;
	const void *name;
	size_t size;

	while (names && !rpmdbIndexIteratorNext(names, &name, &size))
		count += rpmdbIndexIteratorNumPkgs(names);
	rpmdbIndexIteratorFree(names);
	return count;
}

/* librpm would make the folder, even to read from it. */
static bool have_database(const struct import *im)
{
	char *dbpath = rpmExpand("%{_dbpath}", NULL);
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", im->job->root ? im->job->root : "", dbpath);
	free(dbpath);
	return !access(path, F_OK);
}

static int take_installed(struct import *im)
{
	rpmdbMatchIterator all;
	uint64_t count;
	Header head;
	int ret = 0;

	count = have_database(im) && !rpmtsOpenDB(im->ts, O_RDONLY) ? count_installed(im) : 0;
	if (!count) {
		snprintf(im->why, im->why_size, "no package is installed%s%s; check --root "
			 "and --dbpath", im->job->root ? " below " : "",
			 im->job->root ? im->job->root : "");
		return -1;
	}
	progress_begin("packages", count);
	all = rpmtsInitIterator(im->ts, RPMDBI_PACKAGES, NULL, 0);
	while (!ret && (head = rpmdbNextIterator(all))) {
		im->seen++;
		ret = take_package(im, head, is_signed(head));
	}
	rpmdbFreeIterator(all);
	progress_end();
	if (ret)
		return ret;
	/* What cannot be read ends the iteration, or is passed over, without a word. */
	if (im->seen == count)
		return 0;
	snprintf(im->why, im->why_size, "rpm's database%s%s has %llu packages, of which %llu "
		 "can be read: it is damaged, or has just changed; nothing was imported",
		 im->job->root ? " below " : "", im->job->root ? im->job->root : "",
		 (unsigned long long)count, (unsigned long long)im->seen);
	return -1;
}

/* ---- package files ------------------------------------------------------- */

static int refuse(struct import *im, const char *path, const char *reason)
{
	snprintf(im->why, im->why_size, "%s: %s; nothing was changed", path, reason);
	return -1;
}

static int take_package_file(struct import *im, const char *path)
{
	Header head = NULL;
	rpmRC rc;
	FD_t fd;
	int ret;

	if (access(path, R_OK))
		return refuse(im, path, strerror(errno));
	fd = Fopen(path, "r.ufdio");
	if (!fd || Ferror(fd)) {
		Fclose(fd);
		return refuse(im, path, "cannot be opened");
	}
	rc = rpmReadPackageFile(im->ts, fd, path, &head);
	Fclose(fd);
	if (rc == RPMRC_NOTFOUND)
		ret = refuse(im, path, "is no RPM package");
	else if (rc == RPMRC_FAIL || !head)
		ret = refuse(im, path, "is damaged, or its signature does not fit");
	else
		ret = take_package(im, head, rc == RPMRC_OK && is_signed(head));
	headerFree(head);
	return ret;
}

static int take_package_files(struct import *im)
{
	int ret = 0;

	progress_begin("packages", im->job->file_count);
	for (size_t i = 0; !ret && i < im->job->file_count; i++)
		ret = take_package_file(im, im->job->files[i]);
	progress_end();
	return ret;
}

/* ---- all of them --------------------------------------------------------- */

/* Signatures of another root, and of package files, are sources of their own. */
static void make_label(const struct rpm_import *job, char *out, size_t size)
{
	char real[PATH_MAX];

	if (job->file_count)
		snprintf(out, size, "rpm-files");
	else if (!job->root || !realpath(job->root, real) || strcmp(real, "/") == 0)
		snprintf(out, size, "rpm");
	else
		snprintf(out, size, "rpm:%s", real);
}

/* Distributions have moved it; what this machine's rpm is set to is about this one. */
static const char *usual_dbpath(const char *root)
{
	static const char *const places[] = { "/usr/lib/sysimage/rpm", "/var/lib/rpm" };
	char path[PATH_MAX];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s%s", root ? root : "", places[i]);
		if (!access(path, F_OK))
			return places[i];
	}
	return root ? places[1] : NULL;
}

static int open_rpm(struct import *im)
{
	const char *dbpath = im->job->dbpath;
	char root[PATH_MAX];

	rpmSetVerbosity(RPMLOG_ERR);
	if (rpmReadConfigFiles(NULL, NULL)) {
		snprintf(im->why, im->why_size, "rpm's configuration cannot be read");
		return -1;
	}
	if (!dbpath)
		dbpath = usual_dbpath(im->job->root);
	if (dbpath)
		rpmPushMacro(NULL, "_dbpath", NULL, dbpath, RMIL_CMDLINE);
	im->ts = rpmtsCreate();
	if (im->ts && !im->job->root)
		return 0;
	if (im->ts && realpath(im->job->root, root) && !rpmtsSetRootDir(im->ts, root))
		return 0;
	snprintf(im->why, im->why_size, "%s: cannot be used as a root: %m", im->job->root ?
		 im->job->root : "/");
	return -1;
}

static void close_rpm(struct import *im)
{
	rpmtsFree(im->ts);
	rpmFreeMacros(NULL);
	rpmFreeRpmrc();
	rpmFreeCrypto();
}

static int import_all(struct import *im)
{
	char label[PATH_MAX + 8];
	int ret;

	make_label(im->job, label, sizeof(label));
	im->store = store_begin(im->db, label, STORE_RANK_PACKAGE);
	if (!im->store)
		return fail(im);
	ret = im->job->file_count ? take_package_files(im) : take_installed(im);
	if (!ret && im->job->sweep && store_sweep(im->store, NULL))
		ret = fail(im);
	if (ret) {
		store_rollback(im->store);
		return ret;
	}
	return store_commit(im->store, &im->report->counts) ? fail(im) : 0;
}

int rpm_import(struct sigdb *db, const struct rpm_import *job, struct rpm_report *report,
	       char *why, size_t why_size)
{
	struct import im = {
		.job = job,
		.report = report,
		.db = db,
		.why = why,
		.why_size = why_size,
	};
	int ret;

	memset(report, 0, sizeof(*report));
	ret = open_rpm(&im) || import_all(&im) ? -1 : 0;
	close_rpm(&im);
	return ret;
}
