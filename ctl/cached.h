/* SPDX-License-Identifier: GPL-2.0-only */
/* One verdict of the kernel's cache: what it is good for, in words and as JSON. */
#ifndef CTL_CACHED_H
#define CTL_CACHED_H

#include <stddef.h>
#include <jansson.h>
#include <linux/sockgate.h>

/* By program, process and what it is good for; as qsort(3) wants it. */
int cached_compare(const void *a, const void *b);

/*
 * cached_for - the events that it answers, by the fields that it looks at
 * "curl, connect, tcp, to 192.0.2.0/24 port 443"; a field that is not named may be
 * anything.  @size of CACHED_FOR_SIZE is enough.  Returns @text.
 */
#define CACHED_FOR_SIZE 512
char *cached_for(const struct sockgate_cached *c, char *text, size_t size);

/* "allow", "deny EACCES".  Returns @text. */
#define CACHED_VERDICT_SIZE 32
char *cached_verdict(const struct sockgate_cached *c, char *text, size_t size);

/* An object; NULL if there is no memory. */
json_t *cached_json(const struct sockgate_cached *c);

#endif
