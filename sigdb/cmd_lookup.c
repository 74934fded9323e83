// SPDX-License-Identifier: GPL-2.0-only
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_id.h"
#include "explain.h"
#include "handle.h"
#include "remote.h"
#include "sha256.h"
#include "utf8.h"

/* Who is asked: one of both. */
struct source {
	struct sigdb *db;
	struct remote *service;
};

/* One question of the command line, and its answer. */
struct question {
	const char *asked;
	const char *kind;		/* "file", "sha256" or "name" */
	uint8_t sha256[SHA256_SIZE];
	uint8_t build_id[SIGDB_BUILD_ID_MAX];
	char path[PATH_MAX];		/* without links; for a file */
	struct sigdb_question of;
	struct sigdb_answer answer;
	enum sigdb_result result;
};

/* ---- asking -------------------------------------------------------------- */

static int read_file(struct question *q)
{
	struct stat st;
	int fd, ret;

	fd = open(q->asked, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -1;
	ret = fstat(fd, &st);
	if (!ret && !S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		ret = -1;
	}
	if (!ret)
		ret = sha256_fd(fd, UINT64_MAX, q->sha256, NULL);
	if (!ret)
		q->of.build_id_size = build_id_read(fd, q->build_id);
	close(fd);
	if (!ret && realpath(q->asked, q->path))
		q->of.path = q->path;
	return ret;
}

static void look_up(const struct source *from, struct question *q)
{
	q->result = from->service ? remote_lookup(from->service, &q->of, &q->answer) :
				    sigdb_lookup(from->db, &q->of, &q->answer);
}

static const char *reason_of(const struct source *from)
{
	return from->service ? remote_error(from->service) : sigdb_error(from->db);
}

static int explain(const struct source *from, const struct question *q, explain_fn fn,
		   void *arg)
{
	return from->service ? remote_explain(from->service, &q->of, fn, arg) :
			       sigdb_explain(from->db, &q->of, fn, arg);
}

/* Returns 0, or -1 after saying what is wrong. */
static int ask(const struct source *from, const char *asked, struct question *q)
{
	const char *slash = strrchr(asked, '/');

	memset(q, 0, sizeof(*q));
	q->asked = asked;
	q->of.sha256 = q->sha256;
	q->of.build_id = q->build_id;
	if (slash) {
		q->kind = "file";
		q->of.file_name = slash + 1;
		if (read_file(q)) {
			cli_fail("%s: %m", asked);
			return -1;
		}
	} else if (!hex_decode(asked, q->sha256, sizeof(q->sha256))) {
		q->kind = "sha256";
	} else if (from->service) {
		cli_fail("%s: a service is asked about files and hashes, not about names",
			 asked);
		return -1;
	} else {
		/* As for content that nothing is known of: no file has the hash 0. */
		q->kind = "name";
		q->of.file_name = asked;
	}
	look_up(from, q);
	if (q->result == SIGDB_ERROR) {
		cli_fail("%s", reason_of(from));
		return -1;
	}
	return 0;
}

/*
 * Which applications have a file of this name, known by its hash: people ask for
 * "curl" and mean these.  Each row goes to @row; returns how many, -1 on failure.
 */
typedef int (*row_fn)(sqlite3_stmt *row, void *arg);

static int known_by_hash(struct sigdb *db, const char *file_name, row_fn row, void *arg)
{
	static const char sql[] =
		"SELECT DISTINCT a.name, a.version, a.category, a.vendor, h.sha256"
		" FROM hash_signature h JOIN application a ON a.id = h.application"
		" WHERE h.file_name = ?1 AND h.file_name IS NOT NULL"
		" AND h.application IS NOT NULL ORDER BY 1, 2";
	sqlite3_stmt *stmt;
	int rc, count = 0;

	if (sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL) != SQLITE_OK)
		return sigdb_fail(db, "looking up");
	rc = sqlite3_bind_text(stmt, 1, file_name, -1, SQLITE_STATIC);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW)
			break;
		count++;
		if (row(stmt, arg))
			break;
	}
	if (rc != SQLITE_DONE)
		count = sigdb_fail(db, "looking up");
	sqlite3_finalize(stmt);
	return count;
}

static const char *text(sqlite3_stmt *row, int column)
{
	const char *value = (const char *)sqlite3_column_text(row, column);

	return value ? value : "";
}

/* ---- for people ---------------------------------------------------------- */

static const char *or_none(const char *value)
{
	return *value ? value : "-";
}

static void print_answer(const struct question *q)
{
	const struct sigdb_answer *a = &q->answer;
	char asked[4 * 4096];

	utf8_clean(q->asked, asked, sizeof(asked));

	if (q->result == SIGDB_UNKNOWN)
		printf("%s: unknown\n", asked);
	else if (a->source == SIGDB_HASH_ONLY)
		printf("%s: %s, trust %u, threat %u (hash only)\n", asked,
		       a->unsafe ? "unsafe" : "safe", a->trust, a->threat);
	else
		printf("%s: %s %s, category %s, vendor %s, trust %u, threat %u%s (by %s)\n",
		       asked, a->name, or_none(a->version), or_none(a->category),
		       or_none(a->vendor), a->trust, a->threat,
		       a->unsafe ? ", unsafe" : "", sigdb_source_name(a->source));
}

static int print_row(sqlite3_stmt *row, void *arg)
{
	const uint8_t *sha256 = sqlite3_column_blob(row, 4);
	char hex[SHA256_TEXT_SIZE] = "", clean[4][1024];
	int *count = arg;

	/* In a database that is not ours anything may stand. */
	for (int i = 0; i < 4; i++)
		utf8_clean(text(row, i), clean[i], sizeof(clean[i]));

	if (!(*count)++)
		puts("  a file of this name is known by its content only, which may be:");
	if (sqlite3_column_bytes(row, 4) == SHA256_SIZE)
		hex_encode(sha256, SHA256_SIZE, hex);
	printf("  %s %s, category %s, vendor %s, sha256 %s\n", clean[0],
	       or_none(clean[1]), or_none(clean[2]), or_none(clean[3]), hex);
	return 0;
}

static int print_explanation(const struct explain_row *row, void *arg)
{
	int *count = arg;

	(*count)++;
	printf("  %s, from %s: ", row->by, row->source);
	if (*row->name)
		printf("%s %s, ", row->name, or_none(row->version));
	printf("trust %d, threat %d%s%s\n    %s\n", row->trust, row->threat,
	       *row->verdict ? ", " : "", row->verdict,
	       explain_outcome_text(row->outcome));
	return 0;
}

static int explain_text(const struct source *from, const struct question *q)
{
	int count = 0;

	if (explain(from, q, print_explanation, &count))
		return cli_fail("%s", reason_of(from));
	if (!count)
		puts("  no signature of this hash, and no claim to any");
	return CLI_OK;
}

/* ---- JSON ---------------------------------------------------------------- */

static int add_row(sqlite3_stmt *row, void *arg)
{
	char hex[SHA256_TEXT_SIZE] = "";

	if (sqlite3_column_bytes(row, 4) == SHA256_SIZE)
		hex_encode(sqlite3_column_blob(row, 4), SHA256_SIZE, hex);
	return json_array_append_new(arg, json_pack("{s:s, s:s, s:s, s:s, s:s}",
						    "name", text(row, 0),
						    "version", text(row, 1),
						    "category", text(row, 2),
						    "vendor", text(row, 3),
						    "sha256", hex));
}

static int add_explanation(const struct explain_row *row, void *arg)
{
	return json_array_append_new(arg,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s}",
			  "by", row->by, "from", row->source, "name", row->name,
			  "version", row->version, "verdict", row->verdict,
			  "trust", row->trust, "threat", row->threat,
			  "outcome", explain_outcome_name(row->outcome)));
}

static int explain_json(const struct source *from, const struct question *q, json_t *json)
{
	json_t *rows = json_array();
	int ret = explain(from, q, add_explanation, rows);

	if (!ret)
		ret = json_object_set(json, "explanation", rows);
	json_decref(rows);
	return ret ? cli_fail("%s", reason_of(from)) : CLI_OK;
}

static json_t *answer_json(const struct question *q)
{
	const struct sigdb_answer *a = &q->answer;
	char hex[SHA256_TEXT_SIZE];
	bool is_name = strcmp(q->kind, "name") == 0;
	json_t *json;

	hex_encode(q->sha256, sizeof(q->sha256), hex);
	json = json_pack("{s:s, s:s, s:b, s:s, s:s*}", "asked", q->asked, "kind", q->kind,
			 "known", q->result == SIGDB_KNOWN,
			 "source", sigdb_source_name(a->source),
			 "sha256", is_name ? NULL : hex);
	if (!json || q->result != SIGDB_KNOWN)
		return json;
	if (json_object_update_new(json, json_pack("{s:i, s:i, s:b}", "trust", a->trust,
						   "threat", a->threat, "unsafe",
						   a->unsafe)) ||
	    (*a->name &&
	     json_object_update_new(json, json_pack("{s:s, s:s, s:s, s:s}",
						    "name", a->name,
						    "version", a->version,
						    "category", a->category,
						    "vendor", a->vendor)))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

/* ---- all questions ------------------------------------------------------- */

/* How the answers are shown. */
struct show {
	bool explain;
	json_t *list;		/* NULL: as text */
};

static int show_json(const struct source *from, const struct question *q,
		     const struct show *show)
{
	json_t *json = answer_json(q);
	json_t *rows = json_array();

	if (strcmp(q->kind, "name") == 0 &&
	    known_by_hash(from->db, q->of.file_name, add_row, rows) > 0)
		json_object_set(json, "known_by_hash", rows);
	json_decref(rows);
	if (json && show->explain && explain_json(from, q, json)) {
		json_decref(json);
		return CLI_FAILED;
	}
	if (json_array_append_new(show->list, json))
		return cli_fail("out of memory");
	return CLI_OK;
}

static int show_text(const struct source *from, const struct question *q,
		     const struct show *show)
{
	int printed = 0;

	print_answer(q);
	if (strcmp(q->kind, "name") == 0 && q->result == SIGDB_UNKNOWN &&
	    known_by_hash(from->db, q->of.file_name, print_row, &printed) < 0)
		return cli_fail("%s", sigdb_error(from->db));
	return show->explain ? explain_text(from, q) : CLI_OK;
}

static int lookup_all(const struct source *from, char **asked, int count,
		      const struct show *show)
{
	int ret = CLI_OK;

	for (int i = 0; i < count; i++) {
		struct question q;

		if (ask(from, asked[i], &q) ||
		    (show->list ? show_json(from, &q, show) : show_text(from, &q, show)) ||
		    q.result != SIGDB_KNOWN)
			ret = CLI_FAILED;
	}
	return ret;
}

/* Which service is asked, if any, and as whom. */
struct service {
	const char *address, *name, *certificates;
};

static struct remote *connect_to(const struct service *service)
{
	char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX], reason[1024];
	struct tls_files files = { .ca = ca, .cert = cert, .key = key };
	struct remote *r;

	snprintf(ca, sizeof(ca), "%s/ca.pem", service->certificates);
	snprintf(cert, sizeof(cert), "%s/cert.pem", service->certificates);
	snprintf(key, sizeof(key), "%s/key.pem", service->certificates);
	r = remote_open(service->address, service->name, &files, reason, sizeof(reason));
	if (!r)
		cli_fail("%s", reason);
	return r;
}

static int run(const struct cli *cli, const struct service *service, char **asked,
	       int count, const struct show *show)
{
	struct source from = { NULL, NULL };
	int ret = CLI_FAILED;

	if (service->address)
		from.service = connect_to(service);
	else
		from.db = cli_open(cli, false);
	if (from.service || from.db) {
		ret = lookup_all(&from, asked, count, show);
		if (show->list)
			ret |= cli_print(json_incref(show->list));
	}
	remote_close(from.service);
	sigdb_close(from.db);
	return ret;
}

int cmd_lookup(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "explain", no_argument, NULL, 'e' },
		{ "json", no_argument, NULL, 'j' },
		{ "service", required_argument, NULL, 's' },
		{ "service-name", required_argument, NULL, 'n' },
		{ "certificates", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	struct service service = { .certificates = "/etc/sockgate/server" };
	struct show show = { .explain = false };
	bool json = false;
	int c, ret;

	while ((c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		if (c == 'e')
			show.explain = true;
		else if (c == 'j')
			json = true;
		else if (c == 's')
			service.address = optarg;
		else if (c == 'n')
			service.name = optarg;
		else if (c == 'c')
			service.certificates = optarg;
		else
			return cli_usage("lookup: wrong option");
	}
	if (optind == argc)
		return cli_usage("lookup: expected a file, a SHA-256 or a file name");
	show.list = json ? json_array() : NULL;
	ret = run(cli, &service, argv + optind, argc - optind, &show);
	json_decref(show.list);
	return ret;
}
