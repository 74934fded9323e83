// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <string.h>

#include "rule.h"
#include "sockgate.pb-c.h"

#define SSH_PORT 22

bool rule_covers(const struct rule *earlier, const struct rule *later)
{
	if (earlier->conditions & ~later->conditions)
		return false;
	/* Without `event` it is about no report. */
	if (!rule_has(earlier, COND_EVENT) && rule_events(later) & RULE_REPORTS)
		return false;
	for (enum condition c = 0; c < COND_COUNT; c++) {
		if (rule_has(earlier, c) &&
		    !value_covers(c, rule_value(earlier, c), rule_value(later, c)))
			return false;
	}
	return true;
}

/* Protocols by what kinds of events there are of them. */
#define PROTOCOL_TCP 1U
#define PROTOCOL_PAST_THE_GATE 2U
#define PROTOCOL_ANY_OTHER 4U

static unsigned int kinds_of_protocols(const struct rule *rule)
{
	const uint64_t *protocols;
	unsigned int kinds = 0;

	if (!rule_has(rule, COND_PROTOCOL))
		return PROTOCOL_TCP | PROTOCOL_PAST_THE_GATE | PROTOCOL_ANY_OTHER;
	protocols = rule_value(rule, COND_PROTOCOL)->protocols;
	for (unsigned int i = 0; i < 256; i++) {
		if (!(protocols[i / 64] & UINT64_C(1) << (i % 64)))
			continue;
		kinds |= i == IPPROTO_TCP ? PROTOCOL_TCP :
			 i == SOCKGATE_PROTOCOL_PACKET ||
			 i == SOCKGATE_PROTOCOL_OTHER ? PROTOCOL_PAST_THE_GATE :
							PROTOCOL_ANY_OTHER;
	}
	return kinds;
}

#define EVENT(name) (1U << SOCKGATE_EVENT_##name)
#define EVENTS_OF_ANY ((1U << __SOCKGATE_EVENT_MAX) - 2)

/* Does the rule, of a number in ranges, allow for this one? */
static bool may_be(const struct rule *rule, enum condition c, unsigned int number)
{
	return !rule_has(rule, c) || range_match(&rule_value(rule, c)->ranges, number);
}

/* What asks for no signature, and for something out of it. */
static const char *why_no_signature(const struct rule *rule)
{
	const uint32_t texts = 1U << COND_APPLICATION | 1U << COND_VENDOR |
			       1U << COND_CATEGORY | 1U << COND_VERSION;

	if (!rule_has(rule, COND_KNOWN) || rule_value(rule, COND_KNOWN)->known)
		return NULL;
	if (rule->conditions & texts)
		return "what has no signature (known = false) has no application, "
		       "vendor, category or version";
	if (!may_be(rule, COND_TRUST, 0) || !may_be(rule, COND_THREAT, 0))
		return "what has no signature (known = false) has 0 in trust and threat";
	return NULL;
}

uint32_t rule_facts(const struct rule *rule)
{
	uint32_t classes = rule_has(rule, COND_CLASS) ? rule_value(rule, COND_CLASS)->classes : 0;
	uint32_t facts = 0;

	if (classes & SOCKGATE__CLASS__CLASS_PRELOAD)
		facts |= SOCKGATE__FACT__FACT_PRELOAD;
	if (classes & SOCKGATE__CLASS__CLASS_JIT)
		facts |= SOCKGATE__FACT__FACT_JIT;
	if (rule_has(rule, COND_APP))
		facts |= SOCKGATE__FACT__FACT_APP;
	return facts;
}

/* What runs no file by an interpreter, or by the loader, has no script. */
static const char *why_no_script(const struct rule *rule)
{
	const uint32_t none = SOCKGATE__CLASS__CLASS_BINARY | SOCKGATE__CLASS__CLASS_COMMAND |
			      SOCKGATE__CLASS__CLASS_STDIN | SOCKGATE__CLASS__CLASS_MODULE;
	const uint32_t scripts = 1U << COND_SCRIPT | 1U << COND_SCRIPT_HASH;

	if (!(rule->conditions & scripts) || !rule_has(rule, COND_CLASS) ||
	    rule_value(rule, COND_CLASS)->classes & ~none)
		return NULL;
	return "what is of class binary, command, stdin or module has no script";
}

/* Each takes away events that the rule cannot be about. */
const char *rule_unmatchable(const struct rule *rule)
{
	const unsigned int kinds = kinds_of_protocols(rule);
	const struct {
		bool holds;
		uint32_t none;
		const char *why;
	} limits[] = {
		{ rule_has(rule, COND_REMOTE),
		  EVENT(OPEN) | EVENT(BIND) | EVENT(LISTEN),
		  "open, bind and listen have no remote address" },
		{ rule_has(rule, COND_PORT), EVENT(OPEN), "open has no port" },
		{ kinds == PROTOCOL_PAST_THE_GATE, ~EVENT(OPEN),
		  "packet and other sockets are judged when they are opened, which "
		  "has neither port nor remote address" },
		{ kinds == PROTOCOL_TCP, EVENT(SEND) | EVENT(RECEIVE),
		  "TCP knows neither send nor receive, which are about datagrams" },
		{ !(kinds & PROTOCOL_TCP), RULE_REPORTS,
		  "established and close are reported of TCP only" },
	};
	uint32_t left = rule_has(rule, COND_EVENT) ? rule_events(rule) :
			EVENTS_OF_ANY & ~RULE_REPORTS;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (limits[i].holds)
			left &= ~limits[i].none;
		if (!left)
			return limits[i].why;
	}
	return why_no_signature(rule) ?: why_no_script(rule);
}

/*
 * Arguments are what a process says of itself.  Of a program that is not known, or that
 * anybody may run, they say nothing.
 */
static const char *why_no_claim(const struct rule *rule)
{
	const uint32_t claims = 1U << COND_SCRIPT | 1U << COND_SCRIPT_HASH;
	const uint32_t content = 1U << COND_HASH | 1U << COND_APPLICATION |
				 1U << COND_VENDOR | 1U << COND_TRUST;
	const uint32_t whose = 1U << COND_USER | 1U << COND_UNIT;

	if (rule->action == VERDICT_DENY || !(rule->conditions & claims))
		return NULL;
	if (!(rule->conditions & content))
		return "any program can say that it runs this script: name the interpreter too, "
		       "by application, hash, vendor or trust";
	if (!(rule->conditions & whose))
		return "whoever may run the interpreter can have it say that it runs this "
		       "script: name the user or the unit too";
	return NULL;
}

/*
 * An application is known by its content, what it runs only where its file has an
 * interpreter's name: a copy that is called otherwise is of class binary.
 */
static const char *why_no_bar(const struct rule *rule)
{
	const uint32_t claims = 1U << COND_SCRIPT | 1U << COND_SCRIPT_HASH;
	const uint32_t content = 1U << COND_HASH | 1U << COND_APPLICATION |
				 1U << COND_VENDOR | 1U << COND_CATEGORY;
	const uint32_t by_name = SOCKGATE__CLASS__CLASS_SCRIPT | SOCKGATE__CLASS__CLASS_COMMAND |
				 SOCKGATE__CLASS__CLASS_STDIN | SOCKGATE__CLASS__CLASS_MODULE |
				 SOCKGATE__CLASS__CLASS_LOADER;
	uint32_t classes = rule_has(rule, COND_CLASS) ? rule_value(rule, COND_CLASS)->classes : 0;

	if (rule->action != VERDICT_DENY || !(rule->conditions & content))
		return NULL;
	if (!(rule->conditions & claims) &&
	    (!(classes & by_name) || classes & SOCKGATE__CLASS__CLASS_BINARY))
		return NULL;
	return "a copy of the interpreter under another name is of class binary, runs no "
	       "script that is known, and passes: deny the application, and allow before it "
	       "what may be run";
}

static const char *why_no_version(const struct rule *rule)
{
	const struct pattern_list *versions;

	if (!rule_has(rule, COND_VERSION))
		return NULL;
	versions = &rule_value(rule, COND_VERSION)->patterns;
	for (uint32_t i = 0; i < versions->count; i++) {
		if (strchr("<>=!", *versions->elem[i].text))
			return "a version is a text in which * and ? stand for others; "
			       "<, >, = and ! compare nothing";
	}
	return NULL;
}

const char *rule_doubtful(const struct rule *rule)
{
	return why_no_version(rule) ?: why_no_claim(rule) ?: why_no_bar(rule);
}

/* By application or file: what serves SSH, or listens for it. */
static bool names_ssh(const struct pattern_list *list)
{
	static const char *const servers[] = {
		"openssh-server", "sshd", "dropbear", "systemd",
		"/usr/sbin/sshd", "/usr/sbin/dropbear", "/usr/lib/systemd/systemd",
	};

	for (uint32_t i = 0; i < list->count; i++) {
		if (strcasestr(list->elem[i].text, "ssh"))
			return true;
	}
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		if (pattern_match(list, servers[i]))
			return true;
	}
	return false;
}

static bool may_name_ssh(const struct rule *rule, enum condition c)
{
	return !rule_has(rule, c) || names_ssh(&rule_value(rule, c)->patterns);
}

static bool may_be_ssh(const struct rule *rule, uint32_t event)
{
	if (rule_unmatchable(rule) || !(kinds_of_protocols(rule) & PROTOCOL_TCP))
		return false;
	return (!rule_has(rule, COND_EVENT) || rule_events(rule) & event) &&
	       may_be(rule, COND_PORT, SSH_PORT);
}

bool rule_about_ssh(const struct rule *rule, uint32_t event)
{
	/* Who listens has no peer yet. */
	if (!may_be_ssh(rule, event) ||
	    (event == EVENT(LISTEN) && rule_has(rule, COND_REMOTE)))
		return false;
	if (!may_name_ssh(rule, COND_APPLICATION) || !may_name_ssh(rule, COND_FILE))
		return false;
	return rule->action != VERDICT_DENY || rule_has(rule, COND_PORT);
}

bool rule_takes_ssh(const struct rule *rule, uint32_t event)
{
	const uint32_t about_all = 1U << COND_EVENT | 1U << COND_PROTOCOL | 1U << COND_PORT;

	return !(rule->conditions & ~about_all) && may_be_ssh(rule, event);
}
