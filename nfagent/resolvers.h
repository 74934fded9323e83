/* SPDX-License-Identifier: GPL-2.0-only */
/* Tells when resolv.conf has changed, wherever it leads. */
#ifndef NFAGENT_RESOLVERS_H
#define NFAGENT_RESOLVERS_H

struct event_base;
struct resolvers;

/*
 * resolvers_watch - call @fn in the event loop after each change
 * Both the directory of @file and that of what it is a link to are watched:
 * the file is usually replaced, not written.
 * Returns NULL with errno.
 */
struct resolvers *resolvers_watch(struct event_base *base, const char *file,
				  void (*fn)(void *arg), void *arg);
void resolvers_free(struct resolvers *r);

#endif
