// SPDX-License-Identifier: GPL-2.0-only
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pattern.h"

int pattern_add(struct pattern_list *list, const char *text)
{
	struct pattern *more = reallocarray(list->elem, list->count + 1U,
					    sizeof(*more));
	struct pattern *p;
	size_t len = strlen(text);

	if (!more)
		return -1;
	list->elem = more;
	p = &more[list->count];
	p->text = strdup(text);
	if (!p->text)
		return -1;
	p->glob = strpbrk(text, "*?[\\") != NULL;
	p->below = p->glob && list->kind == PATTERN_FILE && len > 1 &&
		   text[len - 1] == '/';
	if (p->below)
		p->text[len - 1] = '\0';
	list->count++;
	return 0;
}

void pattern_free(struct pattern_list *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		free(list->elem[i].text);
	free(list->elem);
	list->elem = NULL;
	list->count = 0;
}

static bool word_match(const struct pattern *p, const char *value, bool exact)
{
	if (p->glob)
		return !fnmatch(p->text, value, exact ? 0 : FNM_CASEFOLD);
	return exact ? !strcmp(p->text, value) : !strcasecmp(p->text, value);
}

/* With FNM_PATHNAME a pattern matches as many slashes as it has, no more. */
static bool below_match(const struct pattern *p, const char *path)
{
	return fnmatch(p->text, path, FNM_PATHNAME) &&
	       !fnmatch(p->text, path, FNM_PATHNAME | FNM_LEADING_DIR);
}

static bool file_match(const struct pattern *p, const char *path)
{
	size_t len = strlen(p->text);
	const char *slash = strrchr(path, '/');

	if (p->below)
		return below_match(p, path);
	if (!strchr(p->text, '/'))
		path = slash ? slash + 1 : path;
	if (p->glob)
		return !fnmatch(p->text, path, FNM_PATHNAME);
	if (p->text[len - 1] == '/')
		return !strncmp(p->text, path, len);
	return !strcmp(p->text, path);
}

static bool match_one(const struct pattern *p, enum pattern_kind kind,
		      const char *value)
{
	if (kind == PATTERN_FILE)
		return file_match(p, value);
	return word_match(p, value, kind == PATTERN_EXACT);
}

bool pattern_match(const struct pattern_list *list, const char *value)
{
	if (!value || !*value)
		return false;
	for (uint32_t i = 0; i < list->count; i++) {
		if (match_one(&list->elem[i], list->kind, value))
			return true;
	}
	return false;
}

static bool covers_one(const struct pattern_list *outer, const struct pattern *p)
{
	for (uint32_t i = 0; i < outer->count; i++) {
		const struct pattern *o = &outer->elem[i];

		if (o->below != p->below)
			continue;
		if (outer->kind == PATTERN_WORD ? !strcasecmp(o->text, p->text) :
						  !strcmp(o->text, p->text))
			return true;
		/* A file pattern may be a name, where a path is asked for. */
		if (!p->glob && outer->kind != PATTERN_FILE &&
		    match_one(o, outer->kind, p->text))
			return true;
	}
	return false;
}

bool pattern_covers(const struct pattern_list *outer,
		    const struct pattern_list *inner)
{
	for (uint32_t i = 0; i < inner->count; i++) {
		if (!covers_one(outer, &inner->elem[i]))
			return false;
	}
	return true;
}
