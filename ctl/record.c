// SPDX-License-Identifier: GPL-2.0-only
#include "record.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <linux/sockgate.h>

#include "addr.h"
#include "build_id.h"
#include "names.h"
#include "query.h"
#include "sha256.h"
#include "text.h"

/* Narrowest sensible widths: what arrives first need not be what is longest. */
static const struct {
	const char *name;
	size_t width;
	bool right;
} columns[COLUMNS] = {
	[COLUMN_TIME] = { "TIME", 23, false },
	[COLUMN_HOST] = { "HOST", 8, false },
	[COLUMN_USER] = { "USER", 8, false },
	[COLUMN_APPLICATION] = { "APPLICATION", 20, false },
	[COLUMN_VENDOR] = { "VENDOR", 10, false },
	[COLUMN_CATEGORY] = { "CATEGORY", 10, false },
	[COLUMN_EVENT] = { "EVENT", 8, false },
	[COLUMN_PROTOCOL] = { "PROTO", 5, false },
	[COLUMN_REMOTE] = { "REMOTE", 21, false },
	[COLUMN_DECISION] = { "DECISION", 8, false },
	[COLUMN_RULE] = { "RULE", 12, false },
	[COLUMN_MS] = { "MS", 7, true },
	[COLUMN_ID] = { "ID", 8, false },
};

/* Parts that are absent: their values are all empty. */
static const Sockgate__Event no_event = SOCKGATE__EVENT__INIT;
static const Sockgate__Process no_process = SOCKGATE__PROCESS__INIT;
static const Sockgate__User no_user = SOCKGATE__USER__INIT;
static const Sockgate__Place no_place = SOCKGATE__PLACE__INIT;
static const Sockgate__Decision no_decision = SOCKGATE__DECISION__INIT;
static const Sockgate__Identity no_identity = SOCKGATE__IDENTITY__INIT;

struct parts {
	const Sockgate__Event *event;
	const Sockgate__Process *process;
	const Sockgate__User *user;
	const Sockgate__Place *place;
	const Sockgate__Decision *decision;
	const Sockgate__Identity *identity;
};

static struct parts parts_of(const Sockgate__Record *r)
{
	struct parts p = {
		.event = r->event ? r->event : &no_event,
		.process = r->process ? r->process : &no_process,
		.user = r->user ? r->user : &no_user,
		.place = r->place ? r->place : &no_place,
		.decision = r->decision ? r->decision : &no_decision,
	};

	p.identity = p.decision->identity ? p.decision->identity : &no_identity;
	return p;
}

static void __attribute__((format(printf, 2, 3)))
put(char *cell, const char *fmt, ...)
{
	char raw[CELL_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	text_clean(*raw ? raw : "-", cell, CELL_SIZE);
}

char *record_time(int64_t time_us, bool utc, char *text, size_t size)
{
	int64_t us = time_us % 1000000;
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm tm = { 0 };
	size_t used;

	if (us < 0) {
		us += 1000000;
		seconds--;
	}
	if (!(utc ? gmtime_r(&seconds, &tm) : localtime_r(&seconds, &tm))) {
		snprintf(text, size, "?");
		return text;
	}
	used = strftime(text, size, utc ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S",
			&tm);
	snprintf(text + used, size - used, ".%03d%s", (int)(us / 1000), utc ? "Z" : "");
	return text;
}

const char *record_verdict(const Sockgate__Record *r)
{
	bool failure = r->outcome == SOCKGATE__OUTCOME__OUTCOME_FAILURE;

	switch (query_effect(r)) {
	case SOCKGATE__ACTION__ACTION_ALLOW:
		return !failure && r->decision && r->decision->audit ? "audit" : "allow";
	case SOCKGATE__ACTION__ACTION_DENY:
		return "deny";
	default:
		return "unknown";
	}
}

/* What an interpreter runs tells more than the interpreter. */
static void put_script(char *cell, const Sockgate__Process *p)
{
	const char *slash = strrchr(p->script, '/');
	char was[CELL_SIZE];

	if (!*p->script)
		return;
	memcpy(was, cell, sizeof(was));
	put(cell, "%s: %s", was, slash ? slash + 1 : p->script);
}

static void put_name(char *cell, const struct parts *p)
{
	if (p->identity->source == SOCKGATE__IDENTITY__SOURCE__HASH_ONLY)
		put(cell, "%s (hash only)", *p->process->name ? p->process->name : "-");
	else if (!*p->identity->name)
		put(cell, "%s (?)", *p->process->name ? p->process->name : "-");
	else if (*p->identity->version)
		put(cell, "%s (%s)", p->identity->name, p->identity->version);
	else
		put(cell, "%s", p->identity->name);
}

static void put_application(char *cell, const struct parts *p)
{
	put_name(cell, p);
	put_script(cell, p->process);
}

static void put_rule(char *cell, const Sockgate__Record *r, const Sockgate__Decision *d)
{
	if (r->outcome == SOCKGATE__OUTCOME__OUTCOME_FAILURE)
		put(cell, "failure: %s", r->reason);
	else if (d->failed)
		put(cell, "%s (no %s)", d->rule, d->missing);
	else
		put(cell, "%s", d->rule);
}

bool record_ethertype(const Sockgate__Event *e, char *text, size_t size)
{
	if (e->kind != SOCKGATE__EVENT_KIND__EVENT_OPEN ||
	    e->protocol != SOCKGATE_PROTOCOL_PACKET)
		return false;
	snprintf(text, size, "0x%04" PRIx32, e->remote_port);
	return true;
}

static void put_remote(char *cell, const Sockgate__Event *e)
{
	char address[ADDR_TEXT_SIZE], type[16];

	if (record_ethertype(e, type, sizeof(type))) {
		put(cell, "ethertype %s", type);
		return;
	}
	if (e->remote_address.len) {
		addr_format_bytes(e->remote_address.data, e->remote_address.len,
				  (uint16_t)e->remote_port, address);
		/* Of a peer that came to us, our port tells more. */
		if (e->remote_port || !e->local_port)
			put(cell, "%s", address);
		else
			put(cell, "%s on %" PRIu32, address, e->local_port);
		return;
	}
	addr_format_bytes(e->local_address.data, e->local_address.len,
			  (uint16_t)e->local_port, address);
	put(cell, e->local_address.len || e->local_port ? "on %s" : "", address);
}

void record_row(const Sockgate__Record *r, struct record_row *row)
{
	struct parts p = parts_of(r);
	char time[40];

	put(row->cell[COLUMN_TIME], "%s",
	    record_time(r->time_us, false, time, sizeof(time)));
	put(row->cell[COLUMN_HOST], "%s", r->host);
	if (*p.user->name)
		put(row->cell[COLUMN_USER], "%s", p.user->name);
	else
		put(row->cell[COLUMN_USER], "%" PRIu32, p.user->uid);
	put_application(row->cell[COLUMN_APPLICATION], &p);
	put(row->cell[COLUMN_VENDOR], "%s", p.identity->vendor);
	put(row->cell[COLUMN_CATEGORY], "%s", p.identity->category);
	put(row->cell[COLUMN_EVENT], "%s",
	    name_event_state(p.event->kind, p.event->protocol));
	put(row->cell[COLUMN_PROTOCOL], "%s", name_protocol(p.event->protocol));
	put_remote(row->cell[COLUMN_REMOTE], p.event);
	put(row->cell[COLUMN_DECISION], "%s", record_verdict(r));
	put_rule(row->cell[COLUMN_RULE], r, p.decision);
	put(row->cell[COLUMN_MS], "%.1f", r->latency_us / 1000.0);
	put(row->cell[COLUMN_ID], "%s", p.decision->decision_id);
}

void record_heading(struct record_row *row)
{
	for (int i = 0; i < COLUMNS; i++)
		put(row->cell[i], "%s", columns[i].name);
}

void record_widen(struct record_table *table, const struct record_row *row)
{
	for (int i = 0; i < COLUMNS; i++) {
		size_t width = text_width(row->cell[i]);

		if (table->width[i] < columns[i].width)
			table->width[i] = columns[i].width;
		if (table->width[i] < width)
			table->width[i] = width;
	}
}

static enum colour colour_of(const char *verdict)
{
	if (!strcmp(verdict, "deny"))
		return COLOUR_BAD;
	if (!strcmp(verdict, "audit"))
		return COLOUR_NOTE;
	return strcmp(verdict, "allow") ? COLOUR_NONE : COLOUR_GOOD;
}

void record_print(const struct record_table *table, const struct record_row *row,
		  bool colours, FILE *out)
{
	for (int i = 0; i < COLUMNS; i++) {
		const char *cell = row->cell[i];
		size_t width = text_width(cell);
		int gap = table->width[i] > width ? (int)(table->width[i] - width) : 0;
		bool colour = colours && i == COLUMN_DECISION &&
			      colour_of(cell) != COLOUR_NONE;

		/* Nothing to align behind the last one. */
		if (i == COLUMNS - 1)
			gap = 0;
		fprintf(out, "%*s%s%s%s%*s%s", columns[i].right ? gap : 0, "",
			text_colour(colour_of(cell), colour), cell,
			text_colour(COLOUR_NONE, colour), columns[i].right ? 0 : gap,
			"", i == COLUMNS - 1 ? "\n" : "  ");
	}
}

static const struct {
	uint32_t bit;
	const char *name;
} field_names[] = {
	{ SOCKGATE__FIELD__FIELD_EVENT, "event" },
	{ SOCKGATE__FIELD__FIELD_PROTOCOL, "protocol" },
	{ SOCKGATE__FIELD__FIELD_LOCAL_ADDRESS, "local address" },
	{ SOCKGATE__FIELD__FIELD_LOCAL_PORT, "local port" },
	{ SOCKGATE__FIELD__FIELD_REMOTE_ADDRESS, "remote address" },
	{ SOCKGATE__FIELD__FIELD_REMOTE_PORT, "remote port" },
	{ SOCKGATE__FIELD__FIELD_CONTENT, "content" },
	{ SOCKGATE__FIELD__FIELD_PROCESS, "process" },
	{ SOCKGATE__FIELD__FIELD_USER, "user" },
	{ SOCKGATE__FIELD__FIELD_PLACE, "place" },
	{ SOCKGATE__FIELD__FIELD_NETNS, "network namespace" },
};
#define FIELD_COUNT (sizeof(field_names) / sizeof(field_names[0]))

char *record_fields(const Sockgate__Decision *d, char *text, size_t size)
{
	size_t used = 0;

	snprintf(text, size, "nothing of the request");
	for (size_t i = 0; i < FIELD_COUNT && used < size; i++) {
		uint32_t bit = field_names[i].bit;

		if (!(d->fields & bit))
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s",
					 used ? ", " : "", field_names[i].name);
		if (used >= size)
			break;
		if (bit == SOCKGATE__FIELD__FIELD_LOCAL_ADDRESS)
			used += (size_t)snprintf(text + used, size - used,
						 " (%" PRIu32 " bits)", d->local_prefix);
		else if (bit == SOCKGATE__FIELD__FIELD_REMOTE_ADDRESS)
			used += (size_t)snprintf(text + used, size - used,
						 " (%" PRIu32 " bits)",
						 d->remote_prefix);
	}
	return text;
}

/* An address as text, null if there is none. */
static json_t *address_json(ProtobufCBinaryData bytes)
{
	char text[ADDR_TEXT_SIZE];

	if (!bytes.len)
		return json_null();
	addr_format_bytes(bytes.data, bytes.len, 0, text);
	return text_json(text);
}

static json_t *hash_json(ProtobufCBinaryData bytes)
{
	char text[SHA256_TEXT_SIZE];

	if (bytes.len != SHA256_SIZE)
		return json_null();
	hex_encode(bytes.data, bytes.len, text);
	return json_string(text);
}

static json_t *build_id_json(ProtobufCBinaryData bytes)
{
	char text[2 * BUILD_ID_MAX + 1];

	if (!bytes.len || bytes.len > BUILD_ID_MAX)
		return json_null();
	hex_encode(bytes.data, bytes.len, text);
	return json_string(text);
}

static json_t *event_json(const Sockgate__Event *e)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:I, s:o, s:I}",
			 "kind", name_event(e->kind),
			 "state", name_event_state(e->kind, e->protocol),
			 "protocol", name_protocol(e->protocol),
			 "local_address", address_json(e->local_address),
			 "local_port", (json_int_t)e->local_port,
			 "remote_address", address_json(e->remote_address),
			 "remote_port", (json_int_t)e->remote_port);
}

static json_t *identity_json(const Sockgate__Identity *i)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:I, s:I}",
			 "name", text_json(i->name), "version", text_json(i->version),
			 "vendor", text_json(i->vendor),
			 "category", text_json(i->category),
			 "source", name_source(i->source),
			 "trust", (json_int_t)i->trust, "threat", (json_int_t)i->threat);
}

static json_t *classes_json(uint32_t classes)
{
	json_t *list = json_array();
	char name[NAME_CLASSES_SIZE];

	for (; classes; classes &= classes - 1) {
		name_classes(classes & -classes, "", name, sizeof(name));
		json_array_append_new(list, json_string(*name ? name : "?"));
	}
	return list;
}

/* Null: how it was called, and so whether it runs a script, is not known. */
static json_t *script_json(const Sockgate__Process *p)
{
	return json_pack("{s:o, s:o, s:s, s:b, s:o, s:o}", "path", text_json(p->script),
			 "sha256", hash_json(p->script_sha256),
			 "evidence", name_evidence(p->script_evidence),
			 "foreign_path", p->script_foreign_path,
			 "classes", p->classes ? classes_json(p->classes) : json_null(),
			 "unknown_classes", classes_json(p->classes_unknown));
}

static json_t *process_json(const Sockgate__Process *p)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:I, s:s, s:o, s:b, s:b, s:I, s:o, s:o}",
			 "pid", (json_int_t)p->pid, "path", text_json(p->path),
			 "name", text_json(p->name), "sha256", hash_json(p->sha256),
			 "build_id", build_id_json(p->build_id),
			 "size", (json_int_t)p->size,
			 "evidence", name_evidence(p->evidence),
			 "command_line", text_json(p->command_line),
			 "deleted", p->deleted, "foreign_path", p->foreign_path,
			 "parent_pid", (json_int_t)p->parent_pid,
			 "parent_path", text_json(p->parent_path),
			 "runs", script_json(p));
}

static json_t *place_json(const Sockgate__Place *p)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:I}",
			 "service", text_json(p->service), "app", text_json(p->app),
			 "image", text_json(p->image), "cgroup", text_json(p->cgroup), "unit", text_json(p->unit),
			 "container", text_json(p->container),
			 "netns", (json_int_t)p->netns);
}

static json_t *fields_json(const Sockgate__Decision *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (d->fields & field_names[i].bit)
			json_array_append_new(list, json_string(field_names[i].name));
	return list;
}

static json_t *decision_json(const Sockgate__Record *r, const Sockgate__Decision *d)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:b,"
			 " s:o}",
			 "verdict", record_verdict(r),
			 "error", d->error ? json_string(name_error(d->error)) :
					     json_null(),
			 "id", text_json(d->decision_id), "rule", text_json(d->rule),
			 "rule_line", (json_int_t)d->rule_line,
			 "tag", (json_int_t)d->tag,
			 "lifetime_ms", (json_int_t)d->lifetime_ms,
			 "fields", fields_json(d),
			 "local_prefix", (json_int_t)d->local_prefix,
			 "remote_prefix", (json_int_t)d->remote_prefix,
			 "generation", (json_int_t)d->generation,
			 "failed", d->failed, "missing", text_json(d->missing));
}

static const char *outcome_name(Sockgate__Outcome outcome)
{
	switch (outcome) {
	case SOCKGATE__OUTCOME__OUTCOME_SERVER:
		return "server";
	case SOCKGATE__OUTCOME__OUTCOME_AGENT_CACHE:
		return "agent_cache";
	case SOCKGATE__OUTCOME__OUTCOME_FAILURE:
		return "failure";
	default:
		return "?";
	}
}

json_t *record_json(const Sockgate__Record *r)
{
	struct parts p = parts_of(r);
	char time[40];

	return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:f}",
			 "time", record_time(r->time_us, true, time, sizeof(time)),
			 "time_us", (json_int_t)r->time_us, "host", text_json(r->host),
			 "user", json_pack("{s:I, s:o, s:o}",
					   "uid", (json_int_t)p.user->uid,
					   "name", text_json(p.user->name),
					   "domain", text_json(p.user->domain)),
			 "application", identity_json(p.identity),
			 "event", event_json(p.event),
			 "decision", decision_json(r, p.decision),
			 "process", process_json(p.process),
			 "place", place_json(p.place),
			 "outcome", outcome_name(r->outcome),
			 "reason", text_json(r->reason),
			 "latency_ms", r->latency_us / 1000.0);
}
