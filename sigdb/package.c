// SPDX-License-Identifier: GPL-2.0-only
#include "package.h"
#include "line.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 8

static const char format[] =
	"${db:Status-Status}\t${binary:Package}\t${Package}\t${Version}\t${Section}\t"
	"${Maintainer}\t${Homepage}\t${Origin}\n";

void machine_words(const struct machine *machine, struct words *w)
{
	if (machine->root)
		words_add(w, "--root=%s", machine->root);
	if (machine->admindir)
		words_add(w, "--admindir=%s", machine->admindir);
}

int machine_admindir(const struct machine *machine, char *out, size_t size)
{
	int len;

	if (machine->admindir)
		len = snprintf(out, size, "%s", machine->admindir);
	else
		len = snprintf(out, size, "%s/var/lib/dpkg",
			       machine->root ? machine->root : "");
	return len < 0 || (size_t)len >= size ? -1 : 0;
}

int package_set(char **field, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -1;
	free(*field);
	*field = copy;
	return 0;
}

static void free_package(struct package *pkg)
{
	free(pkg->id);
	free(pkg->name);
	free(pkg->version);
	free(pkg->section);
	free(pkg->maintainer);
	free(pkg->homepage);
	free(pkg->origin);
	free(pkg->tags);
}

void packages_free(struct packages *pkgs)
{
	for (size_t i = 0; i < pkgs->count; i++)
		free_package(&pkgs->list[i]);
	free(pkgs->list);
	memset(pkgs, 0, sizeof(*pkgs));
}

static int fill(struct package *pkg, char *const field[FIELDS])
{
	if (package_set(&pkg->id, field[1]) || package_set(&pkg->name, field[2]) ||
	    package_set(&pkg->version, field[3]) ||
	    package_set(&pkg->section, field[4]) ||
	    package_set(&pkg->maintainer, field[5]) ||
	    package_set(&pkg->homepage, field[6]) ||
	    package_set(&pkg->origin, field[7]) || package_set(&pkg->tags, ""))
		return -1;
	return 0;
}

static int add(struct packages *pkgs, char *const field[FIELDS])
{
	struct package pkg = { 0 };

	if (pkgs->count == pkgs->room) {
		size_t room = pkgs->room ? pkgs->room * 2 : 256;
		struct package *grown = reallocarray(pkgs->list, room, sizeof(*grown));

		if (!grown)
			return -1;
		pkgs->list = grown;
		pkgs->room = room;
	}
	if (fill(&pkg, field)) {
		free_package(&pkg);
		return -1;
	}
	pkgs->list[pkgs->count++] = pkg;
	return 0;
}

/* Cut a line at its tabs.  Returns false if there are not FIELDS of them. */
static bool split(char *line, char *field[FIELDS])
{
	line[strcspn(line, "\n")] = '\0';
	for (int i = 0; i < FIELDS; i++) {
		field[i] = strsep(&line, "\t");
		if (!field[i])
			return false;
	}
	return !line;
}

/*
 * Its files lie where they belong: also while it is unpacked and waits to be configured,
 * when its programs may be started already, or waits for what others trigger.
 */
static bool is_there(const char *state)
{
	static const char *const states[] = {
		"installed", "unpacked", "half-configured", "triggers-awaited",
		"triggers-pending",
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(state, states[i]) == 0)
			return true;
	return false;
}

static int read_lines(struct packages *pkgs, FILE *in)
{
	char *line = NULL, *field[FIELDS];
	size_t size = 0;
	ssize_t len = 0;
	int ret = 0;

	while (!ret && (len = line_read(&line, &size, in)) > 0)
		if (split(line, field) && is_there(field[0]))
			ret = add(pkgs, field);
	free(line);
	return len < 0 ? -1 : ret;
}

static int by_id(const void *a, const void *b)
{
	const struct package *x = a, *y = b;

	return strcmp(x->id, y->id);
}

struct package *packages_find(const struct packages *pkgs, const char *id)
{
	struct package key = { .id = (char *)(uintptr_t)id };

	if (!pkgs->count)
		return NULL;
	return bsearch(&key, pkgs->list, pkgs->count, sizeof(key), by_id);
}

static int query(struct packages *pkgs, const struct machine *machine,
		 char *const *patterns, size_t count, char *why, size_t why_size)
{
	struct words w = { 0 };
	struct command cmd;
	int ret, status;

	words_add(&w, "dpkg-query");
	machine_words(machine, &w);
	words_add(&w, "--show");
	words_add(&w, "--showformat=%s", format);
	words_add(&w, "--");
	for (size_t i = 0; i < count; i++)
		words_add(&w, "%s", patterns[i]);
	if (command_open(&cmd, &w, false)) {
		snprintf(why, why_size, "dpkg-query: %m");
		words_free(&w);
		return -1;
	}
	ret = read_lines(pkgs, cmd.out);
	status = command_close(&cmd);
	words_free(&w);
	if (ret)
		snprintf(why, why_size, "out of memory");
	else if (status)
		snprintf(why, why_size, "dpkg-query failed with status %d; nothing was "
			 "changed", status);
	return ret || status ? -1 : 0;
}

int packages_read(struct packages *pkgs, const struct machine *machine,
		  char *const *patterns, size_t count, char *why, size_t why_size)
{
	memset(pkgs, 0, sizeof(*pkgs));
	if (query(pkgs, machine, patterns, count, why, why_size))
		return -1;
	if (!pkgs->count) {
		snprintf(why, why_size, "no package is installed%s%s; check --root and "
			 "--admindir", machine->root ? " below " : "",
			 machine->root ? machine->root : "");
		return -1;
	}
	qsort(pkgs->list, pkgs->count, sizeof(*pkgs->list), by_id);
	if (apt_read(pkgs, machine)) {
		snprintf(why, why_size, "out of memory");
		return -1;
	}
	return 0;
}
