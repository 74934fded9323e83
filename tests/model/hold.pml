/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kmod/hold.c, to be read beside it, and the little of cache.c and upcall.c that it
 * calls; module.pml tells how to read this, and what is checked.
 *
 * An atomic block is what pending_lock covers, or cache_lock.  Elsewhere it joins what
 * nobody else can tell apart, so that there is less to try.
 */
#define NONE 0
mtype = { BAD_ANSWER, GIVEN, KILLED };	/* verdicts; the first is none yet */

/* Two calls of one caller, another's, and a packet make four at most. */
typedef sg_request { byte refs, n_callers, n_packets; bool portid, done; mtype verdict };
sg_request r[5];		/* by id, from 1; none is used again */

/* hold.c: there is one key, so one request at most is in the tables. */
byte by_key, pending, last_id;
bool closed, reaper_armed, reaper_queued, reaper_runs;
byte reaper_due;		/* the request at whose deadline */

byte generation = 1, cached;	/* cache.c: the policy in force; that of the entry */
byte policy = 1;		/* that by which the agent decides */
bool has_socket = true;		/* agent.c: there is an agent to send to */

bool hooks = true, family = true, notifier = true;	/* by which we are called */
bool closing, unloaded;
byte inside, answering, burying, parked;	/* who is there */

/*
 * Whom synchronize_rcu() and synchronize_rcu_tasks() wait for: who is in a hook, or
 * on the way to or from a judged_*() function; and who of them was when it began.
 */
byte readers, awaited;

byte completed, answered;	/* only to check by */

inline in_module() { assert(!unloaded) }
inline touch(req) { assert(!unloaded && r[req].refs) }

/* ---- cache.c ---------------------------------------------------------------- */

inline sg_cache_lookup(hit) {
	hit = cached && (cached == generation || fault(STALE_SERVED));
	assert(!hit || cached == generation)
}

inline sg_cache_add(from) {
	atomic {
		if
		:: from == generation || fault(STALE_CACHED) ->
			cached = from;
			assert(cached == generation)
		:: else
		fi
	}
}

/* ---- hold.c ----------------------------------------------------------------- */

/* What is freed is cleared, so that it does not tell one state from another. */
#define kept(field)	r[req].field = (r[req].refs -> r[req].field : 0)
inline request_put(req) {
	touch(req);
	r[req].refs = r[req].refs - 1 - (fault(PUT_TWICE) && r[req].refs > 1);
	kept(n_callers); kept(n_packets); kept(portid); kept(done); kept(verdict)
}

inline arm_reaper(due) {
	if
	:: closed || (reaper_armed && reaper_due <= due)
	:: else -> reaper_armed = true; reaper_due = due; reaper_queued = true
	fi
}

inline publish(req) {
	assert(answered != generation);
	last_id++;
	req = last_id;
	r[req].refs = 2;		/* the tables' and ours */
	r[req].verdict = BAD_ANSWER;
	by_key = req;
	pending++;
	arm_reaper(req)
}

#define taken(req)	(by_key != req)

inline take(req) {
	touch(req);
	assert(!taken(req));
	by_key = NONE;
	pending--
}

inline finish(req, how) {
	atomic {
		touch(req);
		assert(!r[req].done);
		r[req].verdict = how;
		r[req].done = true;			/* complete_all() */
		completed++
	};
	atomic {
		touch(req);
		assert(!r[req].n_packets || how == GIVEN);
		parked = parked - r[req].n_packets;	/* release_packets() */
		r[req].n_packets = 0;
		request_put(req)
	}
}

/* Leaves in req the request that asks the same, or `mine`, now published, or none. */
inline find_or_publish() {
	in_module();
	req = by_key;
	mine = false;
	sg_cache_lookup(hit);
	if
	:: req || hit || (closed && !fault(CLOSED_IGNORED))
	:: else -> publish(req); mine = true
	fi
}

inline fail_one(req) {
	atomic {
		won = !taken(req) || fault(FAILED_UNSEEN);
		if :: won -> take(req) :: else fi
	};
	if :: won -> finish(req, GIVEN) :: else fi
}

/* sg_upcall_ask() is sure to fail without an agent, and may fail with one. */
inline ask(req) {
	atomic { touch(req); r[req].portid = has_socket };
	if :: has_socket :: fail_one(req) fi
}

inline stop_waiting(fatal) {
	touch(req);
	r[req].n_callers--;
	pends = !taken(req);
	won = pends && fatal && ((!r[req].n_callers && !r[req].n_packets) ||
				 fault(KILLED_WITH_OTHERS));
	if :: won -> take(req) :: else fi
}

/* For a verdict; pends if a signal comes first. */
inline wait(fatal) {
	if
	:: r[req].done
	:: atomic { signals -> signals--; stop_waiting(fatal) };
		if :: won -> finish(req, KILLED) :: else fi
	fi;
	atomic {
		pends || r[req].done || fault(SIGNAL_FOR_VERDICT);
		assert(pends || r[req].verdict == GIVEN);
		request_put(req)
	}
}

inline sg_hold(fatal) {
	atomic {			/* join() */
		find_or_publish();
		if
		:: req ->
			r[req].n_callers++;
			r[req].refs = r[req].refs + (!mine && !fault(JOINED_FOR_NOTHING))
		:: else
		fi
	};
	if
	:: req ->
		if :: mine -> ask(req) :: else fi;
		wait(fatal)
	:: else
	fi
}

inline sg_hold_packet() {
	atomic {
		parked++;		/* sg_park() */
		find_or_publish();
#if FAULT == PACKET_UNLOCKED
	}; atomic {
#endif
		if
		:: req -> touch(req); r[req].n_packets++
		:: else -> parked--	/* sg_unpark() */
		fi
	};
	if :: mine -> ask(req); atomic { request_put(req) } :: else fi
}

/* The rest of it: agent() has found the request, and taken a reference. */
inline sg_hold_answer(id, from) {
#if FAULT != CACHED_LATE
	sg_cache_add(from);
#endif
	atomic {
		won = !taken(id);
#if FAULT == TAKEN_UNLOCKED
	}; atomic {
#endif
		if :: won -> take(id); answered = from :: else fi
	};
#if FAULT == CACHED_LATE
	sg_cache_add(from);
#endif
	if :: won -> finish(id, GIVEN) :: else fi;
	atomic { request_put(id); answering-- }
}

/* What the reaper was armed for is late by now, and what came after it may be. */
inline reap() {
	atomic {
		in_module();
		reaper_armed = fault(REAPER_STAYS_ARMED);
		req = by_key;
		if
		:: req -> take(req)
		:: req > now -> arm_reaper(req - fault(REAPER_SPINS)); req = NONE
		:: !req
		fi
	};
	if :: req -> finish(req, GIVEN) :: else fi
}

inline sg_hold_fail_asked(all) {
	atomic {
		in_module();
		req = (pending && (all || r[by_key].portid) -> by_key : NONE);
		if :: req -> take(req) :: else fi
	};
	if :: req -> finish(req, GIVEN) :: else fi
}

inline sg_hold_close() {
	closed = true;
	sg_hold_fail_asked(true);
	reaper_queued = reaper_queued && fault(REAPER_FORGOTTEN);
	!reaper_runs || fault(REAPER_FORGOTTEN)		/* cancel_delayed_work_sync() */
}
