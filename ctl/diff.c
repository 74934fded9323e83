// SPDX-License-Identifier: GPL-2.0-only
#include "diff.h"

#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "text.h"

#define NONE UINT32_MAX

struct diff {
	const struct policy *before, *after;
	struct policy_source *old, *new;
	uint32_t *by_name;	/* rules of before, sorted */
	uint32_t *was;		/* of each rule of after its place in before, or NONE */
	bool *kept;		/* of each rule of before: after has it */
	bool *stays;		/* of each rule of after: in the same order */
	json_t *added, *removed, *changed, *moved;
	bool json, any;
};

static int by_name(const void *a, const void *b, void *arg)
{
	const struct rule *rule = arg;

	return strcmp(rule[*(const uint32_t *)a].name, rule[*(const uint32_t *)b].name);
}

static uint32_t find(const struct diff *d, const char *name)
{
	uint32_t low = 0, high = d->before->rules;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(d->before->rule[d->by_name[middle]].name, name);

		if (!order)
			return d->by_name[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NONE;
}

/* The longest rise of what they were: as few rules as can be have moved then. */
static bool find_moved(struct diff *d)
{
	uint32_t n = d->after->rules, length = 0;
	uint32_t *end = calloc(n + 1UL, sizeof(*end));	/* of a rise so long, its last */
	uint32_t *prev = calloc(n + 1UL, sizeof(*prev));

	for (uint32_t i = 0; end && prev && i < n; i++) {
		uint32_t low = 0, high = length;

		if (d->was[i] == NONE)
			continue;
		while (low < high) {
			uint32_t middle = low + (high - low) / 2;

			if (d->was[end[middle]] < d->was[i])
				low = middle + 1;
			else
				high = middle;
		}
		prev[i] = low ? end[low - 1] : NONE;
		end[low] = i;
		length += low == length;
	}
	for (uint32_t i = end && prev && length ? end[length - 1] : NONE; i != NONE;
	     i = prev[i])
		d->stays[i] = true;
	free(end);
	free(prev);
	return end && prev;
}

static bool prepare(struct diff *d)
{
	uint32_t before = d->before->rules, after = d->after->rules;

	d->old = policy_source(d->before);
	d->new = policy_source(d->after);
	d->by_name = calloc(before + 1UL, sizeof(*d->by_name));
	d->was = calloc(after + 1UL, sizeof(*d->was));
	d->kept = calloc(before + 1UL, sizeof(*d->kept));
	d->stays = calloc(after + 1UL, sizeof(*d->stays));
	if (!d->old || !d->new || !d->by_name || !d->was || !d->kept || !d->stays)
		return false;
	for (uint32_t i = 0; i < before; i++)
		d->by_name[i] = i;
	qsort_r(d->by_name, before, sizeof(*d->by_name), by_name, d->before->rule);
	for (uint32_t i = 0; i < after; i++) {
		d->was[i] = find(d, d->after->rule[i].name);
		if (d->was[i] != NONE)
			d->kept[d->was[i]] = true;
	}
	return find_moved(d);
}

static void tell(struct diff *d, json_t *list, const struct rule *r,
		 const struct policy_source *source, const char *sign, const char *why)
{
	char *text = d->json ? NULL : policy_source_text(source, r);

	d->any = true;
	if (d->json)
		json_array_append_new(list, text_json(r->name));
	else
		printf("%s %s%s\n", sign, text ? text : r->name, why);
	free(text);
}

/* What a group holds is not written in the rule, nor is what is common to all. */
static bool means_the_same(const struct rule *a, const struct rule *b)
{
	if (a->conditions != b->conditions || a->lifetime_ms != b->lifetime_ms)
		return false;
	for (enum condition c = 0; c < COND_COUNT; c++) {
		if (rule_has(a, c) &&
		    (!value_covers(c, rule_value(a, c), rule_value(b, c)) ||
		     !value_covers(c, rule_value(b, c), rule_value(a, c))))
			return false;
	}
	return true;
}

static void compare(struct diff *d, const struct rule *a, const struct rule *b)
{
	char *was = policy_source_text(d->old, a), *is = policy_source_text(d->new, b);

	if (!was || !is || strcmp(was, is)) {
		if (!d->json)
			tell(d, NULL, a, d->old, "-", "");
		tell(d, d->changed, b, d->new, "+", "");
	} else if (!means_the_same(a, b)) {
		tell(d, d->changed, b, d->new, "~",
		     "  # a group that it names, or the common lifetime, has changed");
	}
	free(was);
	free(is);
}

/* Every time that a rule names is another one then. */
static void compare_zones(struct diff *d)
{
	const char *was = d->before->zone ? week_zone_name(d->before->zone) : "";
	const char *is = d->after->zone ? week_zone_name(d->after->zone) : "";

	if (!strcmp(was, is))
		return;
	d->any = true;
	if (d->json)
		json_array_append_new(d->changed, text_json("timezone"));
	if (!d->json && *was)
		printf("- timezone = \"%s\"\n", was);
	if (!d->json && *is)
		printf("+ timezone = \"%s\"\n", is);
}

static void compare_all(struct diff *d)
{
	compare_zones(d);
	for (uint32_t i = 0; i < d->before->rules; i++) {
		if (!d->kept[i])
			tell(d, d->removed, &d->before->rule[i], d->old, "-", "");
	}
	for (uint32_t i = 0; i < d->after->rules; i++) {
		const struct rule *r = &d->after->rule[i];

		if (d->was[i] == NONE) {
			tell(d, d->added, r, d->new, "+", "");
			continue;
		}
		compare(d, &d->before->rule[d->was[i]], r);
		if (!d->stays[i])
			tell(d, d->moved, r, d->new, "~", "  # stands elsewhere");
	}
	compare(d, &d->before->otherwise, &d->after->otherwise);
}

/* Takes the lists over. */
static void print_json(struct diff *d)
{
	json_t *all = json_pack("{s:b, s:o, s:o, s:o, s:o}", "ok", !d->any, "added",
				d->added, "removed", d->removed, "changed", d->changed,
				"moved", d->moved);

	if (all && !json_dumpf(all, stdout, JSON_INDENT(2)))
		putchar('\n');
	json_decref(all);
}

int diff(const struct options *o, const struct policy *before,
	 const struct policy *after)
{
	struct diff d = { .before = before, .after = after, .json = o->json };
	bool ok = prepare(&d);

	if (ok && d.json) {
		d.added = json_array();
		d.removed = json_array();
		d.changed = json_array();
		d.moved = json_array();
	}
	if (ok)
		compare_all(&d);
	if (ok && d.json)
		print_json(&d);
	policy_source_free(d.old);
	policy_source_free(d.new);
	free(d.by_name);
	free(d.was);
	free(d.kept);
	free(d.stays);
	if (!ok)
		return options_failed(o, "out of memory");
	return d.any ? RESULT_NO : RESULT_OK;
}
