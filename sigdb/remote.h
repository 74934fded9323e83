/* SPDX-License-Identifier: GPL-2.0-only */
/* Asking a signature service one question after the other, as a command does. */
#ifndef SOCKGATE_SIGDB_REMOTE_H
#define SOCKGATE_SIGDB_REMOTE_H

#include <stddef.h>

#include "explain.h"
#include "sigdb.h"
#include "tls.h"

/* Seconds that each step may take. */
#define REMOTE_LIMIT 10

struct remote;

/*
 * remote_open - connect
 * @address: numeric, with or without a port
 * @name:    the host that its certificate must name; NULL: any
 * @files:   of a security server: a service answers nobody else
 * @why:     on failure a sentence
 */
struct remote *remote_open(const char *address, const char *name,
			   const struct tls_files *files, char *why, size_t why_size);
void remote_close(struct remote *r);

/* As sigdb_lookup(). */
enum sigdb_result remote_lookup(struct remote *r, const struct sigdb_question *q,
				struct sigdb_answer *answer);

/* As sigdb_explain(). */
int remote_explain(struct remote *r, const struct sigdb_question *q, explain_fn fn,
		   void *arg);

/* A sentence for the last SIGDB_ERROR or -1. */
const char *remote_error(const struct remote *r);

#endif
