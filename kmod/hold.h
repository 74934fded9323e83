/* SPDX-License-Identifier: GPL-2.0-only */
/* Callers, and packets, that wait for a verdict. */
#ifndef SOCKGATE_HOLD_H
#define SOCKGATE_HOLD_H

#include "event.h"
#include "verdict.h"

#define SG_USER_BITS	10
#define SG_USER_SLOTS	BIT(SG_USER_BITS)

#define SG_DEADLINE_DEFAULT	10000U	/* milliseconds */
#define SG_DEADLINE_LIMIT	100000U	/* below the hung-task detector's 120 s */
#define SG_PENDING_DEFAULT	4096U
#define SG_PENDING_LIMIT	65536U
#define SG_PACKETS_MAX		64U	/* that wait on one request */

struct file;
struct sg_parked;
struct sg_request;
struct sock;

void sg_hold_init(void);
void sg_hold_close(void);
void sg_hold_exit(void);

int sg_hold(const struct sg_key *key, const struct sock *sk,
	    struct sg_verdict *verdict);

bool sg_hold_packet(const struct sg_key *key, struct file *exe,
		    struct sg_parked *packet, struct sg_verdict *verdict);

bool sg_hold_answer(u64 id, const struct sg_verdict *verdict,
		    const struct sg_fields *fields, u32 lifetime_ms);
void sg_hold_fail_asked(u32 portid, enum sockgate_reason reason);
struct sg_request *sg_hold_get(u64 id);
void sg_hold_put(struct sg_request *req);

void sg_hold_set_deadline(u32 ms);
u32 sg_hold_deadline(void);
unsigned int sg_hold_user_slot(u32 uid);
void sg_hold_set_limit(u32 limit);
u32 sg_hold_limit(void);
u32 sg_hold_pending(void);

#endif
