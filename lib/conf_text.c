// SPDX-License-Identifier: GPL-2.0-only
#include "conf_text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_hint.h"
#include "conf_scan.h"
#include "why.h"

#define FIRST_SIZE 8192

static char *read_stream(FILE *stream, size_t limit, size_t *size)
{
	size_t room = FIRST_SIZE, used = 0, n;
	char *text = malloc(room + 1), *bigger;

	while (text) {
		n = fread(text + used, 1, room - used, stream);
		used += n;
		if (!n)
			break;
		if (used > limit) {
			free(text);
			errno = EFBIG;
			return NULL;
		}
		if (used < room)
			continue;
		bigger = realloc(text, 2 * room + 1);
		if (!bigger)
			free(text);
		text = bigger;
		room *= 2;
	}
	if (text && ferror(stream)) {
		free(text);
		return NULL;
	}
	if (text)
		text[used] = '\0';
	*size = used;
	return text;
}

/* A FIFO would keep us waiting in open(), a device might do anything. */
static FILE *open_regular(const char *file, const char **not_regular)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *stream = NULL;
	struct stat st;

	*not_regular = NULL;
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) || S_ISREG(st.st_mode))
		stream = fdopen(fd, "r");
	else
		*not_regular = "it is no regular file";
	if (!stream)
		close(fd);
	return stream;
}

char *conf_text_read(const char *file, size_t limit, size_t *size, char *text,
		     size_t text_size)
{
	struct why why = { text, text_size };
	bool is_stdin = !strcmp(file, "-");
	const char *not_regular = NULL;
	FILE *stream = is_stdin ? stdin : open_regular(file, &not_regular);
	char *content = NULL;
	int error;

	if (stream)
		content = read_stream(stream, limit, size);
	error = errno;
	if (stream && !is_stdin)
		fclose(stream);
	errno = error;
	if (!content)
		why_set(&why, "cannot read %s: %s", is_stdin ? "standard input" : file,
			not_regular ? not_regular : strerror(error));
	return content;
}

/* Digits and what sticks to them.  Returns false for an integer that is cut. */
static bool scan_number(struct conf_scan *s)
{
	bool negative = *s->at == '-';
	const char *start = s->at;
	int base = 10;
	char *end;
	unsigned long long value;

	if (*start == '-' || *start == '+')
		start++;
	if (start[0] == '0' && (start[1] == 'x' || start[1] == 'X'))
		base = 16;
	errno = 0;
	value = strtoull(start, &end, base);
	conf_skip(s, (size_t)(end - s->at));
	if (*end == '.' || (base == 10 && (*end == 'e' || *end == 'E'))) {
		while (s->at < s->end && (conf_is_name_char(*s->at) || *s->at == '.' ||
					  *s->at == '+'))
			conf_skip(s, 1);
		return true;
	}
	if (*end == 'L') {
		while (s->at < s->end && *s->at == 'L')
			conf_skip(s, 1);
		return !errno && (base == 16 || value <= INT64_MAX);
	}
	if (base == 16)
		return !errno && value <= UINT32_MAX;
	return !errno && value <= (negative ? -(long long)INT32_MIN : INT32_MAX);
}

static bool at_number(const struct conf_scan *s)
{
	const char *digit = s->at + (*s->at == '-' || *s->at == '+');

	return digit < s->end && isdigit((unsigned char)*digit);
}

static int refuse_syntax(const char *text, size_t size, unsigned int at,
			 unsigned int *line, const struct why *why)
{
	char hint[160];

	*line = conf_hint(text, size, at, hint, sizeof(hint));
	return why_set(why, "syntax error: %s", hint);
}

int conf_text_check(const char *text, size_t size, bool includes,
		    unsigned int *line, char *sentence, size_t sentence_size)
{
	struct conf_scan s = { .at = text, .end = text + size, .line = 1 };
	struct why why = { sentence, sentence_size };

	while (s.at < s.end) {
		const char *start = s.at;

		*line = s.line;
		if (!*s.at)
			return why_set(&why, "there is a NUL byte in the text");
		if (conf_skip_comment(&s))
			continue;
		if (*s.at == '"' && !conf_skip_string(&s))
			return refuse_syntax(text, size, s.line, line, &why);
		else if (s.at != start)
			continue;
		else if (conf_starts_with(&s, "@include") && !includes)
			return why_set(&why, "@include is not possible here");
		else if (at_number(&s) && !scan_number(&s))
			return why_set(&why, "the number %.*s needs an L after it, or is "
				       "too large", (int)(s.at - start), start);
		else if (s.at == start && conf_is_name_start(*s.at))
			conf_skip_name(&s);
		else if (s.at == start)
			conf_skip(&s, 1);
	}
	return 0;
}

int conf_text_parse(config_t *lib, const char *text, size_t size, bool includes,
		    unsigned int *line, char *sentence, size_t sentence_size)
{
	struct why why = { sentence, sentence_size };
	const char *what;

	if (conf_text_check(text, size, includes, line, sentence, sentence_size))
		return -1;
	if (config_read_string(lib, text) == CONFIG_TRUE)
		return 0;
	*line = (unsigned int)config_error_line(lib);
	what = config_error_text(lib) ? config_error_text(lib) : "syntax error";
	/* Of what is included we have no text; other errors say what is wrong. */
	if (config_error_file(lib) || strcmp(what, "syntax error"))
		return why_set(&why, "%s", what);
	return refuse_syntax(text, size, *line, line, &why);
}
