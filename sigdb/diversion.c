// SPDX-License-Identifier: GPL-2.0-only
#include "diversion.h"
#include "line.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* "diversion of FROM to TO by PACKAGE" or "local diversion of FROM to TO". */
static int parse(char *line, struct diversion *d)
{
	static const char of[] = "diversion of ", to[] = " to ", by[] = " by ";
	char *from, *target, *owner = NULL;

	line[strcspn(line, "\n")] = '\0';
	from = strstr(line, of);
	if (!from)
		return 0;
	from += sizeof(of) - 1;
	target = strstr(from, to);
	if (!target)
		return 0;
	*target = '\0';
	target += sizeof(to) - 1;
	if (strncmp(line, "local ", 6) != 0)
		owner = strstr(target, by);
	if (owner) {
		*owner = '\0';
		owner += sizeof(by) - 1;
	}
	if (package_set(&d->from, from) || package_set(&d->to, target) ||
	    package_set(&d->by, owner ? owner : ""))
		return -1;
	return 1;
}

static void free_one(struct diversion *d)
{
	free(d->from);
	free(d->to);
	free(d->by);
}

static int read_lines(struct diversions *div, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len = 0;
	int ret = 0;

	while (ret >= 0 && (len = line_read(&line, &size, in)) > 0) {
		struct diversion d = { 0 }, *grown;

		ret = parse(line, &d);
		if (ret == 1) {
			grown = reallocarray(div->list, div->count + 1, sizeof(*grown));
			if (grown) {
				div->list = grown;
				div->list[div->count++] = d;
				continue;
			}
			ret = -1;
		}
		free_one(&d);
	}
	free(line);
	return ret < 0 || len < 0 ? -1 : 0;
}

static int by_from(const void *a, const void *b)
{
	const struct diversion *x = a, *y = b;

	return strcmp(x->from, y->from);
}

int diversions_read(struct diversions *div, const struct machine *machine, char *why,
		    size_t why_size)
{
	struct words w = { 0 };
	struct command cmd;
	int ret, status;

	memset(div, 0, sizeof(*div));
	words_add(&w, "dpkg-divert");
	if (machine->root) {
		words_add(&w, "--root");
		words_add(&w, "%s", machine->root);
	}
	if (machine->admindir) {
		words_add(&w, "--admindir");
		words_add(&w, "%s", machine->admindir);
	}
	words_add(&w, "--list");
	ret = command_open(&cmd, &w, false);
	words_free(&w);
	if (ret) {
		snprintf(why, why_size, "dpkg-divert: %m");
		return -1;
	}
	ret = read_lines(div, cmd.out);
	status = command_close(&cmd);
	if (ret)
		snprintf(why, why_size, "out of memory");
	else if (status)
		snprintf(why, why_size, "dpkg-divert failed with status %d", status);
	else if (div->count)
		qsort(div->list, div->count, sizeof(*div->list), by_from);
	return ret || status ? -1 : 0;
}

void diversions_free(struct diversions *div)
{
	for (size_t i = 0; i < div->count; i++)
		free_one(&div->list[i]);
	free(div->list);
	memset(div, 0, sizeof(*div));
}

const char *diversions_path(const struct diversions *div, const char *package,
			    const char *path)
{
	struct diversion key = { .from = (char *)(uintptr_t)path };
	const struct diversion *d;

	if (!div->count)
		return path;
	d = bsearch(&key, div->list, div->count, sizeof(key), by_from);
	return d && strcmp(d->by, package) != 0 ? d->to : path;
}
