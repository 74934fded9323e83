// SPDX-License-Identifier: GPL-2.0-only
#include "failure.h"

#include <string.h>

void failure_set_rows(struct failure_table *table, const void *data,
		      size_t size)
{
	struct sockgate_failure row;

	memset(table->row, 0, sizeof(table->row));
	for (size_t at = 0; at + sizeof(row) <= size; at += sizeof(row)) {
		memcpy(&row, (const char *)data + at, sizeof(row));
		if (row.reason < __SOCKGATE_REASON_MAX)
			table->row[row.reason] = row;
	}
}

void failure_set_failsafes(struct failure_table *table, const void *data,
			   size_t size)
{
	table->n_failsafes = size / sizeof(table->failsafe[0]);
	if (table->n_failsafes > SOCKGATE_MAX_FAILSAFES)
		table->n_failsafes = SOCKGATE_MAX_FAILSAFES;
	memcpy(table->failsafe, data,
	       table->n_failsafes * sizeof(table->failsafe[0]));
}

static bool port_matches(uint16_t port, uint16_t min, uint16_t max)
{
	return !max || (port >= min && port <= max);
}

/* The size is not compared: a change of it changes the ctime as well. */
static bool exe_matches(const struct sockgate_file *want,
			const struct sockgate_file *have)
{
	if (!want->ino)
		return true;
	return want->ino == have->ino && want->dev == have->dev &&
	       want->generation == have->generation &&
	       want->ctime_ns == have->ctime_ns &&
	       want->instance == have->instance;
}

static bool prefix_matches(const uint8_t want[16], const uint8_t have[16],
			   unsigned int bits)
{
	unsigned int bytes = bits / 8;

	if (bits > 128 || memcmp(want, have, bytes))
		return false;
	if (!(bits % 8))
		return true;
	return !((want[bytes] ^ have[bytes]) >> (8 - bits % 8));
}

static bool failsafe_matches(const struct sockgate_failsafe *f,
			     const struct ask *ask)
{
	bool local = ask->event == SOCKGATE_EVENT_LISTEN ||
		     ask->event == SOCKGATE_EVENT_BIND;
	const uint8_t *addr = local ? ask->laddr : ask->raddr;

	if (!(f->events & 1U << ask->event))
		return false;
	if (f->family && f->family != ask->family)
		return false;
	if (f->protocol && f->protocol != ask->protocol)
		return false;
	if (f->uid != SOCKGATE_UID_ANY && f->uid != ask->uid)
		return false;
	return port_matches(ask->lport, f->lport_min, f->lport_max) &&
	       port_matches(ask->rport, f->rport_min, f->rport_max) &&
	       prefix_matches(f->addr, addr, f->prefix) &&
	       exe_matches(&f->exe, &ask->exe);
}

static bool listed(const struct failure_table *table, const struct ask *ask)
{
	for (size_t i = 0; i < table->n_failsafes; i++)
		if (failsafe_matches(&table->failsafe[i], ask))
			return true;
	return false;
}

bool failure_allows(const struct failure_table *table, uint8_t reason,
		    const struct ask *ask)
{
	if (reason >= __SOCKGATE_REASON_MAX)
		return false;
	switch (table->row[reason].action) {
	case SOCKGATE_ACTION_ALLOW:
		return true;
	case SOCKGATE_ACTION_FAILSAFE:
		return listed(table, ask);
	default:
		return false;
	}
}
