/* SPDX-License-Identifier: GPL-2.0-only */
/* The module under test: loaded, asked, configured and removed again. */
#ifndef GUEST_GATE_H
#define GUEST_GATE_H

#include <stddef.h>
#include <stdint.h>
#include <linux/sockgate.h>

#include "genl.h"
#include "klog.h"

struct gate {
	struct genl *genl;	/* of the administrator, never registered */
	struct klog log;
	uint64_t base[SOCKGATE_N_MAX];	/* counted before the test began */
};

struct gate_status {
	uint32_t deadline, max_pending, max_cached, mark_mask, events;
	uint32_t generation, agent_pid, pending, cached, masks, sockets, parked;
	uint64_t n[SOCKGATE_N_MAX];
	uint64_t hook[__SOCKGATE_HOOK_MAX];
	struct sockgate_failure row[__SOCKGATE_REASON_MAX];
	struct sockgate_failsafe failsafe[SOCKGATE_MAX_FAILSAFES];
	size_t n_failsafes;
	char version[64];
};

/* gate_load, gate_unload - the bare module.  Return 0, or an errno. */
int gate_load(void);
int gate_unload(void);

/*
 * gate_up - the module as it is when loaded, and a socket to it
 * One that an earlier test of this program left serves: its settings are put back,
 * and its cache is emptied. The program removes it when it ends. Returns 0, or an errno.
 */
int gate_up(struct gate *g);

/* gate_away - the control before a test: no module.  Returns 0, or an errno. */
int gate_away(struct gate *g);

/* gate_down - returns how often the kernel has complained since gate_up() */
int gate_down(struct gate *g);

/* gate_reopen - after the module was removed and loaded.  Returns 0, or an errno. */
int gate_reopen(struct gate *g);

/* gate_begin - count from here.  Returns 0, or an errno. */
int gate_begin(struct gate *g);

/* gate_status - everything it tells.  Returns 0, or an errno. */
int gate_status(struct gate *g, struct gate_status *s);

/* Single values of it; UINT64_MAX if it did not answer. */
uint64_t gate_count(struct gate *g, enum sockgate_counter counter);
uint64_t gate_failures(struct gate *g, enum sockgate_reason reason);

/* gate_parked - how many packets wait; UINT32_MAX if it did not answer */
uint32_t gate_parked(struct gate *g);

/*
 * gate_wait_pending, gate_wait_count - wait until that many are held, or were
 * counted.  The harness's time limit bounds them.  Return 0, or an errno.
 */
int gate_wait_pending(struct gate *g, uint32_t n);
int gate_wait_count(struct gate *g, enum sockgate_counter counter, uint64_t n);

/* Changes of the configuration.  Return 0, or the kernel's errno. */
int gate_set_u32(struct gate *g, uint16_t attr, uint32_t value);
int gate_set_row(struct gate *g, uint8_t reason, uint8_t action, uint16_t error);
int gate_set_failsafes(struct gate *g, const struct sockgate_failsafe *list,
		       size_t n);

/* gate_nap - let others run before looking again: a millisecond */
void gate_nap(void);

#endif
