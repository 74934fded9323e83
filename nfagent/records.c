// SPDX-License-Identifier: GPL-2.0-only
#include "records.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "wire.h"

struct packed {
	uint8_t *data;
	size_t len;
};

struct records {
	struct spool *spool;
	const char *host;
	record_fn fn;
	void *arg;
	uint64_t n;			/* ever added */
	uint64_t unreadable;
	uint64_t unreadable_last;	/* the highest sequence of those */
	struct packed recent[RECORDS_RECENT];
};

struct records *records_new(struct spool *spool, const char *host,
			    record_fn fn, void *arg)
{
	struct records *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->spool = spool;
	r->host = host;
	r->fn = fn;
	r->arg = arg;
	return r;
}

void records_free(struct records *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < RECORDS_RECENT; i++)
		free(r->recent[i].data);
	free(r);
}

static void fill(Sockgate__Record *record, Sockgate__Event *event,
		 const struct ending *e)
{
	sockgate__record__init(record);
	wire_event(event, e->ask);
	record->time_us = e->begun.wall_us;
	record->event = event;
	record->process = e->process;
	record->user = e->user;
	record->place = e->place;
	record->decision = e->decision;
	record->outcome = e->outcome;
	record->effect = e->effect;
	record->latency_us = e->latency_us;
	if (e->outcome == SOCKGATE__OUTCOME__OUTCOME_FAILURE)
		record->reason = (char *)name_reason(e->reason);
}

void records_add(struct records *r, const struct ending *ending)
{
	struct packed *slot = &r->recent[r->n % RECORDS_RECENT];
	Sockgate__Record record;
	Sockgate__Event event;
	uint8_t *data;
	size_t len;

	fill(&record, &event, ending);
	record.sequence = spool_next(r->spool);
	len = sockgate__record__get_packed_size(&record);
	data = malloc(len);
	if (data) {
		sockgate__record__pack(&record, data);
		spool_put(r->spool, data, len);
		free(slot->data);
		*slot = (struct packed){ data, len };
		r->n++;
	} else {
		spool_put(r->spool, NULL, SIZE_MAX);	/* counts the loss */
	}
	record.host = (char *)r->host;
	r->fn(&record, r->arg);
}

uint64_t records_first(const struct records *r)
{
	return r->n > RECORDS_RECENT ? r->n - RECORDS_RECENT : 0;
}

uint64_t records_end(const struct records *r)
{
	return r->n;
}

void records_show(const struct records *r, uint64_t number, record_fn fn,
		  void *arg)
{
	const struct packed *p = &r->recent[number % RECORDS_RECENT];
	Sockgate__Record *record =
		sockgate__record__unpack(NULL, p->len, p->data);
	char *own_host;

	if (!record)
		return;
	own_host = record->host;
	record->host = (char *)r->host;
	fn(record, arg);
	record->host = own_host;
	sockgate__record__free_unpacked(record, NULL);
}

/* protobuf-c says of no memory and of no message the same. */
static void *flagged_alloc(void *no_memory, size_t size)
{
	void *p = malloc(size);

	if (!p)
		*(bool *)no_memory = true;
	return p;
}

static void plain_free(void *arg, void *p)
{
	(void)arg;
	free(p);
}

static Sockgate__Record *stand_in(void)
{
	Sockgate__Record *one = malloc(sizeof(*one));

	if (!one)
		return NULL;
	sockgate__record__init(one);
	one->reason = strdup(RECORDS_UNREADABLE);
	if (one->reason)
		return one;
	free(one);
	return NULL;
}

/* Returns NULL if there is no memory. */
static Sockgate__Record *unpack(struct records *r, const struct spool_record *s)
{
	bool no_memory = false;
	ProtobufCAllocator allocator = { flagged_alloc, plain_free, &no_memory };
	Sockgate__Record *one =
		sockgate__record__unpack(&allocator, s->len, s->data);

	if (!one && !no_memory) {
		one = stand_in();
		/* It may be sent more than once. */
		if (one && s->sequence > r->unreadable_last) {
			r->unreadable++;
			r->unreadable_last = s->sequence;
		}
	}
	/* The file's number is the one that counts. */
	if (one)
		one->sequence = s->sequence;
	return one;
}

Sockgate__Records *records_unpack(struct records *r,
				  const struct spool_record *list)
{
	Sockgate__Records *records = malloc(sizeof(*records));
	size_t n = 0;

	for (const struct spool_record *s = list; s; s = s->next)
		n++;
	if (!records)
		return NULL;
	sockgate__records__init(records);
	records->record = calloc(n ? n : 1, sizeof(*records->record));
	if (!records->record) {
		free(records);
		return NULL;
	}
	for (const struct spool_record *s = list; s; s = s->next) {
		Sockgate__Record *one = unpack(r, s);

		if (!one) {
			records_message_free(records);
			return NULL;
		}
		records->record[records->n_record++] = one;
	}
	return records;
}

void records_message_free(Sockgate__Records *records)
{
	sockgate__records__free_unpacked(records, NULL);
}

uint64_t records_unreadable(const struct records *r)
{
	return r->unreadable;
}
