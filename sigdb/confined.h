/* SPDX-License-Identifier: GPL-2.0-only */
/* Work on what strangers made, in a process that can do nothing but compute. */
#ifndef SOCKGATE_SIGDB_CONFINED_H
#define SOCKGATE_SIGDB_CONFINED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * confined_run - call a function in a process of its own, and take what it writes
 * @fn:      returns how many bytes of its output count, or -1; what it reads is in
 *           memory already
 * @out:     where that output is given to the caller, up to @size bytes
 * @seconds: of the clock, and of the processor
 * @why:     on failure a few words: "takes too long", ...
 *
 * The process has no descriptor but the one that its output goes to, may open nothing,
 * start nothing and signal nobody (a filter of system calls ends it if it tries), and
 * gets CONFINED_MEMORY bytes beyond what there was.  The caller has one thread.  What
 * comes back was in the hands of whatever took over the process: check it.
 * Returns how many bytes, or -1.
 */
#define CONFINED_MEMORY (1UL << 30)
typedef ssize_t (*confined_fn)(void *arg, void *out, size_t size);
ssize_t confined_run(confined_fn fn, void *arg, void *out, size_t size,
		     unsigned int seconds, const char **why);

#endif
