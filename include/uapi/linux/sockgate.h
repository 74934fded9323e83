/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The contract between sockgate.ko and its agent: one generic-netlink family.
 *
 * All commands that come from user space need CAP_NET_ADMIN in the initial
 * user namespace.  All multi-byte values are in host order, except addresses
 * and what is of type be16.  Structures have no holes; those that are attributes
 * are at 4-byte alignment.
 *
 * SOCKGATE_CMD_REGISTER   agent -> kernel
 *     (no attributes)     From now on this socket receives questions.  One
 *                         process at a time (-EBUSY for any other), as many
 *                         sockets of it as SOCKGATE_MAX_SOCKETS; questions
 *                         are spread over them.  Closing the last one leaves
 *                         the kernel without an agent.
 *
 * SOCKGATE_CMD_ASK        kernel -> agent
 *     ASK:         struct sockgate_ask
 *
 * SOCKGATE_CMD_ANSWER     agent -> kernel (no reply unless NLM_F_ACK)
 *     ANSWER:      struct sockgate_answer, and nothing else
 *
 * A question waits for each of these two, so they are one attribute: it costs
 * the kernel and the agent less than a dozen.
 *
 * SOCKGATE_CMD_OPEN_EXE   agent -> kernel, replies with the same command
 *     ID:          u64    of a pending request
 *     FD:          s32    (reply) read-only descriptor, installed in the
 *                         calling process, of the very file the caller runs
 *
 *     and what there is to know of that file and process; what is not is absent:
 *     PATH:        string of that file, from the root of the agent, followed by
 *                         " (deleted)" if it is gone; at most SOCKGATE_PATH_SIZE
 *     MOUNTED:     flag   PATH is below the root of the agent; else it leads
 *                         there from another, of another mount namespace
 *     FS:          string the type of file system that it is on; at most
 *                         SOCKGATE_TYPE_SIZE
 *     LAYER:       string likewise, of what is behind that (overlayfs), if anything
 *     PARENT_PID:  u32    process id of the parent, in the initial pid namespace
 *     PARENT_PATH: string like PATH, of what the parent runs
 *     ARGUMENTS:   bytes  the command line, each argument with its NUL, as it was
 *                         when the caller asked; cut at SOCKGATE_ARGUMENTS_SIZE.
 *                         Absent if nobody was held, if not all of it was in memory,
 *                         or the process has put a title in its place
 *     Paths and arguments are bytes that whoever asks may have chosen. Sizes of
 *     strings include the NUL at their end.
 *
 * SOCKGATE_CMD_SET_GENERATION  agent -> kernel
 *     GENERATION:  u32    verdicts cached under any other are void at once, and
 *                         connections that are open are asked about again
 *
 * SOCKGATE_CMD_SET_CONFIG      agent or administrator -> kernel, each
 *                              attribute optional, all or nothing
 *     DEADLINE:    u32    milliseconds a caller may be held
 *     MAX_PENDING: u32    requests held at a time
 *     MAX_CACHED:  u32    verdicts cached
 *     MARK_MASK:   u32    bits of sk_mark that carry the tag
 *     EVENTS:      u32    SOCKGATE_EVENTS_OPTIONAL that are asked about; bit
 *                         (1 << enum sockgate_event)
 *     FAILURES:    array of struct sockgate_failure, rows to change
 *     FAILSAFES:   array of struct sockgate_failsafe, replaces the list
 *
 * SOCKGATE_CMD_GET_STATUS      anyone with CAP_NET_ADMIN, replies with
 *     everything of SET_CONFIG, and
 *     GENERATION:  u32
 *     AGENT_PID:   u32    absent if none is registered
 *     PENDING:     u32    requests held now
 *     CACHED:      u32    verdicts cached now
 *     SOCKETS:     u32    sockets known now
 *     PARKED:      u32    packets held now
 *     COUNTERS:    array of u64, index enum sockgate_counter
 *     HOOKS:       array of u64, calls seen by each hook, index
 *                  enum sockgate_hook
 *     VERSION_STR: string
 *     MASKS:       u32    distinct masks of the verdicts cached now
 *
 * SOCKGATE_CMD_GET_CACHE       anyone with CAP_NET_ADMIN, a dump: for each verdict
 *                              that is good a message with
 *     ENTRY:       struct sockgate_cached
 *                         One that is cached from the first message to the last is
 *                         told once.  If the generation changes meanwhile the
 *                         messages have NLM_F_DUMP_INTR.
 */
#ifndef _UAPI_LINUX_SOCKGATE_H
#define _UAPI_LINUX_SOCKGATE_H

#include <linux/types.h>

#define SOCKGATE_GENL_NAME	"sockgate"
#define SOCKGATE_GENL_VERSION	1

#define SOCKGATE_MAX_SOCKETS	8
#define SOCKGATE_MAX_FAILSAFES	64
#define SOCKGATE_PATH_SIZE	4096
#define SOCKGATE_TYPE_SIZE	64
#define SOCKGATE_ARGUMENTS_SIZE	4096

enum sockgate_cmd {
	SOCKGATE_CMD_UNSPEC,
	SOCKGATE_CMD_REGISTER,
	SOCKGATE_CMD_ASK,
	SOCKGATE_CMD_ANSWER,
	SOCKGATE_CMD_OPEN_EXE,
	SOCKGATE_CMD_SET_GENERATION,
	SOCKGATE_CMD_SET_CONFIG,
	SOCKGATE_CMD_GET_STATUS,
	SOCKGATE_CMD_GET_CACHE,
	__SOCKGATE_CMD_MAX,
	SOCKGATE_CMD_MAX = __SOCKGATE_CMD_MAX - 1,
};

enum sockgate_attr {
	SOCKGATE_A_UNSPEC,
	SOCKGATE_A_ASK,
	SOCKGATE_A_ANSWER,
	SOCKGATE_A_ID,
	SOCKGATE_A_FD,
	SOCKGATE_A_GENERATION,
	SOCKGATE_A_DEADLINE,
	SOCKGATE_A_MAX_PENDING,
	SOCKGATE_A_MAX_CACHED,
	SOCKGATE_A_MARK_MASK,
	SOCKGATE_A_FAILURES,
	SOCKGATE_A_FAILSAFES,
	SOCKGATE_A_AGENT_PID,
	SOCKGATE_A_PENDING,
	SOCKGATE_A_CACHED,
	SOCKGATE_A_COUNTERS,
	SOCKGATE_A_HOOKS,
	SOCKGATE_A_VERSION_STR,
	SOCKGATE_A_SOCKETS,
	SOCKGATE_A_PARKED,
	SOCKGATE_A_EVENTS,
	SOCKGATE_A_MASKS,
	SOCKGATE_A_ENTRY,
	SOCKGATE_A_PATH,
	SOCKGATE_A_MOUNTED,
	SOCKGATE_A_FS,
	SOCKGATE_A_LAYER,
	SOCKGATE_A_PARENT_PID,
	SOCKGATE_A_PARENT_PATH,
	SOCKGATE_A_ARGUMENTS,
	SOCKGATE_A_PAD,
	__SOCKGATE_A_MAX,
	SOCKGATE_A_MAX = __SOCKGATE_A_MAX - 1,
};

/* What a caller wants to do, or what has become of its connection. */
enum sockgate_event {
	SOCKGATE_EVENT_UNSPEC,
	SOCKGATE_EVENT_OPEN,
	SOCKGATE_EVENT_BIND,
	SOCKGATE_EVENT_CONNECT,		/* TCP: the state SYN_SENT follows */
	SOCKGATE_EVENT_LISTEN,
	SOCKGATE_EVENT_ACCEPT,		/* by peer: rport is 0 */
	SOCKGATE_EVENT_SEND,		/* to an unconnected destination */
	SOCKGATE_EVENT_RECEIVE,		/* of an unconnected socket: rport is 0 */
	SOCKGATE_EVENT_ESTABLISHED,	/* a report, of TCP: nobody is held */
	SOCKGATE_EVENT_CLOSE,		/* another */
	__SOCKGATE_EVENT_MAX,
	SOCKGATE_EVENT_MAX = __SOCKGATE_EVENT_MAX - 1,
};

/*
 * Connect, listen, send, and the opening of a socket whose packets leave past
 * the gate, are always asked about; these only if EVENTS says so.
 */
#define SOCKGATE_EVENTS_OPTIONAL \
	(1U << SOCKGATE_EVENT_OPEN | 1U << SOCKGATE_EVENT_BIND | \
	 1U << SOCKGATE_EVENT_ACCEPT | 1U << SOCKGATE_EVENT_RECEIVE | \
	 1U << SOCKGATE_EVENT_ESTABLISHED | 1U << SOCKGATE_EVENT_CLOSE)

/*
 * Protocols of sockets that are judged when they are opened, since nothing of
 * theirs passes the gate: where IP has no number, one of those that are kept for
 * experiments (RFC 3692).
 */
#define SOCKGATE_PROTOCOL_OTHER		253	/* any family that is not known */
#define SOCKGATE_PROTOCOL_PACKET	254	/* AF_PACKET, AF_XDP */

enum sockgate_action {
	SOCKGATE_ACTION_UNSPEC,
	SOCKGATE_ACTION_ALLOW,
	SOCKGATE_ACTION_DENY,		/* with ERROR */
	SOCKGATE_ACTION_FAIL,		/* no verdict to be had, see REASON */
	SOCKGATE_ACTION_FAILSAFE,	/* failure table only: allow what the
					 * failsafe list names, deny the rest
					 */
	__SOCKGATE_ACTION_MAX,
	SOCKGATE_ACTION_MAX = __SOCKGATE_ACTION_MAX - 1,
};

/* Why there is no verdict: the rows of the failure table. */
enum sockgate_reason {
	SOCKGATE_REASON_UNSPEC,
	SOCKGATE_REASON_NO_AGENT,	/* none is registered */
	SOCKGATE_REASON_AGENT_GONE,	/* it closed its sockets while we waited */
	SOCKGATE_REASON_AGENT_BUSY,	/* its socket took no more messages */
	SOCKGATE_REASON_DEADLINE,	/* it did not answer in time */
	SOCKGATE_REASON_TABLE_FULL,	/* MAX_PENDING requests are held */
	SOCKGATE_REASON_NO_MEMORY,
	SOCKGATE_REASON_CHANGED,	/* the executable changed while we waited */
	SOCKGATE_REASON_UNLOAD,		/* the module is being removed */
	SOCKGATE_REASON_UNVERIFIABLE,	/* agent: executable cannot be read */
	SOCKGATE_REASON_SERVER_AWAY,	/* agent: no security server answers */
	SOCKGATE_REASON_BAD_ANSWER,	/* server or agent: not understood */
	SOCKGATE_REASON_UNJUDGED,	/* a packet of a socket that no hook saw */
	__SOCKGATE_REASON_MAX,
	SOCKGATE_REASON_MAX = __SOCKGATE_REASON_MAX - 1,
};

/* The fields of a request that a decision looked at: the mask of a verdict. */
#define SOCKGATE_F_EVENT	(1U << 0)
#define SOCKGATE_F_PROTOCOL	(1U << 1)
#define SOCKGATE_F_FAMILY	(1U << 2)	/* implied by the addresses */
#define SOCKGATE_F_LADDR	(1U << 3)	/* LPREFIX bits of it */
#define SOCKGATE_F_LPORT	(1U << 4)
#define SOCKGATE_F_RADDR	(1U << 5)	/* RPREFIX bits of it */
#define SOCKGATE_F_RPORT	(1U << 6)
#define SOCKGATE_F_EXE		(1U << 7)
#define SOCKGATE_F_PROCESS	(1U << 8)
#define SOCKGATE_F_UID		(1U << 9)
#define SOCKGATE_F_CGROUP	(1U << 10)
#define SOCKGATE_F_NETNS	(1U << 11)
#define SOCKGATE_F_ALL		((1U << 12) - 1)

/*
 * In dev: a user decides what is in the file while it runs, so that reading it
 * proves nothing.  It is on FUSE, or on an overlay that was mounted in a user
 * namespace: whoever did can write in its layers.
 * No device has this bit (MAJOR is 12 bits, and 11 are in use).
 */
#define SOCKGATE_DEV_UNVERIFIABLE	(1U << 31)

/*
 * An executable: the real inode, behind overlayfs if there is one.  A changed
 * file is another key (ctime); so is a reused inode number (generation).
 *
 * On tmpfs a write through a mapping may leave ctime as it is, though never while
 * the file runs: what is known of such a file is known of one instance only.
 */
struct sockgate_file {
	__u64	ino;
	__s64	ctime_ns;
	__u64	size;
	__u64	instance;	/* 0: every process that runs it is alike */
	__u32	dev;		/* MAJOR << 20 | MINOR */
	__u32	generation;
};

/* A process: an exec makes another of it (exec_id). */
struct sockgate_process {
	__u64	start_ns;	/* CLOCK_BOOTTIME */
	__u64	exec_id;
	__u32	pid;		/* thread group, initial pid namespace */
	__u32	tid;		/* the first caller; no part of the identity */
};

/* A caller that waits.  Addresses of AF_INET are 4 bytes, the others zero. */
struct sockgate_ask {
	__u64	id;		/* names the request until it is answered */
	__u64	cgroup;		/* id of the socket's (version 2 hierarchy) */
	__u64	netns;		/* cookie of the socket's network namespace */
	struct sockgate_file exe;
	struct sockgate_process process;
	__u8	laddr[16];	/* zero: unbound */
	__u8	raddr[16];	/* zero for listen */
	__be16	lport;		/* 0: unbound */
	__be16	rport;		/* 0 for listen */
	__u32	uid;		/* of the thread, in the initial user namespace */
	__u32	remaining_ms;	/* until the kernel's own deadline */
	__u8	event;		/* enum sockgate_event */
	__u8	family;		/* AF_INET or AF_INET6 (mapped ones are AF_INET);
				 * of SOCKGATE_PROTOCOL_* any
				 */
	__u8	protocol;	/* IPPROTO_* or SOCKGATE_PROTOCOL_* */
	__u8	pad;
	char	comm[16];	/* ends with a NUL; for display only */
};

/* What becomes of it. */
struct sockgate_answer {
	__u64	id;
	__u32	lifetime_ms;	/* to cache the verdict; 0: do not; INT_MAX, which
				 * is 24 days, is the most
				 */
	__u32	generation;	/* the policy the verdict comes from; one of
				 * another than the current is not cached
				 */
	__u32	fields;		/* SOCKGATE_F_*: what the decision looked at */
	__u32	tag;		/* already shifted into the mark mask */
	__u32	error;		/* for DENY: EACCES, ECONNREFUSED or EPERM */
	__u8	action;		/* enum sockgate_action */
	__u8	reason;		/* for FAIL: the row of the table to apply */
	__u8	lprefix;	/* bits of laddr looked at (with F_LADDR) */
	__u8	rprefix;	/* bits of raddr looked at (with F_RADDR) */
};

/*
 * A verdict that is remembered, for every event that agrees in these fields.  What
 * is not in them is zero.
 */
#define SOCKGATE_PROGRAM_SIZE	32

struct sockgate_cached {
	struct sockgate_file exe;	/* but for its size */
	struct sockgate_process process;	/* but for its tid */
	__u64	cgroup;
	__u64	netns;
	__u64	hits;		/* events it has answered, about */
	__u8	laddr[16];	/* LPREFIX bits of it */
	__u8	raddr[16];	/* RPREFIX bits of it */
	__u32	fields;		/* SOCKGATE_F_* */
	__u32	left_ms;	/* of its lifetime */
	__u32	generation;
	__u32	tag;		/* for ALLOW */
	__u32	uid;
	__be16	lport;
	__be16	rport;
	__u16	error;		/* for DENY */
	__u8	action;		/* ALLOW or DENY */
	__u8	event;
	__u8	family;
	__u8	protocol;
	__u8	lprefix;
	__u8	rprefix;
	char	program[SOCKGATE_PROGRAM_SIZE];	/* with EXE or PROCESS the name of
						 * the file, as much as fits; for
						 * display only
						 */
};

/* One row of the failure table. */
struct sockgate_failure {
	__u8	reason;		/* enum sockgate_reason */
	__u8	action;		/* ALLOW, DENY or FAILSAFE */
	__u16	error;		/* what DENY and an unmatched FAILSAFE return */
};

/*
 * What may talk while no verdict can be had.  Zero means any, except for uid,
 * where SOCKGATE_UID_ANY does.  Ports are inclusive ranges in host order.
 */
#define SOCKGATE_UID_ANY	0xffffffffU

struct sockgate_failsafe {
	__u8	addr[16];	/* remote; for BIND and LISTEN local; 4 bytes if
				 * AF_INET
				 */
	struct sockgate_file exe;	/* ino 0: any; size is not compared */
	__u32	events;		/* bit (1 << enum sockgate_event) */
	__u32	uid;
	__u16	rport_min;
	__u16	rport_max;
	__u16	lport_min;
	__u16	lport_max;
	__u8	family;
	__u8	protocol;
	__u8	prefix;		/* bits of addr to compare */
	__u8	pad[5];
};

/* Counted by outcome; each caller ends in exactly one of the first group. */
enum sockgate_counter {
	SOCKGATE_N_HIT_ALLOW,		/* cached verdict, allowed */
	SOCKGATE_N_HIT_DENY,		/* cached verdict, refused */
	SOCKGATE_N_EXEMPT,		/* kernel, agent, not for us */
	SOCKGATE_N_HELD_ALLOW,		/* waited, allowed */
	SOCKGATE_N_HELD_DENY,		/* waited, refused */
	SOCKGATE_N_FAIL_ALLOW,		/* failure table, allowed */
	SOCKGATE_N_FAIL_DENY,		/* failure table, refused */
	SOCKGATE_N_INTERRUPTED,		/* a signal ended the wait */
	SOCKGATE_N_DEFERRED,		/* must not wait: its packet does */
	SOCKGATE_N_READ_DEFERRED,	/* ... and reads: told to come back */

	SOCKGATE_N_PACKET_HELD_ALLOW,	/* packets that waited, let go */
	SOCKGATE_N_PACKET_HELD_DENY,	/* ... dropped */
	SOCKGATE_N_PACKET_DENIED,	/* dropped without waiting */
	SOCKGATE_N_CUT,			/* sockets told of a refusal */
	SOCKGATE_N_REPORTED,		/* reports asked about */
	SOCKGATE_N_REPORT_LOST,		/* ... not, for want of room */
	SOCKGATE_N_IMPOSTOR,		/* attempts to pose as another program */
	SOCKGATE_N_REVIEWED,		/* open connections judged by a new policy */

	SOCKGATE_N_ASKED,		/* questions sent */
	SOCKGATE_N_JOINED,		/* callers that waited on another's */
	SOCKGATE_N_ANSWERED,		/* answers that completed a request */
	SOCKGATE_N_LATE,		/* answers to none that is pending */
	SOCKGATE_N_EVICTED,		/* verdicts dropped to make room */
	SOCKGATE_N_STALE,		/* answers not cached: old generation */
	SOCKGATE_N_REASON,		/* failures by reason start here */
	SOCKGATE_N_MAX = SOCKGATE_N_REASON + __SOCKGATE_REASON_MAX,
};

enum sockgate_hook {
	SOCKGATE_HOOK_CONNECT,
	SOCKGATE_HOOK_LISTEN,
	SOCKGATE_HOOK_SENDMSG,
	SOCKGATE_HOOK_RECVMSG,
	SOCKGATE_HOOK_CREATE,
	SOCKGATE_HOOK_CLONE,		/* a listener's new connection */
	SOCKGATE_HOOK_FREE,
	SOCKGATE_HOOK_BIND,
	SOCKGATE_HOOK_SCTP_CLONE,	/* the same for SCTP */
	SOCKGATE_HOOK_SUBFLOW,		/* a connection of MPTCP */
	SOCKGATE_HOOK_SWAP_EXE,		/* PR_SET_MM_EXE_FILE */
	SOCKGATE_HOOK_SPLICE_READ,	/* splice() from a socket */
	SOCKGATE_HOOK_SENDPAGE,		/* splice() and sendfile() to one */
	SOCKGATE_HOOK_RECEIVE,		/* a packet for a socket */
	SOCKGATE_HOOK_BINDX,		/* more addresses for SCTP */
	SOCKGATE_HOOK_REQUEST,		/* a segment for a listener; like RECEIVE
					 * placed only while A_EVENTS asks for it
					 */
	SOCKGATE_HOOK_DISCONNECT,	/* a connection of TCP is unmade, or a listener */
	__SOCKGATE_HOOK_MAX,
};

#endif /* _UAPI_LINUX_SOCKGATE_H */
