// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "rule.h"

#define SSH_PORT 22

static const char *const names[] = {
	[COND_HOST] = "host",
	[COND_HOST_GROUP] = "host_group",
	[COND_KNOWN] = "known",
	[COND_HASH] = "hash",
	[COND_APPLICATION] = "application",
	[COND_VENDOR] = "vendor",
	[COND_CATEGORY] = "category",
	[COND_VERSION] = "version",
	[COND_TRUST] = "trust",
	[COND_THREAT] = "threat",
	[COND_EVENT] = "event",
	[COND_PROTOCOL] = "protocol",
	[COND_USER] = "user",
	[COND_DOMAIN] = "domain",
	[COND_FILE] = "file",
	[COND_PORT] = "port",
	[COND_REMOTE] = "remote",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == COND_COUNT,
	       "a condition has no name");

const char *condition_name(enum condition c)
{
	return c < COND_COUNT ? names[c] : "?";
}

void rule_free(struct rule *rule)
{
	free(rule->name);
	free(rule->text);
	pattern_free(&rule->application);
	pattern_free(&rule->vendor);
	pattern_free(&rule->category);
	pattern_free(&rule->version);
	pattern_free(&rule->user);
	pattern_free(&rule->domain);
	pattern_free(&rule->file);
	pattern_free(&rule->host);
	pattern_free(&rule->host_group);
	free(rule->uid);
	free(rule->hash);
	range_free(&rule->trust);
	range_free(&rule->threat);
	range_free(&rule->port);
	prefix_free(&rule->remote);
	memset(rule, 0, sizeof(*rule));
}

static bool protocols_cover(const struct rule *a, const struct rule *b)
{
	for (int i = 0; i < 4; i++) {
		if (b->protocols[i] & ~a->protocols[i])
			return false;
	}
	return true;
}

static bool hashes_cover(const struct rule *a, const struct rule *b)
{
	for (size_t i = 0; i < b->hashes; i++) {
		size_t j = 0;

		while (j < a->hashes &&
		       memcmp(a->hash[j], b->hash[i], SHA256_SIZE))
			j++;
		if (j == a->hashes)
			return false;
	}
	return true;
}

static bool users_cover(const struct rule *a, const struct rule *b)
{
	for (size_t i = 0; i < b->uids; i++) {
		size_t j = 0;

		while (j < a->uids && a->uid[j] != b->uid[i])
			j++;
		if (j == a->uids)
			return false;
	}
	return pattern_covers(&a->user, &b->user);
}

static bool covers(const struct rule *a, const struct rule *b, enum condition c)
{
	switch (c) {
	case COND_HOST:
		return pattern_covers(&a->host, &b->host);
	case COND_HOST_GROUP:
		return pattern_covers(&a->host_group, &b->host_group);
	case COND_KNOWN:
		return a->known == b->known;
	case COND_HASH:
		return hashes_cover(a, b);
	case COND_APPLICATION:
		return pattern_covers(&a->application, &b->application);
	case COND_VENDOR:
		return pattern_covers(&a->vendor, &b->vendor);
	case COND_CATEGORY:
		return pattern_covers(&a->category, &b->category);
	case COND_VERSION:
		return pattern_covers(&a->version, &b->version);
	case COND_TRUST:
		return range_covers(&a->trust, &b->trust);
	case COND_THREAT:
		return range_covers(&a->threat, &b->threat);
	case COND_EVENT:
		return !(b->events & ~a->events);
	case COND_PROTOCOL:
		return protocols_cover(a, b);
	case COND_USER:
		return users_cover(a, b);
	case COND_DOMAIN:
		return pattern_covers(&a->domain, &b->domain);
	case COND_FILE:
		return pattern_covers(&a->file, &b->file);
	case COND_PORT:
		return range_covers(&a->port, &b->port);
	case COND_REMOTE:
		return prefix_covers(&a->remote, &b->remote);
	case COND_COUNT:
		break;
	}
	return false;
}

bool rule_covers(const struct rule *earlier, const struct rule *later)
{
	if (earlier->conditions & ~later->conditions)
		return false;
	/* Without `event` it is about no report. */
	if (!rule_has(earlier, COND_EVENT) && later->events & RULE_REPORTS)
		return false;
	for (enum condition c = 0; c < COND_COUNT; c++) {
		if (rule_has(earlier, c) && !covers(earlier, later, c))
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
	unsigned int kinds = 0;

	if (!rule_has(rule, COND_PROTOCOL))
		return PROTOCOL_TCP | PROTOCOL_PAST_THE_GATE | PROTOCOL_ANY_OTHER;
	for (unsigned int i = 0; i < 256; i++) {
		if (!(rule->protocols[i / 64] & UINT64_C(1) << (i % 64)))
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

/* What asks for no signature, and for something out of it. */
static const char *why_no_signature(const struct rule *rule)
{
	const uint32_t texts = 1U << COND_APPLICATION | 1U << COND_VENDOR |
			       1U << COND_CATEGORY | 1U << COND_VERSION;

	if (!rule_has(rule, COND_KNOWN) || rule->known)
		return NULL;
	if (rule->conditions & texts)
		return "what has no signature (known = false) has no application, "
		       "vendor, category or version";
	if ((rule_has(rule, COND_TRUST) && !range_match(&rule->trust, 0)) ||
	    (rule_has(rule, COND_THREAT) && !range_match(&rule->threat, 0)))
		return "what has no signature (known = false) has 0 in trust and threat";
	return NULL;
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
	uint32_t left = rule_has(rule, COND_EVENT) ? rule->events :
			EVENTS_OF_ANY & ~RULE_REPORTS;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (limits[i].holds)
			left &= ~limits[i].none;
		if (!left)
			return limits[i].why;
	}
	return why_no_signature(rule);
}

const char *rule_doubtful(const struct rule *rule)
{
	for (size_t i = 0; i < rule->version.count; i++) {
		if (strchr("<>=!", *rule->version.elem[i].text))
			return "a version is a text in which * and ? stand for others; "
			       "<, >, = and ! compare nothing";
	}
	return NULL;
}

/* By application or file: what serves SSH, or listens for it. */
static bool names_ssh(const struct pattern_list *list)
{
	static const char *const servers[] = {
		"openssh-server", "sshd", "dropbear", "systemd",
		"/usr/sbin/sshd", "/usr/sbin/dropbear", "/usr/lib/systemd/systemd",
	};

	for (size_t i = 0; i < list->count; i++) {
		if (strcasestr(list->elem[i].text, "ssh"))
			return true;
	}
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		if (pattern_match(list, servers[i]))
			return true;
	}
	return false;
}

bool rule_about_ssh(const struct rule *rule)
{
	if (rule_unmatchable(rule) || rule_has(rule, COND_REMOTE) ||
	    !(kinds_of_protocols(rule) & PROTOCOL_TCP))
		return false;
	if ((rule_has(rule, COND_EVENT) && !(rule->events & EVENT(LISTEN))) ||
	    (rule_has(rule, COND_PORT) && !range_match(&rule->port, SSH_PORT)))
		return false;
	if ((rule_has(rule, COND_APPLICATION) && !names_ssh(&rule->application)) ||
	    (rule_has(rule, COND_FILE) && !names_ssh(&rule->file)))
		return false;
	return rule->action != VERDICT_DENY || rule_has(rule, COND_PORT);
}
