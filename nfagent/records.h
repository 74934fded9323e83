/* SPDX-License-Identifier: GPL-2.0-only */
/* What happened: made into records, spooled, the last ones kept at hand. */
#ifndef NFAGENT_RECORDS_H
#define NFAGENT_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "desk.h"
#include "sockgate.pb-c.h"
#include "spool.h"

/* How many `sockgate events` can show of the past. */
#define RECORDS_RECENT 1024

struct records;

/*
 * records_new
 * @fn: told of each record, while it is being made
 */
typedef void (*record_fn)(const Sockgate__Record *record, void *arg);
struct records *records_new(struct spool *spool, const char *host,
			    record_fn fn, void *arg);
void records_free(struct records *r);

/* Keep how a question ended. */
void records_add(struct records *r, const struct ending *ending);

/*
 * Records are numbered from 0 as they are added; those from records_first() to
 * before records_end() are at hand.  records_show() calls @fn for one of them.
 */
uint64_t records_first(const struct records *r);
uint64_t records_end(const struct records *r);
void records_show(const struct records *r, uint64_t number, record_fn fn,
		  void *arg);

/*
 * records_wrap - a batch of the spool as a message, each record as it was packed
 * Nothing is decoded to be encoded again: that the server can read them is not known.
 * To be freed with records_message_free(); NULL: no memory.
 */
Sockgate__Records *records_wrap(const struct spool_record *list);

/*
 * records_unpack - the same, by the record: for a batch that was not taken
 * In the place of what does not unpack stands a record with its number and the
 * reason RECORDS_UNREADABLE: the server commits that there was one.  To be freed
 * with records_message_free(); NULL: no memory.
 */
#define RECORDS_UNREADABLE "unreadable"
Sockgate__Records *records_unpack(struct records *r,
				  const struct spool_record *list);
void records_message_free(Sockgate__Records *records);

/* How many did not unpack. */
uint64_t records_unreadable(const struct records *r);

#endif
