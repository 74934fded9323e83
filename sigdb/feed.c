// SPDX-License-Identifier: GPL-2.0-only
#include "feed.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "handle.h"

/* ---- the head ------------------------------------------------------------ */

bool feed_name_valid(const char *name)
{
	size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			       "0123456789._-");

	return *name && *name != '.' && !name[length] && length < FEED_NAME_SIZE;
}

size_t feed_head_text(const struct feed_head *head, char text[FEED_TEXT_SIZE])
{
	char after[SHA256_TEXT_SIZE], body[SHA256_TEXT_SIZE];

	hex_encode(head->after, SHA256_SIZE, after);
	hex_encode(head->body, SHA256_SIZE, body);
	return (size_t)snprintf(text, FEED_TEXT_SIZE, "sockgate-feed 1\nname %s\n"
				"serial %" PRIu64 "\nkind %s\nafter %s\nrows %" PRIu64 "\n"
				"size %" PRIu64 "\nsha256 %s\n", head->name, head->serial,
				head->full ? "full" : "changes", after, head->rows,
				head->size, body);
}

int feed_head_parse(const char *text, struct feed_head *head)
{
	char kind[8], after[SHA256_TEXT_SIZE], body[SHA256_TEXT_SIZE];
	char again[FEED_TEXT_SIZE];

	memset(head, 0, sizeof(*head));
	if (sscanf(text, "sockgate-feed 1 name %64s serial %" SCNu64 " kind %7s after %64s"
		   " rows %" SCNu64 " size %" SCNu64 " sha256 %64s", head->name,
		   &head->serial, kind, after, &head->rows, &head->size, body) != 7)
		return -1;
	if (hex_decode(after, head->after, SHA256_SIZE) ||
	    hex_decode(body, head->body, SHA256_SIZE) || !feed_name_valid(head->name) ||
	    !head->serial || head->serial > INT64_MAX)
		return -1;
	head->full = strcmp(kind, "full") == 0;
	/* Anything else than these very bytes is no head. */
	feed_head_text(head, again);
	return strcmp(again, text) == 0 ? 0 : -1;
}

/* ---- what the database knows --------------------------------------------- */

int feed_state_get(struct sigdb *db, const char *direction, const char *name,
		   struct feed_state *state)
{
	sqlite3_stmt *stmt;
	int rc, ret = 0;

	memset(state, 0, sizeof(*state));
	if (sqlite3_prepare_v2(db->sql, "SELECT serial, digest, run, key FROM feed"
			       " WHERE direction = ?1 AND name = ?2", -1, &stmt,
			       NULL) != SQLITE_OK)
		return sigdb_fail(db, "reading of its feeds");
	sqlite3_bind_text(stmt, 1, direction, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && sqlite3_column_bytes(stmt, 1) == SHA256_SIZE) {
		state->serial = (uint64_t)sqlite3_column_int64(stmt, 0);
		memcpy(state->digest, sqlite3_column_blob(stmt, 1), SHA256_SIZE);
		state->run = sqlite3_column_int64(stmt, 2);
		state->has_key = sqlite3_column_bytes(stmt, 3) == ED25519_KEY_SIZE;
		if (state->has_key)
			memcpy(state->key, sqlite3_column_blob(stmt, 3), ED25519_KEY_SIZE);
		ret = 1;
	} else if (rc != SQLITE_DONE) {
		ret = sigdb_fail(db, "reading of its feeds");
	}
	sqlite3_finalize(stmt);
	return ret;
}

int feed_state_put(struct sigdb *db, const char *direction, const char *name,
		   const struct feed_state *state)
{
	sqlite3_stmt *stmt;
	int rc;

	if (sqlite3_prepare_v2(db->sql, "REPLACE INTO feed (direction, name, serial,"
			       " digest, run, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6)", -1, &stmt,
			       NULL) != SQLITE_OK)
		return sigdb_fail(db, "noting the feed");
	sqlite3_bind_text(stmt, 1, direction, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, (int64_t)state->serial);
	sqlite3_bind_blob(stmt, 4, state->digest, SHA256_SIZE, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 5, state->run);
	if (state->has_key)
		sqlite3_bind_blob(stmt, 6, state->key, ED25519_KEY_SIZE, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : sigdb_fail(db, "noting the feed");
}
