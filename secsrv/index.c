// SPDX-License-Identifier: GPL-2.0-only
/* Building an index. */
#include <stdlib.h>
#include <string.h>

#include "index.h"
#include "index_data.h"

/* So few rules are compared one after the other: that costs less than any index. */
#define LIST_MAX 4

/* A bucket is scanned: a cache line has eight entries. */
#define BUCKET_ENTRIES 4

/* Of one family no more lengths than this apart: each may be a mask in the kernel. */
#define RUNG_APART_V4 8
#define RUNG_APART_V6 16

/* An array that grows. */
struct grow {
	void *elem;
	uint32_t count, room;
};

/* A rule on its way down, and what its branch tells it apart by. */
struct item {
	uint32_t rule;
	uint8_t condition;
	const struct value *value;
};

/* A key on its way into a bucket. */
struct keyed {
	uint32_t key, ref, first;
};

struct build {
	struct index *ix;
	struct grow node, branch, entry, bucket, child, list, first, keyed;
	bool failed;		/* out of memory */
};

static void *grow_by(struct build *b, struct grow *g, uint32_t n, size_t size)
{
	uint32_t room = g->room ? g->room : 64;
	void *more;

	while (room - g->count < n && room < UINT32_MAX / 2)
		room *= 2;
	more = room > g->room ? reallocarray(g->elem, room, size) : g->elem;
	/* A ref has thirty bits for a number. */
	if (!more || room - g->count < n || g->count + n > REF_NUMBER(UINT32_MAX)) {
		b->failed = true;
		if (more)
			g->elem = more;
		return NULL;
	}
	g->elem = more;
	g->room = room;
	more = (char *)g->elem + g->count * size;
	memset(more, 0, n * size);
	g->count += n;
	return more;
}

static void add_number(struct build *b, struct grow *g, uint32_t number)
{
	uint32_t *p = grow_by(b, g, 1, sizeof(*p));

	if (p)
		*p = number;
}

/* ---- keys ---- */

/* @branch is on the stack until all below it has been built. */
static void add_key(struct build *b, uint32_t key, uint32_t ref, uint32_t first)
{
	struct keyed *k = grow_by(b, &b->keyed, 1, sizeof(*k));

	if (k)
		*k = (struct keyed){ key, ref, first };
}

static void key_patterns(struct build *b, struct branch *br,
			 const struct pattern_list *list, uint32_t ref, uint32_t first)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct pattern_key k = key_pattern(&list->elem[i], list->kind);

		if (k.glob)
			length_add(br->length, k.length);
		add_key(b, k.key, ref, first);
	}
}

/* A range as blocks whose numbers have their first bits in common. */
static void key_range(struct build *b, struct branch *br, const struct range *r,
		      uint32_t ref, uint32_t first)
{
	uint32_t at = r->min, end = r->max + 1U;

	while (at < end) {
		unsigned int free_bits = at ? (unsigned int)__builtin_ctz(at) : PORT_BITS;

		while (at + (1U << free_bits) > end)
			free_bits--;
		length_add(br->length, PORT_BITS - free_bits);
		add_key(b, key_number(at >> free_bits, PORT_BITS - free_bits), ref, first);
		at += 1U << free_bits;
	}
}

static unsigned int family_of(const struct prefix *p)
{
	return p->size == 16 ? LENGTH_V6 : 0;
}

/* A mark on each rung below it says that there is something further on. */
static void key_prefixes(struct build *b, struct branch *br,
			 const struct prefix_list *list, uint32_t ref, uint32_t first)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct prefix *p = &list->elem[i];
		unsigned int family = family_of(p), end = family + p->bits;

		for (unsigned int n = family;
		     (n = length_next(b->ix->rung, n, end)) < end; n++) {
			length_add(br->length, n);
			add_key(b, key_prefix(p->addr, n - family, family),
				REF(REF_MARK, first), first);
		}
		length_add(br->length, end);
		add_key(b, key_prefix(p->addr, p->bits, family), ref, first);
	}
}

static void key_hashes(struct build *b, const struct hash_list *list, uint32_t ref,
		       uint32_t first)
{
	for (uint32_t i = 0; i < list->count; i++)
		add_key(b, key_hash(list->elem[i]), ref, first);
}

static void key_users(struct build *b, struct branch *br, const struct user_list *list,
		      uint32_t ref, uint32_t first)
{
	for (uint32_t i = 0; i < list->uids; i++)
		add_key(b, key_number(list->uid[i], 0), ref, first);
	key_patterns(b, br, &list->names, ref, first);
}

/* What may be missing is walked through as well: then any value may be meant. */
static bool has_children(enum condition c)
{
	return c != COND_HOST && c != COND_HOST_GROUP && c != COND_PORT &&
	       c != COND_REMOTE;
}

static void add_keys(struct build *b, struct branch *br, const struct value *v,
		     uint32_t ref, uint32_t first)
{
	switch (br->condition) {
	case COND_HASH:
	case COND_SCRIPT_HASH:
		key_hashes(b, &v->hashes, ref, first);
		break;
	case COND_USER:
		key_users(b, br, &v->users, ref, first);
		break;
	case COND_PORT:
		for (uint32_t i = 0; i < v->ranges.count; i++)
			key_range(b, br, &v->ranges.elem[i], ref, first);
		break;
	case COND_REMOTE:
		key_prefixes(b, br, &v->prefixes, ref, first);
		break;
	default:
		key_patterns(b, br, &v->patterns, ref, first);
		break;
	}
}

static int by_key(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->ref > y->ref) - (x->ref < y->ref);
}

/* The keys from @from on, sorted: a mark says nothing behind another entry of its key. */
static uint32_t drop_marks(struct keyed *k, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (REF_KIND(k[i].ref) == REF_MARK && kept &&
		    k[kept - 1].key == k[i].key)
			continue;
		k[kept++] = k[i];
	}
	return kept;
}

/* Buckets are by what keys begin with, so that sorted keys are in their order. */
static void fill_buckets(struct build *b, struct branch *br, uint32_t from)
{
	struct keyed *k = (struct keyed *)b->keyed.elem + from;
	uint32_t n = b->keyed.count - from, next = 0, base = b->entry.count;
	struct entry *entry;
	uint32_t *bucket;

	if (b->failed)
		return;
	b->keyed.count = from;
	qsort(k, n, sizeof(*k), by_key);
	n = drop_marks(k, n);
	while ((uint64_t)BUCKET_ENTRIES << br->bits < n)
		br->bits++;
	br->bucket = b->bucket.count;
	bucket = grow_by(b, &b->bucket, (1U << br->bits) + 1, sizeof(*bucket));
	entry = grow_by(b, &b->entry, n, sizeof(*entry));
	if (!bucket || !entry)
		return;
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t at = key_bucket(k[i].key, br->bits); next <= at; next++)
			bucket[next] = base + i;
		entry[i] = (struct entry){ k[i].key, k[i].ref };
	}
	for (; next <= 1U << br->bits; next++)
		bucket[next] = base + n;
}

/* ---- branches and nodes ---- */

/* The first rule of each length, by which it is known which were compared. */
static void note_lengths(struct build *b, struct branch *br, const struct item *item,
			 uint32_t n)
{
	uint32_t lengths = length_rank(br->length, LENGTH_WORDS * 64), *first;

	br->first = b->first.count;
	first = grow_by(b, &b->first, lengths, sizeof(*first));
	if (!first)
		return;
	memset(first, 0xff, lengths * sizeof(*first));
	for (uint32_t i = 0; i < n; i++) {
		const struct prefix_list *list =
			&rule_value(&b->ix->rule[item[i].rule], COND_REMOTE)->prefixes;

		for (uint32_t j = 0; j < list->count; j++) {
			const struct prefix *p = &list->elem[j];
			uint32_t *of = first + length_rank(br->length,
							   family_of(p) + p->bits);

			if (item[i].rule < *of)
				*of = item[i].rule;
		}
	}
}

struct child {
	uint32_t first, ref;
};

static int by_first(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static void keep_children(struct build *b, struct branch *br, struct child *child,
			  uint32_t n)
{
	uint32_t *ref;

	qsort(child, n, sizeof(*child), by_first);
	br->child = b->child.count;
	br->children = n;
	ref = grow_by(b, &b->child, n, sizeof(*ref));
	for (uint32_t i = 0; ref && i < n; i++)
		ref[i] = child[i].ref;
}

static uint32_t build_ref(struct build *b, struct item *item, uint32_t n,
			  enum condition from);

static uint32_t conditions_of(const struct build *b, const struct item *item,
			      uint32_t n, enum condition from)
{
	uint32_t conditions = 0;

	for (uint32_t i = 0; i < n; i++)
		conditions |= b->ix->rule[item[i].rule].conditions;
	return conditions & ~((1U << from) - 1);
}

/* Rules whose next condition is the same, sorted by its value and then by number. */
static void build_branch(struct build *b, struct branch *br, struct item *item,
			 uint32_t n)
{
	enum condition c = (enum condition)item[0].condition;
	struct child *child = calloc(n, sizeof(*child));
	uint32_t children = 0, keys = b->keyed.count;

	if (!child) {
		b->failed = true;
		return;
	}
	br->condition = (uint8_t)c;
	br->conditions = conditions_of(b, item, n, c);
	br->min = NO_RULE;
	for (uint32_t i = 0, end; i < n && !b->failed; i = end) {
		const struct value *v = item[i].value;
		struct child *new = &child[children++];

		for (end = i + 1; end < n && item[end].value == v; end++)
			;
		new->first = item[i].rule;
		if (new->first < br->min)
			br->min = new->first;
		new->ref = build_ref(b, item + i, end - i, c + 1);
		if (!condition_is_walked(c))
			add_keys(b, br, v, new->ref, new->first);
	}
	if (c == COND_REMOTE)
		note_lengths(b, br, item, n);
	if (!condition_is_walked(c))
		fill_buckets(b, br, keys);
	if (has_children(c) && !b->failed)
		keep_children(b, br, child, children);
	free(child);
}

/* By condition, value and number. */
static int by_next(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->condition != y->condition)
		return x->condition < y->condition ? -1 : 1;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return (x->rule > y->rule) - (x->rule < y->rule);
}

static int by_min(const void *a, const void *b)
{
	const struct branch *x = a, *y = b;

	return (x->min > y->min) - (x->min < y->min);
}

/* Sorts the rules by their next condition.  Returns how many there are of those. */
static uint32_t sort_by_next(const struct build *b, struct item *item, uint32_t n,
			     enum condition from)
{
	uint32_t kinds = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct rule *r = &b->ix->rule[item[i].rule];
		uint32_t left = r->conditions & ~((1U << from) - 1);

		item[i].condition = (uint8_t)__builtin_ctz(left);
		item[i].value = rule_value(r, (enum condition)item[i].condition);
		kinds |= 1U << item[i].condition;
	}
	qsort(item, n, sizeof(*item), by_next);
	return (uint32_t)__builtin_popcount(kinds);
}

static uint32_t build_node(struct build *b, struct item *item, uint32_t n,
			   uint32_t match, enum condition from)
{
	uint32_t id = b->node.count, conditions = conditions_of(b, item, n, from);
	uint32_t min = n && item[0].rule < match ? item[0].rule : match;
	uint32_t branches = sort_by_next(b, item, n, from), first = b->branch.count;

	if (!grow_by(b, &b->node, 1, sizeof(struct node)) ||
	    !grow_by(b, &b->branch, branches, sizeof(struct branch)))
		return 0;
	for (uint32_t i = 0, end, k = 0; i < n && !b->failed; i = end) {
		struct branch br = { 0 };

		for (end = i + 1; end < n && item[end].condition == item[i].condition;
		     end++)
			;
		build_branch(b, &br, item + i, end - i);
		((struct branch *)b->branch.elem)[first + k++] = br;
	}
	if (b->failed)
		return 0;
	qsort((struct branch *)b->branch.elem + first, branches, sizeof(struct branch),
	      by_min);
	((struct node *)b->node.elem)[id] = (struct node){
		.min = min,
		.match = match,
		.conditions = conditions,
		.branch = first,
		.branches = branches,
	};
	return REF(REF_NODE, id);
}

static uint32_t build_list(struct build *b, const struct item *item, uint32_t n,
			   uint32_t match)
{
	uint32_t at = b->list.count, all = n + (match != NO_RULE);

	add_number(b, &b->list, all);
	for (uint32_t i = 0; i < n; i++)
		add_number(b, &b->list, item[i].rule);
	if (match != NO_RULE)
		add_number(b, &b->list, match);
	return REF(REF_LIST, at);
}

/*
 * Rules that agree in all conditions before @from, in their order.  What stands after
 * one that has no other condition can never be what matches first.
 */
static uint32_t build_ref(struct build *b, struct item *item, uint32_t n,
			  enum condition from)
{
	uint32_t match = NO_RULE;

	for (uint32_t i = 0; i < n; i++) {
		if (b->ix->rule[item[i].rule].conditions >> from)
			continue;
		match = item[i].rule;
		n = i;
	}
	if (!n)
		return REF(REF_RULE, match);
	if (n == 1 && match == NO_RULE)
		return REF(REF_RULE, item[0].rule);
	if (n < LIST_MAX || (n == LIST_MAX && match == NO_RULE))
		return build_list(b, item, n, match);
	return build_node(b, item, n, match, from);
}

/* ---- the whole ---- */

static void note_used(struct index *ix, uint64_t *used)
{
	for (uint32_t i = 0; i < ix->rules; i++) {
		const struct prefix_list *list;

		if (!rule_has(&ix->rule[i], COND_REMOTE))
			continue;
		list = &rule_value(&ix->rule[i], COND_REMOTE)->prefixes;
		for (uint32_t j = 0; j < list->count; j++)
			length_add(used, family_of(&list->elem[j]) + list->elem[j].bits);
	}
}

/* The longest that is used, and what lies well below one that is taken. */
static void choose_rungs(struct index *ix, const uint64_t *used, unsigned int family,
			 unsigned int bits, unsigned int apart)
{
	unsigned int last = 2 * bits + apart;

	for (unsigned int n = bits + 1; n-- > 0;) {
		if (!length_has(used, family + n) || n + apart > last)
			continue;
		length_add(ix->rung, family + n);
		last = n;
	}
}

static void build_root(struct build *b, struct item *item, unsigned int root)
{
	struct index *ix = b->ix;
	uint32_t n = 0;

	for (uint32_t i = 0; i < ix->rules; i++) {
		if (rule_has(&ix->rule[i], COND_EVENT) == !root)
			item[n++].rule = i;
	}
	ix->has_root[root] = n;
	if (n)
		ix->root[root] = build_ref(b, item, n, 0);
}

/* No larger than need be: it is there for long. */
static void *trim(const struct grow *g, size_t size)
{
	void *less = g->count ? realloc(g->elem, g->count * size) : NULL;

	return less ? less : g->elem;
}

static void take_over(struct build *b)
{
	struct index *ix = b->ix;

	ix->node = trim(&b->node, sizeof(*ix->node));
	ix->branch = trim(&b->branch, sizeof(*ix->branch));
	ix->entry = trim(&b->entry, sizeof(*ix->entry));
	ix->bucket = trim(&b->bucket, sizeof(*ix->bucket));
	ix->child = trim(&b->child, sizeof(*ix->child));
	ix->list = trim(&b->list, sizeof(*ix->list));
	ix->first = trim(&b->first, sizeof(*ix->first));
	free(b->keyed.elem);
}

struct index *index_new(const struct rule *rule, uint32_t rules)
{
	struct index *ix = calloc(1, sizeof(*ix));
	struct build b = { .ix = ix };
	struct item *item = calloc(rules + 1UL, sizeof(*item));
	uint64_t used[LENGTH_WORDS] = { 0 };

	if (!ix || !item) {
		free(ix);
		free(item);
		return NULL;
	}
	ix->rule = rule;
	ix->rules = rules;
	note_used(ix, used);
	choose_rungs(ix, used, 0, 32, RUNG_APART_V4);
	choose_rungs(ix, used, LENGTH_V6, 128, RUNG_APART_V6);
	for (unsigned int root = 0; root < 2; root++)
		build_root(&b, item, root);
	free(item);
	take_over(&b);
	if (!b.failed)
		return ix;
	index_free(ix);
	return NULL;
}

void index_free(struct index *ix)
{
	if (!ix)
		return;
	free(ix->node);
	free(ix->branch);
	free(ix->entry);
	free(ix->bucket);
	free(ix->child);
	free(ix->list);
	free(ix->first);
	free(ix);
}
