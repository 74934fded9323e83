/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policies on their way in: read, checked and written to their file by a thread,
 * so that no decision waits for the disk or for a long policy.
 */
#ifndef SECSRV_LOADER_H
#define SECSRV_LOADER_H

#include <stdint.h>

#include "policy.h"
#include "signed_policy.h"

struct event_base;
struct loader;

/* Policies that may wait to be loaded. */
#define LOADER_MAX 8

/*
 * A policy is there, and is the caller's; or it is NULL, and @err says why.  It is
 * told in the event loop, in the order in which they were asked for.
 * @owner, @id: what the caller gave; 0 and 0 for the others
 * @version: what loader_version() was given, else NULL
 */
typedef void (*loader_fn)(uint64_t owner, uint64_t id, struct policy *policy,
			  const char *name, const struct policy_error *err,
			  const struct signed_policy *version, void *arg);

/*
 * loader_open
 * @file: of the policy; copied
 * Returns NULL if out of memory.
 */
struct loader *loader_open(struct event_base *base, const char *file, loader_fn fn,
			   void *arg);
/* Nothing is told any more of what still waits. */
void loader_close(struct loader *l);

/*
 * loader_text - check a text and put it in the place of the file
 * The file is replaced as a whole or, if anything is wrong, not at all.
 * Returns 0; -1 with EAGAIN (too many wait) or ENOMEM.
 */
int loader_text(struct loader *l, uint64_t owner, uint64_t id, const char *text,
		const char *name);

/*
 * loader_version - the same with a version of the policy manager
 * @version: taken over; its text has to be the one that was signed
 * @note_file: gets @note_text once the file is in its place; copied
 * If it cannot be noted it is in force all the same, and loader_tick() tries again.
 */
int loader_version(struct loader *l, struct signed_policy *version, const char *note_file,
		   const char *note_text);

/* Every second: writes the note that could not be written. */
void loader_tick(struct loader *l);

/* loader_reload - read the file and check it.  Returns as above. */
int loader_reload(struct loader *l);

#endif
