// SPDX-License-Identifier: GPL-2.0-only
/*
 * init - process 1 of a guest: boots it, runs what it is asked to run, streams
 * the kernel's log out.
 *
 * One loop over: the port to the hub, the socket for `on`, the clients of that
 * socket, the kernel log, ended children, and the output of running commands.
 */
#include "boot.h"
#include "guest.h"
#include "job.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 64
#define POLLS 512

struct client {
	bool used;
	struct wire wire;
	uint32_t chan; /* 0: has not asked yet */
	uint8_t to;
};

static struct wire hub;
static struct client clients[CLIENTS];
static uint8_t self = WIRE_HUB;
static int machines;
static int kmsg = -1, children = -1, door = -1;

static struct client *client_of(uint32_t chan)
{
	for (int i = 0; i < CLIENTS; i++)
		if (clients[i].used && clients[i].chan == chan)
			return &clients[i];
	return NULL;
}

/* Sends a frame towards a machine. It is never this one: `on` runs those itself. */
static void send_to(uint8_t to, uint32_t chan, enum wire_type type, const void *body, size_t size)
{
	wire_put(&hub, (struct wire_head){ .chan = chan, .type = type, .from = self, .to = to },
		 body, size);
}

static void say(uint32_t chan, uint8_t origin, enum wire_type type, const void *body, size_t size)
{
	send_to(origin, chan, type, body, size);
}

/* --- kernel log --- */

/* "prio,seq,usec,flags;text\n more" becomes "<level>[seconds] text". False: nothing more now. */
static bool pass_kernel_message(void)
{
	char raw[8192], line[8300], *text;
	unsigned int prio = 4;
	unsigned long long usec = 0;
	ssize_t n = read(kmsg, raw, sizeof(raw) - 1);

	if (n < 0 && errno == EPIPE) {
		static const char lost[] = "<4>lab: kernel messages were lost\n";

		send_to(WIRE_HUB, 0, WIRE_LOG, lost, sizeof(lost) - 1);
		return true;
	}
	if (n <= 0)
		return false;
	raw[n] = 0;
	text = strchr(raw, ';');
	if (!text || sscanf(raw, "%u,%*u,%llu", &prio, &usec) != 2)
		return true;
	text[1 + strcspn(text + 1, "\n")] = 0;
	n = snprintf(line, sizeof(line), "<%u>[%5llu.%06llu] %s\n", prio & 7, usec / 1000000,
		     usec % 1000000, text + 1);
	send_to(WIRE_HUB, 0, WIRE_LOG, line, n);
	return true;
}

static void pass_kernel_log(int most)
{
	while (most-- > 0 && pass_kernel_message())
		;
}

static void finish(void)
{
	char taint[32] = "unknown";
	int fd = open("/proc/sys/kernel/tainted", O_RDONLY | O_CLOEXEC);

	pass_kernel_log(100000);
	if (fd >= 0 && read(fd, taint, sizeof(taint) - 1) > 0)
		taint[strcspn(taint, "\n")] = 0;
	if (fd >= 0)
		close(fd);
	send_to(WIRE_HUB, 0, WIRE_TAINT, taint, strlen(taint) + 1);
}

/* --- the hub --- */

static void set_up(const char *body, size_t size)
{
	const char *error = boot_setup(body, size);
	const char *name = getenv("LAB_MACHINE"), *count = getenv("LAB_MACHINES");

	self = wire_machine_by_name(name ? name : "");
	machines = count ? atoi(count) : 1;
	if (!error)
		error = "";
	send_to(WIRE_HUB, 0, WIRE_READY, error, strlen(error) + 1);
}

static void hub_frame(struct wire_head h, const char *body)
{
	struct client *c = client_of(h.chan);

	switch (h.type) {
	case WIRE_SETUP:
		set_up(body, h.size);
		break;
	case WIRE_FIN:
		finish();
		break;
	case WIRE_EXEC:
		job_start(h.chan, h.from, body, h.size, say);
		break;
	case WIRE_OUT:
	case WIRE_ERR:
	case WIRE_EXIT:
		if (h.chan && c)
			wire_put(&c->wire, h, body, h.size);
		break;
	default:
		job_frame(h.chan, h.type, body, h.size);
		break;
	}
}

/* --- `on` --- */

static void client_gone(struct client *c)
{
	if (c->chan)
		send_to(c->to, c->chan, WIRE_KILL, NULL, 0);
	wire_close(&c->wire);
	c->used = false;
}

static void refuse(struct client *c, const char *why)
{
	struct wire_head h = { .chan = c->chan, .type = WIRE_ERR };

	wire_put(&c->wire, h, why, strlen(why));
	h.type = WIRE_EXIT;
	wire_puts(&c->wire, h, "125");
}

static void client_frame(struct client *c, struct wire_head h, const char *body)
{
	static uint32_t asked;

	if (h.type == WIRE_EXEC && !c->chan) {
		c->chan = (uint32_t)(self + 1) << 24 | (++asked & 0xffffff);
		c->to = h.to;
		if (h.to >= machines || h.to == self) {
			refuse(c, "on: this lab has no such machine; start it with --machines 3\n");
			c->chan = 0;
			return;
		}
	}
	send_to(c->to, c->chan, h.type, body, h.size);
}

static void client_ready(struct client *c)
{
	struct wire_head h;
	const char *body;

	if (!wire_flush(&c->wire) || !wire_read(&c->wire)) {
		client_gone(c);
		return;
	}
	while (wire_next(&c->wire, &h, &body))
		client_frame(c, h, body);
}

static void client_new(void)
{
	int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);

	for (int i = 0; fd >= 0 && i < CLIENTS; i++)
		if (!clients[i].used) {
			clients[i] = (struct client){ .used = true };
			wire_init(&clients[i].wire, fd);
			return;
		}
	if (fd >= 0)
		close(fd);
}

static void open_door(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = GUEST_SOCKET };

	door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (door < 0 || bind(door, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(door, CLIENTS) < 0)
		perror("lab: init: " GUEST_SOCKET);
	chmod(GUEST_SOCKET, 0666);
}

/* --- the loop --- */

static void reap(void)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	if (read(children, &info, sizeof(info)) < 0)
		return;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		job_ended(pid, status, say);
}

static void hub_ready(short what)
{
	struct wire_head h;
	const char *body;

	wire_flush(&hub);
	if (what & POLLHUP && !(what & POLLIN)) /* the hub has not connected yet */
		usleep(1000);
	if (what & POLLIN)
		wire_read(&hub);
	while (wire_next(&hub, &h, &body))
		hub_frame(h, body);
}

static void dispatch(const struct pollfd *p)
{
	if (p->fd == hub.fd)
		hub_ready(p->revents);
	else if (p->fd == kmsg)
		pass_kernel_log(256);
	else if (p->fd == children)
		reap();
	else if (p->fd == door)
		client_new();
	else
		job_ready(p, say);
}

static void turn(void)
{
	static struct pollfd p[POLLS];
	struct client *owner[CLIENTS];
	int n = 0, first;

	p[n++] = wire_pollfd(&hub);
	p[n++] = (struct pollfd){ .fd = kmsg, .events = POLLIN };
	p[n++] = (struct pollfd){ .fd = children, .events = POLLIN };
	p[n++] = (struct pollfd){ .fd = door, .events = POLLIN };
	first = n;
	for (int i = 0; i < CLIENTS; i++)
		if (clients[i].used) {
			owner[n - first] = &clients[i];
			p[n++] = wire_pollfd(&clients[i].wire);
		}
	int others = n;

	n += job_poll(p + n, POLLS - n);
	if (poll(p, n, -1) < 0)
		return;
	for (int i = 0; i < n; i++) {
		if (!p[i].revents)
			continue;
		if (i >= first && i < others)
			client_ready(owner[i - first]);
		else
			dispatch(&p[i]);
	}
}

int main(void)
{
	sigset_t set;

	boot_root();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	children = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	open_door();
	wire_init(&hub, boot_open_port());
	send_to(WIRE_HUB, 0, WIRE_HELLO, NULL, 0);
	for (;;)
		turn();
}
