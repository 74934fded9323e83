// SPDX-License-Identifier: GPL-2.0-only
/* Searching an index; what is found under a key is always compared itself. */
#include <string.h>

#include "index.h"
#include "index_data.h"

/* By what the rules of a branch are to be found. */
struct sample {
	enum {
		SAMPLE_NOTHING,		/* no value can match */
		SAMPLE_WALK,		/* each is to be compared */
		SAMPLE_TEXT,
		SAMPLE_PATTERN,		/* only one that is written alike */
		SAMPLE_PORT,
		SAMPLE_ADDRESS,
		SAMPLE_HASH,
		SAMPLE_USER,		/* a number, and a text if it has a name */
	} kind;
	const char *text;
	bool fold, file;
	struct pattern_key pattern;
	uint32_t number;
	const uint8_t *bytes;
	unsigned int size, bits;	/* of an address; so many bits count */
};

struct search {
	const struct index *ix;
	/*
	 * sample:  by what rules with a condition are found
	 * holds:   does a condition of a rule, before which all hold
	 * reaches: a rule whose conditions before @from all hold
	 */
	void (*sample)(const struct search *q, enum condition c, struct sample *out);
	enum match (*holds)(const struct search *q, const struct rule *rule,
			    enum condition c);
	void (*reaches)(struct search *q, uint32_t rule, enum condition from,
			enum condition lacks);
	const struct subject *subject;
	const struct rule *later;	/* whose cover is searched */
	struct looked *looked;		/* only what is looked at is searched */
	uint32_t best;			/* no rule from here on is of interest */
	enum condition lacks;		/* of the best */
};

/* ---- what is found ---- */

static void visit(struct search *q, uint32_t ref, enum condition from,
		  enum condition lacks);

/* What a branch has under a value that may be right, and may be another. */
static void visit_child(struct search *q, const struct branch *br, uint32_t ref,
			enum condition lacks)
{
	enum condition c = (enum condition)br->condition;
	enum match m = MATCH_YES;

	/* Rules by themselves compare it anyway. */
	if (REF_KIND(ref) == REF_NODE)
		m = q->holds(q, &q->ix->rule[ref_first(q->ix, ref)], c);
	if (m == MATCH_DIFFERS)
		return;
	visit(q, ref, c, m == MATCH_LACKS && lacks == COND_COUNT ? c : lacks);
}

static void walk(struct search *q, const struct branch *br, enum condition lacks)
{
	for (uint32_t i = 0; i < br->children; i++) {
		uint32_t ref = q->ix->child[br->child + i];

		if (ref_first(q->ix, ref) >= q->best)
			return;
		if (q->looked && br->condition == COND_TIME)
			match_time(rule_value(&q->ix->rule[ref_first(q->ix, ref)],
					      COND_TIME), q->subject, q->looked);
		visit_child(q, br, ref, lacks);
	}
}

/* Returns whether there is anything of interest under the key. */
static bool probe(struct search *q, const struct branch *br, uint32_t key,
		  enum condition lacks)
{
	const uint32_t *bucket = q->ix->bucket + br->bucket + key_bucket(key, br->bits);
	bool any = false;

	for (uint32_t i = bucket[0]; i < bucket[1]; i++) {
		const struct entry *e = &q->ix->entry[i];

		if (e->key != key)
			continue;
		if (ref_first(q->ix, e->ref) >= q->best)
			break;
		any = true;
		if (REF_KIND(e->ref) != REF_MARK)
			visit_child(q, br, e->ref, lacks);
	}
	return any;
}

/* ---- texts ---- */

/* A text, and the globs that begin like it; @kind is the text's, the globs' follows. */
static void probe_text(struct search *q, const struct branch *br, const char *text,
		       bool fold, enum key_kind kind, unsigned int begin,
		       enum condition lacks)
{
	unsigned int end = begin + GLOB_BYTES_MAX + 1, next;
	uint32_t hash = KEY_BEGIN;
	size_t n = 0;

	next = length_next(br->length, begin, end);
	for (;; n++) {
		if (next == begin + n) {
			probe(q, br, key_end(hash, kind + 1, next), lacks);
			next = length_next(br->length, next + 1, end);
		}
		if (!text[n])
			break;
		hash = key_byte(hash, fold ? key_fold(text[n]) : (uint8_t)text[n]);
		/* Everything below a directory. */
		if (kind == KEY_TEXT && !fold && text[n] == '/' && text[n + 1])
			probe(q, br, key_end(hash, kind, 0), lacks);
	}
	probe(q, br, key_end(hash, kind, 0), lacks);
}

static void probe_file(struct search *q, const struct branch *br, const char *path,
		       enum condition lacks)
{
	const char *slash = strrchr(path, '/');

	probe_text(q, br, path, false, KEY_TEXT, 0, lacks);
	probe_text(q, br, slash ? slash + 1 : path, false, KEY_BASE, LENGTH_BASE, lacks);
}

/* ---- numbers ---- */

static void probe_port(struct search *q, const struct branch *br, uint32_t port,
		       enum condition lacks)
{
	for (unsigned int n = 0; (n = length_next(br->length, n, PORT_BITS + 1)) <=
				 PORT_BITS; n++)
		probe(q, br, key_number(port >> (PORT_BITS - n), n), lacks);
}

/* The longest prefix that a rule of interest has. */
static unsigned int longest(const struct search *q, const struct branch *br,
			    unsigned int family, unsigned int bits)
{
	const uint32_t *first = q->ix->first + br->first;
	unsigned int max = 0;

	for (unsigned int n = family; (n = length_next(br->length, n, family + bits + 1)) <=
				      family + bits; n++) {
		if (first[length_rank(br->length, n)] < q->best)
			max = n - family;
	}
	return max;
}

/*
 * From the shortest prefix to the longest.  Where a rung has nothing, not even a
 * mark, there is nothing longer: so many bits of the address settle it.
 */
static void probe_address(struct search *q, const struct branch *br,
			  const struct sample *s, enum condition lacks)
{
	unsigned int family = s->size == 16 ? LENGTH_V6 : 0, end = family + s->bits, n;
	unsigned int max = q->looked ? longest(q, br, family, s->bits) : s->bits;

	for (n = family; (n = length_next(br->length, n, end + 1)) <= end; n++) {
		uint32_t key = key_prefix(s->bytes, n - family, family);

		if (!probe(q, br, key, lacks) && length_has(q->ix->rung, n))
			break;
	}
	if (!q->looked)
		return;
	n = n - family < max ? n - family : max;
	if (q->looked->remote.needed < n)
		q->looked->remote.needed = n;
	if (q->looked->remote.longest < max)
		q->looked->remote.longest = max;
}

/* ---- nodes ---- */

static void search_branch(struct search *q, const struct branch *br,
			  enum condition lacks)
{
	enum condition c = (enum condition)br->condition;
	struct sample s = { .kind = SAMPLE_NOTHING };

	q->sample(q, c, &s);
	switch (s.kind) {
	case SAMPLE_NOTHING:
		break;
	case SAMPLE_WALK:
		walk(q, br, lacks);
		break;
	case SAMPLE_TEXT:
		if (s.file)
			probe_file(q, br, s.text, lacks);
		else
			probe_text(q, br, s.text, s.fold, KEY_TEXT, 0, lacks);
		break;
	case SAMPLE_PATTERN:
		probe(q, br, s.pattern.key, lacks);
		break;
	case SAMPLE_PORT:
		probe_port(q, br, s.number, lacks);
		break;
	case SAMPLE_ADDRESS:
		probe_address(q, br, &s, lacks);
		break;
	case SAMPLE_HASH:
		probe(q, br, key_hash(s.bytes), lacks);
		break;
	case SAMPLE_USER:
		probe(q, br, key_number(s.number, 0), lacks);
		if (s.text)
			probe_text(q, br, s.text, false, KEY_TEXT, 0, lacks);
		break;
	}
}

/* Is anything below still to be noted?  Of addresses and times there may always be. */
static bool is_news(const struct search *q, uint32_t conditions)
{
	return !q->looked || conditions & (1U << COND_REMOTE | 1U << COND_TIME) ||
	       conditions & ~q->looked->conditions;
}

static void visit_node(struct search *q, const struct node *node, enum condition lacks)
{
	if (node->match < q->best && !q->looked) {
		q->best = node->match;
		q->lacks = lacks;
	}
	if (!is_news(q, node->conditions))
		return;
	for (uint32_t i = 0; i < node->branches; i++) {
		const struct branch *br = &q->ix->branch[node->branch + i];

		if (br->min >= q->best)
			return;
		if (!is_news(q, br->conditions))
			continue;
		if (q->looked)
			q->looked->conditions |= 1U << br->condition;
		search_branch(q, br, lacks);
	}
}

static void visit_list(struct search *q, const uint32_t *list, enum condition from,
		       enum condition lacks)
{
	for (uint32_t i = 1; i <= list[0] && list[i] < q->best; i++)
		q->reaches(q, list[i], from, lacks);
}

/* @from: the conditions before it hold, or cannot be judged because of @lacks */
static void visit(struct search *q, uint32_t ref, enum condition from,
		  enum condition lacks)
{
	switch (REF_KIND(ref)) {
	case REF_LIST:
		visit_list(q, q->ix->list + REF_NUMBER(ref), from, lacks);
		break;
	case REF_NODE:
		if (ref_first(q->ix, ref) < q->best)
			visit_node(q, &q->ix->node[REF_NUMBER(ref)], lacks);
		break;
	default:
		if (REF_NUMBER(ref) < q->best)
			q->reaches(q, REF_NUMBER(ref), from, lacks);
		break;
	}
}

static void search(struct search *q, bool events_only)
{
	for (unsigned int root = 0; root < (events_only ? 1 : 2); root++) {
		if (q->ix->has_root[root])
			visit(q, q->ix->root[root], 0, COND_COUNT);
	}
}

/* ---- for a question ---- */

static void sample_text(struct sample *out, const char *text, bool fold)
{
	if (!text || !*text)
		return;
	out->kind = SAMPLE_TEXT;
	out->text = text;
	out->fold = fold;
}

static void sample_identity(const Sockgate__Identity *id, enum condition c,
			    struct sample *out)
{
	switch (c) {
	case COND_APPLICATION:
		sample_text(out, id->name, true);
		break;
	case COND_VENDOR:
		sample_text(out, id->vendor, true);
		break;
	case COND_CATEGORY:
		sample_text(out, id->category, true);
		break;
	case COND_VERSION:
		sample_text(out, id->version, true);
		break;
	default:
		out->kind = SAMPLE_WALK;
		break;
	}
}

static void sample_end(const struct subject *s, enum condition c, struct sample *out)
{
	size_t size;

	if (c == COND_PORT) {
		out->kind = subject_port(s, &out->number) &&
			    out->number <= UINT16_MAX ? SAMPLE_PORT : SAMPLE_NOTHING;
		return;
	}
	out->bytes = match_address(s, &size);
	out->kind = size == 4 || size == 16 ? SAMPLE_ADDRESS : SAMPLE_NOTHING;
	out->size = (unsigned int)size;
	out->bits = (unsigned int)size * 8;
}

/* Of what runs no file, none can be right. */
static void sample_script(const Sockgate__Process *p, enum condition c, struct sample *out)
{
	if (p->script_sha256.len != SHA256_SIZE)
		return;
	if (c == COND_SCRIPT) {
		sample_text(out, p->script, false);
		out->file = true;
		return;
	}
	out->kind = SAMPLE_HASH;
	out->bytes = p->script_sha256.data;
}

static void sample_user(const Sockgate__User *user, struct sample *out)
{
	out->kind = SAMPLE_USER;
	out->number = user->uid;
	out->text = user->name;
}

static void sample_subject(const struct search *q, enum condition c, struct sample *out)
{
	const struct subject *s = q->subject;

	if (match_lacks(c, s)) {
		out->kind = SAMPLE_WALK;
		return;
	}
	switch (c) {
	case COND_HOST:
	case COND_HOST_GROUP:
		sample_text(out, s->host, true);
		break;
	case COND_HASH:
		out->kind = SAMPLE_HASH;
		out->bytes = s->process->sha256.data;
		break;
	case COND_TIME:
	case COND_EVENT:
	case COND_PROTOCOL:
	case COND_CLASS:
		out->kind = SAMPLE_WALK;
		break;
	case COND_UNIT:
		sample_text(out, s->place->service, false);
		break;
	case COND_IMAGE:
		sample_text(out, s->place->image, false);
		break;
	case COND_APP:
		sample_text(out, s->place->app, false);
		break;
	case COND_SCRIPT:
	case COND_SCRIPT_HASH:
		sample_script(s->process, c, out);
		break;
	case COND_USER:
		sample_user(s->user, out);
		break;
	case COND_DOMAIN:
		sample_text(out, s->user->domain, true);
		break;
	case COND_FILE:
		sample_text(out, s->process->path, false);
		out->file = true;
		break;
	case COND_PORT:
	case COND_REMOTE:
		sample_end(s, c, out);
		break;
	default:
		sample_identity(s->identity, c, out);
		break;
	}
}

static enum match holds_subject(const struct search *q, const struct rule *rule,
				enum condition c)
{
	return match_condition(rule, c, q->subject);
}

static void found_subject(struct search *q, uint32_t rule, enum condition from,
			  enum condition lacks)
{
	if (match_rest(&q->ix->rule[rule], from, q->subject, NULL, &lacks) ==
	    MATCH_DIFFERS)
		return;
	q->best = rule;
	q->lacks = lacks;
}

uint32_t index_find(const struct index *ix, const struct subject *subject,
		    enum condition *lacks)
{
	struct search q = {
		.ix = ix,
		.sample = sample_subject,
		.holds = holds_subject,
		.reaches = found_subject,
		.subject = subject,
		.best = ix->rules,
		.lacks = COND_COUNT,
	};

	search(&q, subject_is_report(subject));
	*lacks = q.lacks;
	return q.best;
}

static void look_at_subject(struct search *q, uint32_t rule, enum condition from,
			    enum condition lacks)
{
	const struct rule *r = &q->ix->rule[rule];

	if (is_news(q, r->conditions))
		match_rest(r, from, q->subject, q->looked, &lacks);
}

void index_looked(const struct index *ix, const struct subject *subject,
		  uint32_t found, struct looked *looked)
{
	enum condition lacks = COND_COUNT;
	struct search q = {
		.ix = ix,
		.sample = sample_subject,
		.holds = holds_subject,
		.reaches = look_at_subject,
		.subject = subject,
		.looked = looked,
		.best = found,
	};

	/* The rule itself first: what is noted already need not be searched. */
	if (found < ix->rules)
		match_rest(&ix->rule[found], 0, subject, looked, &lacks);
	search(&q, subject_is_report(subject));
}

unsigned int index_prefix(const struct index *ix, const struct subject *subject,
			  const struct prefix_look *look)
{
	unsigned int family, end, n;
	size_t size;

	match_address(subject, &size);
	family = size == 16 ? LENGTH_V6 : 0;
	end = family + look->longest;
	n = length_next(ix->rung, family + look->needed, end);
	return n - family;
}

/* ---- for a rule ---- */

static void sample_patterns(const struct pattern_list *list, struct sample *out)
{
	const struct pattern *p = list->elem;

	/* A file pattern is covered by its like only, and so is what is no plain text. */
	if (list->kind != PATTERN_FILE && !p->glob) {
		sample_text(out, p->text, list->kind == PATTERN_WORD);
		return;
	}
	out->kind = SAMPLE_PATTERN;
	out->pattern = key_pattern(p, list->kind);
}

static void sample_users(const struct user_list *users, struct sample *out)
{
	if (!users->uids) {
		sample_patterns(&users->names, out);
		return;
	}
	out->kind = SAMPLE_USER;
	out->number = users->uid[0];
}

static void sample_prefixes(const struct prefix_list *list, struct sample *out)
{
	out->kind = SAMPLE_ADDRESS;
	out->bytes = list->elem[0].addr;
	out->size = list->elem[0].size;
	out->bits = list->elem[0].bits;
}

/* Whatever takes all of a value takes the first of it. */
static void sample_rule(const struct search *q, enum condition c, struct sample *out)
{
	const struct value *v;

	if (!rule_has(q->later, c))
		return;
	if (condition_is_walked(c)) {
		out->kind = SAMPLE_WALK;
		return;
	}
	v = rule_value(q->later, c);
	switch (c) {
	case COND_HASH:
	case COND_SCRIPT_HASH:
		out->kind = SAMPLE_HASH;
		out->bytes = v->hashes.elem[0];
		break;
	case COND_USER:
		sample_users(&v->users, out);
		break;
	case COND_PORT:
		out->kind = SAMPLE_PORT;
		out->number = v->ranges.elem[0].min;
		break;
	case COND_REMOTE:
		sample_prefixes(&v->prefixes, out);
		break;
	default:
		sample_patterns(&v->patterns, out);
		break;
	}
}

static enum match holds_rule(const struct search *q, const struct rule *rule,
			     enum condition c)
{
	return value_covers(c, rule_value(rule, c), rule_value(q->later, c)) ?
	       MATCH_YES : MATCH_DIFFERS;
}

static void found_rule(struct search *q, uint32_t rule, enum condition from,
		       enum condition lacks)
{
	(void)from, (void)lacks;
	if (rule_covers(&q->ix->rule[rule], q->later))
		q->best = rule;
}

uint32_t index_cover(const struct index *ix, uint32_t later)
{
	struct search q = {
		.ix = ix,
		.sample = sample_rule,
		.holds = holds_rule,
		.reaches = found_rule,
		.later = &ix->rule[later],
		.best = later,
	};

	search(&q, rule_events(q.later) & RULE_REPORTS);
	return q.best;
}
