/* SPDX-License-Identifier: GPL-2.0-only */
/* Are the kernel's hooks alive?  Knock and see whether they count it. */
#ifndef NFAGENT_PROBE_H
#define NFAGENT_PROBE_H

#include <stdint.h>
#include <linux/sockgate.h>

struct kernel_status;

/*
 * probe_knock - go once through each hook, on the loopback interface
 * Nothing leaves the machine, nobody is waited for.  The caller must be the
 * registered agent, which the module lets through (and counts).
 */
void probe_knock(void);

/*
 * probe_blind - hooks that saw less than they should
 * Returns a bit (1 << enum sockgate_hook) for each whose counter did not move.
 */
uint32_t probe_blind(const uint64_t before[__SOCKGATE_HOOK_MAX],
		     const uint64_t after[__SOCKGATE_HOOK_MAX]);

#endif
