// SPDX-License-Identifier: GPL-2.0-only
/* One database that tells another. */
#include "fixture.h"

#include <openssl/pem.h>

#include "csv_file.h"
#include "feed.h"
#include "handle.h"

#define H1 "1111111111111111111111111111111111111111111111111111111111111111"
#define H2 "2222222222222222222222222222222222222222222222222222222222222222"
#define H3 "3333333333333333333333333333333333333333333333333333333333333333"

struct feeds {
	struct fixture *from;
	struct sigdb *to;
	char dir[96], key[128], public[128], other_public[128];
};

static struct feeds s;

static void make_key(const char *type, char *private, char *public)
{
	EVP_PKEY *key = strcmp(type, "rsa") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA",
								      (size_t)2048) :
						   EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	FILE *out;

	assert_non_null(key);
	if (private) {
		out = fopen(private, "w");
		assert_non_null(out);
		assert_int_equal(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
		fclose(out);
	}
	out = fopen(public, "w");
	assert_non_null(out);
	assert_int_equal(PEM_write_PUBKEY(out, key), 1);
	fclose(out);
	EVP_PKEY_free(key);
}

static int setup(void **state)
{
	char path[128];

	fixture_setup(state);
	s.from = *state;
	snprintf(s.dir, sizeof(s.dir), "%s/feeds", s.from->dir);
	assert_int_equal(mkdir(s.dir, 0755), 0);
	snprintf(s.key, sizeof(s.key), "%s/key.pem", s.from->dir);
	snprintf(s.public, sizeof(s.public), "%s/public.pem", s.from->dir);
	snprintf(s.other_public, sizeof(s.other_public), "%s/other.pem", s.from->dir);
	make_key("ed25519", s.key, s.public);
	make_key("ed25519", NULL, s.other_public);
	snprintf(path, sizeof(path), "%s/to.db", s.from->dir);
	s.to = sigdb_open(path, true, s.from->why, sizeof(s.from->why));
	if (!s.to)
		fail_msg("%s", s.from->why);
	return 0;
}

static int teardown(void **state)
{
	sigdb_close(s.to);
	return fixture_teardown(state);
}

/* The whole truth of the administrator, from now on. */
static void have(const char *text)
{
	FILE *in = fmemopen((char *)(uintptr_t)text, strlen(text), "r");
	struct csv_report report;

	assert_non_null(in);
	if (csv_import(s.from->db, in, "test.csv", true, &report, s.from->why,
		       sizeof(s.from->why)))
		fail_msg("%s", s.from->why);
	fclose(in);
}

static const char *export(bool full)
{
	static struct feed_report r;

	if (feed_export(s.from->db, s.dir, "corp", s.key, full, &r, s.from->why,
			sizeof(s.from->why)))
		fail_msg("%s", s.from->why);
	return r.nothing ? NULL : strdup(r.path);
}

static int try_import(const char *path, struct feed_report *r)
{
	return feed_import(s.to, path, s.public, 0, r, s.from->why, sizeof(s.from->why));
}

static struct feed_report import(const char *path)
{
	struct feed_report r;

	if (try_import(path, &r))
		fail_msg("%s", s.from->why);
	return r;
}

static void refused(const char *path, const char *words)
{
	struct feed_report r;

	assert_int_equal(try_import(path, &r), -1);
	if (!strstr(s.from->why, words))
		fail_msg("\"%s\" does not say \"%s\"", s.from->why, words);
}

/* All that a database says, as CSV. */
static char *all_of(struct sigdb *db)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(csv_export(db, out, s.from->why, sizeof(s.from->why)), 0);
	fclose(out);
	return text;
}

static void expect_the_same(void)
{
	char *from = all_of(s.from->db), *to = all_of(s.to);

	assert_string_equal(to, from);
	free(from);
	free(to);
}

static const char first[] =
	"sha256,path,file_name,name,vendor,trust,threat,verdict\n"
	H1 ",,tool,Tool,ACME,3,1,safe\n" H2 ",,,,,,,unsafe\n"
	",/opt/agent,,Agent,ACME,,,\n,,backup,Backup,,,,\n";

static void a_feed_makes_the_other_the_same(void **state)
{
	struct feed_report r;
	const char *path;

	(void)state;
	have(first);
	path = export(false);
	r = import(path);
	assert_true(r.head.full);
	assert_int_equal(r.head.serial, 1);
	assert_int_equal(r.head.rows, 4);
	expect_the_same();
	free((char *)(uintptr_t)path);
}

/* Changed, new, gone, and as it was. */
static void only_what_changed_is_told(void **state)
{
	const char *one, *two;
	struct feed_report r;

	(void)state;
	have(first);
	one = export(false);
	import(one);
	have("sha256,path,file_name,name,vendor,trust,threat,verdict\n"
	     H1 ",,tool,Tool,ACME,4,1,safe\n" H3 ",,,New,,,,\n"
	     ",/opt/agent,,Agent,ACME,,,\n,,other,Other,,,,\n");
	two = export(false);
	r = import(two);
	assert_false(r.head.full);
	/* H1 and H3, H2 gone; "other", and "backup" gone. */
	assert_int_equal(r.head.rows, 5);
	assert_int_equal(r.counts.removed, 2);
	expect_the_same();
	/* The same once more is nothing new. */
	have("sha256,path,file_name,name,vendor,trust,threat,verdict\n"
	     H1 ",,tool,Tool,ACME,4,1,safe\n" H3 ",,,New,,,,\n"
	     ",/opt/agent,,Agent,ACME,,,\n,,other,Other,,,,\n");
	assert_null(export(false));
	free((char *)(uintptr_t)one);
	free((char *)(uintptr_t)two);
}

static void what_another_source_still_knows_is_not_gone(void **state)
{
	static const struct store_identity tool = { "tool", "", "", "", "" };
	struct store_signature sig = { .trust = 3 };
	struct store_counts counts;
	uint8_t hash[SHA256_SIZE];
	const char *one, *two;
	struct store *st;

	(void)state;
	st = store_begin(s.from->db, "dpkg", STORE_RANK_PACKAGE);
	hex_decode(H1, hash, sizeof(hash));
	sig.application = store_application(st, &tool);
	assert_int_equal(store_hash(st, hash, &sig), 0);
	assert_int_equal(store_commit(st, &counts), 0);
	have(first);
	one = export(false);
	import(one);
	have("sha256,name\n" H2 ",Else\n");
	two = export(false);
	import(two);
	expect_the_same();
	free((char *)(uintptr_t)one);
	free((char *)(uintptr_t)two);
}

static void gaps_and_replays_are_refused(void **state)
{
	const char *path[3];
	struct feed_report r;

	(void)state;
	for (int i = 0; i < 3; i++) {
		have(i == 1 ? first : "sha256,name\n" H3 ",New\n");
		path[i] = export(false);
	}
	refused(path[1], "nothing of feed corp was imported yet");
	import(path[0]);
	refused(path[0], "was imported already");
	refused(path[2], "has serial 3 of feed corp, and 2 is the next");
	import(path[1]);
	import(path[2]);
	refused(path[1], "of which 3 was imported already");
	expect_the_same();
	assert_int_equal(feed_import(s.to, path[1], s.public, FEED_SKIP_OLD, &r, s.from->why,
				     sizeof(s.from->why)), 0);
	assert_true(r.nothing);
	expect_the_same();
	for (int i = 0; i < 3; i++)
		free((char *)(uintptr_t)path[i]);
}

static void another_history_is_refused_and_a_full_one_mends_it(void **state)
{
	const char *one, *two, *full;

	(void)state;
	have(first);
	one = export(false);
	import(one);
	/* As if the exporting database had been put back to before its first feed. */
	assert_int_equal(sqlite3_exec(s.from->db->sql, "DELETE FROM feed", NULL, NULL,
				      NULL), SQLITE_OK);
	have("sha256,name\n" H1 ",Tool\n");
	free((char *)(uintptr_t)one);
	one = export(false);
	have("sha256,name\n" H1 ",Tool\n" H3 ",New\n");
	two = export(false);
	refused(two, "does not follow the serial 1 of feed corp");
	full = export(true);
	import(full);
	expect_the_same();
	free((char *)(uintptr_t)one);
	free((char *)(uintptr_t)two);
	free((char *)(uintptr_t)full);
}

static void another_signer_is_refused(void **state)
{
	struct feed_report r;
	const char *path;
	char rsa[128];

	(void)state;
	have(first);
	path = export(false);
	assert_int_equal(feed_import(s.to, path, s.other_public, 0, &r, s.from->why,
				     sizeof(s.from->why)), -1);
	assert_non_null(strstr(s.from->why, "was not signed by the key in"));
	snprintf(rsa, sizeof(rsa), "%s/rsa.pem", s.from->dir);
	make_key("rsa", NULL, rsa);
	assert_int_equal(feed_import(s.to, path, rsa, 0, &r, s.from->why,
				     sizeof(s.from->why)), -1);
	assert_non_null(strstr(s.from->why, "expected a public key of Ed25519"));
	assert_int_equal(feed_export(s.from->db, s.dir, "corp", rsa, true, &r,
				     s.from->why, sizeof(s.from->why)), -1);
	free((char *)(uintptr_t)path);
}

static int import_how(const char *path, const char *public, unsigned int how)
{
	struct feed_report r;

	return feed_import(s.to, path, public, how, &r, s.from->why, sizeof(s.from->why));
}

/* Back to its first feed, while three were imported elsewhere. */
static void a_database_put_back_goes_on_by_a_restart(void **state)
{
	const char *path[3], *again, *next;
	struct feed_state first_one;

	(void)state;
	for (int i = 0; i < 3; i++) {
		have(i == 1 ? first : "sha256,name\n" H3 ",New\n");
		path[i] = export(false);
		import(path[i]);
		if (!i)
			assert_int_equal(feed_state_get(s.from->db, "out", "corp",
							&first_one), 1);
	}
	/* Only what has everything may begin again. */
	assert_int_equal(import_how(path[1], s.public, FEED_RESTART), -1);
	assert_int_equal(feed_state_put(s.from->db, "out", "corp", &first_one), 0);
	have("sha256,name\n" H1 ",Tool\n" H2 ",Else\n");
	again = export(true);
	/* Its serial 2, which is passed over, or refused. */
	refused(again, "of which 3 was imported already");
	next = export(true);
	assert_int_equal(import_how(next, s.public, FEED_SKIP_OLD), -1);
	assert_non_null(strstr(s.from->why, "is another serial 3 of feed corp"));
	assert_int_equal(import_how(again, s.public, FEED_RESTART), 0);
	import(next);
	expect_the_same();
	for (int i = 0; i < 3; i++)
		free((char *)(uintptr_t)path[i]);
	free((char *)(uintptr_t)again);
	free((char *)(uintptr_t)next);
}

/* Another one that we also trust for something may not speak in its name. */
static void a_feed_is_bound_to_its_key(void **state)
{
	const char *one, *two;
	char key[128];

	(void)state;
	have(first);
	one = export(false);
	import(one);
	snprintf(key, sizeof(key), "%s", s.key);
	snprintf(s.key, sizeof(s.key), "%s/other-key.pem", s.from->dir);
	make_key("ed25519", s.key, s.other_public);
	have("sha256,name\n" H3 ",New\n");
	two = export(false);
	assert_int_equal(import_how(two, s.other_public, 0), -1);
	assert_non_null(strstr(s.from->why, "is of another key than feed corp"));
	assert_int_equal(import_how(two, s.other_public, FEED_SKIP_OLD | FEED_RESTART), -1);
	assert_int_equal(import_how(two, s.other_public, FEED_NEW_KEY), 0);
	expect_the_same();
	/* From then on it is the other. */
	free((char *)(uintptr_t)two);
	have(first);
	two = export(false);
	assert_int_equal(import_how(two, s.other_public, 0), 0);
	free((char *)(uintptr_t)one);
	free((char *)(uintptr_t)two);
}

/* The commit fails: nothing may be there that the database does not know of. */
static int deny_commit(void *arg)
{
	*(bool *)arg = true;
	return 1;
}

static void a_feed_is_there_only_if_it_is_noted(void **state)
{
	struct feed_report r;
	bool called = false;
	char path[192];
	const char *one;

	(void)state;
	have(first);
	sqlite3_commit_hook(s.from->db->sql, deny_commit, &called);
	assert_int_equal(feed_export(s.from->db, s.dir, "corp", s.key, false, &r,
				     s.from->why, sizeof(s.from->why)), -1);
	assert_true(called);
	sqlite3_commit_hook(s.from->db->sql, NULL, NULL);
	snprintf(path, sizeof(path), "%s/corp-00000001.feed", s.dir);
	assert_int_equal(access(path, F_OK), -1);
	one = export(false);
	assert_string_equal(one, path);
	import(one);
	expect_the_same();
	free((char *)(uintptr_t)one);
}

/* The machine fails after the database was told, and before the file has its name. */
static void an_export_that_broke_off_is_brought_to_its_end(void **state)
{
	struct feed_report r;
	char fresh[4110];
	const char *one;

	(void)state;
	have(first);
	one = export(false);
	snprintf(fresh, sizeof(fresh), "%s.new", one);
	assert_int_equal(rename(one, fresh), 0);
	assert_int_equal(feed_export(s.from->db, s.dir, "corp", s.key, false, &r,
				     s.from->why, sizeof(s.from->why)), 0);
	assert_true(r.nothing);
	assert_true(r.recovered);
	assert_string_equal(r.path, one);
	import(one);
	expect_the_same();
	/* What is no feed of the database's is left alone. */
	assert_int_equal(rename(one, fresh), 0);
	assert_int_equal(truncate(fresh, 20), 0);
	assert_null(export(false));
	assert_int_equal(access(one, F_OK), -1);
	free((char *)(uintptr_t)one);
}

static char *read_all(const char *path, size_t *size)
{
	static char text[65536];
	FILE *in = fopen(path, "r");

	assert_non_null(in);
	*size = fread(text, 1, sizeof(text), in);
	fclose(in);
	assert_in_range(*size, 1, sizeof(text) - 1);
	return text;
}

static void write_all(const char *path, const char *text, size_t size)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
}

/* Any byte that is changed, and any place at which it is cut off. */
static void whatever_is_changed_is_refused(void **state)
{
	struct feed_report r;
	struct sigdb_answer a;
	uint8_t hash[SHA256_SIZE];
	const char *path;
	char *text;
	size_t size;

	(void)state;
	have(first);
	path = export(false);
	text = read_all(path, &size);
	for (size_t i = 0; i < size; i++) {
		text[i] ^= 1;
		write_all(path, text, size);
		if (!try_import(path, &r))
			fail_msg("byte %zu: accepted", i);
		text[i] ^= 1;
		write_all(path, text, i);
		if (!try_import(path, &r))
			fail_msg("cut at %zu: accepted", i);
	}
	write_all(path, text, size);
	text[size] = '\n';
	write_all(path, text, size + 1);
	refused(path, "its rows are not those that were signed");
	hex_decode(H1, hash, sizeof(hash));
	assert_int_equal(ask(s.to, hash, NULL, &a), SIGDB_UNKNOWN);
	write_all(path, text, size);
	import(path);
	expect_the_same();
	free((char *)(uintptr_t)path);
}

static void a_feed_of_another_name_has_its_own_serials(void **state)
{
	struct feed_report r;
	const char *path;

	(void)state;
	have(first);
	path = export(false);
	import(path);
	assert_int_equal(feed_export(s.from->db, s.dir, "other", s.key, false, &r,
				     s.from->why, sizeof(s.from->why)), 0);
	assert_int_equal(r.head.serial, 1);
	import(r.path);
	assert_int_equal(feed_export(s.from->db, s.dir, "../x", s.key, false, &r,
				     s.from->why, sizeof(s.from->why)), -1);
	assert_non_null(strstr(s.from->why, "is no name of a feed"));
	free((char *)(uintptr_t)path);
}

static void a_feed_that_cannot_be_written_is_none(void **state)
{
	struct feed_report r;
	const char *path;

	(void)state;
	have(first);
	assert_int_equal(feed_export(s.from->db, "/nowhere", "corp", s.key, false, &r,
				     s.from->why, sizeof(s.from->why)), -1);
	path = export(false);
	assert_int_equal(import(path).head.serial, 1);
	free((char *)(uintptr_t)path);
}

#define FEEDS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FEEDS(a_feed_makes_the_other_the_same),
		FEEDS(only_what_changed_is_told),
		FEEDS(what_another_source_still_knows_is_not_gone),
		FEEDS(gaps_and_replays_are_refused),
		FEEDS(another_history_is_refused_and_a_full_one_mends_it),
		FEEDS(a_database_put_back_goes_on_by_a_restart),
		FEEDS(a_feed_is_bound_to_its_key),
		FEEDS(a_feed_is_there_only_if_it_is_noted),
		FEEDS(an_export_that_broke_off_is_brought_to_its_end),
		FEEDS(another_signer_is_refused),
		FEEDS(whatever_is_changed_is_refused),
		FEEDS(a_feed_of_another_name_has_its_own_serials),
		FEEDS(a_feed_that_cannot_be_written_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
