/* SPDX-License-Identifier: GPL-2.0-only */
/* What there is to know of who asks, beside what is in the question. */
#ifndef SOCKGATE_FACTS_H
#define SOCKGATE_FACTS_H

#include <linux/types.h>

#include "event.h"

struct file;
struct sk_buff;

/* As they were when the caller asked. */
struct sg_arguments {
	u16 len;
	char text[];
};

#define SG_FACTS_FEW 128	/* bytes of a path for which nothing is allocated */

/* @text is within @few or @more, or NULL: it could not be told. */
struct sg_facts_path {
	const char *text;
	char *more;
	char few[SG_FACTS_FEW];
};

/* Strings are bytes that whoever asks may have chosen. */
struct sg_facts {
	struct sg_facts_path path;
	struct sg_facts_path parent_path;
	const char *fs;
	const char *layer;	/* NULL: the same */
	const struct sg_arguments *arguments;	/* may be NULL */
	u32 parent;		/* 0: not known */
	bool mounted;
};

struct sg_arguments *sg_facts_arguments(void);

void sg_facts_learn(struct sg_facts *facts, const struct sg_key *key,
		    struct file *exe, const struct sg_arguments *arguments);
size_t sg_facts_size(const struct sg_facts *facts);
int sg_facts_put(struct sk_buff *skb, const struct sg_facts *facts);
void sg_facts_free(struct sg_facts *facts);

#endif
