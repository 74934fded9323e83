// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program under test: worker FD reads calls from FD, makes them, and writes
 * back what came of each.  See worker.h.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "call.h"
#include "uring.h"

#define STACK (64 * 1024)

static volatile sig_atomic_t handled;
static const struct call *task;	/* of all threads */
static struct outcome seen;	/* under lock, while there are threads */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t start;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void set_handlers(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &sa, NULL);
}

static int type_of(int protocol)
{
	return protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
}

static int error_of(long result)
{
	return result < 0 ? errno : 0;
}

static int prepare(const struct call *c)
{
	struct timeval tv = {
		.tv_sec = c->send_timeout_ms / 1000,
		.tv_usec = c->send_timeout_ms % 1000 * 1000,
	};
	int fd, one = 1;

	fd = socket(c->family, type_of(c->protocol) | SOCK_CLOEXEC, c->protocol);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (c->from.len && bind(fd, &c->from.sa, c->from.len))
		goto fail;
	if (c->send_timeout_ms &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)))
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

static int connected_send(int fd, const struct call *c)
{
	int err = error_of(connect(fd, &c->to.sa, c->to.len));

	if (!err)
		err = error_of(send(fd, "x", 1, 0));
	if (!err)
		err = error_of(sendto(fd, "x", 1, 0, NULL, 0));
	return err;
}

static int dissolve(int fd, const struct call *c)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	int err = error_of(connect(fd, &c->to.sa, c->to.len));

	return err ?: error_of(connect(fd, &none, sizeof(none)));
}

static int unix_calls(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err;

	snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "worker%d", getpid());
	err = error_of(bind(l, (struct sockaddr *)&a, sizeof(a)));
	if (!err)
		err = error_of(listen(l, 1));
	if (!err)
		err = error_of(connect(c, (struct sockaddr *)&a, sizeof(a)));
	close(l);
	close(c);
	return err;
}

/* On a socket made for it. */
static int call_once(int fd, const struct call *c)
{
	switch (c->kind) {
	case CALL_CONNECT:
		return error_of(connect(fd, &c->to.sa, c->to.len));
	case CALL_CONNECT_SHORT:
		return error_of(connect(fd, &c->to.sa, sizeof(sa_family_t)));
	case CALL_LISTEN:
		return error_of(listen(fd, 16));
	case CALL_SEND:
		return error_of(sendto(fd, "x", 1, 0, &c->to.sa, c->to.len));
	case CALL_FASTOPEN:
		return error_of(sendto(fd, "x", 1, MSG_FASTOPEN, &c->to.sa,
				       c->to.len));
	case CALL_CONNECTED_SEND:
		return connected_send(fd, c);
	case CALL_DISSOLVE:
		return dissolve(fd, c);
	case CALL_UNIX:
		return unix_calls();
	case CALL_URING:
	case CALL_URING_ASYNC:
		return uring_connect(fd, &c->to.sa, c->to.len,
				     c->kind == CALL_URING ? URING_INLINE :
							     URING_WORKER);
	case CALL_EXEC:
		break;
	}
	return ENOSYS;
}

static void record(int unready, int error, unsigned int interrupted,
		   uint32_t mark)
{
	pthread_mutex_lock(&lock);
	if (unready)
		seen.unready = unready;
	else if (error)
		seen.error = error;
	else
		seen.worked++;
	seen.interrupted += interrupted;
	seen.mark = mark;
	pthread_mutex_unlock(&lock);
}

/* The calling thread alone, after bind(): a port may be root's. */
static int become_user(uint32_t uid)
{
	return uid ? error_of(syscall(SYS_setresuid, uid, uid, uid)) : 0;
}

static void make_call(void)
{
	unsigned int interrupted = 0;
	uint32_t mark = 0;
	socklen_t size = sizeof(mark);
	int fd = prepare(task), error;

	if (fd < 0) {
		record(errno, 0, 0, 0);
		return;
	}
	error = become_user(task->uid);
	if (error) {
		close(fd);
		record(error, 0, 0, 0);
		return;
	}
	while ((error = call_once(fd, task)) == EINTR && task->until_done)
		interrupted++;
	getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size);
	close(fd);
	record(0, error, interrupted, mark);
}

static void *thread(void *arg)
{
	pthread_barrier_wait(&start);
	make_call();
	return arg;
}

static void make_calls_in_threads(void)
{
	pthread_t *ids = calloc(task->threads, sizeof(*ids));
	pthread_attr_t attr;
	unsigned int i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_barrier_init(&start, NULL, task->threads);
	for (i = 0; ids && i < task->threads; i++)
		if (pthread_create(&ids[i], &attr, thread, NULL))
			_exit(125);
	for (i = 0; ids && i < task->threads; i++)
		pthread_join(ids[i], NULL);
	free(ids);
}

static void do_task(int fd)
{
	unsigned int i;

	memset(&seen, 0, sizeof(seen));
	handled = 0;
	seen.begin_ns = now();
	if (task->threads)
		make_calls_in_threads();
	else
		for (i = 0; i < (task->times ?: 1); i++)
			make_call();
	seen.end_ns = now();
	seen.handled = (unsigned int)handled;
	if (send(fd, &seen, sizeof(seen), MSG_NOSIGNAL) != sizeof(seen))
		_exit(0);
}

static void become_program(const char *program, const char *fd)
{
	execl(program, "worker", fd, NULL);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct call call;
	ssize_t n;
	int fd;

	if (argc != 2)
		return 2;
	fd = atoi(argv[1]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	set_handlers();
	task = &call;
	while ((n = recv(fd, &call, sizeof(call), 0)) == sizeof(call) ||
	       (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		if (call.kind == CALL_EXEC)
			become_program(call.program, argv[1]);
		do_task(fd);
	}
	return 0;
}
