/* SPDX-License-Identifier: GPL-2.0-only */
/* Verdicts that are still good, by what they depended on. */
#ifndef SOCKGATE_CACHE_H
#define SOCKGATE_CACHE_H

#include "event.h"
#include "verdict.h"

struct file;

#define SG_CACHE_DEFAULT	65536U
#define SG_CACHE_LIMIT		1048576U

int sg_cache_init(void);
void sg_cache_exit(void);

bool sg_cache_lookup(const struct sg_key *key, struct sg_verdict *verdict);
unsigned long sg_cache_expires(u32 lifetime_ms);
void sg_cache_add(const struct sg_key *key, struct file *exe,
		  const struct sg_fields *fields,
		  const struct sg_verdict *verdict, u32 lifetime_ms);
void sg_cache_set_generation(u32 generation);
u32 sg_cache_generation(void);

void sg_cache_set_limit(u32 limit);
u32 sg_cache_limit(void);
u32 sg_cache_size(void);
u32 sg_cache_masks(void);

/* Between two parts of a list. */
struct sg_cache_place {
	unsigned long bucket;
	u64 below;		/* serials in it that are still to come; 0: all */
};

typedef int (*sg_cache_take_fn)(const struct sockgate_cached *cached, void *arg);
int sg_cache_list(struct sg_cache_place *at, sg_cache_take_fn take, void *arg);

#endif
