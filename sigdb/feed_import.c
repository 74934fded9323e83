// SPDX-License-Identifier: GPL-2.0-only
#include "feed.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <string.h>

#include "csv_file.h"
#include "ed25519.h"
#include "progress.h"

struct import {
	struct sigdb *db;
	struct store *store;
	const char *path;
	unsigned int how;
	uint8_t key[ED25519_KEY_SIZE];	/* by which it was verified */
	struct feed_report *report;
	FILE *body;			/* a copy that nobody else can change */
	char text[FEED_TEXT_SIZE];	/* the head */
	size_t length;
	char *why;
	size_t why_size;
};

static int fail(struct import *im)
{
	snprintf(im->why, im->why_size, "%s", interrupted() ?
		 "interrupted; nothing was changed" : sigdb_error(im->db));
	return -1;
}

static int refuse(struct import *im, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(struct import *im, const char *fmt, ...)
{
	va_list args;
	int used;

	used = snprintf(im->why, im->why_size, "%s: ", im->path);
	if (used < 0 || (size_t)used >= im->why_size)
		return -1;
	va_start(args, fmt);
	vsnprintf(im->why + used, im->why_size - (size_t)used, fmt, args);
	va_end(args);
	return -1;
}

/* ---- the file ------------------------------------------------------------ */

/* All lines up to the signature's, which is left in @line. */
static int read_head(struct import *im, FILE *in, char *line, int size)
{
	while (fgets(line, size, in)) {
		size_t length = strlen(line);

		if (strncmp(line, "signature ", 10) == 0) {
			line[strcspn(line, "\n")] = '\0';
			return 0;
		}
		if (im->length + length >= sizeof(im->text))
			break;
		memcpy(im->text + im->length, line, length + 1);
		im->length += length;
	}
	return -1;
}

static int check_head(struct import *im, FILE *in, const char *key_file)
{
	uint8_t signature[ED25519_SIGNATURE_SIZE];
	char line[256], reason[512];

	if (read_head(im, in, line, sizeof(line)) ||
	    hex_decode(line + 10, signature, sizeof(signature)) || fgetc(in) != '\n')
		return refuse(im, "is no feed");
	if (ed25519_verify(key_file, im->text, im->length, signature, im->key, reason,
			   sizeof(reason)))
		return refuse(im, "%s", reason);
	/* Whoever signed it can write a head, so this is another version's. */
	if (feed_head_parse(im->text, &im->report->head))
		return refuse(im, "is a feed of a kind that this program does not know");
	return 0;
}

static int copy_body(struct import *im, FILE *in)
{
	static unsigned char chunk[65536];
	const struct feed_head *head = &im->report->head;
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	uint8_t digest[SHA256_SIZE];
	uint64_t size = 0;
	size_t len;
	int ret = -1;

	if (!sha || EVP_DigestInit_ex(sha, EVP_sha256(), NULL) != 1)
		goto out;
	while ((len = fread(chunk, 1, sizeof(chunk), in)) > 0 && size <= head->size) {
		size += len;
		if (EVP_DigestUpdate(sha, chunk, len) != 1 ||
		    fwrite(chunk, 1, len, im->body) != len)
			goto out;
	}
	if (ferror(in) || fflush(im->body) || EVP_DigestFinal_ex(sha, digest, NULL) != 1)
		goto out;
	rewind(im->body);
	ret = size != head->size || memcmp(digest, head->body, SHA256_SIZE) != 0 ?
	      refuse(im, "its rows are not those that were signed") : 0;
	EVP_MD_CTX_free(sha);
	return ret;
out:
	EVP_MD_CTX_free(sha);
	return refuse(im, "reading it: %m");
}

static int read_file(struct import *im, const char *key_file)
{
	FILE *in = fopen(im->path, "re");
	int ret;

	if (!in)
		return refuse(im, "%m");
	ret = check_head(im, in, key_file);
	if (!ret) {
		im->body = tmpfile();
		ret = im->body ? copy_body(im, in) : refuse(im, "a temporary file: %m");
	}
	fclose(in);
	return ret;
}

/* ---- the database -------------------------------------------------------- */

/* Whoever has another key, and be it one that we were given, is not that feed. */
static int check_key(struct import *im, const struct feed_state *last)
{
	if (!last->has_key || im->how & FEED_NEW_KEY ||
	    memcmp(last->key, im->key, ED25519_KEY_SIZE) == 0)
		return 0;
	return refuse(im, "is of another key than feed %s was imported by; if that is meant, "
		      "--new-key", im->report->head.name);
}

/*
 * One that was imported before is what it was then.  Where the exporting database was put
 * back from a copy, it goes on with serials that others have had.
 */
static int check_old(struct import *im, const struct feed_state *last)
{
	const struct feed_head *head = &im->report->head;
	uint8_t digest[SHA256_SIZE];

	if (head->full && im->how & FEED_RESTART)
		return 0;
	if (sha256_memory(im->text, im->length, digest))
		return fail(im);
	if (head->serial == last->serial && memcmp(digest, last->digest, SHA256_SIZE) != 0)
		return refuse(im, "is another serial %" PRIu64 " of feed %s than the one that "
			      "was imported: its database was put back from a copy; go on "
			      "with one of kind full and --restart", head->serial, head->name);
	if (im->how & FEED_SKIP_OLD)
		return 1;
	return refuse(im, "has serial %" PRIu64 " of feed %s, of which %" PRIu64
		      " was imported already", head->serial, head->name, last->serial);
}

/* Does it follow what was imported last?  Returns 1 if it is old and passed over. */
static int check_place(struct import *im)
{
	const struct feed_head *head = &im->report->head;
	struct feed_state last;

	if (feed_state_get(im->db, "in", head->name, &last) < 0)
		return fail(im);
	if (check_key(im, &last))
		return -1;
	if (head->serial <= last.serial)
		return check_old(im, &last);
	if (head->full)
		return 0;
	if (!last.serial)
		return refuse(im, "tells what has changed, and nothing of feed %s was "
			      "imported yet; begin with one of kind full", head->name);
	if (head->serial != last.serial + 1)
		return refuse(im, "has serial %" PRIu64 " of feed %s, and %" PRIu64
			      " is the next; import that first", head->serial, head->name,
			      last.serial + 1);
	if (memcmp(head->after, last.digest, SHA256_SIZE) != 0)
		return refuse(im, "does not follow the serial %" PRIu64 " of feed %s that "
			      "was imported; go on with one of kind full", last.serial,
			      head->name);
	return 0;
}

static int take_rows(struct import *im)
{
	const struct feed_head *head = &im->report->head;
	struct feed_state now = {
		.serial = head->serial, .run = store_run(im->store), .has_key = true,
	};
	uint64_t rows;

	memcpy(now.key, im->key, ED25519_KEY_SIZE);

	if (csv_take(im->db, im->store, im->body, im->path, true, &rows, im->why,
		     im->why_size))
		return -1;
	if (rows != head->rows)
		return refuse(im, "has %" PRIu64 " rows, not %" PRIu64, rows, head->rows);
	if (head->full && store_sweep(im->store, NULL))
		return fail(im);
	if (sha256_memory(im->text, im->length, now.digest) ||
	    feed_state_put(im->db, "in", head->name, &now))
		return fail(im);
	return 0;
}

static int import(struct import *im)
{
	char label[FEED_NAME_SIZE + 8];
	int ret;

	snprintf(label, sizeof(label), "feed:%s", im->report->head.name);
	im->store = store_begin(im->db, label, STORE_RANK_FEED);
	if (!im->store)
		return fail(im);
	ret = check_place(im);
	if (!ret)
		ret = take_rows(im);
	if (ret) {
		store_rollback(im->store);
		im->report->nothing = ret == 1;
		return ret == 1 ? 0 : -1;
	}
	return store_commit(im->store, &im->report->counts) ? fail(im) : 0;
}

int feed_import(struct sigdb *db, const char *path, const char *key_file,
		unsigned int how, struct feed_report *report, char *why, size_t why_size)
{
	struct import im = {
		.db = db,
		.path = path,
		.how = how,
		.report = report,
		.why = why,
		.why_size = why_size,
	};
	int ret;

	memset(report, 0, sizeof(*report));
	ret = read_file(&im, key_file) || import(&im) ? -1 : 0;
	if (im.body)
		fclose(im.body);
	return ret;
}
