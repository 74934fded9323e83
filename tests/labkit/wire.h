/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * wire - how the lab's parts talk: frames over a byte stream.
 *
 * Outside runs one hub. In every guest runs the lab's init, connected to the
 * hub by a virtio port, so that nothing of it uses the network under test.
 * Inside a guest, `on` talks to init over a UNIX socket in the same frames.
 *
 *     hub  <-virtio port->  init (workload)  <-socket->  on
 *          <-virtio port->  init (gateway)
 *          <-virtio port->  init (server)
 *
 * A channel is one command run somewhere: its number is made by whoever asked,
 * with his own machine number on top, and is therefore unique. The hub passes
 * on what is not for itself, by the field `to`.
 */
#ifndef LAB_WIRE_H
#define LAB_WIRE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type {
	WIRE_HELLO = 1, /* init -> hub: alive */
	WIRE_SETUP,	/* hub -> init: key=value strings */
	WIRE_READY,	/* init -> hub: set up, or why not (text) */
	WIRE_EXEC,	/* run a command: see struct wire_exec */
	WIRE_OUT,	/* bytes of its standard output */
	WIRE_ERR,	/* bytes of its standard error */
	WIRE_ACK,	/* that many bytes have been written (decimal text) */
	WIRE_IN,	/* bytes typed, for a command with a terminal */
	WIRE_SIZE,	/* the terminal's size: "rows cols" */
	WIRE_EXIT,	/* its exit status (decimal text); the channel is over */
	WIRE_KILL,	/* whoever asked has gone: end the command */
	WIRE_LOG,	/* one kernel message */
	WIRE_FIN,	/* hub -> init: say what is left and your taint */
	WIRE_TAINT,	/* init -> hub: /proc/sys/kernel/tainted; nothing follows */
};

enum wire_machine { WIRE_WORKLOAD, WIRE_GATEWAY, WIRE_SERVER, WIRE_MACHINES, WIRE_HUB = 255 };

extern const char *const wire_machine_names[WIRE_MACHINES];
int wire_machine_by_name(const char *name); /* -1: no such machine */

/* The "internet" is a network namespace inside the gateway. */
#define WIRE_INTERNET "internet"

struct wire_head {
	uint32_t size; /* of what follows the head */
	uint32_t chan;
	uint8_t type;
	uint8_t from;
	uint8_t to;
	uint8_t zero;
};

/* How much output of one command may be under way: beyond it the command waits. */
#define WIRE_WINDOW (256u << 10)
#define WIRE_CHUNK (32u << 10)
#define WIRE_MAX (16u << 20)

struct wire_buf {
	char *data;
	size_t start, end, room;
};

struct wire {
	int fd;
	struct wire_buf in, out;
};

void wire_init(struct wire *w, int fd); /* sets the descriptor non-blocking */
void wire_close(struct wire *w);

/* Reads what is there. False: the other end has gone. */
bool wire_read(struct wire *w);
/* The next whole frame, valid until the next wire_read(); false: not yet. */
bool wire_next(struct wire *w, struct wire_head *head, const char **body);
/* Queues a frame and sends what can be sent now. */
void wire_put(struct wire *w, struct wire_head head, const void *body, size_t size);
void wire_puts(struct wire *w, struct wire_head head, const char *text);
/* Sends what can be sent now. False: the other end has gone. */
bool wire_flush(struct wire *w);
bool wire_unsent(const struct wire *w);
/* What to wait for in poll(). */
struct pollfd wire_pollfd(const struct wire *w);

/* A command to run, as one frame body: decimal numbers and strings, each ended by NUL. */
struct wire_exec {
	bool terminal;
	bool internet; /* in that namespace */
	int rows, cols;
	const char *cwd;
	char **argv, **envp; /* NULL-ended */
};

char *wire_pack_exec(const struct wire_exec *e, size_t *size);
/* Points into body, which must stay; argv and envp are one: free(e->argv). False: malformed. */
bool wire_unpack_exec(struct wire_exec *e, const char *body, size_t size);

#endif
