// SPDX-License-Identifier: GPL-2.0-only
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>

#include "wire.h"

struct verdict *verdict_new(void)
{
	struct verdict *v = calloc(1, sizeof(*v));

	if (v)
		v->refs = 1;
	return v;
}

struct verdict *verdict_get(struct verdict *v)
{
	v->refs++;
	return v;
}

void verdict_put(struct verdict *v)
{
	if (!v || --v->refs)
		return;
	if (v->decision)
		sockgate__decision__free_unpacked(v->decision, NULL);
	if (v->process)
		sockgate__process__free_unpacked(v->process, NULL);
	if (v->user)
		sockgate__user__free_unpacked(v->user, NULL);
	if (v->place)
		sockgate__place__free_unpacked(v->place, NULL);
	free(v);
}

static uint8_t bounded_prefix(uint32_t bits, uint8_t addr_len)
{
	uint32_t max = addr_len * 8U;

	return bits < max ? bits : max;
}

static struct scope scope_of(const Sockgate__Decision *decision,
			     const struct ask *ask)
{
	static const struct {
		uint32_t wire;
		uint32_t kernel;
	} map[] = {
		{ SOCKGATE__FIELD__FIELD_EVENT, SOCKGATE_F_EVENT },
		{ SOCKGATE__FIELD__FIELD_PROTOCOL, SOCKGATE_F_PROTOCOL },
		{ SOCKGATE__FIELD__FIELD_LOCAL_ADDRESS, SOCKGATE_F_LADDR },
		{ SOCKGATE__FIELD__FIELD_LOCAL_PORT, SOCKGATE_F_LPORT },
		{ SOCKGATE__FIELD__FIELD_REMOTE_ADDRESS, SOCKGATE_F_RADDR },
		{ SOCKGATE__FIELD__FIELD_REMOTE_PORT, SOCKGATE_F_RPORT },
		{ SOCKGATE__FIELD__FIELD_CONTENT, SOCKGATE_F_EXE },
		{ SOCKGATE__FIELD__FIELD_PROCESS,
		  SOCKGATE_F_PROCESS | SOCKGATE_F_EXE },
		{ SOCKGATE__FIELD__FIELD_USER, SOCKGATE_F_UID },
		{ SOCKGATE__FIELD__FIELD_PLACE, SOCKGATE_F_CGROUP },
		{ SOCKGATE__FIELD__FIELD_NETNS, SOCKGATE_F_NETNS },
	};
	struct scope scope = {
		.lprefix = bounded_prefix(decision->local_prefix,
					  ask->laddr_len),
		.rprefix = bounded_prefix(decision->remote_prefix,
					  ask->raddr_len),
	};
	uint32_t left = decision->fields;

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		if (!(left & map[i].wire))
			continue;
		scope.fields |= map[i].kernel;
		left &= ~map[i].wire;
	}
	if (left)
		scope = (struct scope){ SOCKGATE_F_ALL, ask->laddr_len * 8,
					ask->raddr_len * 8 };
	/* An address means nothing without its family. */
	if (scope.fields & (SOCKGATE_F_LADDR | SOCKGATE_F_RADDR))
		scope.fields |= SOCKGATE_F_FAMILY;
	if (!(scope.fields & SOCKGATE_F_LADDR))
		scope.lprefix = 0;
	if (!(scope.fields & SOCKGATE_F_RADDR))
		scope.rprefix = 0;
	return scope;
}

/* Moves the tag into the mask; false if it does not fit there. */
static bool place_tag(uint32_t mask, uint32_t tag, uint32_t *placed)
{
	unsigned int shift = mask ? (unsigned int)__builtin_ctz(mask) : 0;

	*placed = tag << shift;
	return !(*placed & ~mask) && *placed >> shift == tag;
}

/* What is not allowed by name is denied. */
static bool read_action(const Sockgate__Decision *decision, struct verdict *v)
{
	switch (decision->action) {
	case SOCKGATE__ACTION__ACTION_ALLOW:
		v->action = SOCKGATE_ACTION_ALLOW;
		return true;
	case SOCKGATE__ACTION__ACTION_DENY:
		v->action = SOCKGATE_ACTION_DENY;
		v->error = decision->error;
		if (v->error != ECONNREFUSED && v->error != EPERM)
			v->error = EACCES;
		return true;
	default:
		return false;
	}
}

int verdict_read(struct verdict *v, const Sockgate__Decision *decision,
		 const struct ask *ask, uint32_t mark_mask)
{
	v->scope = scope_of(decision, ask);
	return read_action(decision, v) &&
	       place_tag(mark_mask, decision->tag, &v->tag) ? 0 : -1;
}

void verdict_answer(const struct verdict *v, uint64_t ask_id,
		    uint32_t generation, uint64_t lifetime_ms,
		    struct answer *answer)
{
	*answer = (struct answer){
		.id = ask_id,
		.action = v->action,
		.error = v->error,
		.scope = v->scope,
		.tag = v->tag,
		.generation = generation,
		.lifetime_ms = lifetime_ms < UINT32_MAX ?
			       (uint32_t)lifetime_ms : UINT32_MAX,
	};
}

bool verdict_lasts(const Sockgate__Decision *decision,
		   const struct identity *id, const struct user *user)
{
	uint32_t fields = decision->fields;

	if (!decision->lifetime_ms || decision->failed)
		return false;
	if ((fields & SOCKGATE__FIELD__FIELD_USER) &&
	    (!user->name[0] || !user->domain[0]))
		return false;
	if ((fields & SOCKGATE__FIELD__FIELD_PROCESS) && !id->facts.path)
		return false;
	return !id->hash.unsettled ||
	       !(fields & (SOCKGATE__FIELD__FIELD_CONTENT |
			   SOCKGATE__FIELD__FIELD_PROCESS));
}

int verdict_keep(struct verdict *v, const Sockgate__Decision *decision,
		 const struct ask *ask, const struct identity *id,
		 const struct user *user)
{
	struct wire wire;

	wire_fill(&wire, ask, id, user);
	v->exe = ask->exe;
	v->uid = ask->uid;
	v->cgroup = ask->cgroup;
#define COPY(type, to, from) do {					\
		size_t len_ = sockgate__##type##__get_packed_size(from);	\
		uint8_t *buf_ = malloc(len_ ? len_ : 1);		\
		if (!buf_)						\
			return -1;					\
		sockgate__##type##__pack(from, buf_);			\
		(to) = sockgate__##type##__unpack(NULL, len_, buf_);	\
		free(buf_);						\
		if (!(to))						\
			return -1;					\
	} while (0)
	COPY(decision, v->decision, decision);
	COPY(process, v->process, &wire.process);
	COPY(user, v->user, &wire.user);
	COPY(place, v->place, &wire.place);
#undef COPY
	return 0;
}
