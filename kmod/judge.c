// SPDX-License-Identifier: GPL-2.0-only
#include "agent.h"
#include "cache.h"
#include "count.h"
#include "failure.h"
#include "hold.h"
#include "judge.h"
#include "mark.h"

/**
 * sg_judge_at_once() - let an event through if it is known to be allowed
 * @key: of the event
 * @sk:  the socket, which gets the verdict's tag
 *
 * Safe in the ftrace callback: does not sleep, takes no lock.
 *
 * Return: false if sg_judge() has to look at it.
 */
bool sg_judge_at_once(const struct sg_key *key, struct sock *sk)
{
	struct sg_verdict verdict;

	if (!sg_cache_lookup(key, &verdict) ||
	    verdict.action != SOCKGATE_ACTION_ALLOW)
		return false;
	sg_mark_set(sk, verdict.tag);
	sg_count(SOCKGATE_N_HIT_ALLOW);
	return true;
}

/* Let through without a verdict: what an earlier one said of it is past. */
static int fail(enum sockgate_reason reason, const struct sg_key *key,
		struct sock *sk)
{
	int err = sg_failure_apply(reason, key);

	if (!err)
		sg_mark_set(sk, 0);
	return err;
}

static int apply(const struct sg_verdict *verdict, const struct sg_key *key,
		 struct sock *sk, bool held)
{
	switch (verdict->action) {
	case SOCKGATE_ACTION_ALLOW:
		sg_mark_set(sk, verdict->tag);
		sg_count(held ? SOCKGATE_N_HELD_ALLOW : SOCKGATE_N_HIT_ALLOW);
		return 0;
	case SOCKGATE_ACTION_DENY:
		sg_count(held ? SOCKGATE_N_HELD_DENY : SOCKGATE_N_HIT_DENY);
		return -verdict->error;
	case SOCKGATE_ACTION_FAIL:
		return fail(verdict->reason, key, sk);
	}
	return fail(SOCKGATE_REASON_BAD_ANSWER, key, sk);
}

/**
 * sg_judge() - what the caller gets; holds it if need be
 * @key: of the event
 * @sk:  the socket, which gets the verdict's tag
 *
 * Return: 0 to go on, else the errno for the caller.
 */
int sg_judge(const struct sg_key *key, struct sock *sk)
{
	struct sg_verdict verdict;
	int err;

	if (sg_cache_lookup(key, &verdict))
		return apply(&verdict, key, sk, false);
	if (!sg_agent_present())
		return fail(SOCKGATE_REASON_NO_AGENT, key, sk);
	err = sg_hold(key, sk, &verdict);
	if (err)
		return err;
	return apply(&verdict, key, sk, true);
}
