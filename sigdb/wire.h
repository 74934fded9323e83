/* SPDX-License-Identifier: GPL-2.0-only */
/* Questions about executables, and their answers, as messages of the protocol. */
#ifndef SOCKGATE_SIGDB_WIRE_H
#define SOCKGATE_SIGDB_WIRE_H

#include <stdbool.h>

#include "explain.h"
#include "sigdb.h"
#include "sighting.h"
#include "sockgate.pb-c.h"

#define WIRE_PROTOCOL 1

/* Of one executable in a report, however often it is said to have been seen. */
#define WIRE_COUNT_MAX 1000000000

/* wire_put_question - @out points into @q */
void wire_put_question(const struct sigdb_question *q, Sockgate__SignatureQuery *out);

/*
 * wire_take_question - @out points into @query
 * Returns NULL, or what is wrong with it as a static sentence.
 */
const char *wire_take_question(const Sockgate__SignatureQuery *query,
			       struct sigdb_question *out);

/* wire_put_answer - @out points to @identity, and that into @a */
void wire_put_answer(const struct sigdb_answer *a, Sockgate__Identity *identity,
		     Sockgate__SignatureAnswer *out);

/*
 * wire_take_answer - copy an answer that came from somewhere else
 * Returns 0; or -1 if no database can have given it, with @out zero.
 */
int wire_take_answer(const Sockgate__SignatureAnswer *answer, struct sigdb_answer *out);

/* wire_take_step - @out points into @step; -1 if no database can have given it */
int wire_take_step(const Sockgate__SignatureStep *step, struct explain_row *out);

/*
 * wire_take_sighting - @out points into @one; -1 if it cannot be one
 * @now_s: nothing was seen later than this, whatever it says
 */
int wire_take_sighting(const Sockgate__Sighting *one, int64_t now_s, struct sighting *out);

#endif
