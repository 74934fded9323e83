// SPDX-License-Identifier: GPL-2.0-only
/*
 * A walk over the tokens up to the line at fault.  A kind of token is a character: the
 * token itself, or one of those below.
 */
#include "conf_hint.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf_scan.h"

#define NAME 'n'	/* a word that is no value */
#define VALUE 'v'	/* a number, a string, true, false */
#define QUOTES 'q'	/* typographic, or single */
#define MARK 'b'	/* the byte order mark */
#define GARBAGE 'g'
#define END '$'
#define TOP '.'		/* what is open where nothing is */

#define DEPTH_MAX 32

/*
 * What is wrong if, inside of the bracket @in, one of @now follows one of @before ("" is
 * any).  The first that holds is told.
 */
static const struct {
	const char *in, *before, *now;
	const char *hint;
} rows[] = {
	{ "", "", "b", "the file begins with a byte order mark; save it as UTF-8 without one" },
	{ "", "", "q", "these are not the quotes of this language; write \"...\"" },
	{ "([", ",", ")]", "remove the comma before the closing bracket" },
	{ "([", ",([", ",", "there is a comma too many" },
	{ "[", "[,", "{([", "[ ] holds plain values only; for groups write ( { ... }, { ... } )" },
	{ "(", ")]}v", "([{", "a comma is missing before this element of the list" },
	{ "([", ")]}v", "v", "a comma is missing before this value" },
	{ "([", ")]}v", ";", "elements of a list are separated by commas, not semicolons" },
	{ "([", "", "n", "a text needs double quotes" },
	{ "(", "", "]}", "a ) is missing before this" },
	{ "[", "", ")}", "a ] is missing before this" },
	{ "{.", "=", "n", "a text needs double quotes (and true and false need none)" },
	{ "{.", "=", ",;})]$", "a value is missing after the =" },
	{ "{.", "n", "nv([{,;})]$", "an = is missing after the name before this" },
	{ "{.", ",", "v", "several values need brackets: [ 80, 443 ]" },
	{ "{.", ";{.)]}v", "v", "this value has no name and no = before it" },
	{ "{.", ";,{.)]}v", "([{", "this bracket has no name and no = before it" },
	{ "{", "", ")]", "a } is missing before this" },
	{ ".", "", ")]}", "this closes what is not open; a bracket is one too many" },
	{ "{.", ";,{.", ";,", "there is a semicolon or comma too many" },
	{ "", "", "g", "this character has a meaning only inside of quotes" },
};

struct walk {
	struct conf_scan scan;
	char open[DEPTH_MAX];		/* brackets */
	unsigned int opened[DEPTH_MAX];	/* in these lines */
	unsigned int depth;
	char before;			/* kind of the token before */
	/* Lines of the first string that spans several, or is not closed. */
	unsigned int long_from, long_to;
};

static bool skip_any(struct conf_scan *s, const char *const words[])
{
	for (; *words; words++) {
		if (!conf_starts_with(s, *words))
			continue;
		conf_skip(s, strlen(*words));
		return true;
	}
	return false;
}

static bool skip_typographic(struct conf_scan *s)
{
	static const char *const quotes[] = {
		"\u201c", "\u201d", "\u201e", "\u201f", "\u2018", "\u2019", "\u201a",
		"\u00ab", "\u00bb", "'", "`", NULL,
	};

	return skip_any(s, quotes);
}

static char word_kind(struct conf_scan *s)
{
	const char *start = s->at;
	size_t len;

	conf_skip_name(s);
	len = (size_t)(s->at - start);
	return (len == 4 && !strncasecmp(start, "true", 4)) ||
	       (len == 5 && !strncasecmp(start, "false", 5)) ? VALUE : NAME;
}

static char number_kind(struct conf_scan *s)
{
	while (s->at < s->end && *s->at && (isalnum((unsigned char)*s->at) ||
					    strchr("+-.", *s->at)))
		conf_skip(s, 1);
	return VALUE;
}

static char string_kind(struct walk *w)
{
	unsigned int from = w->scan.line;
	bool closed = conf_skip_string(&w->scan);

	if ((!closed || w->scan.line != from) && !w->long_from) {
		w->long_from = from;
		w->long_to = w->scan.line;
	}
	return VALUE;
}

static void skip_blanks(struct conf_scan *s)
{
	while (s->at < s->end) {
		if (isspace((unsigned char)*s->at))
			conf_skip(s, 1);
		else if (!conf_skip_comment(s))
			return;
	}
}

/* Goes over a token, and tells its kind. */
static char next_kind(struct walk *w)
{
	static const char *const mark[] = { "\xef\xbb\xbf", NULL };
	struct conf_scan *s = &w->scan;
	char c;

	if (s->at == s->end)
		return END;
	c = *s->at;
	if (c == '"')
		return string_kind(w);
	if (isdigit((unsigned char)c) || (c && strchr("+-.", c)))
		return number_kind(s);
	if (conf_is_name_start(c))
		return word_kind(s);
	if (skip_any(s, mark))
		return MARK;
	if (skip_typographic(s))
		return QUOTES;
	conf_skip(s, 1);
	if (c == ':')
		return '=';
	if (c && strchr("=,;()[]{}", c))
		return c;
	return GARBAGE;
}

static char inside(const struct walk *w)
{
	if (!w->depth)
		return TOP;
	return w->open[w->depth - 1];
}

static bool is_one(const char *of, char c)
{
	return !*of || strchr(of, c);
}

static const char *find_row(const struct walk *w, char now)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (is_one(rows[i].in, inside(w)) && is_one(rows[i].before, w->before) &&
		    is_one(rows[i].now, now))
			return rows[i].hint;
	}
	return NULL;
}

static void go_on(struct walk *w, char now, unsigned int line)
{
	w->before = now;
	if (strchr("([{", now) && w->depth < DEPTH_MAX) {
		w->opened[w->depth] = line;
		w->open[w->depth++] = now;
	} else if (strchr(")]}", now) && w->depth) {
		w->depth--;
	}
}

unsigned int conf_hint(const char *text, size_t size, unsigned int line, char *hint,
		       size_t hint_size)
{
	struct walk w = { .scan = { text, text + size, 1 }, .before = TOP };
	const char *found = NULL;
	char now = TOP;

	while (!found && now != END) {
		unsigned int from;

		skip_blanks(&w.scan);
		from = w.scan.line;
		now = next_kind(&w);
		if (from > line)
			break;
		/* libconfig went through all before this line. */
		if (w.scan.line >= line)
			found = find_row(&w, now);
		if (!found)
			go_on(&w, now, from);
	}
	if (w.long_from && w.long_from <= line) {
		snprintf(hint, hint_size, "a quote is missing: what this line opens goes on "
			 "to line %u", w.long_to);
		return w.long_from;
	}
	if (found)
		snprintf(hint, hint_size, "%s", found);
	else if (now == END && w.depth)
		snprintf(hint, hint_size, "the %c of line %u is not closed", inside(&w),
			 w.opened[w.depth - 1]);
	else
		snprintf(hint, hint_size, "look for a missing comma, quote or bracket here "
			 "and in the line before");
	return line;
}
