// SPDX-License-Identifier: GPL-2.0-only
#include "expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_scan.h"
#include "conf_text.h"

#define DEPTH_MAX 10
#define INCLUDE "@include"

struct expander {
	struct expansion *x;
	FILE *out;
	size_t limit;
	unsigned int line;	/* that is being written */
	struct policy_error *err;
};

static int fail(struct expander *e, const char *file, unsigned int line, const char *why)
{
	snprintf(e->err->file, sizeof(e->err->file), "%s", file);
	settings_fail(e->err, NULL, "%s", why);
	e->err->line = line;
	return -1;
}

static int put(struct expander *e, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		e->line += text[i] == '\n';
	return fwrite(text, 1, size, e->out) == size ? 0 : -1;
}

/* What is written next is line @line of @file. */
static int begin_part(struct expander *e, const char *file, unsigned int line)
{
	struct expand_part *more;
	char comment[512];
	int n;

	/* It stands in a comment, which ends with its line. */
	for (const char *p = file; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == '\\' || *p == 0x7f)
			return fail(e, "", 0, "the name of a file that is included, or "
				    "includes, has a character that no name should have");
	}
	more = reallocarray(e->x->part, e->x->parts + 1, sizeof(*more));
	if (!more)
		return fail(e, file, line, "out of memory");
	e->x->part = more;
	more += e->x->parts;
	more->file = strdup(file);
	if (!more->file)
		return fail(e, file, line, "out of memory");
	e->x->parts++;
	n = snprintf(comment, sizeof(comment), "\n# %s, line %u:\n", file, line);
	if (n < 0 || (size_t)n >= sizeof(comment))
		return fail(e, file, line, "the name is too long");
	if (put(e, comment, (size_t)n))
		return fail(e, file, line, "out of memory");
	more->begin = e->line;
	more->line = line;
	return 0;
}

static int expand(struct expander *e, const char *file, unsigned int depth);

/* @name as seen from @file. */
static int include(struct expander *e, const char *file, const char *name, size_t len,
		   unsigned int line, unsigned int depth)
{
	const char *slash = strrchr(file, '/');
	int dir = *name == '/' || !slash ? 0 : (int)(slash + 1 - file), rc;
	char *path;

	if (!len)
		return fail(e, file, line, "@include names no file");
	if (depth == DEPTH_MAX)
		return fail(e, file, line, "@include: too many in each other; does it "
			    "include itself?");
	if (asprintf(&path, "%.*s%.*s", dir, file, (int)len, name) < 0)
		return fail(e, file, line, "out of memory");
	rc = begin_part(e, path, 1);
	if (!rc)
		rc = expand(e, path, depth + 1);
	free(path);
	/* It is not there: that is an error of the line that names it. */
	if (rc && !*e->err->file) {
		snprintf(e->err->file, sizeof(e->err->file), "%s", file);
		e->err->line = line;
	}
	return rc;
}

/* Behind @include, to behind the name. */
static int take_include(struct expander *e, struct conf_scan *s, const char *file,
			unsigned int depth)
{
	unsigned int line = s->line;
	const char *name;

	conf_skip(s, strlen(INCLUDE));
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
		conf_skip(s, 1);
	name = s->at + 1;
	if (s->at == s->end || *s->at != '"' || !conf_skip_string(s))
		return fail(e, file, line, "@include takes the name of a file in double "
			    "quotes");
	if (include(e, file, name, (size_t)(s->at - 1 - name), line, depth))
		return -1;
	return begin_part(e, file, s->line);
}

static int expand_text(struct expander *e, const char *file, const char *text,
		       size_t size, unsigned int depth)
{
	struct conf_scan s = { .at = text, .end = text + size, .line = 1 };
	const char *from = text;

	while (s.at < s.end) {
		if (conf_skip_comment(&s))
			continue;
		if (*s.at == '"') {
			conf_skip_string(&s);
			continue;
		}
		if (!conf_starts_with(&s, INCLUDE)) {
			conf_skip(&s, 1);
			continue;
		}
		if (put(e, from, (size_t)(s.at - from)) ||
		    take_include(e, &s, file, depth))
			return -1;
		from = s.at;
	}
	return put(e, from, (size_t)(s.end - from)) ?
	       fail(e, file, s.line, "out of memory") : 0;
}

static int expand(struct expander *e, const char *file, unsigned int depth)
{
	char why[sizeof(e->err->reason)];
	size_t size;
	char *text = conf_text_read(file, e->limit, &size, why, sizeof(why));
	int rc;

	/* This sentence names the file. */
	if (!text)
		return fail(e, "", 0, why);
	rc = expand_text(e, file, text, size, depth);
	free(text);
	if (!rc && ftell(e->out) > (long)e->limit)
		return fail(e, file, 0, "is too large with what it includes");
	return rc;
}

int expand_file(struct expansion *x, const char *file, size_t limit,
		struct policy_error *err)
{
	struct expander e = { .x = x, .limit = limit, .line = 1, .err = err };
	int rc;

	memset(x, 0, sizeof(*x));
	e.out = open_memstream(&x->text, &x->size);
	if (!e.out)
		return fail(&e, file, 0, "out of memory");
	rc = expand(&e, file, 0);
	if (fclose(e.out) && !rc)
		rc = fail(&e, file, 0, "out of memory");
	return rc;
}

void expand_free(struct expansion *x)
{
	for (size_t i = 0; i < x->parts; i++)
		free(x->part[i].file);
	free(x->part);
	free(x->text);
	memset(x, 0, sizeof(*x));
}

const char *expand_origin(const struct expansion *x, const char *file,
			  unsigned int *line)
{
	size_t low = 0, high = x->parts;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (x->part[middle].begin <= *line)
			low = middle + 1;
		else
			high = middle;
	}
	/* Before the first part it is the file itself, as it is. */
	if (!low)
		return file;
	*line = *line - x->part[low - 1].begin + x->part[low - 1].line;
	return x->part[low - 1].file;
}
