// SPDX-License-Identifier: GPL-2.0-only
/*
 * swap FILE ADDRESS PORT USER - becomes FILE as far as /proc/self/exe goes, without
 * running it, and sends a datagram.  USER is 0, or who it is in a user namespace of
 * its own.  Exits with the errno of the datagram; 200 if it could not become it.
 *
 * The kernel allows another executable (PR_SET_MM_MAP) once nothing of the old one
 * is mapped.  So each of its mappings is replaced by memory with the same content.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "net.h"

#define LOST 200
#define MAX_MAPPINGS 32

struct mapping {
	char *at;
	size_t size;
	int prot;
};

static size_t read_mappings(struct mapping *all)
{
	char line[512], perms[5], self[256] = { 0 };
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	size_t n = 0;

	if (!f || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 0;
	while (fgets(line, sizeof(line), f) && n < MAX_MAPPINGS) {
		if (sscanf(line, "%lx-%lx %4s", &from, &to, perms) != 3 ||
		    !strstr(line, self))
			continue;
		all[n].at = (char *)from;
		all[n].size = to - from;
		all[n].prot = (perms[0] == 'r' ? PROT_READ : 0) |
			      (perms[1] == 'w' ? PROT_WRITE : 0) |
			      (perms[2] == 'x' ? PROT_EXEC : 0);
		n++;
	}
	fclose(f);
	return n;
}

/* One system call puts the copy in its place: the code goes on where it was. */
static bool replace(const struct mapping *m)
{
	char *copy = mmap(NULL, m->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return false;
	memcpy(copy, m->at, m->size);
	return !mprotect(copy, m->size, m->prot) &&
	       mremap(copy, m->size, m->size, MREMAP_MAYMOVE | MREMAP_FIXED,
		      m->at) == m->at;
}

/* What /proc/self/stat says from field 26 on: all stays as it is. */
static bool read_layout(struct prctl_mm_map *map)
{
	unsigned long long v[52] = { 0 };
	FILE *f = fopen("/proc/self/stat", "re");
	int i;

	if (!f || fscanf(f, "%*d %*s %*c") < 0)
		return false;
	for (i = 4; i <= 51; i++)
		if (fscanf(f, "%llu", &v[i]) != 1)
			return false;
	fclose(f);
	*map = (struct prctl_mm_map){
		.start_code = v[26],
		.end_code = v[27],
		.start_stack = v[28],
		.start_data = v[45],
		.end_data = v[46],
		.start_brk = v[47],
		.brk = (uintptr_t)sbrk(0),
		.arg_start = v[48],
		.arg_end = v[49],
		.env_start = v[50],
		.env_end = v[51],
	};
	return true;
}

static bool become(const char *file)
{
	struct mapping all[MAX_MAPPINGS];
	struct prctl_mm_map map;
	size_t i, n;

	if (!read_layout(&map))
		return false;
	map.exe_fd = (uint32_t)open(file, O_RDONLY | O_CLOEXEC);
	n = read_mappings(all);
	for (i = 0; i < n; i++)
		if (!replace(&all[i]))
			return false;
	return n && !prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);
}

int main(int argc, char **argv)
{
	struct addr to;
	uid_t user;
	int fd;

	if (argc != 5)
		return LOST;
	to = net_addr(argv[2], (uint16_t)atoi(argv[3]));
	user = (uid_t)atoi(argv[4]);
	if (user && (setuid(user) || unshare(CLONE_NEWUSER)))
		return LOST;
	if (!become(argv[1])) {
		perror("# swap");
		return LOST;
	}
	fd = socket(to.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return sendto(fd, "x", 1, 0, &to.sa, to.len) == 1 ? 0 : errno;
}
