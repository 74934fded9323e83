/* SPDX-License-Identifier: GPL-2.0-only */
/* What Spin must find wrong, and in which scene; model_test reads this. */
#define TAKEN_UNLOCKED		1	/* ANSWERS: an answer takes a request outside the lock */
#define FAILED_UNSEEN		2	/* ANSWERS: a failed send does not see that it is taken */
#define PUT_TWICE		3	/* ANSWERS: a reference is put too many */
#define JOINED_FOR_NOTHING	4	/* ANSWERS: who joins takes no reference */
#define REAPER_STAYS_ARMED	5	/* KILLED_CALLER: the reaper is not armed again */
#define REAPER_SPINS		6	/* KILLED_CALLER: the reaper is armed for what is past */
#define KILLED_WITH_OTHERS	7	/* KILLED_CALLER: who is killed takes what others wait for */
#define PACKET_UNLOCKED		8	/* AGENT_DIES: a packet is added outside the lock */
#define SIGNAL_FOR_VERDICT	9	/* AGENT_DIES: a signal ends the wait for a verdict that is coming */
#define STALE_CACHED		10	/* POLICY: an answer is not compared with the generation */
#define STALE_SERVED		11	/* POLICY: a cached verdict is not compared with the generation */
#define CACHED_LATE		12	/* POLICY: an answer is cached after its request is taken */
#define CLOSED_IGNORED		13	/* UNLOADED: somebody is held after sg_hold_close() */
#define REAPER_FORGOTTEN	14	/* UNLOADED: unloading does not wait for the reaper */
#define ANSWER_FORGOTTEN	15	/* UNLOADED: unloading does not wait for an answer */
#define INSIDE_FORGOTTEN	16	/* UNLOADED: unloading does not wait for who is inside */
#define RETURN_FORGOTTEN	17	/* UNLOADED: unloading does not wait for who returns */
#define DEATH_FORGOTTEN		18	/* BOTH_END: unloading does not wait for the end of the agent */
#ifndef FAULT
#define FAULT 0
#endif
#define fault(name)	(FAULT == name)
