/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel asks and what it is told, as plain data. */
#ifndef NFAGENT_ASK_H
#define NFAGENT_ASK_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sockgate.h>

/* One held caller; ports in host order, addresses in network order. */
struct ask {
	uint64_t id;		/* the kernel's name for it */
	uint64_t cgroup;
	uint64_t netns;
	struct sockgate_file exe;
	struct sockgate_process process;
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint32_t uid;
	uint32_t remaining_ms;	/* until the kernel gives up by itself */
	uint16_t lport;
	uint16_t rport;
	uint8_t event;		/* enum sockgate_event */
	uint8_t family;
	uint8_t protocol;
	uint8_t laddr_len;	/* 0 (absent), 4 or 16 */
	uint8_t raddr_len;
	char comm[17];
};

/* A socket whose packets pass the gate is opened: always asked about. */
static inline bool ask_opens_past_the_gate(const struct ask *ask)
{
	return ask->event == SOCKGATE_EVENT_OPEN &&
	       (ask->protocol == SOCKGATE_PROTOCOL_PACKET ||
		ask->protocol == SOCKGATE_PROTOCOL_OTHER);
}

/* Which part of an ask a verdict holds for. */
struct scope {
	uint32_t fields;	/* SOCKGATE_F_* */
	uint8_t lprefix;	/* bits of laddr, with SOCKGATE_F_LADDR */
	uint8_t rprefix;
};

/* What SOCKGATE_CMD_ANSWER carries. */
struct answer {
	uint64_t id;
	struct scope scope;
	uint32_t error;
	uint32_t lifetime_ms;
	uint32_t generation;
	uint32_t tag;		/* shifted into the mark mask */
	uint8_t action;		/* enum sockgate_action */
	uint8_t reason;		/* enum sockgate_reason, for ACTION_FAIL */
};

#endif
