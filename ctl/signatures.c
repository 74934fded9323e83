// SPDX-License-Identifier: GPL-2.0-only
#include "signatures.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>

/* Out of memory must not end the program: the value is just looked up again. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Rules share their values: each is looked up once. */
struct answer {
	const struct value *value;
	const char *unknown;	/* a text of it that nothing matches; NULL: none */
	bool all;		/* and nothing matches any other of it */
	UT_hash_handle hh;
};

struct signatures {
	sqlite3 *db;
	struct answer *answers;
};

static const struct {
	enum condition condition;
	const char *literal, *all;
} columns[] = {
#define COLUMN(name)							\
	"SELECT 1 FROM application WHERE " name " = ?1 COLLATE NOCASE LIMIT 1",	\
	"SELECT DISTINCT " name " FROM application"
	{ COND_APPLICATION, COLUMN("name") },
	{ COND_VENDOR, COLUMN("vendor") },
	{ COND_CATEGORY, COLUMN("category") },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* 1: yes; 0: no; -1: the database cannot say. */
static int has_match(struct signatures *s, const char *sql,
		     const struct pattern_list *one)
{
	sqlite3_stmt *st;
	int rc, found = 0;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
		return -1;
	if (!one->elem->glob)
		sqlite3_bind_text(st, 1, one->elem->text, -1, SQLITE_STATIC);
	while (!found && (rc = sqlite3_step(st)) == SQLITE_ROW)
		found = !one->elem->glob ||
			pattern_match(one, (const char *)sqlite3_column_text(st, 0));
	if (!found && rc != SQLITE_DONE)
		found = -1;
	sqlite3_finalize(st);
	return found;
}

static int look_up(struct signatures *s, size_t column, const struct value *v,
		   struct answer *a)
{
	a->value = v;
	a->all = true;
	for (uint32_t i = 0; i < v->patterns.count; i++) {
		struct pattern_list one = { &v->patterns.elem[i], 1, v->patterns.kind };
		int found = has_match(s, one.elem->glob ? columns[column].all :
							  columns[column].literal, &one);

		if (found < 0)
			return -1;
		if (found)
			a->all = false;
		else
			a->unknown = one.elem->text;
	}
	return 0;
}

static const struct answer *answer_to(struct signatures *s, size_t column,
				      const struct value *v)
{
	struct answer *a;

	HASH_FIND_PTR(s->answers, &v, a);
	if (a)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a || look_up(s, column, v, a)) {
		free(a);
		return NULL;
	}
	HASH_ADD_PTR(s->answers, value, a);
	if (a->hh.tbl)
		return a;
	free(a);
	return NULL;
}

static int warn_of_rule(struct signatures *s, struct policy *p, const struct rule *r,
			struct policy_error *err)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		const struct answer *a;

		if (!rule_has(r, columns[i].condition))
			continue;
		a = answer_to(s, i, rule_value(r, columns[i].condition));
		if (!a)
			return settings_fail(err, NULL, "cannot be read: %s",
					     sqlite3_errmsg(s->db));
		if (a->unknown &&
		    policy_add_warning(p, r->line, err, "rule \"%s\"%s: no signature has the "
				       "%s \"%.100s\"", r->name,
				       a->all ? " can never match" : "",
				       condition_name(columns[i].condition), a->unknown))
			return -1;
	}
	return 0;
}

static void free_answers(struct signatures *s)
{
	struct answer *a = s->answers, *next;

	HASH_CLEAR(hh, s->answers);
	for (; a; a = next) {
		next = a->hh.next;
		free(a);
	}
}

int signatures_warn(struct policy *policy, const char *file, struct policy_error *err)
{
	struct signatures s = { 0 };
	int rc = 0;

	snprintf(err->file, sizeof(err->file), "%s", file);
	if (access(file, F_OK) && errno == ENOENT)
		return settings_fail(err, NULL, "is not there, so what has no signature "
				     "cannot be known here; if secsrv asks a service, check "
				     "it where that has its database");
	if (sqlite3_open_v2(file, &s.db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		rc = settings_fail(err, NULL, "cannot be opened: %s",
				   s.db ? sqlite3_errmsg(s.db) : "out of memory");
	for (unsigned int i = 0; i < policy->rules && !rc; i++)
		rc = warn_of_rule(&s, policy, &policy->rule[i], err);
	free_answers(&s);
	sqlite3_close(s.db);
	return rc;
}
