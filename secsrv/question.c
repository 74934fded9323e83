// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockgate.h>

#include "build_id.h"
#include "question.h"

static bool address_fits(ProtobufCBinaryData addr)
{
	return addr.len == 0 || addr.len == 4 || addr.len == 16;
}

static const char *check_event(const Sockgate__Event *e)
{
	int kind;

	if (!e)
		return "the question has no event";
	kind = (int)e->kind;
	if (kind <= SOCKGATE_EVENT_UNSPEC || kind > (int)SOCKGATE_EVENT_MAX)
		return "unknown kind of event";
	if (e->protocol > 255)
		return "the protocol is not a number from 0 to 255";
	if (!address_fits(e->local_address) || !address_fits(e->remote_address))
		return "an address is neither 4 nor 16 bytes long";
	if (e->local_port > 65535 || e->remote_port > 65535)
		return "a port is larger than 65535";
	return NULL;
}

static const char *check_process(const Sockgate__Process *p)
{
	bool content;

	if (!p)
		return "the question has no process";
	content = p->evidence == SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	if (p->sha256.len != (content ? 32 : 0))
		return "hash and evidence contradict each other";
	if (p->build_id.len > BUILD_ID_MAX || (p->build_id.len && !content))
		return "a build-id is too long, or of no content";
	content = p->script_evidence == SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	if (p->script_sha256.len != (content ? 32 : 0))
		return "hash and evidence of the script contradict each other";
	if (strlen(p->script) > TEXT_PATH_MAX || strlen(p->path) > TEXT_PATH_MAX || strlen(p->name) > TEXT_NAME_MAX)
		return "a file name is too long";
	return NULL;
}

static const char *check_user(const Sockgate__User *u)
{
	if (!u)
		return "the question has no user";
	if (strlen(u->name) > TEXT_NAME_MAX || strlen(u->domain) > TEXT_NAME_MAX)
		return "the name of a user or domain is too long";
	return NULL;
}

/* An agent need not say where. */
static const char *check_place(const Sockgate__Place *p)
{
	if (p && (strlen(p->service) > TEXT_NAME_MAX || strlen(p->app) > TEXT_NAME_MAX ||
		  strlen(p->image) > TEXT_PATH_MAX))
		return "the name of a unit, bundle or image is too long";
	return NULL;
}

const char *question_check(const Sockgate__Question *q)
{
	const char *why = check_event(q->event);

	if (!why)
		why = check_process(q->process);
	if (!why)
		why = check_user(q->user);
	if (!why && sockgate__question__get_packed_size(q) > QUESTION_MAX)
		why = "the question is too large";
	return why ? why : check_place(q->place);
}

bool question_is_late(const Sockgate__Question *q, int64_t waited_us)
{
	return q->budget_ms && waited_us >= (int64_t)q->budget_ms * 1000;
}

const char *records_check(const Sockgate__Records *records)
{
	uint64_t last = 0;

	if (!records->n_record)
		return "there is no record in it";
	for (size_t i = 0; i < records->n_record; i++) {
		if (records->record[i]->sequence <= last)
			return "sequences do not count up";
		last = records->record[i]->sequence;
	}
	return NULL;
}

/* Texts that are empty may be protobuf-c's constant one: leave them alone. */
static void cut(char *text, size_t max)
{
	if (strlen(text) > max)
		text[max] = '\0';
}

static void clean_address(ProtobufCBinaryData *addr)
{
	if (!address_fits(*addr))
		addr->len = 0;
}

static void clean_process(Sockgate__Process *p)
{
	if (p->sha256.len != 32)
		p->sha256.len = 0;
	if (p->build_id.len > BUILD_ID_MAX)
		p->build_id.len = 0;
	if (p->script_sha256.len != 32)
		p->script_sha256.len = 0;
	cut(p->script, TEXT_PATH_MAX);
	cut(p->path, TEXT_PATH_MAX);
	cut(p->parent_path, TEXT_PATH_MAX);
	cut(p->command_line, TEXT_PATH_MAX);
	cut(p->name, TEXT_NAME_MAX);
}

static void clean_decision(Sockgate__Decision *d)
{
	cut(d->decision_id, 64);
	cut(d->rule, TEXT_NAME_MAX);
	cut(d->missing, TEXT_NAME_MAX);
	if (!d->identity)
		return;
	cut(d->identity->name, TEXT_NAME_MAX);
	cut(d->identity->version, TEXT_NAME_MAX);
	cut(d->identity->category, TEXT_NAME_MAX);
	cut(d->identity->vendor, TEXT_NAME_MAX);
}

static void clean_place(Sockgate__Place *p)
{
	cut(p->cgroup, TEXT_PATH_MAX);
	cut(p->unit, TEXT_NAME_MAX);
	cut(p->container, TEXT_NAME_MAX);
	cut(p->service, TEXT_NAME_MAX);
	cut(p->app, TEXT_NAME_MAX);
	cut(p->image, TEXT_PATH_MAX);
}

static int clean_record(Sockgate__Record *r, const char *host)
{
	char *copy = strdup(host);

	if (!copy)
		return -1;
	if (r->host != protobuf_c_empty_string)
		free(r->host);
	r->host = copy;
	cut(r->reason, TEXT_NAME_MAX);
	if (r->event) {
		clean_address(&r->event->local_address);
		clean_address(&r->event->remote_address);
	}
	if (r->process)
		clean_process(r->process);
	if (r->user) {
		cut(r->user->name, TEXT_NAME_MAX);
		cut(r->user->domain, TEXT_NAME_MAX);
	}
	if (r->place)
		clean_place(r->place);
	if (r->decision)
		clean_decision(r->decision);
	return 0;
}

int records_clean(Sockgate__Records *records, const char *host)
{
	for (size_t i = 0; i < records->n_record; i++) {
		if (clean_record(records->record[i], host))
			return -1;
	}
	return 0;
}
