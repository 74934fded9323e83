// SPDX-License-Identifier: GPL-2.0-only
#include "kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "addr.h"
#include "genl.h"
#include "names.h"

/* More than any request of ours needs. */
#define REQUEST_SIZE 512

/* How often the policy may change under a list of the cache. */
#define LIST_TRIES 5

static uint32_t number(const struct nlattr *a)
{
	return a ? mnl_attr_get_u32(a) : 0;
}

/* Copies the elements that are there and fit.  Returns how many. */
static unsigned int elements(const struct nlattr *a, void *to, size_t size,
			     unsigned int room)
{
	size_t n = a ? mnl_attr_get_payload_len(a) / size : 0;

	if (n > room)
		n = room;
	if (n)
		memcpy(to, mnl_attr_get_payload(a), n * size);
	return (unsigned int)n;
}

void kernel_parse(const struct nlattr *const attr[], struct kernel_status *status)
{
	memset(status, 0, sizeof(*status));
	if (attr[SOCKGATE_A_VERSION_STR])
		snprintf(status->version, sizeof(status->version), "%s",
			 mnl_attr_get_str(attr[SOCKGATE_A_VERSION_STR]));
	status->agent_pid = number(attr[SOCKGATE_A_AGENT_PID]);
	status->generation = number(attr[SOCKGATE_A_GENERATION]);
	status->deadline_ms = number(attr[SOCKGATE_A_DEADLINE]);
	status->pending = number(attr[SOCKGATE_A_PENDING]);
	status->max_pending = number(attr[SOCKGATE_A_MAX_PENDING]);
	status->cached = number(attr[SOCKGATE_A_CACHED]);
	status->max_cached = number(attr[SOCKGATE_A_MAX_CACHED]);
	status->masks = number(attr[SOCKGATE_A_MASKS]);
	status->sockets = number(attr[SOCKGATE_A_SOCKETS]);
	status->parked = number(attr[SOCKGATE_A_PARKED]);
	status->mark_mask = number(attr[SOCKGATE_A_MARK_MASK]);
	status->events = number(attr[SOCKGATE_A_EVENTS]);
	elements(attr[SOCKGATE_A_COUNTERS], status->counters, sizeof(uint64_t),
		 SOCKGATE_N_MAX);
	elements(attr[SOCKGATE_A_HOOKS], status->hooks, sizeof(uint64_t),
		 __SOCKGATE_HOOK_MAX);
	status->n_failures = elements(attr[SOCKGATE_A_FAILURES], status->failures,
				      sizeof(status->failures[0]),
				      __SOCKGATE_REASON_MAX);
	status->n_failsafes = elements(attr[SOCKGATE_A_FAILSAFES], status->failsafes,
				       sizeof(status->failsafes[0]),
				       SOCKGATE_MAX_FAILSAFES);
}

static int take_status(const struct nlattr *const attr[], void *arg)
{
	kernel_parse(attr, arg);
	return 0;
}

static void explain(int error, char *why, size_t why_size)
{
	if (error == EPERM)
		snprintf(why, why_size, "the kernel module answers only to CAP_NET_ADMIN "
			 "in the initial user namespace; run as root");
	else if (error == EINVAL || error == ERANGE)
		snprintf(why, why_size, "the kernel module refuses this value");
	else
		snprintf(why, why_size, "the kernel module refuses: %s",
			 strerror(error));
}

int kernel_read(struct kernel_status *status, char *why, size_t why_size)
{
	char buf[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct genl *g = genl_open(why, why_size);
	int rc;

	memset(status, 0, sizeof(*status));
	if (!g)
		return -1;
	rc = genl_call(g, genl_begin(g, buf, SOCKGATE_CMD_GET_STATUS, 0), take_status,
		       status);
	if (rc)
		explain(errno, why, why_size);
	genl_close(g);
	return rc;
}

struct list {
	struct sockgate_cached *cached;
	size_t n, room;
};

static int take_cached(const struct nlattr *const attr[], void *arg)
{
	struct sockgate_cached *more;
	struct list *list = arg;

	if (!attr[SOCKGATE_A_ENTRY])
		return 0;
	if (list->n == list->room) {
		list->room = list->room ? 2 * list->room : 256;
		more = reallocarray(list->cached, list->room, sizeof(*more));
		if (!more)
			return -1;
		list->cached = more;
	}
	/* genl_parse() has checked that it fits. */
	more = &list->cached[list->n++];
	memcpy(more, mnl_attr_get_payload(attr[SOCKGATE_A_ENTRY]), sizeof(*more));
	more->program[sizeof(more->program) - 1] = '\0';
	return 0;
}

static int list_cache(struct genl *g, struct list *list)
{
	char buf[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };

	list->n = 0;
	return genl_call(g, genl_begin(g, buf, SOCKGATE_CMD_GET_CACHE, NLM_F_DUMP),
			 take_cached, list);
}

int kernel_cache(struct sockgate_cached **cached, size_t *n, char *why,
		 size_t why_size)
{
	struct genl *g = genl_open(why, why_size);
	struct list list = { 0 };
	int rc, tries = 0;

	if (!g)
		return -1;
	do {
		rc = list_cache(g, &list);
	} while (rc && errno == EINTR && ++tries < LIST_TRIES);
	if (rc && errno == EINTR)
		snprintf(why, why_size, "the policy changes all the time");
	else if (rc)
		explain(errno, why, why_size);
	genl_close(g);
	if (rc) {
		free(list.cached);
		return -1;
	}
	*cached = list.cached;
	*n = list.n;
	return 0;
}

static int set(uint16_t attr, const void *data, size_t size, char *why,
	       size_t why_size)
{
	char buf[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct genl *g = genl_open(why, why_size);
	struct nlmsghdr *nlh;
	int rc;

	if (!g)
		return -1;
	nlh = genl_begin(g, buf, SOCKGATE_CMD_SET_CONFIG, 0);
	mnl_attr_put(nlh, attr, size, data);
	rc = genl_call(g, nlh, NULL, NULL);
	if (rc)
		explain(errno, why, why_size);
	genl_close(g);
	return rc;
}

int kernel_set_number(uint16_t attr, uint32_t value, char *why, size_t why_size)
{
	return set(attr, &value, sizeof(value), why, why_size);
}

int kernel_set_failure(const struct sockgate_failure *row, char *why,
		       size_t why_size)
{
	return set(SOCKGATE_A_FAILURES, row, sizeof(*row), why, why_size);
}

static void events_text(uint32_t events, char *text, size_t size)
{
	if (events)
		name_events(events, ",", text, size);
	else
		snprintf(text, size, "any");
}

static void ports_text(uint16_t min, uint16_t max, char *text, size_t size)
{
	if (!min && !max)
		snprintf(text, size, "any");
	else if (min == max)
		snprintf(text, size, "%u", min);
	else
		snprintf(text, size, "%u-%u", min, max);
}

static void address_text(const struct sockgate_failsafe *f, char *text, size_t size)
{
	char address[ADDR_TEXT_SIZE];

	addr_format_bytes(f->addr, f->family == AF_INET6 ? 16 : 4, 0, address);
	if (!f->prefix)
		snprintf(text, size, f->family == AF_INET6 ? "any IPv6" :
			 f->family == AF_INET ? "any IPv4" : "any");
	else
		snprintf(text, size, "%s/%u", address, f->prefix);
}

void kernel_failsafe_text(const struct sockgate_failsafe *f, char *text, size_t size)
{
	char events[NAME_EVENTS_SIZE], address[ADDR_TEXT_SIZE + 8], remote[16], local[16], who[32];
	char exe[64] = "";

	events_text(f->events, events, sizeof(events));
	address_text(f, address, sizeof(address));
	ports_text(f->rport_min, f->rport_max, remote, sizeof(remote));
	ports_text(f->lport_min, f->lport_max, local, sizeof(local));
	snprintf(who, sizeof(who), f->uid == SOCKGATE_UID_ANY ? "any" : "%u", f->uid);
	if (f->exe.ino)
		snprintf(exe, sizeof(exe), " exe %u:%u inode %llu", f->exe.dev >> 20,
			 f->exe.dev & 0xfffff, (unsigned long long)f->exe.ino);
	snprintf(text, size, "%s %s address %s port %s local-port %s uid %s%s", events,
		 f->protocol ? name_protocol(f->protocol) : "any", address, remote,
		 local, who, exe);
}

json_t *kernel_failures_json(const struct kernel_status *status)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < status->n_failures; i++) {
		const struct sockgate_failure *f = &status->failures[i];

		if (f->reason == SOCKGATE_REASON_UNSPEC)
			continue;
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}",
						      "reason", name_reason(f->reason),
						      "action", name_failure(f->action),
						      "error", name_error(f->error)));
	}
	return list;
}

json_t *kernel_failsafes_json(const struct kernel_status *status)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < status->n_failsafes; i++) {
		const struct sockgate_failsafe *f = &status->failsafes[i];
		char events[NAME_EVENTS_SIZE], address[ADDR_TEXT_SIZE + 8];

		events_text(f->events, events, sizeof(events));
		address_text(f, address, sizeof(address));
		json_array_append_new(list, json_pack(
			"{s:s, s:s, s:s, s:[ii], s:[ii], s:o, s:I}",
			"events", events,
			"protocol", f->protocol ? name_protocol(f->protocol) : "any",
			"address", address,
			"port", f->rport_min, f->rport_max,
			"local_port", f->lport_min, f->lport_max,
			"uid", f->uid == SOCKGATE_UID_ANY ? json_null() :
							    json_integer(f->uid),
			"inode", (json_int_t)f->exe.ino));
	}
	return list;
}

static json_t *named_numbers(const uint64_t *numbers, unsigned int count,
			     const char *(*name)(unsigned int))
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < count; i++)
		if (*name(i) != '?')
			json_object_set_new(object, name(i),
					    json_integer((json_int_t)numbers[i]));
	return object;
}

json_t *kernel_events_json(uint32_t events)
{
	json_t *list = json_array();

	for (unsigned int i = 1; i <= SOCKGATE_EVENT_MAX; i++)
		if (events & 1U << i)
			json_array_append_new(list, json_string(name_event(i)));
	return list;
}

json_t *kernel_json(const struct kernel_status *status)
{
	return json_pack(
		"{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}",
		"version", status->version,
		"agent_pid", status->agent_pid ? json_integer(status->agent_pid) :
						 json_null(),
		"generation", (json_int_t)status->generation,
		"deadline_ms", (json_int_t)status->deadline_ms,
		"pending", (json_int_t)status->pending,
		"max_pending", (json_int_t)status->max_pending,
		"cached", (json_int_t)status->cached,
		"max_cached", (json_int_t)status->max_cached,
		"masks", (json_int_t)status->masks,
		"sockets", (json_int_t)status->sockets,
		"packets_held", (json_int_t)status->parked,
		"mark_mask", (json_int_t)status->mark_mask,
		"optional_events", kernel_events_json(status->events),
		"counters", named_numbers(status->counters, SOCKGATE_N_MAX,
					  name_counter),
		"hooks", named_numbers(status->hooks, __SOCKGATE_HOOK_MAX, name_hook),
		"failures", kernel_failures_json(status),
		"failsafes", kernel_failsafes_json(status));
}
