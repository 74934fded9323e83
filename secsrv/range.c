// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "range.h"

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t");
}

static bool number(const char **p, unsigned int max, unsigned int *out)
{
	unsigned long value = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		value = value * 10 + (unsigned long)(*s - '0');
		if (value > max)
			return false;
	}
	*p = skip_space(s);
	*out = (unsigned int)value;
	return true;
}

const char *range_append(struct range_list *list, unsigned int lo, unsigned int hi)
{
	struct range *more = reallocarray(list->elem, list->count + 1U,
					  sizeof(*more));

	if (!more)
		return "out of memory";
	list->elem = more;
	more[list->count].min = (uint16_t)lo;
	more[list->count].max = (uint16_t)hi;
	list->count++;
	return NULL;
}

static const char *compare(const char **p, unsigned int min, unsigned int max,
			   unsigned int *lo, unsigned int *hi)
{
	bool less = **p == '<', equal = (*p)[1] == '=';
	unsigned int n;

	*p = skip_space(*p + 1 + equal);
	if (!number(p, max, &n) || n < min)
		return "a number is missing or out of range";
	*lo = less ? min : n + !equal;
	if (less && !equal && n == min)
		return "nothing is less than that";
	*hi = less ? n - !equal : max;
	return *lo > *hi ? "nothing is more than that" : NULL;
}

static const char *parse_one(const char **p, unsigned int min, unsigned int max,
			     unsigned int *lo, unsigned int *hi)
{
	if (**p == '<' || **p == '>')
		return compare(p, min, max, lo, hi);
	if (**p == '=')
		*p = skip_space(*p + 1);
	if (!number(p, max, lo) || *lo < min)
		return "a number is missing or out of range";
	*hi = *lo;
	if (**p != '-')
		return NULL;
	*p = skip_space(*p + 1);
	if (!number(p, max, hi))
		return "the end of a range is missing or out of range";
	return *hi < *lo ? "the range ends before it begins" : NULL;
}

const char *range_add(struct range_list *list, const char *text,
		      unsigned int min, unsigned int max)
{
	const char *p = skip_space(text), *why;
	unsigned int lo, hi;

	for (;;) {
		why = parse_one(&p, min, max, &lo, &hi);
		if (!why)
			why = range_append(list, lo, hi);
		if (why)
			return why;
		if (!*p)
			return NULL;
		if (*p != ',')
			return "expected a comma between numbers";
		p = skip_space(p + 1);
	}
}

void range_free(struct range_list *list)
{
	free(list->elem);
	list->elem = NULL;
	list->count = 0;
}

bool range_match(const struct range_list *list, unsigned int value)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (value >= list->elem[i].min && value <= list->elem[i].max)
			return true;
	}
	return false;
}

static bool covers_one(const struct range_list *outer, const struct range *r)
{
	for (uint32_t i = 0; i < outer->count; i++) {
		if (outer->elem[i].min <= r->min && outer->elem[i].max >= r->max)
			return true;
	}
	return false;
}

bool range_covers(const struct range_list *outer, const struct range_list *inner)
{
	for (uint32_t i = 0; i < inner->count; i++) {
		if (!covers_one(outer, &inner->elem[i]))
			return false;
	}
	return true;
}
