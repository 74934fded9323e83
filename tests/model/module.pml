/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol of a held request, for Spin: kmod/hold.c and what it stands
 * between, by their names.  Callers and a packet ask one question; a signal comes,
 * a caller is killed, the agent answers, twice, late or not, and dies, the deadline
 * passes, the policy changes, the module is unloaded: at any moment.
 *
 * Spin tries every order in which the steps of the processes may follow each other.
 * A statement is a step, and so is an atomic block: what a lock covers, or what
 * nobody else can tell from one step.  A condition that stands alone waits until it
 * holds.  Of an `if`, every branch whose condition holds is tried, `else` if none
 * does.  An inline is a macro, and uses its caller's variables.
 *
 * What is checked:
 *   once     a request is taken and completed once (take, finish), and each one is
 *            (init)
 *   memory   no reference is put too many, nothing is used once freed (touch), and
 *            everything is freed (init)
 *   end      whoever waits is let go (Spin: no invalid end state), and nothing goes
 *            round for ever (Spin: no cycle)
 *   verdict  who is let go has a verdict, and none that is about another (wait)
 *   unload   after sg_hook_exit() no caller and no packet is in the module, at the
 *            end nobody, and there is no request; who comes later fails (in_module)
 *   policy   no verdict of an older policy is cached (sg_cache_add) or served
 *            (sg_cache_lookup), and what is cached is not asked again (publish)
 *
 * Left out: other keys, limits, lifetimes, a deadline that is changed, and a memory
 * that shows writes in another order.
 *
 * What is there (init), since all at once would take hours:
 */
#define ANSWERS		1	/* two callers, two threads of the agent */
#define POLICY		2	/* two callers, the agent, another policy */
#define KILLED_CALLER	3	/* two callers, of whom one is killed, and a packet */
#define AGENT_DIES	4	/* a signal, a packet, and an agent that dies */
#define UNLOADED	5	/* a signal, a packet, the agent, and unloading */
#define BOTH_END	6	/* a signal, a packet, unloading while the agent dies */
#ifndef SCENE
#define SCENE ANSWERS
#endif

#include "faults.pml"
#include "hold.pml"

/* ---- who asks: hook.c, packet.c ---------------------------------------------- */

inline rcu_read_lock(me) { readers = readers | (1 << me) }
inline rcu_read_unlock(me) {
	in_module();
	readers = readers & ~(1 << me);
	awaited = awaited & ~(1 << me)
}

/* Between two steps that only unloading can tell from one. */
#if SCENE == UNLOADED || SCENE == BOTH_END
#define preempted	}; atomic {
#else
#define preempted
#endif

proctype caller(byte me; byte signals; bool fatal) {
	byte req;
	bool mine, hit, won, pends;

again:	atomic {			/* callback() */
		if :: !hooks || closing -> goto out :: else -> in_module() fi;
		sg_cache_lookup(hit);
		if :: hit -> goto out :: else -> rcu_read_lock(me) fi;
		preempted
		inside++;		/* enter() */
		rcu_read_unlock(me);
		pends = false
	};
	sg_hold(fatal);
	atomic {
		rcu_read_lock(me);
		inside--;		/* leave() */
		preempted
		rcu_read_unlock(me);
		if :: pends && !fatal -> goto again :: else fi
	};
out:	skip
}

proctype packet(byte me) {
	byte req;
	bool mine, hit, won;

	atomic { if :: !hooks || closing -> goto out :: else -> rcu_read_lock(me) fi };
	sg_hold_packet();
	atomic { rcu_read_unlock(me) };
out:	skip
}

/* ---- the agent: upcall.c, agent.c -------------------------------------------- */

/*
 * It answers what pends, by this policy or the one before; until it comes to take the
 * request, others may have.  An answer that finds nothing changes nothing.
 */
proctype agent(byte answers) {
	byte id, from;
	bool won;

end:	do
	:: atomic { family && has_socket && pending && answers -> in_module();
			answers--;
			answering++;		/* do_answer() */
			if :: from = policy :: policy > 1 -> from = policy - 1 fi;
			id = by_key;
			r[id].refs++ };
		sg_hold_answer(id, from)
	od
}

/* The agent decides by a policy once the kernel was told of it. */
proctype set_generation() {
	generation++;
	cached = NONE;				/* drain() */
	policy = generation
}

proctype agent_dies() {
	byte req;

	atomic { if :: notifier -> burying++ :: else -> goto out fi };
	has_socket = false;
	sg_hold_fail_asked(false);
	burying--;
out:	skip
}

/* ---- the kernel's worker, and main.c --------------------------------------------- */

active proctype reaper() {
	byte req, now;

end:	do
	:: atomic { reaper_queued -> reaper_queued = false; reaper_runs = true;
			now = reaper_due };
		reap();
		reaper_runs = false
	od
}

proctype sockgate_exit() {
	byte req;

	closing = true;			/* sg_hook_close(), sg_chain_close() */
	sg_hold_close();
	family = false;			/* sg_upcall_exit() */
	!answering || fault(ANSWER_FORGOTTEN);
	atomic { hooks = false; awaited = readers };	/* sg_chain_exit(), sg_hook_exit() */
	!awaited;			/* synchronize_rcu_tasks(), synchronize_rcu() */
	!inside || fault(INSIDE_FORGOTTEN);
	awaited = readers;
	!awaited || fault(RETURN_FORGOTTEN);
	assert(!inside && !readers);
	notifier = false;		/* sg_agent_exit() */
	!burying || fault(DEATH_FORGOTTEN);
	assert(!pending && !parked && completed == last_id);	/* sg_hold_exit() */
	assert(!reaper_queued && !reaper_runs && !answering && !burying);
	unloaded = true
}

init {
	byte id;

	atomic {
#if SCENE == ANSWERS
		run caller(0, 0, false); run caller(1, 0, false); run agent(1); run agent(1)
#elif SCENE == POLICY
		run caller(0, 0, false); run caller(1, 0, false); run agent(2);
		run set_generation()
#elif SCENE == KILLED_CALLER
		run caller(0, 0, false); run caller(1, 1, true); run packet(2)
#elif SCENE == AGENT_DIES
		run caller(0, 1, false); run packet(1); run agent(1); run agent_dies()
#elif SCENE == UNLOADED
		run caller(0, 1, false); run packet(1); run agent(1); run sockgate_exit()
#else
		run caller(0, 1, false); run packet(1); run agent_dies(); run sockgate_exit()
#endif
	};
	timeout;			/* nobody can go on */
	assert(!pending && !reaper_runs && !answering && !burying);
	assert(completed == last_id && !parked && !inside && !readers);
	for (id : 1 .. last_id) { assert(!r[id].refs) }
}
