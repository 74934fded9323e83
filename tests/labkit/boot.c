// SPDX-License-Identifier: GPL-2.0-only
#include "boot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSORS_MAX 64
#define P9 "trans=virtio,version=9p2000.L,msize=512000,"

/* Process 1 can report only to the console; its end makes the kernel panic: the guest ends. */
static void fatal(const char *what)
{
	fprintf(stderr, "lab: init: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void must_mount(const char *src, const char *dir, const char *type, unsigned long flags,
		       const char *opts)
{
	if (mount(src, dir, type, flags, opts) < 0)
		fatal(dir);
}

/* For what not every kernel has. */
static void try_mount(const char *src, const char *dir, const char *type, const char *opts)
{
	mkdir(dir, 0755);
	if (mount(src, dir, type, MS_NOSUID | MS_NODEV, opts) < 0)
		fprintf(stderr, "lab: init: no %s: %s\n", dir, strerror(errno));
}

static void load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
		fatal(path);
	close(fd);
}

/* The files are numbered in the order in which they need each other. */
static void load_modules(void)
{
	struct dirent **names;
	int n = scandir("/modules", &names, NULL, alphasort);
	char path[PATH_MAX];

	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
		load_module(path);
	}
}

static void mount_root(void)
{
	static const char *const dirs[] = { "/ro", "/rw", "/root" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		mkdir(dirs[i], 0755);
	must_mount("root", "/ro", "9p", MS_RDONLY, P9 "cache=loose");
	must_mount("rw", "/rw", "tmpfs", 0, "size=75%,mode=755");
	mkdir("/rw/upper", 0755);
	mkdir("/rw/work", 0755);
	must_mount("root", "/root", "overlay", 0,
		   "lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work");
}

static void switch_root(void)
{
	if (chdir("/root") < 0)
		fatal("/root");
	must_mount(".", "/", NULL, MS_MOVE, NULL);
	if (chroot(".") < 0 || chdir("/") < 0)
		fatal("chroot");
}

static void mount_kernel_file_systems(void)
{
	must_mount("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
	must_mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	must_mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	must_mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
	try_mount("devpts", "/dev/pts", "devpts", "mode=620,ptmxmode=666,gid=5");
	try_mount("shm", "/dev/shm", "tmpfs", "mode=1777");
	try_mount("cgroup2", "/sys/fs/cgroup", "cgroup2", "nsdelegate");
	try_mount("bpf", "/sys/fs/bpf", "bpf", "mode=700");
	try_mount("debugfs", "/sys/kernel/debug", "debugfs", "mode=700");
	try_mount("tracefs", "/sys/kernel/tracing", "tracefs", "mode=700");
	try_mount("securityfs", "/sys/kernel/security", "securityfs", NULL);
	mkdir("/run/lock", 01777);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

/* What a test expects to find as on a new machine, whatever the machine outside has there. */
static void mount_fresh_directories(void)
{
	static const char *const dirs[] = { "/var/lib/sockgate", "/etc/sockgate",
					    "/var/log/sockgate" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		mkdir(dirs[i], 0755);
		must_mount("fresh", dirs[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
	}
}

static void loopback_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		fatal("lo");
	close(fd);
}

/*
 * The kernel booted with one processor (maxcpus=1, qemu.sh): QEMU's multi-threaded
 * TCG now and then dies in iotlb_to_section() when one processor moves PCI windows,
 * as the kernel does while it finds its devices, and another touches its APIC
 * (QEMU's issue 1921). All devices are found by now; the others may come.
 */
static void start_processors(void)
{
	char path[64];

	for (int cpu = 1; cpu < PROCESSORS_MAX; cpu++) {
		int fd;

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return;
		if (fd < 0 || write(fd, "1", 1) != 1)
			fatal(path);
		close(fd);
	}
}

void boot_root(void)
{
	umask(022);
	load_modules();
	mount_root();
	switch_root();
	mount_kernel_file_systems();
	mount_fresh_directories();
	loopback_up();
	start_processors();
}

int boot_open_port(void)
{
	static const struct timespec pause = { .tv_nsec = 2000000 };
	char path[PATH_MAX];
	int fd;

	for (int tries = 0; tries < 5000; tries++, nanosleep(&pause, NULL))
		for (int n = 0; n < 4; n++) {
			snprintf(path, sizeof(path), "/dev/vport%dp1", n);
			fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
			if (fd >= 0)
				return fd;
		}
	fatal("no port to the hub");
	return -1;
}

static void set_clock(const char *seconds)
{
	struct timeval now = { 0 };
	char *rest;

	now.tv_sec = strtoll(seconds, &rest, 10);
	if (*rest == '.')
		now.tv_usec = strtol(rest + 1, NULL, 10);
	settimeofday(&now, NULL);
}

/* Puts the modules of this very kernel at /lib/modules/RELEASE. */
static const char *mount_modules(const char *dir)
{
	struct utsname u;
	char path[PATH_MAX];

	uname(&u);
	mkdir("/lib/modules", 0755);
	snprintf(path, sizeof(path), "/lib/modules/%s", u.release);
	mkdir(path, 0755);
	return mount(dir, path, NULL, MS_BIND, NULL) < 0 ? "cannot mount /lib/modules" : NULL;
}

static const char *mount_out(const char *dir)
{
	if (mount("out", dir, "9p", MS_NOSUID | MS_NODEV, P9 "cache=none") < 0)
		return "cannot mount LAB_OUT";
	setenv("LAB_OUT", dir, 1);
	return NULL;
}

static const char *run_script(const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		execl("/bin/bash", "bash", path, getenv("LAB_MACHINE"), NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		return "the machine's network could not be set up (its console says why)";
	return NULL;
}

static const char *apply(const char *key, const char *value)
{
	if (!strcmp(key, "clock"))
		set_clock(value);
	else if (!strcmp(key, "hostname"))
		sethostname(value, strlen(value));
	else if (!strcmp(key, "modules"))
		return mount_modules(value);
	else if (!strcmp(key, "out"))
		return mount_out(value);
	else if (!strcmp(key, "script"))
		return run_script(value);
	else
		setenv(key, value, 1);
	return NULL;
}

const char *boot_setup(const char *body, size_t size)
{
	const char *end = body + size, *error;
	char pair[PATH_MAX + 64], *value;

	while (body < end) {
		size_t n = strnlen(body, end - body);

		if (n >= sizeof(pair))
			return "a setting is too long";
		memcpy(pair, body, n);
		pair[n] = 0;
		body += n + 1;
		value = strchr(pair, '=');
		if (!value)
			return "a setting without a value";
		*value++ = 0;
		error = apply(pair, value);
		if (error)
			return error;
	}
	return NULL;
}
