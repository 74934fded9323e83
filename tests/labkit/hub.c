// SPDX-License-Identifier: GPL-2.0-only
/*
 * hub - the lab's outside half: starts the guests, runs one command in the
 * workload, ends everything.
 *
 *     hub --dir DIR [--timeout SECS] [--boot-timeout SECS] [--tty] [--pairs N]
 *         [--set KEY=VALUE]... { --machine NAME QEMU-ARG... --end }...
 *         -- COMMAND [ARG...]
 *
 * Descriptors for QEMU: machine n finds its port to the hub at 50 + n, and pair
 * i of connected sockets (a cable between two machines) is 60 + 2i and 61 + 2i.
 *
 * DIR receives NAME.log (kernel log), NAME.taint, NAME.qemu (what QEMU said)
 * and, once the command has ended, `status`. The hub's own exit status is 0
 * when it saw the command end and every guest report afterwards, else 1 with
 * the reason on standard error.
 */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define FD_PORT 50
#define FD_PAIR 60
#define PAIRS_MAX 8
#define SETS_MAX 32
#define CHAN 0xff000001u

extern char **environ;

struct machine {
	int index; /* enum wire_machine */
	char **argv;
	pid_t pid;
	struct wire wire;
	FILE *log;
	bool hello, ready, done;
};

static struct {
	const char *dir;
	int timeout, boot_timeout, pairs;
	bool tty;
	const char *sets[SETS_MAX];
	int n_sets;
	char **command;
} opt = { .timeout = 600, .boot_timeout = 120 };

static struct machine machines[WIRE_MACHINES];
static int n_machines;
static int status = -1; /* of the command; -1: still running */
static struct termios tty_before;
static bool tty_raw;

/* --- ending --- */

static void tty_restore(void)
{
	if (tty_raw)
		tcsetattr(0, TCSADRAIN, &tty_before);
	tty_raw = false;
}

static void end_machines(void)
{
	for (int i = 0; i < n_machines; i++)
		if (machines[i].pid > 0) {
			kill(machines[i].pid, SIGKILL);
			waitpid(machines[i].pid, NULL, 0);
			machines[i].pid = 0;
		}
}

static _Noreturn __attribute__((format(printf, 1, 2))) void fail(const char *format, ...)
{
	va_list ap;

	tty_restore();
	end_machines();
	for (int i = 0; i < n_machines; i++)
		if (machines[i].log)
			fclose(machines[i].log);
	fputs("lab: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static FILE *open_in_dir(const char *name, const char *suffix)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s%s", opt.dir, name, suffix);
	f = fopen(path, "we");
	if (!f)
		fail("%s: %s", path, strerror(errno));
	return f;
}

static void write_in_dir(const char *name, const char *suffix, const char *text)
{
	FILE *f = open_in_dir(name, suffix);

	fprintf(f, "%s\n", text);
	fclose(f);
}

/* --- starting --- */

static const char *name_of(const struct machine *m)
{
	return wire_machine_names[m->index];
}

static void place(int fd, int at)
{
	if (fd != at) {
		dup2(fd, at);
		close(fd);
	}
}

static void make_pairs(void)
{
	for (int i = 0; i < opt.pairs; i++) {
		int fd[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
			fail("socketpair: %s", strerror(errno));
		place(fd[0], FD_PAIR + 2 * i);
		place(fd[1], FD_PAIR + 2 * i + 1);
	}
}

static void close_pairs(void)
{
	for (int i = 0; i < 2 * opt.pairs; i++)
		close(FD_PAIR + i);
}

static void become_qemu(struct machine *m, int log)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0); /* a ^C at the terminal is for the hub */
	place(open("/dev/null", O_RDONLY), 0);
	dup2(log, 1);
	dup2(log, 2);
	execvp(m->argv[0], m->argv);
	perror(m->argv[0]);
	_exit(127);
}

static void start(struct machine *m, int number)
{
	FILE *log = open_in_dir(name_of(m), ".qemu");
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		fail("socketpair: %s", strerror(errno));
	wire_init(&m->wire, fd[0]);
	m->log = open_in_dir(name_of(m), ".log");
	dup2(fd[1], FD_PORT + number);
	close(fd[1]);
	m->pid = fork();
	if (m->pid == 0)
		become_qemu(m, fileno(log));
	if (m->pid < 0)
		fail("fork: %s", strerror(errno));
	close(FD_PORT + number);
	fclose(log);
}

/* Whatever is opened from here on lies above the numbers promised to QEMU. */
static void reserve_descriptors(void)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (int i = 3; i < FD_PAIR + 2 * PAIRS_MAX; i++)
		if (i != null)
			dup3(null, i, O_CLOEXEC);
}

/* --- talking --- */

struct settings {
	char body[8192];
	size_t size;
};

static __attribute__((format(printf, 2, 3))) void set(struct settings *s, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	s->size += vsnprintf(s->body + s->size, sizeof(s->body) - s->size, format, ap) + 1;
	va_end(ap);
	if (s->size >= sizeof(s->body))
		fail("too many settings");
}

static void set_up(struct machine *m)
{
	struct wire_head h = { .type = WIRE_SETUP, .from = WIRE_HUB, .to = m->index };
	struct settings s = { .size = 0 };
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	set(&s, "clock=%lld.%06ld", (long long)now.tv_sec, now.tv_nsec / 1000);
	set(&s, "hostname=%s", name_of(m));
	set(&s, "LAB_MACHINE=%s", name_of(m));
	set(&s, "LAB_MACHINES=%d", n_machines);
	for (int i = 0; i < opt.n_sets; i++)
		set(&s, "%s", opt.sets[i]);
	wire_put(&m->wire, h, s.body, s.size);
}

static void to_workload(enum wire_type type, const void *body, size_t size)
{
	struct wire_head h = { .chan = CHAN, .type = type, .from = WIRE_HUB, .to = WIRE_WORKLOAD };

	wire_put(&machines[0].wire, h, body, size);
}

static void say_size(void)
{
	struct winsize s = { 0 };
	char text[32];

	ioctl(0, TIOCGWINSZ, &s);
	to_workload(WIRE_SIZE, text,
		    snprintf(text, sizeof(text), "%hu %hu", s.ws_row, s.ws_col) + 1);
}

static void run_command(void)
{
	char cwd[PATH_MAX];
	struct winsize s = { 0 };
	struct wire_exec e = {
		.terminal = opt.tty, .cwd = cwd, .argv = opt.command, .envp = environ
	};
	size_t size;
	char *body;

	if (!getcwd(cwd, sizeof(cwd)))
		strcpy(cwd, "/");
	if (opt.tty && !ioctl(0, TIOCGWINSZ, &s)) {
		e.rows = s.ws_row;
		e.cols = s.ws_col;
	}
	body = wire_pack_exec(&e, &size);
	to_workload(WIRE_EXEC, body, size);
	free(body);
	if (opt.tty && tcgetattr(0, &tty_before) == 0) {
		struct termios raw = tty_before;

		cfmakeraw(&raw);
		tty_raw = tcsetattr(0, TCSADRAIN, &raw) == 0;
	}
}

static void all_ready(void)
{
	for (int i = 0; i < n_machines; i++)
		if (!machines[i].ready)
			return;
	alarm(opt.timeout);
	run_command();
}

static void put_out(int fd, const char *p, size_t n)
{
	char text[16];
	size_t left = n;

	while (left) {
		ssize_t w = write(fd, p, left);

		if (w < 0 && errno == EAGAIN) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			poll(&wait, 1, 1000);
		} else if (w < 0 && errno != EINTR) {
			break; /* the reader has gone; the command goes on */
		}
		if (w > 0) {
			p += w;
			left -= w;
		}
	}
	to_workload(WIRE_ACK, text, snprintf(text, sizeof(text), "%zu", n) + 1);
}

static void command_ended(int result)
{
	status = result;
	tty_restore();
	alarm(60);
	for (int i = 0; i < n_machines; i++) {
		struct wire_head h = { .type = WIRE_FIN,
				       .from = WIRE_HUB,
				       .to = machines[i].index };

		wire_put(&machines[i].wire, h, NULL, 0);
	}
}

static void frame_for_me(struct machine *m, struct wire_head h, const char *body)
{
	switch (h.type) {
	case WIRE_HELLO:
		m->hello = true;
		set_up(m);
		break;
	case WIRE_READY:
		if (*body)
			fail("%s: %s", name_of(m), body);
		m->ready = true;
		all_ready();
		break;
	case WIRE_OUT:
		put_out(1, body, h.size);
		break;
	case WIRE_ERR:
		put_out(2, body, h.size);
		break;
	case WIRE_EXIT:
		if (h.chan == CHAN)
			command_ended(atoi(body));
		break;
	case WIRE_LOG:
		fwrite(body, 1, h.size, m->log);
		break;
	case WIRE_TAINT:
		write_in_dir(name_of(m), ".taint", body);
		m->done = true;
		break;
	default:
		break;
	}
}

static void read_machine(struct machine *m)
{
	struct wire_head h;
	const char *body;

	wire_flush(&m->wire);
	wire_read(&m->wire);
	while (wire_next(&m->wire, &h, &body)) {
		if (h.size > WIRE_MAX)
			fail("%s sent a frame of %u bytes", name_of(m), h.size);
		if (h.to == WIRE_HUB)
			frame_for_me(m, h, body);
		else if (h.to < n_machines)
			wire_put(&machines[h.to].wire, h, body, h.size);
	}
	fflush(m->log);
}

static void read_terminal(void)
{
	char buf[4096];
	ssize_t n = read(0, buf, sizeof(buf));

	if (n > 0)
		to_workload(WIRE_IN, buf, n);
	else
		fail("the terminal has gone");
}

/* --- signals --- */

static const char *ended_when(const struct machine *m)
{
	if (!m->hello)
		return "before it was up";
	return status == -1 ? "while the command ran" : "before its kernel log was complete";
}

static void child_ended(void)
{
	for (int i = 0; i < n_machines; i++) {
		struct machine *m = &machines[i];
		int how;

		if (m->pid <= 0 || waitpid(m->pid, &how, WNOHANG) != m->pid)
			continue;
		m->pid = 0;
		for (int rest = 0; rest < 64; rest++)
			read_machine(m);
		if (!m->done)
			fail("the guest %s ended %s", name_of(m), ended_when(m));
	}
}

static void timed_out(void)
{
	for (int i = 0; i < n_machines; i++)
		if (!machines[i].ready)
			fail("the guest %s was not up after %d s", name_of(&machines[i]),
			     opt.boot_timeout);
	if (status != -1)
		fail("a guest did not report after the command ended");
	fail("time limit: the command still ran after %d s (--timeout)", opt.timeout);
}

static void signal_came(int fd)
{
	struct signalfd_siginfo s;

	while (read(fd, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGCHLD)
			child_ended();
		else if (s.ssi_signo == SIGALRM)
			timed_out();
		else if (s.ssi_signo == SIGWINCH && opt.tty)
			say_size();
		else if (s.ssi_signo != SIGWINCH)
			fail("interrupted");
	}
}

static int catch_signals(void)
{
	static const int signals[] = {
		SIGCHLD, SIGALRM, SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT
	};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* --- the loop --- */

static bool all_done(void)
{
	for (int i = 0; i < n_machines; i++)
		if (!machines[i].done)
			return false;
	return true;
}

static void turn(int signals)
{
	struct pollfd p[WIRE_MACHINES + 2];
	int n = n_machines;

	for (int i = 0; i < n_machines; i++)
		p[i] = wire_pollfd(&machines[i].wire);
	p[n++] = (struct pollfd){ .fd = signals, .events = POLLIN };
	if (tty_raw)
		p[n++] = (struct pollfd){ .fd = 0, .events = POLLIN };
	if (poll(p, n, -1) < 0)
		return;
	for (int i = 0; i < n_machines; i++)
		if (p[i].revents)
			read_machine(&machines[i]);
	if (p[n_machines].revents)
		signal_came(signals);
	if (n > n_machines + 1 && p[n_machines + 1].revents && tty_raw)
		read_terminal();
}

static int arg_machine(char **argv, int i)
{
	struct machine *m = &machines[n_machines];

	if (n_machines == WIRE_MACHINES || !argv[i + 1] ||
	    wire_machine_by_name(argv[i + 1]) != n_machines)
		fail("--machine: give workload, gateway, server, in that order");
	m->index = n_machines++;
	i += 2;
	m->argv = argv + i;
	while (argv[i] && strcmp(argv[i], "--end"))
		i++;
	if (!argv[i])
		fail("--machine without --end");
	argv[i] = NULL;
	return i + 1;
}

static void arguments(char **argv)
{
	int i = 1;

	while (argv[i] && strcmp(argv[i], "--")) {
		if (!strcmp(argv[i], "--machine")) {
			i = arg_machine(argv, i);
		} else if (!strcmp(argv[i], "--tty")) {
			opt.tty = true;
			i++;
		} else if (!argv[i + 1]) {
			fail("%s: no value", argv[i]);
		} else {
			if (!strcmp(argv[i], "--dir"))
				opt.dir = argv[i + 1];
			else if (!strcmp(argv[i], "--timeout"))
				opt.timeout = atoi(argv[i + 1]);
			else if (!strcmp(argv[i], "--boot-timeout"))
				opt.boot_timeout = atoi(argv[i + 1]);
			else if (!strcmp(argv[i], "--pairs"))
				opt.pairs = atoi(argv[i + 1]);
			else if (!strcmp(argv[i], "--set") && opt.n_sets < SETS_MAX)
				opt.sets[opt.n_sets++] = argv[i + 1];
			else
				fail("%s: not understood", argv[i]);
			i += 2;
		}
	}
	opt.command = argv[i] ? argv + i + 1 : NULL;
	if (!opt.dir || !n_machines || !opt.command || !*opt.command || opt.pairs > PAIRS_MAX)
		fail("hub: incomplete arguments");
}

int main(int argc, char **argv)
{
	char text[16];
	int signals;

	(void)argc;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	arguments(argv);
	reserve_descriptors();
	make_pairs();
	signals = catch_signals();
	alarm(opt.boot_timeout);
	for (int i = 0; i < n_machines; i++)
		start(&machines[i], i);
	close_pairs();
	while (status < 0 || !all_done())
		turn(signals);
	end_machines();
	for (int i = 0; i < n_machines; i++)
		fclose(machines[i].log);
	snprintf(text, sizeof(text), "%d", status);
	write_in_dir("status", "", text);
	return 0;
}
