// SPDX-License-Identifier: GPL-2.0-only
#include "counts.h"

#include <stdio.h>

#include "names.h"

void counts_desk(struct console_status *s, const struct desk *desk)
{
	static char names[__SOCKGATE_REASON_MAX][40];
	const struct desk_counts *d = desk_counts(desk);
	const struct recall_counts r = desk_recall_counts(desk);

	console_count(s, "questions", r.answered + d->asked);
	console_count(s, "pending", desk_pending(desk));
	console_count(s, "from_cache", r.answered);
	console_count(s, "from_server", d->decided);
	console_count(s, "asked_again", d->asked_again);
	console_count(s, "late_decisions", d->late);
	console_count(s, "without_user", d->no_user);
	for (unsigned int i = 1; i < __SOCKGATE_REASON_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "failed_%s",
			 name_reason(i));
		if (d->failed[i])
			console_count(s, names[i], d->failed[i]);
	}
	console_count(s, "decisions_cached", r.decisions);
	console_count(s, "decisions_evicted", r.cache.evicted);
	console_count(s, "decisions_expired", r.cache.expired);
	console_count(s, "decisions_refused", r.cache.refused);
}

void counts_hashes(struct console_status *s, const struct hash_cache *hashes)
{
	const struct hash_counts *h = hash_counts(hashes);

	console_count(s, "hashes_cached", hash_cache_count(hashes));
	console_count(s, "hashes_computed", h->computed);
	console_count(s, "hashes_joined", h->joined);
	console_count(s, "hashes_failed", h->failed);
	console_count(s, "hashes_evicted", h->evicted);
	console_count(s, "hashes_refused", h->refused);
	console_count(s, "hashes_abandoned", h->abandoned);
}

void counts_contents(struct console_status *s, const struct sender *sender)
{
	const struct sender_counts *c = sender_counts(sender);

	console_count(s, "executables_sent", c->sent);
	console_count(s, "executables_not_sent", c->refused);
	console_count(s, "executables_gone", c->gone);
}

void counts_users(struct console_status *s, const struct users *users)
{
	const struct user_counts *u = users_counts(users);

	console_count(s, "users_local", u->local);
	console_count(s, "users_asked", u->asked);
	console_count(s, "users_cached", u->cached + u->stale);
	console_count(s, "users_unknown", u->unknown);
	console_count(s, "users_failed", u->failed);
	console_count(s, "users_refused", u->refused);
}

void counts_records(struct console_status *s, struct spool *spool,
		    const struct records *records)
{
	const struct spool_counts *p = spool_counts(spool);

	console_count(s, "records", p->put);
	console_count(s, "records_stored_sequence", p->stored);
	console_count(s, "records_lost", p->lost);
	console_count(s, "records_unreadable", records_unreadable(records));
	console_count(s, "spool_bytes", p->bytes);
	console_count(s, "spool_memory_bytes", p->waiting);
	console_count(s, "spool_failing", spool_error(spool) ? 1 : 0);
}

void counts_kernel(struct console_status *s, const struct kernel *kernel,
		   uint32_t blind)
{
	static char names[__SOCKGATE_HOOK_MAX][40];
	const struct kernel_counts *k = kernel_counts(kernel);

	console_count(s, "kernel_overruns", k->overruns);
	console_count(s, "kernel_malformed", k->malformed);
	console_count(s, "answers_unsent", k->unsent);
	for (unsigned int h = 0; h < __SOCKGATE_HOOK_MAX; h++) {
		snprintf(names[h], sizeof(names[h]), "hook_%s_blind",
			 name_hook(h));
		if (blind & 1U << h)
			console_count(s, names[h], 1);
	}
}
