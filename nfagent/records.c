// SPDX-License-Identifier: GPL-2.0-only
#include "records.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "wire.h"

#define RECORDS_RECORD_FIELD 1	/* Records.record in proto/sockgate.proto */
#define VARINT_MAX 5		/* bytes, of 32 bits */

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

static size_t count(const struct spool_record *list)
{
	size_t n = 0;

	for (; list; list = list->next)
		n++;
	return n;
}

/*
 * To protobuf a field that it does not know is bytes that it writes as they are: a
 * length, and what follows.
 */
static int wrap(ProtobufCMessageUnknownField *field, const struct spool_record *s)
{
	uint32_t left = s->len;
	size_t n = 0;

	field->tag = RECORDS_RECORD_FIELD;
	field->wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
	field->data = malloc(VARINT_MAX + s->len);
	if (!field->data)
		return -1;
	for (; left > 0x7f; left >>= 7)
		field->data[n++] = (uint8_t)(left | 0x80);
	field->data[n++] = (uint8_t)left;
	memcpy(field->data + n, s->data, s->len);
	field->len = n + s->len;
	return 0;
}

Sockgate__Records *records_wrap(const struct spool_record *list)
{
	Sockgate__Records *records = malloc(sizeof(*records));
	ProtobufCMessageUnknownField *field;
	size_t n = count(list);

	if (!records)
		return NULL;
	sockgate__records__init(records);
	field = calloc(n ? n : 1, sizeof(*field));
	records->base.unknown_fields = field;
	for (const struct spool_record *s = list; field && s; s = s->next) {
		if (wrap(&field[records->base.n_unknown_fields], s))
			break;
		records->base.n_unknown_fields++;
	}
	if (field && records->base.n_unknown_fields == n)
		return records;
	records_message_free(records);
	return NULL;
}

Sockgate__Records *records_unpack(struct records *r,
				  const struct spool_record *list)
{
	Sockgate__Records *records = malloc(sizeof(*records));
	size_t n = count(list);

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
