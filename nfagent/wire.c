// SPDX-License-Identifier: GPL-2.0-only
#include "wire.h"

#include <string.h>

static char empty[1];

static char *text(char *s)
{
	return s ? s : empty;
}

void wire_event(Sockgate__Event *event, const struct ask *ask)
{
	sockgate__event__init(event);
	event->kind = (Sockgate__EventKind)ask->event;
	event->protocol = ask->protocol;
	event->local_address.data = (uint8_t *)ask->laddr;
	event->local_address.len = ask->laddr_len;
	event->local_port = ask->lport;
	event->remote_address.data = (uint8_t *)ask->raddr;
	event->remote_address.len = ask->raddr_len;
	event->remote_port = ask->rport;
}

static void fill_program(Sockgate__Process *p, const struct identity *id)
{
	p->classes = id->program->classes;
	p->classes_unknown = id->program->unknown;
	p->script = text(id->program->script);
	p->script_foreign_path = id->program->foreign;
	p->script_evidence = id->script.evidence;
	if (id->script.evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT)
		return;
	p->script_sha256.data = (uint8_t *)id->script.sha256;
	p->script_sha256.len = HASH_SIZE;
}

static void fill_facts(Sockgate__Process *p, const struct identity *id)
{
	const struct process_facts *facts = &id->facts;
	char *slash;

	p->path = text(facts->path);
	slash = strrchr(p->path, '/');
	p->name = slash ? slash + 1 : p->path;
	p->deleted = facts->deleted;
	p->foreign_path = facts->foreign;
	p->command_line = text(facts->command_line);
	p->parent_pid = facts->parent_pid;
	p->parent_path = text(facts->parent_path);
	if (id->program)
		fill_program(p, id);
	p->evidence = id->hash.evidence;
	if (id->hash.evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT)
		return;
	p->sha256.data = (uint8_t *)id->hash.sha256;
	p->sha256.len = HASH_SIZE;
	p->build_id.data = (uint8_t *)id->hash.build_id;
	p->build_id.len = id->hash.build_id_size;
}

/* The process knows of one, or the unit is made for one: both have to be looked at. */
static void fill_app(Sockgate__Place *place, const struct identity *id)
{
	const uint32_t unit = SOCKGATE__PLACE_FACT__PLACE_FACT_SERVICE;

	if (!id->program || !id->program->bundle_known || !(id->place.learned & unit))
		return;
	place->learned |= SOCKGATE__PLACE_FACT__PLACE_FACT_APP;
	place->app = id->program->bundle ? id->program->bundle : (char *)id->place.app;
}

void wire_fill(struct wire *wire, const struct ask *ask,
	       const struct identity *id, const struct user *user)
{
	wire_event(&wire->event, ask);

	sockgate__process__init(&wire->process);
	wire->process.pid = ask->process.pid;
	wire->process.start_ns = ask->process.start_ns;
	wire->process.exec_id = ask->process.exec_id;
	wire->process.size = ask->exe.size;
	if (id)
		fill_facts(&wire->process, id);

	sockgate__user__init(&wire->user);
	wire->user.uid = ask->uid;
	if (user) {
		wire->user.name = (char *)user->name;
		wire->user.domain = (char *)user->domain;
	}

	sockgate__place__init(&wire->place);
	wire->place.cgroup_id = ask->cgroup;
	wire->place.netns = ask->netns;
	if (id) {
		wire->place.cgroup = text(id->cgroup);
		wire->place.unit = (char *)id->place.names.unit;
		wire->place.container = (char *)id->place.names.container;
		wire->place.service = (char *)id->place.service;
		wire->place.image = (char *)id->place.image;
		wire->place.learned = id->place.learned;
		fill_app(&wire->place, id);
	}
}
