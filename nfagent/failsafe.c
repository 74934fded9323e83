// SPDX-License-Identifier: GPL-2.0-only
#include "failsafe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "mounts.h"

#define EVENT(name) (1U << SOCKGATE_EVENT_##name)
#define TALK (EVENT(CONNECT) | EVENT(SEND))
#define PORT(p) .rport_min = (p), .rport_max = (p)
#define LOCAL_PORT(p) .lport_min = (p), .lport_max = (p)

#define REPORTS (EVENT(ESTABLISHED) | EVENT(CLOSE))
#define WITH_ADDRESS							\
	(TALK | REPORTS | EVENT(BIND) | EVENT(LISTEN) | EVENT(ACCEPT) |	\
	 EVENT(RECEIVE))

/*
 * The same as the module starts with, since SET_CONFIG replaces the list; but for
 * DNS, which add_resolvers() does better.  Why each row: kmod/failure.c.
 */
static const struct sockgate_failsafe defaults[] = {
	{ .events = WITH_ADDRESS, .family = AF_INET, .addr = { 127 },
	  .prefix = 8, .uid = SOCKGATE_UID_ANY },
	{ .events = WITH_ADDRESS, .family = AF_INET6,
	  .addr = { [15] = 1 }, .prefix = 128, .uid = SOCKGATE_UID_ANY },
	{ .events = TALK, .family = AF_INET, .protocol = IPPROTO_UDP,
	  LOCAL_PORT(68), PORT(67) },
	{ .events = TALK, .family = AF_INET6, .protocol = IPPROTO_UDP,
	  LOCAL_PORT(546), PORT(547) },
	{ .events = EVENT(RECEIVE), .family = AF_INET,
	  .protocol = IPPROTO_UDP, LOCAL_PORT(68) },
	{ .events = EVENT(RECEIVE), .family = AF_INET6,
	  .protocol = IPPROTO_UDP, LOCAL_PORT(546) },
	{ .events = EVENT(OPEN), .protocol = SOCKGATE_PROTOCOL_PACKET },
	{ .events = EVENT(BIND) | EVENT(LISTEN) | EVENT(ACCEPT),
	  .protocol = IPPROTO_TCP, LOCAL_PORT(22) },
	{ .events = EVENT(OPEN) | EVENT(BIND), .family = AF_INET,
	  .uid = SOCKGATE_UID_ANY },
	{ .events = EVENT(OPEN) | EVENT(BIND), .family = AF_INET6,
	  .uid = SOCKGATE_UID_ANY },
	{ .events = REPORTS, .uid = SOCKGATE_UID_ANY },
};

static bool key_is_hidden(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) || fs.f_type == OVERLAYFS_SUPER_MAGIC ||
	       fs.f_type == TMPFS_MAGIC;
}

/* As the kernel has it.  Returns 0, or -1. */
static int device_of(int fd, uint32_t *dev)
{
	uint64_t mount;

	return !mounts_id(fd, &mount) &&
	       mounts_device("/proc/self/mountinfo", mount, dev) ? 0 : -1;
}

int failsafe_exe(const char *path, struct sockgate_file *file)
{
	int fd, generation = 0;
	uint32_t dev;
	struct stat st;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = ENOEXEC;
		return -1;
	}
	if (key_is_hidden(fd)) {
		close(fd);
		errno = EOPNOTSUPP;
		return -1;
	}
	if (device_of(fd, &dev)) {
		close(fd);
		errno = EOPNOTSUPP;
		return -1;
	}
	/* Where a file system has no generations, the kernel's is 0 too. */
	if (ioctl(fd, FS_IOC_GETVERSION, &generation))
		generation = 0;
	close(fd);
	memset(file, 0, sizeof(*file));
	file->ino = st.st_ino;
	file->ctime_ns = st.st_ctim.tv_sec * 1000000000LL + st.st_ctim.tv_nsec;
	file->size = (uint64_t)st.st_size;
	file->dev = dev;
	file->generation = (uint32_t)generation;
	return 0;
}

static struct sockgate_failsafe *add(struct failsafes *list,
				     const struct sockgate_failsafe *row)
{
	if (list->n == SOCKGATE_MAX_FAILSAFES) {
		snprintf(list->trouble, sizeof(list->trouble),
			 "more than %d failsafes: the rest is left out",
			 SOCKGATE_MAX_FAILSAFES);
		return NULL;
	}
	list->row[list->n] = *row;
	return &list->row[list->n++];
}

static void add_rule(struct failsafes *list, const struct failsafe_rule *rule)
{
	struct sockgate_failsafe row = rule->row;

	if (rule->exe && failsafe_exe(rule->exe, &row.exe)) {
		snprintf(list->trouble, sizeof(list->trouble),
			 "failsafe for %s is left out: %s", rule->exe,
			 errno == EOPNOTSUPP ?
			 "it is on overlayfs, on tmpfs or on a mount that cannot be seen, where an executable cannot be named by its path" :
			 strerror(errno));
		return;
	}
	add(list, &row);
}

/* DNS over UDP and TCP to one address. */
static void add_resolver(struct failsafes *list, const char *text)
{
	struct sockgate_failsafe row = {
		.events = TALK,
		.uid = SOCKGATE_UID_ANY,
		PORT(53),
	};

	if (inet_pton(AF_INET, text, row.addr) == 1) {
		row.family = AF_INET;
		row.prefix = 32;
	} else if (inet_pton(AF_INET6, text, row.addr) == 1) {
		row.family = AF_INET6;
		row.prefix = 128;
	} else {
		return;
	}
	row.protocol = IPPROTO_UDP;
	add(list, &row);
	row.protocol = IPPROTO_TCP;
	add(list, &row);
}

/* "nameserver ADDRESS[%INTERFACE]": resolv.conf(5). */
static void add_resolvers(struct failsafes *list, const char *file)
{
	char word[16], address[128];
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	f = fopen(file, "re");
	if (!f)
		return;
	while (getline(&line, &size, f) > 0) {
		if (sscanf(line, "%15s %127s", word, address) != 2 ||
		    strcmp(word, "nameserver"))
			continue;
		address[strcspn(address, "%")] = '\0';
		add_resolver(list, address);
	}
	free(line);
	fclose(f);
}

void failsafe_build(struct failsafes *list, const struct failsafe_rule *rules,
		    size_t n_rules, const char *resolv_conf)
{
	memset(list, 0, sizeof(*list));
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		add(list, &defaults[i]);
	for (size_t i = 0; i < n_rules; i++)
		add_rule(list, &rules[i]);
	add_resolvers(list, resolv_conf);
}
