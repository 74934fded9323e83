// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cpumask.h>
#include <linux/string.h>

#include "count.h"

DEFINE_PER_CPU(struct sg_counts, sg_counts);

/**
 * sg_counts_sum() - add up the counters of all CPUs
 * @sum: filled in
 *
 * The CPUs go on counting meanwhile: each figure is true of some moment during
 * the call, and figures need not add up to each other exactly.
 */
void sg_counts_sum(struct sg_counts *sum)
{
	int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct sg_counts *c = per_cpu_ptr(&sg_counts, cpu);

		for (i = 0; i < SOCKGATE_N_MAX; i++)
			sum->n[i] += READ_ONCE(c->n[i]);
		for (i = 0; i < __SOCKGATE_HOOK_MAX; i++)
			sum->hook[i] += READ_ONCE(c->hook[i]);
	}
}
