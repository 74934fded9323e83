// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <string.h>
#include <linux/sockgate.h>

#include "match.h"

#define F(name) SOCKGATE__FIELD__FIELD_##name
#define EVENT(name) (1U << SOCKGATE_EVENT_##name)
#define LOCAL_PORT_EVENTS						\
	(EVENT(BIND) | EVENT(LISTEN) | EVENT(ACCEPT) | EVENT(RECEIVE))

#define COND(name) (1U << COND_##name)
#define CONDITIONS_ON_IDENTITY						\
	(COND(KNOWN) | COND(APPLICATION) | COND(VENDOR) | COND(CATEGORY) |	\
	 COND(VERSION) | COND(TRUST) | COND(THREAT))

#define CONDITIONS_ON_PROCESS						\
	(COND(FILE) | COND(APP) | COND(CLASS) | COND(SCRIPT) | COND(SCRIPT_HASH))

#define CLASS(name) ((uint32_t)SOCKGATE__CLASS__CLASS_##name)

/* How one condition stands: like enum match, for a single one. */
static enum match holds(bool yes)
{
	return yes ? MATCH_YES : MATCH_DIFFERS;
}

static bool is_one_of(const struct subject *s, uint32_t events)
{
	unsigned int kind = s->event->kind;

	return kind < 32 && (events & (1U << kind));
}

bool subject_is_report(const struct subject *subject)
{
	return is_one_of(subject, RULE_REPORTS);
}

/* In the place of a port, a packet socket that is opened has an ethertype. */
bool subject_port(const struct subject *subject, uint32_t *port)
{
	const Sockgate__Event *e = subject->event;

	*port = is_one_of(subject, LOCAL_PORT_EVENTS) ? e->local_port :
							e->remote_port;
	return !is_one_of(subject, EVENT(OPEN));
}

static bool has_content(const struct subject *s)
{
	return s->process->evidence == SOCKGATE__EVIDENCE__EVIDENCE_CONTENT &&
	       s->process->sha256.len == SHA256_SIZE;
}

/* ---- what conditions look at ---- */

/*
 * An identity that no hash gave could be another one under another name, so
 * what follows from it is good for this process only.
 */
static uint32_t fields_of_identity(const struct subject *s)
{
	if (!has_content(s) || !s->identity ||
	    (s->identity->source != SOCKGATE__IDENTITY__SOURCE__HASH &&
	     s->identity->source != SOCKGATE__IDENTITY__SOURCE__HASH_ONLY))
		return F(CONTENT) | F(PROCESS);
	return F(CONTENT);
}

/* Which port it is follows from the event, which is part of what is looked at. */
static uint32_t fields_of_port(const struct subject *s)
{
	uint32_t port;

	if (!subject_port(s, &port))
		return F(EVENT);
	return F(EVENT) | (is_one_of(s, LOCAL_PORT_EVENTS) ? F(LOCAL_PORT) :
							     F(REMOTE_PORT));
}

/*
 * Some events have no remote address.  The event is part of what was looked
 * at, so that a verdict for one of those never serves one that has.
 */
uint32_t match_fields(uint32_t conditions, const struct subject *s)
{
	uint32_t fields = 0;

	if (conditions & CONDITIONS_ON_IDENTITY)
		fields |= fields_of_identity(s);
	if (conditions & COND(HASH))
		fields |= F(CONTENT) | (has_content(s) ? 0 : F(PROCESS));
	if (conditions & COND(EVENT))
		fields |= F(EVENT);
	if (conditions & COND(PROTOCOL))
		fields |= F(PROTOCOL);
	if (conditions & (COND(USER) | COND(DOMAIN)))
		fields |= F(USER);
	if (conditions & (COND(UNIT) | COND(IMAGE)))
		fields |= F(PLACE);
	/* What runs in a bundle, or by an interpreter, is that process's own. */
	if (conditions & CONDITIONS_ON_PROCESS)
		fields |= F(PROCESS) | F(CONTENT);
	if (conditions & COND(APP))
		fields |= F(PLACE);
	if (conditions & COND(PORT))
		fields |= fields_of_port(s);
	if (conditions & COND(REMOTE))
		fields |= F(REMOTE_ADDRESS) | F(EVENT);
	return fields;
}

/* ---- one condition ---- */

static bool place_lacks(const struct subject *s, Sockgate__PlaceFact fact)
{
	return !(s->place->learned & (uint32_t)fact);
}

/* What is known to run no file has none; it is not missing. */
static bool script_lacks(const struct subject *s)
{
	const Sockgate__Process *p = s->process;

	if (!p->classes || p->classes & CLASS(UNVERIFIABLE))
		return true;
	return p->classes & (CLASS(SCRIPT) | CLASS(LOADER)) &&
	       (p->script_evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT ||
		p->script_sha256.len != SHA256_SIZE);
}

static bool has_script(const struct subject *s)
{
	return s->process->classes & (CLASS(SCRIPT) | CLASS(LOADER));
}

bool match_lacks(enum condition c, const struct subject *s)
{
	switch (c) {
	case COND_HASH:
		return !has_content(s);
	case COND_USER:
		return !*s->user->name;
	case COND_DOMAIN:
		return !*s->user->domain;
	case COND_UNIT:
		return place_lacks(s, SOCKGATE__PLACE_FACT__PLACE_FACT_SERVICE);
	case COND_IMAGE:
		return place_lacks(s, SOCKGATE__PLACE_FACT__PLACE_FACT_IMAGE);
	case COND_APP:
		return place_lacks(s, SOCKGATE__PLACE_FACT__PLACE_FACT_APP);
	case COND_CLASS:
		return !s->process->classes;
	case COND_SCRIPT:
		return script_lacks(s) ||
		       (has_script(s) &&
			(!*s->process->script || s->process->script_foreign_path));
	case COND_SCRIPT_HASH:
		return script_lacks(s);
	case COND_FILE:
		/* Whoever can mount can give a file any path that others cannot see. */
		return !*s->process->path || s->process->foreign_path;
	default:
		return 1U << c & CONDITIONS_ON_IDENTITY &&
		       (!has_content(s) || !s->identity);
	}
}

static bool is_among(const struct hash_list *hashes, const uint8_t *sha256)
{
	for (uint32_t i = 0; i < hashes->count; i++) {
		if (!memcmp(hashes->elem[i], sha256, SHA256_SIZE))
			return true;
	}
	return false;
}

static enum match match_hash(const struct hash_list *hashes, const struct subject *s)
{
	if (match_lacks(COND_HASH, s))
		return MATCH_LACKS;
	return holds(is_among(hashes, s->process->sha256.data));
}

static enum match match_identity(const struct value *v, const struct subject *s,
				 enum condition c)
{
	const Sockgate__Identity *id = s->identity;

	if (match_lacks(c, s))
		return MATCH_LACKS;
	switch (c) {
	case COND_KNOWN:
		return holds(v->known ==
			     (id->source != SOCKGATE__IDENTITY__SOURCE__NONE));
	case COND_APPLICATION:
		return holds(pattern_match(&v->patterns, id->name));
	case COND_VENDOR:
		return holds(pattern_match(&v->patterns, id->vendor));
	case COND_CATEGORY:
		return holds(pattern_match(&v->patterns, id->category));
	case COND_VERSION:
		return holds(pattern_match(&v->patterns, id->version));
	case COND_TRUST:
		return holds(range_match(&v->ranges, id->trust));
	case COND_THREAT:
		return holds(range_match(&v->ranges, id->threat));
	default:
		return MATCH_DIFFERS;
	}
}

static enum match match_protocol(const uint64_t *protocols, const struct subject *s)
{
	unsigned int n = s->event->protocol;

	return holds(n < 256 && (protocols[n / 64] & (UINT64_C(1) << (n % 64))));
}

static enum match match_user(const struct user_list *users, const struct subject *s)
{
	for (uint32_t i = 0; i < users->uids; i++) {
		if (users->uid[i] == s->user->uid)
			return MATCH_YES;
	}
	if (users->names.count && match_lacks(COND_USER, s))
		return MATCH_LACKS;
	return holds(pattern_match(&users->names, s->user->name));
}

static enum match match_domain(const struct pattern_list *domains,
			       const struct subject *s)
{
	if (match_lacks(COND_DOMAIN, s))
		return MATCH_LACKS;
	return holds(pattern_match(domains, s->user->domain));
}

static enum match match_file(const struct pattern_list *files, const struct subject *s)
{
	if (match_lacks(COND_FILE, s))
		return MATCH_LACKS;
	return holds(pattern_match(files, s->process->path));
}

/* What cannot be found out may be any of these ("sh /dev/stdin" names a file, too). */
static uint32_t unknown_classes(const Sockgate__Process *p)
{
	const uint32_t ways = CLASS(SCRIPT) | CLASS(COMMAND) | CLASS(STDIN) | CLASS(MODULE);

	return p->classes_unknown | (p->classes & CLASS(UNVERIFIABLE) ? ways : 0);
}

/* One of several is enough; that it is none of them can be said if all are known. */
static enum match match_class(uint32_t classes, const struct subject *s)
{
	const Sockgate__Process *p = s->process;

	if (match_lacks(COND_CLASS, s))
		return MATCH_LACKS;
	if (classes & p->classes)
		return MATCH_YES;
	return classes & unknown_classes(p) ? MATCH_LACKS : MATCH_DIFFERS;
}

static enum match match_script(const struct pattern_list *files, const struct subject *s)
{
	if (match_lacks(COND_SCRIPT, s))
		return MATCH_LACKS;
	return holds(has_script(s) && pattern_match(files, s->process->script));
}

static enum match match_script_hash(const struct hash_list *hashes,
				    const struct subject *s)
{
	if (match_lacks(COND_SCRIPT_HASH, s))
		return MATCH_LACKS;
	return holds(has_script(s) && is_among(hashes, s->process->script_sha256.data));
}

static const char *text_of_place(const Sockgate__Place *place, enum condition c)
{
	switch (c) {
	case COND_UNIT:
		return place->service;
	case COND_IMAGE:
		return place->image;
	default:
		return place->app;
	}
}

static enum match match_place(const struct pattern_list *texts, enum condition c,
			      const struct subject *s)
{
	if (match_lacks(c, s))
		return MATCH_LACKS;
	return holds(pattern_match(texts, text_of_place(s->place, c)));
}

static enum match match_port(const struct range_list *ports, const struct subject *s)
{
	uint32_t port;

	return holds(subject_port(s, &port) && range_match(ports, port));
}

const uint8_t *match_address(const struct subject *subject, size_t *size)
{
	const uint8_t *addr = subject->event->remote_address.data;

	*size = subject->event->remote_address.len;
	if (*size != 16 || !IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)addr))
		return addr;
	*size = 4;
	return addr + 12;
}

static enum match match_remote(const struct prefix_list *prefixes,
			       const struct subject *s, struct prefix_look *look)
{
	size_t size;
	const uint8_t *addr = match_address(s, &size);

	return holds(prefix_match(prefixes, addr, size, look));
}

static enum match match_value(const struct value *v, enum condition c,
			      const struct subject *s, struct prefix_look *look)
{
	switch (c) {
	case COND_TIME:
		return holds(range_match(&v->ranges, s->at.minute));
	case COND_HOST:
	case COND_HOST_GROUP:
		return holds(pattern_match(&v->patterns, s->host));
	case COND_HASH:
		return match_hash(&v->hashes, s);
	case COND_EVENT:
		return holds(is_one_of(s, v->events));
	case COND_PROTOCOL:
		return match_protocol(v->protocols, s);
	case COND_USER:
		return match_user(&v->users, s);
	case COND_DOMAIN:
		return match_domain(&v->patterns, s);
	case COND_UNIT:
	case COND_IMAGE:
	case COND_APP:
		return match_place(&v->patterns, c, s);
	case COND_FILE:
		return match_file(&v->patterns, s);
	case COND_CLASS:
		return match_class(v->classes, s);
	case COND_SCRIPT:
		return match_script(&v->patterns, s);
	case COND_SCRIPT_HASH:
		return match_script_hash(&v->hashes, s);
	case COND_PORT:
		return match_port(&v->ranges, s);
	case COND_REMOTE:
		return match_remote(&v->prefixes, s, look);
	default:
		return match_identity(v, s, c);
	}
}

enum match match_condition(const struct rule *rule, enum condition c,
			   const struct subject *subject)
{
	return match_value(rule_value(rule, c), c, subject, NULL);
}

/* ---- a rule ---- */

void match_time(const struct value *time, const struct subject *subject,
		struct looked *looked)
{
	uint32_t left = week_left(&time->ranges, &subject->at);

	if (!looked->until_s || left < looked->until_s)
		looked->until_s = left;
}

enum match match_rest(const struct rule *rule, enum condition from,
		      const struct subject *subject, struct looked *looked,
		      enum condition *at)
{
	uint32_t left = rule->conditions & ~((1U << from) - 1);
	const struct value *const *value = rule_values(rule) +
		__builtin_popcount(rule->conditions & ~left);
	enum condition lacks = *at;

	for (; left; left &= left - 1, value++) {
		enum condition c = (enum condition)__builtin_ctz(left);
		enum match m = match_value(*value, c, subject,
					   looked ? &looked->remote : NULL);

		if (looked)
			looked->conditions |= 1U << c;
		if (looked && c == COND_TIME)
			match_time(*value, subject, looked);
		if (m == MATCH_DIFFERS) {
			*at = c;
			return MATCH_DIFFERS;
		}
		if (m == MATCH_LACKS && lacks == COND_COUNT)
			lacks = c;
	}
	*at = lacks;
	return lacks == COND_COUNT ? MATCH_YES : MATCH_LACKS;
}

enum match match_rule(const struct rule *rule, const struct subject *subject,
		      struct looked *looked, enum condition *at)
{
	*at = COND_COUNT;
	if (!subject_is_report(subject) || rule_has(rule, COND_EVENT))
		return match_rest(rule, 0, subject, looked, at);
	if (looked)
		looked->conditions |= COND(EVENT);
	*at = COND_EVENT;
	return MATCH_DIFFERS;
}
