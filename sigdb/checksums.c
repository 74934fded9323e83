// SPDX-License-Identifier: GPL-2.0-only
#include "checksums.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "package.h"
#include "sha256.h"

#define MD5_SIZE 16

struct checksum {
	const char *path;	/* without the slash it begins with; in .text */
	uint8_t md5[MD5_SIZE];
};

/* info/ID.md5sums; packages of one architecture only are there without it. */
static FILE *open_list(const char *admindir, const struct package *pkg)
{
	char path[PATH_MAX];
	FILE *in;

	snprintf(path, sizeof(path), "%s/info/%s.md5sums", admindir, pkg->id);
	in = fopen(path, "re");
	if (in || errno != ENOENT)
		return in;
	snprintf(path, sizeof(path), "%s/info/%s.md5sums", admindir, pkg->name);
	return fopen(path, "re");
}

static int add(struct checksums *sums, size_t *room, char *line)
{
	char *space = line + strcspn(line, " ");
	struct checksum *sum, *grown;

	if (!*space)
		return 0;
	*space = '\0';
	if (sums->count == *room) {
		*room = *room ? *room * 2 : 64;
		grown = reallocarray(sums->list, *room, sizeof(*grown));
		if (!grown)
			return -1;
		sums->list = grown;
	}
	sum = &sums->list[sums->count];
	sum->path = space + 1 + strspn(space + 1, " *");
	if (hex_decode(line, sum->md5, MD5_SIZE) == 0)
		sums->count++;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct checksum *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int parse(struct checksums *sums)
{
	char *rest = sums->text, *line;
	size_t room = 0;

	while ((line = strsep(&rest, "\n")))
		if (add(sums, &room, line))
			return -1;
	if (sums->count)
		qsort(sums->list, sums->count, sizeof(*sums->list), by_path);
	return 0;
}

int checksums_read(struct checksums *sums, const char *admindir,
		   const struct package *pkg)
{
	FILE *in = open_list(admindir, pkg);
	size_t size = 0;
	int ret = 0;

	memset(sums, 0, sizeof(*sums));
	if (!in)
		return errno == ENOENT ? 0 : -1;
	/* The whole file: there is no NUL in it. */
	if (getdelim(&sums->text, &size, '\0', in) < 0)
		ret = ferror(in) ? -1 : 0;
	else
		ret = parse(sums);
	fclose(in);
	return ret;
}

void checksums_free(struct checksums *sums)
{
	free(sums->list);
	free(sums->text);
	memset(sums, 0, sizeof(*sums));
}

enum checksums_result checksums_compare(const struct checksums *sums, const char *path,
					const uint8_t *md5)
{
	struct checksum key = { .path = path + (*path == '/') };
	const struct checksum *sum;

	if (!sums->count)
		return CHECKSUMS_NONE;
	sum = bsearch(&key, sums->list, sums->count, sizeof(key), by_path);
	if (!sum)
		return CHECKSUMS_NONE;
	return memcmp(sum->md5, md5, MD5_SIZE) == 0 ? CHECKSUMS_SAME
						    : CHECKSUMS_DIFFERENT;
}
