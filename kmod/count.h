/* SPDX-License-Identifier: GPL-2.0-only */
/* What happened, by outcome: counters of the uapi header, one set per CPU. */
#ifndef SOCKGATE_COUNT_H
#define SOCKGATE_COUNT_H

#include <linux/percpu.h>
#include <linux/sockgate.h>

struct sg_counts {
	u64 n[SOCKGATE_N_MAX];
	u64 hook[__SOCKGATE_HOOK_MAX];
};

DECLARE_PER_CPU(struct sg_counts, sg_counts);

static inline void sg_count(enum sockgate_counter counter)
{
	this_cpu_inc(sg_counts.n[counter]);
}

static inline void sg_count_reason(enum sockgate_reason reason)
{
	this_cpu_inc(sg_counts.n[SOCKGATE_N_REASON + reason]);
}

static inline void sg_count_hook(enum sockgate_hook hook)
{
	this_cpu_inc(sg_counts.hook[hook]);
}

void sg_counts_sum(struct sg_counts *sum);

#endif
