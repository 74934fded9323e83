// SPDX-License-Identifier: GPL-2.0-only
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

#define LABEL_WIDTH 11
#define LINE_WIDTH 88

char *text_clean(const char *text, char *out, size_t size)
{
	return utf8_clean(text, out, size);
}

size_t text_width(const char *clean)
{
	size_t width = 0;

	for (; *clean; clean++)
		width += ((unsigned char)*clean & 0xc0) != 0x80;
	return width;
}

json_t *text_json(const char *text)
{
	json_t *json = json_string(text);
	char *copy, *to;
	size_t len;

	if (json)
		return json;
	copy = to = malloc(3 * strlen(text) + 1);
	if (!copy)
		return NULL;
	for (; *text; text += len ? len : 1) {
		len = utf8_char(text, NULL);
		memcpy(to, len ? text : "\xef\xbf\xbd", len ? len : 3);
		to += len ? len : 3;
	}
	*to = '\0';
	json = json_string(copy);
	free(copy);
	return json;
}

char *text_day(time_t time, char out[TEXT_DAY_SIZE])
{
	struct tm tm;

	if (!gmtime_r(&time, &tm) || !strftime(out, TEXT_DAY_SIZE, "%Y-%m-%d", &tm))
		snprintf(out, TEXT_DAY_SIZE, "?");
	return out;
}

char *text_duration(uint64_t seconds, char *out, size_t size)
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	size_t i = 0;
	int n;

	while (i < 3 && seconds < units[i].seconds)
		i++;
	n = snprintf(out, size, "%" PRIu64 " %s", seconds / units[i].seconds,
		     units[i].name);
	seconds %= units[i].seconds;
	if (i < 3 && n > 0 && (size_t)n < size && seconds / units[i + 1].seconds)
		snprintf(out + n, size - (size_t)n, " %" PRIu64 " %s",
			 seconds / units[i + 1].seconds, units[i + 1].name);
	return out;
}

bool text_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	size_t len = strlen(digits);

	if (!len || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != len)
		return false;
	errno = 0;
	*value = strtoull(digits, NULL, hex ? 16 : 10);
	return !errno && *value >= min && *value <= max;
}

void text_list_add(struct text_list *list, const char *fmt, ...)
{
	char raw[256], clean[512];
	va_list ap;
	size_t width;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	width = text_width(text_clean(raw, clean, sizeof(clean)));
	if (!list->column) {
		list->column = (size_t)fprintf(list->out, "  %-*s", LABEL_WIDTH,
					       list->label);
	} else if (list->column + 2 + width > LINE_WIDTH) {
		list->column = (size_t)fprintf(list->out, ",\n  %*s", LABEL_WIDTH, "") - 2;
	} else {
		list->column += (size_t)fprintf(list->out, ", ");
	}
	fputs(clean, list->out);
	list->column += width;
}

void text_list_end(struct text_list *list)
{
	if (list->column)
		fputc('\n', list->out);
	list->column = 0;
}

const char *text_colour(enum colour colour, bool on)
{
	static const char *const sequences[] = {
		[COLOUR_NONE] = "\033[0m",
		[COLOUR_GOOD] = "\033[32m",
		[COLOUR_BAD] = "\033[1;31m",
		[COLOUR_NOTE] = "\033[33m",
	};

	return on ? sequences[colour] : "";
}

bool text_colours_wanted(FILE *out)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(out)) && !(no_colour && *no_colour) && term &&
	       strcmp(term, "dumb") != 0;
}
