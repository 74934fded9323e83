/* SPDX-License-Identifier: GPL-2.0-only */
/* For the unit tests of sigdb/: a folder that is gone afterwards, and files in it. */
#ifndef SOCKGATE_SIGDB_FIXTURE_H
#define SOCKGATE_SIGDB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "sigdb.h"

struct fixture {
	char dir[64];
	char db_path[128];
	char why[1024];
	struct sigdb *db;
};

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/sigdb-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->db_path, sizeof(f->db_path), "%s/s.db", f->dir);
	f->db = sigdb_open(f->db_path, true, f->why, sizeof(f->why));
	if (!f->db)
		fail_msg("%s", f->why);
	*state = f;
	return 0;
}

static inline int fixture_remove(const char *path, const struct stat *st, int type,
				 struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	sigdb_close(f->db);
	nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* What is known of an executable by its hash and its name; either may be NULL. */
static inline enum sigdb_result ask(struct sigdb *db, const uint8_t *sha256,
				    const char *file_name, struct sigdb_answer *answer)
{
	const struct sigdb_question q = { .sha256 = sha256, .file_name = file_name };

	return sigdb_lookup(db, &q, answer);
}

/* What is known of an executable by its hash in hexadecimal. */
static inline struct sigdb_answer fixture_look(const struct fixture *f, const char *hex)
{
	uint8_t hash[SHA256_SIZE];
	struct sigdb_answer a;

	assert_int_equal(hex_decode(hex, hash, sizeof(hash)), 0);
	assert_int_not_equal(ask(f->db, hash, NULL, &a), SIGDB_ERROR);
	return a;
}

/* Make DIR/path with its folders; returns a static copy of the full path. */
static inline const char *fixture_write(const struct fixture *f, const char *path,
					mode_t mode, const char *content)
{
	static char full[512];
	FILE *out;

	snprintf(full, sizeof(full), "%s/%s", f->dir, path);
	for (char *p = full + strlen(f->dir) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(full, 0755);
		*p = '/';
	}
	out = fopen(full, "w");
	assert_non_null(out);
	assert_true(fputs(content, out) >= 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(full, mode), 0);
	return full;
}

#endif
