/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of texts to compare a value with: literal, or with * and ?. */
#ifndef SECSRV_PATTERN_H
#define SECSRV_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pattern_kind {
	PATTERN_WORD,		/* letter case does not matter */
	PATTERN_EXACT,		/* letter case matters */
	/*
	 * A file: without a slash it is the last component of the path; with
	 * one it is the whole path, where * and ? do not stand for a slash;
	 * with a slash at its end it is everything below that directory.
	 */
	PATTERN_FILE,
};

struct pattern {
	char *text;
	bool glob;		/* contains one of * ? [ \ */
	bool below;		/* a glob that ended in a slash, now cut off */
};

struct pattern_list {
	struct pattern *elem;
	uint32_t count;
	enum pattern_kind kind;
};

/* Add a copy of @text.  Returns 0, or -1 with ENOMEM. */
int pattern_add(struct pattern_list *list, const char *text);

/* Release what the list holds; it is empty afterwards. */
void pattern_free(struct pattern_list *list);

/* True if @value is not empty and equals one of the list.  Pure. */
bool pattern_match(const struct pattern_list *list, const char *value);

/*
 * True if everything that @inner matches is certainly matched by @outer too.
 * It errs on the side of false.
 */
bool pattern_covers(const struct pattern_list *outer,
		    const struct pattern_list *inner);

#endif
