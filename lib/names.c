// SPDX-License-Identifier: GPL-2.0-only
#include "names.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <linux/sockgate.h>

#include "sockgate.pb-c.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const events[] = {
	[SOCKGATE_EVENT_OPEN] = "open",
	[SOCKGATE_EVENT_BIND] = "bind",
	[SOCKGATE_EVENT_CONNECT] = "connect",
	[SOCKGATE_EVENT_LISTEN] = "listen",
	[SOCKGATE_EVENT_ACCEPT] = "accept",
	[SOCKGATE_EVENT_SEND] = "send",
	[SOCKGATE_EVENT_RECEIVE] = "receive",
	[SOCKGATE_EVENT_ESTABLISHED] = "established",
	[SOCKGATE_EVENT_CLOSE] = "close",
};
_Static_assert(COUNT(events) == __SOCKGATE_EVENT_MAX, "an event has no name");

/* The word of a reason is the word of its counter without this. */
#define REASON_PREFIX "reason_"
static const char *const reasons[] = {
	[SOCKGATE_REASON_NO_AGENT] = REASON_PREFIX "no_agent",
	[SOCKGATE_REASON_AGENT_GONE] = REASON_PREFIX "agent_gone",
	[SOCKGATE_REASON_AGENT_BUSY] = REASON_PREFIX "agent_busy",
	[SOCKGATE_REASON_DEADLINE] = REASON_PREFIX "deadline",
	[SOCKGATE_REASON_TABLE_FULL] = REASON_PREFIX "table_full",
	[SOCKGATE_REASON_NO_MEMORY] = REASON_PREFIX "no_memory",
	[SOCKGATE_REASON_CHANGED] = REASON_PREFIX "changed",
	[SOCKGATE_REASON_UNLOAD] = REASON_PREFIX "unload",
	[SOCKGATE_REASON_UNVERIFIABLE] = REASON_PREFIX "unverifiable",
	[SOCKGATE_REASON_SERVER_AWAY] = REASON_PREFIX "server_away",
	[SOCKGATE_REASON_BAD_ANSWER] = REASON_PREFIX "bad_answer",
	[SOCKGATE_REASON_UNJUDGED] = REASON_PREFIX "unjudged",
};
_Static_assert(COUNT(reasons) == __SOCKGATE_REASON_MAX, "a reason has no name");

static const char *const failures[] = {
	[SOCKGATE_ACTION_ALLOW] = "allow",
	[SOCKGATE_ACTION_DENY] = "deny",
	[SOCKGATE_ACTION_FAILSAFE] = "failsafe",
};

static const char *const evidences[] = {
	[SOCKGATE__EVIDENCE__EVIDENCE_CONTENT] = "content",
	[SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE] = "unreadable",
	[SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE] = "unstable",
	[SOCKGATE__EVIDENCE__EVIDENCE_TOO_LARGE] = "too_large",
};

/* In the order of their bits. */
static const char *const classes[] = {
	"binary", "script", "command", "stdin", "module", "loader", "preload", "jit",
	"unverifiable",
};
_Static_assert(1U << (COUNT(classes) - 1) == SOCKGATE__CLASS__CLASS_UNVERIFIABLE,
	       "a class has no name");

static const char *const sources[] = {
	[SOCKGATE__IDENTITY__SOURCE__NONE] = "none",
	[SOCKGATE__IDENTITY__SOURCE__HASH] = "hash",
	[SOCKGATE__IDENTITY__SOURCE__FILE_NAME] = "file_name",
	[SOCKGATE__IDENTITY__SOURCE__HASH_ONLY] = "hash_only",
	[SOCKGATE__IDENTITY__SOURCE__PACKAGE_FILE] = "package_file",
	[SOCKGATE__IDENTITY__SOURCE__BUILD_ID] = "build_id",
};

static const char *const counters[] = {
	[SOCKGATE_N_HIT_ALLOW] = "hit_allow",
	[SOCKGATE_N_HIT_DENY] = "hit_deny",
	[SOCKGATE_N_EXEMPT] = "exempt",
	[SOCKGATE_N_HELD_ALLOW] = "held_allow",
	[SOCKGATE_N_HELD_DENY] = "held_deny",
	[SOCKGATE_N_FAIL_ALLOW] = "fail_allow",
	[SOCKGATE_N_FAIL_DENY] = "fail_deny",
	[SOCKGATE_N_INTERRUPTED] = "interrupted",
	[SOCKGATE_N_DEFERRED] = "deferred",
	[SOCKGATE_N_READ_DEFERRED] = "read_deferred",
	[SOCKGATE_N_PACKET_HELD_ALLOW] = "packet_held_allow",
	[SOCKGATE_N_PACKET_HELD_DENY] = "packet_held_deny",
	[SOCKGATE_N_PACKET_DENIED] = "packet_denied",
	[SOCKGATE_N_CUT] = "cut",
	[SOCKGATE_N_REPORTED] = "reported",
	[SOCKGATE_N_REPORT_LOST] = "report_lost",
	[SOCKGATE_N_IMPOSTOR] = "impostor",
	[SOCKGATE_N_REVIEWED] = "reviewed",
	[SOCKGATE_N_ASKED] = "asked",
	[SOCKGATE_N_JOINED] = "joined",
	[SOCKGATE_N_ANSWERED] = "answered",
	[SOCKGATE_N_LATE] = "late",
	[SOCKGATE_N_EVICTED] = "evicted",
	[SOCKGATE_N_STALE] = "stale",
};
_Static_assert(COUNT(counters) == SOCKGATE_N_REASON, "a counter has no name");

static const char *const hooks[] = {
	[SOCKGATE_HOOK_CONNECT] = "connect",
	[SOCKGATE_HOOK_LISTEN] = "listen",
	[SOCKGATE_HOOK_SENDMSG] = "sendmsg",
	[SOCKGATE_HOOK_RECVMSG] = "recvmsg",
	[SOCKGATE_HOOK_CREATE] = "create",
	[SOCKGATE_HOOK_CLONE] = "clone",
	[SOCKGATE_HOOK_FREE] = "free",
	[SOCKGATE_HOOK_BIND] = "bind",
	[SOCKGATE_HOOK_SCTP_CLONE] = "sctp_clone",
	[SOCKGATE_HOOK_SUBFLOW] = "subflow",
	[SOCKGATE_HOOK_SWAP_EXE] = "swap_exe",
	[SOCKGATE_HOOK_SPLICE_READ] = "splice_read",
	[SOCKGATE_HOOK_SENDPAGE] = "sendpage",
	[SOCKGATE_HOOK_RECEIVE] = "receive",
	[SOCKGATE_HOOK_BINDX] = "bindx",
	[SOCKGATE_HOOK_REQUEST] = "request",
	[SOCKGATE_HOOK_DISCONNECT] = "disconnect",
};
_Static_assert(COUNT(hooks) == __SOCKGATE_HOOK_MAX, "a hook has no name");

struct word {
	unsigned int number;
	const char *name;
};

static const struct word protocols[] = {
	{ IPPROTO_TCP, "tcp" },
	{ IPPROTO_UDP, "udp" },
	{ IPPROTO_UDPLITE, "udplite" },
	{ IPPROTO_ICMP, "icmp" },
	{ IPPROTO_ICMPV6, "icmpv6" },
	{ IPPROTO_SCTP, "sctp" },
	{ IPPROTO_RAW, "raw" },
	{ SOCKGATE_PROTOCOL_PACKET, "packet" },
	{ SOCKGATE_PROTOCOL_OTHER, "other" },
};

static const struct word errors[] = {
	{ EACCES, "EACCES" },
	{ ECONNREFUSED, "ECONNREFUSED" },
	{ EPERM, "EPERM" },
};

static const char *pick(const char *const table[], size_t count, unsigned int i)
{
	return i < count && table[i] ? table[i] : "?";
}

static int find(const char *const table[], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (table[i] && !strcasecmp(table[i], name))
			return (int)i;
	return -1;
}

static const char *pick_word(const struct word *words, size_t count,
			     unsigned int number)
{
	for (size_t i = 0; i < count; i++)
		if (words[i].number == number)
			return words[i].name;
	return NULL;
}

static int find_word(const struct word *words, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcasecmp(words[i].name, name))
			return (int)words[i].number;
	return -1;
}

const char *name_event(unsigned int event)
{
	return pick(events, COUNT(events), event);
}

const char *name_event_state(unsigned int event, unsigned int protocol)
{
	if (protocol != IPPROTO_TCP)
		return name_event(event);
	switch (event) {
	case SOCKGATE_EVENT_CONNECT:
		return "SYN_SENT";
	case SOCKGATE_EVENT_ESTABLISHED:
		return "ESTABLISHED";
	case SOCKGATE_EVENT_CLOSE:
		return "CLOSE";
	default:
		return name_event(event);
	}
}

char *name_events(uint32_t set, const char *between, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 1; i < COUNT(events) && used < size; i++)
		if (set & 1U << i)
			used += (size_t)snprintf(text + used, size - used, "%s%s",
						 used ? between : "",
						 name_event(i));
	return text;
}

char *name_classes(uint32_t set, const char *between, char *text, size_t size)
{
	size_t used = 0;

	*text = '\0';
	for (unsigned int i = 0; i < COUNT(classes) && used < size; i++) {
		if (set & 1U << i)
			used += (size_t)snprintf(text + used, size - used, "%s%s",
						 used ? between : "", classes[i]);
	}
	return text;
}

int events_from_name(const char *name)
{
	int event = find(events, COUNT(events), name);

	if (!strcasecmp(name, "syn_sent"))
		return 1 << SOCKGATE_EVENT_CONNECT | 1 << SOCKGATE_EVENT_SEND;
	return event < 0 ? -1 : 1 << event;
}

/*
 * Numbers without a word are rare: a few buffers in turn let one printf() show
 * several of them.
 */
const char *name_protocol(unsigned int protocol)
{
	static _Thread_local char numbers[4][sizeof("4294967295")];
	static _Thread_local unsigned int turn;
	const char *name = pick_word(protocols, COUNT(protocols), protocol);
	char *number;

	if (name)
		return name;
	number = numbers[turn++ % COUNT(numbers)];
	snprintf(number, sizeof(numbers[0]), "%u", protocol);
	return number;
}

int protocol_from_name(const char *name)
{
	int number = find_word(protocols, COUNT(protocols), name);
	unsigned long value;
	char *end;

	if (number >= 0)
		return number;
	if (*name < '0' || *name > '9')
		return -1;
	value = strtoul(name, &end, 10);
	return *end || value > UCHAR_MAX ? -1 : (int)value;
}

const char *name_reason(unsigned int reason)
{
	const char *name = pick(reasons, COUNT(reasons), reason);

	return *name == '?' ? name : name + sizeof(REASON_PREFIX) - 1;
}

int reason_from_name(const char *name)
{
	for (unsigned int i = 1; i < COUNT(reasons); i++)
		if (!strcasecmp(name_reason(i), name))
			return (int)i;
	return -1;
}

const char *name_failure(unsigned int action)
{
	return pick(failures, COUNT(failures), action);
}

int failure_from_name(const char *name)
{
	return find(failures, COUNT(failures), name);
}

const char *name_error(unsigned int error)
{
	const char *name = pick_word(errors, COUNT(errors), error);

	return name ? name : "?";
}

int error_from_name(const char *name)
{
	return find_word(errors, COUNT(errors), name);
}

const char *name_evidence(unsigned int evidence)
{
	return pick(evidences, COUNT(evidences), evidence);
}

int class_from_name(const char *name)
{
	int bit = find(classes, COUNT(classes), name);

	return bit < 0 ? -1 : 1 << bit;
}

const char *name_source(unsigned int source)
{
	return pick(sources, COUNT(sources), source);
}

const char *name_counter(unsigned int counter)
{
	if (counter < SOCKGATE_N_REASON)
		return pick(counters, COUNT(counters), counter);
	return pick(reasons, COUNT(reasons), counter - SOCKGATE_N_REASON);
}

const char *name_hook(unsigned int hook)
{
	return pick(hooks, COUNT(hooks), hook);
}
