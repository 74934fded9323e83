// SPDX-License-Identifier: GPL-2.0-only
#include "cached.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "names.h"
#include "text.h"

/* More than any of its parts can take. */
#define PROGRAM_CLEAN (4 * SOCKGATE_PROGRAM_SIZE)

int cached_compare(const void *a, const void *b)
{
	const struct sockgate_cached *x = a, *y = b;
	int order = strcmp(x->program, y->program);

	/* Those of one executable stand together. */
	if (!order)
		order = memcmp(&x->exe, &y->exe, sizeof(x->exe));
	if (!order && x->process.pid != y->process.pid)
		order = x->process.pid < y->process.pid ? -1 : 1;
	if (!order)
		order = (int)x->event - (int)y->event;
	if (!order)
		order = memcmp(x->raddr, y->raddr, sizeof(x->raddr));
	return order ? order : (int)ntohs(x->rport) - (int)ntohs(y->rport);
}

char *cached_verdict(const struct sockgate_cached *c, char *text, size_t size)
{
	if (c->action == SOCKGATE_ACTION_DENY)
		snprintf(text, size, "deny %s", name_error(c->error));
	else
		snprintf(text, size, "%s", name_failure(c->action));
	return text;
}

/* A list of words in a buffer. */
struct words {
	char *text;
	size_t size, used;
};

__attribute__((format(printf, 2, 3)))
static void say(struct words *w, const char *fmt, ...)
{
	va_list ap;
	int n = 0;

	if (w->used)
		n = snprintf(w->text + w->used, w->size - w->used, ", ");
	w->used += (size_t)n;
	if (w->used >= w->size)
		goto full;
	va_start(ap, fmt);
	n = vsnprintf(w->text + w->used, w->size - w->used, fmt, ap);
	va_end(ap);
	w->used += (size_t)n;
	if (w->used < w->size)
		return;
full:
	w->used = w->size - 1;
}

static void say_program(struct words *w, const struct sockgate_cached *c)
{
	char clean[PROGRAM_CLEAN] = "a program";

	if (*c->program)
		text_clean(c->program, clean, sizeof(clean));
	if (c->fields & SOCKGATE_F_EXE)
		say(w, "%s (file %" PRIu32 ":%" PRIu32 " inode %" PRIu64 ")", clean,
		    c->exe.dev >> 20 & 0x7ff, c->exe.dev & 0xfffff,
		    (uint64_t)c->exe.ino);
	if (c->fields & SOCKGATE_F_PROCESS)
		say(w, "%s%sprocess %" PRIu32, c->fields & SOCKGATE_F_EXE ? "" : clean,
		    c->fields & SOCKGATE_F_EXE ? "" : " ", c->process.pid);
}

static const char *family_word(uint8_t family)
{
	return family == AF_INET ? "IPv4" : family == AF_INET6 ? "IPv6" : "other family";
}

static void say_end(struct words *w, const char *which, const struct sockgate_cached *c,
		    bool has_addr, const uint8_t addr[16], uint8_t prefix, bool has_port,
		    uint16_t port)
{
	const unsigned int bits = c->family == AF_INET ? 32 : 128;
	char address[ADDR_TEXT_SIZE], port_text[16] = "";

	if (has_port)
		snprintf(port_text, sizeof(port_text), "port %u", port);
	if (!has_addr) {
		if (has_port)
			say(w, "%s %s", which, port_text);
		return;
	}
	addr_format_bytes(addr, bits / 8, 0, address);
	if (prefix < bits)
		say(w, "%s %s/%u%s%s", which, address, prefix, has_port ? " " : "", port_text);
	else
		say(w, "%s %s%s%s", which, address, has_port ? " " : "", port_text);
}

char *cached_for(const struct sockgate_cached *c, char *text, size_t size)
{
	const uint32_t f = c->fields;
	struct words w = { text, size, 0 };

	*text = '\0';
	say_program(&w, c);
	if (f & SOCKGATE_F_UID)
		say(&w, "user %" PRIu32, c->uid);
	if (f & SOCKGATE_F_EVENT)
		say(&w, "%s", name_event(c->event));
	if (f & SOCKGATE_F_PROTOCOL)
		say(&w, "%s", name_protocol(c->protocol));
	if (f & SOCKGATE_F_FAMILY && !(f & (SOCKGATE_F_LADDR | SOCKGATE_F_RADDR)))
		say(&w, "%s", family_word(c->family));
	say_end(&w, "from", c, f & SOCKGATE_F_LADDR, c->laddr, c->lprefix,
		f & SOCKGATE_F_LPORT, ntohs(c->lport));
	say_end(&w, "to", c, f & SOCKGATE_F_RADDR, c->raddr, c->rprefix,
		f & SOCKGATE_F_RPORT, ntohs(c->rport));
	if (f & SOCKGATE_F_CGROUP)
		say(&w, "cgroup %" PRIu64, (uint64_t)c->cgroup);
	if (f & SOCKGATE_F_NETNS)
		say(&w, "network namespace %" PRIu64, (uint64_t)c->netns);
	if (!w.used)
		say(&w, "anything");
	return text;
}

static void put(json_t *object, const char *name, json_t *value)
{
	json_object_set_new(object, name, value);
}

static void put_number(json_t *object, const char *name, uint64_t value)
{
	put(object, name, json_integer((json_int_t)value));
}

static void put_end(json_t *object, const char *name, const struct sockgate_cached *c,
		    bool has_addr, const uint8_t addr[16], uint8_t prefix, bool has_port,
		    uint16_t port)
{
	char address[ADDR_TEXT_SIZE];
	json_t *end;

	if (!has_addr && !has_port)
		return;
	end = json_object();
	if (has_addr) {
		addr_format_bytes(addr, c->family == AF_INET ? 4 : 16, 0, address);
		put(end, "address", json_string(address));
		put_number(end, "prefix", prefix > 32 && c->family == AF_INET ? 32 : prefix);
	}
	if (has_port)
		put_number(end, "port", port);
	put(object, name, end);
}

/* Of the fields that it looks at, and of no other. */
static json_t *for_json(const struct sockgate_cached *c)
{
	const uint32_t f = c->fields;
	json_t *object = json_object();

	if (f & SOCKGATE_F_EXE)
		put(object, "file", json_pack("{s:I, s:I, s:I, s:I}",
			"major", (json_int_t)(c->exe.dev >> 20 & 0x7ff),
			"minor", (json_int_t)(c->exe.dev & 0xfffff),
			"inode", (json_int_t)c->exe.ino,
			"ctime_ns", (json_int_t)c->exe.ctime_ns));
	if (f & SOCKGATE_F_PROCESS)
		put_number(object, "pid", c->process.pid);
	if (f & SOCKGATE_F_UID)
		put_number(object, "uid", c->uid);
	if (f & SOCKGATE_F_EVENT)
		put(object, "event", json_string(name_event(c->event)));
	if (f & SOCKGATE_F_PROTOCOL)
		put(object, "protocol", json_string(name_protocol(c->protocol)));
	if (f & SOCKGATE_F_FAMILY)
		put(object, "family", json_string(family_word(c->family)));
	put_end(object, "local", c, f & SOCKGATE_F_LADDR, c->laddr, c->lprefix,
		f & SOCKGATE_F_LPORT, ntohs(c->lport));
	put_end(object, "remote", c, f & SOCKGATE_F_RADDR, c->raddr, c->rprefix,
		f & SOCKGATE_F_RPORT, ntohs(c->rport));
	if (f & SOCKGATE_F_CGROUP)
		put_number(object, "cgroup", c->cgroup);
	if (f & SOCKGATE_F_NETNS)
		put_number(object, "netns", c->netns);
	return object;
}

json_t *cached_json(const struct sockgate_cached *c)
{
	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:o, s:o}",
			 "action", name_failure(c->action),
			 "error", c->action == SOCKGATE_ACTION_DENY ?
				  json_string(name_error(c->error)) : json_null(),
			 "tag", (json_int_t)c->tag,
			 "generation", (json_int_t)c->generation,
			 "left_ms", (json_int_t)c->left_ms,
			 "hits", (json_int_t)c->hits,
			 "program", *c->program ? text_json(c->program) : json_null(),
			 "for", for_json(c));
}
