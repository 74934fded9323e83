// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the package index adds: tags, and who offers which version.  It is asked
 * through apt-cache, whose output has been the same since 2003 and which is there
 * on every Debian system; that of "policy" is described in apt_preferences(5).
 */
#include "line.h"
#include "package.h"

#include <stdlib.h>
#include <string.h>

/* Names on one command line: far below what the kernel allows (128 KiB each, and
 * a quarter of the stack together).
 */
#define BATCH 2000

static void apt_words(const struct machine *machine, struct words *w)
{
	words_add(w, "apt-cache");
	if (machine->root) {
		words_add(w, "-oDir=%s", machine->root);
		/* Nothing is written into another machine's file system. */
		words_add(w, "-oDir::Cache::pkgcache=");
		words_add(w, "-oDir::Cache::srcpkgcache=");
	}
	if (machine->admindir)
		words_add(w, "-oDir::State::status=%s/status", machine->admindir);
}

/* Returns the text after a field's name at the start of the line, or NULL. */
static char *after(char *line, const char *start)
{
	size_t len = strlen(start);

	return strncmp(line, start, len) == 0 ? line + len : NULL;
}

/* ---- tags ---------------------------------------------------------------- */

struct record {
	char *name;		/* of the package; NULL: not seen yet */
	char *tags;
	bool in_tags;		/* the next line may go on with them */
};

static int end_of_record(struct packages *pkgs, struct record *rec)
{
	int ret = 0;

	for (size_t i = 0; rec->name && rec->tags && !ret && i < pkgs->count; i++)
		if (strcmp(pkgs->list[i].name, rec->name) == 0) {
			ret = package_set(&pkgs->list[i].tags, rec->tags);
			pkgs->have_tags = true;
		}
	free(rec->name);
	free(rec->tags);
	memset(rec, 0, sizeof(*rec));
	return ret;
}

static int more_tags(struct record *rec, const char *text)
{
	char *joined;

	if (!rec->tags)
		return package_set(&rec->tags, text);
	if (asprintf(&joined, "%s%s", rec->tags, text) < 0)
		return -1;
	free(rec->tags);
	rec->tags = joined;
	return 0;
}

static int record_line(struct packages *pkgs, struct record *rec, char *line)
{
	char *value;

	line[strcspn(line, "\n")] = '\0';
	if (!*line)
		return end_of_record(pkgs, rec);
	if (*line == ' ' || *line == '\t')
		return rec->in_tags ? more_tags(rec, line) : 0;
	rec->in_tags = false;
	value = after(line, "Package: ");
	if (value)
		return package_set(&rec->name, value);
	value = after(line, "Tag: ");
	if (!value)
		return 0;
	rec->in_tags = true;
	return more_tags(rec, value);
}

static int read_tags(struct packages *pkgs, FILE *in)
{
	struct record rec = { 0 };
	char *line = NULL;
	size_t size = 0;
	ssize_t len = 0;
	int ret = 0;

	while (!ret && (len = line_read(&line, &size, in)) > 0)
		ret = record_line(pkgs, &rec, line);
	if (len < 0)
		ret = -1;
	if (!ret)
		ret = end_of_record(pkgs, &rec);
	else
		end_of_record(pkgs, &rec);
	free(line);
	return ret;
}

/* ---- origins ------------------------------------------------------------- */

/* Which origin stands behind each index. */
struct index {
	char *location;		/* "http://... bookworm/main amd64 Packages" */
	char *origin;
};

struct indexes {
	struct index list[256];	/* more are not looked at */
	size_t count;
};

static void free_indexes(struct indexes *idx)
{
	for (size_t i = 0; i < idx->count; i++) {
		free(idx->list[i].location);
		free(idx->list[i].origin);
	}
	free(idx);
}

/* "   500 LOCATION": the location, or NULL for any other line. */
static char *location_of(char *line)
{
	char *p = line + strspn(line, " ");
	size_t digits = strspn(p + (*p == '-'), "0123456789");

	if (p == line || !digits)
		return NULL;
	p += digits + (*p == '-');
	return *p == ' ' ? p + 1 : NULL;
}

/* The value of "o=" in "release v=12,o=Debian,a=stable", cut out in place. */
static char *origin_of(char *line)
{
	char *p = line + strspn(line, " ");
	char *word;

	p = after(p, "release ");
	while (p && (word = strsep(&p, ",")))
		if (strncmp(word, "o=", 2) == 0)
			return word + 2;
	return NULL;
}

static int index_line(struct indexes *idx, char *line)
{
	struct index *last = idx->count ? &idx->list[idx->count - 1] : NULL;
	char *text = location_of(line);

	if (text) {
		if (idx->count == sizeof(idx->list) / sizeof(idx->list[0]))
			return 0;
		last = &idx->list[idx->count];
		if (package_set(&last->location, text))
			return -1;
		idx->count++;
		return package_set(&last->origin, "");
	}
	text = origin_of(line);
	return text && last ? package_set(&last->origin, text) : 0;
}

static int read_indexes(struct indexes *idx, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len = 0;
	int ret = 0;

	while (!ret && (len = line_read(&line, &size, in)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (after(line, "Pinned packages:"))
			break;
		ret = index_line(idx, line);
	}
	/* The rest must be read, or apt-cache fails writing it. */
	while (len > 0)
		len = line_read(&line, &size, in);
	free(line);
	return len < 0 ? -1 : ret;
}

static const char *origin_at(const struct indexes *idx, const char *location)
{
	for (size_t i = 0; i < idx->count; i++)
		if (strcmp(idx->list[i].location, location) == 0)
			return idx->list[i].origin;
	return "";
}

/* What "apt-cache policy" says of one package. */
struct offer {
	char *id;		/* as it heads the paragraph; NULL: none yet */
	char *origin;
	bool at_installed;	/* the lines are about the installed version */
	bool offered;
};

static int take_offer(struct package *pkg, const struct offer *offer)
{
	pkg->offered = offer->offered;
	return package_set(&pkg->origin, offer->origin);
}

/* The heading has the architecture only if it is not the machine's own. */
static int end_of_offer(struct packages *pkgs, struct offer *offer)
{
	struct package *exact;
	int ret = 0;

	if (offer->id && offer->origin) {
		pkgs->have_origins = true;
		exact = packages_find(pkgs, offer->id);
		for (size_t i = 0; !ret && i < pkgs->count; i++) {
			struct package *pkg = &pkgs->list[i];

			if (exact ? pkg == exact : !strcmp(pkg->name, offer->id))
				ret = take_offer(pkg, offer);
		}
	}
	free(offer->id);
	free(offer->origin);
	memset(offer, 0, sizeof(*offer));
	return ret;
}

static int offer_location(const struct indexes *idx, struct offer *offer,
			  const char *location)
{
	const char *origin = origin_at(idx, location);

	if (!*origin || offer->offered)
		return 0;
	if (offer->at_installed)
		offer->offered = true;
	else if (offer->origin)
		return 0;
	return package_set(&offer->origin, origin);
}

static int offer_line(struct packages *pkgs, const struct indexes *idx,
		      struct offer *offer, char *line)
{
	size_t indent = strspn(line, " ");
	size_t len = strcspn(line, "\n");
	char *location;

	line[len] = '\0';
	if (!len)
		return 0;
	if (!indent) {
		if (end_of_offer(pkgs, offer))
			return -1;
		line[len - 1] = '\0';
		return package_set(&offer->id, line);
	}
	if (indent <= 5) {
		offer->at_installed = strncmp(line, " *** ", 5) == 0;
		return 0;
	}
	location = location_of(line);
	return location ? offer_location(idx, offer, location) : 0;
}

static int read_offers(struct packages *pkgs, const struct indexes *idx, FILE *in)
{
	struct offer offer = { 0 };
	char *line = NULL;
	size_t size = 0;
	ssize_t len = 0;
	int ret = 0, last;

	while (!ret && (len = line_read(&line, &size, in)) > 0)
		ret = offer_line(pkgs, idx, &offer, line);
	if (len < 0)
		ret = -1;
	last = end_of_offer(pkgs, &offer);
	free(line);
	return ret ? ret : last;
}

/* ---- asking -------------------------------------------------------------- */

static struct indexes *ask_indexes(const struct machine *machine)
{
	struct indexes *idx = calloc(1, sizeof(*idx));
	struct words w = { 0 };
	struct command cmd;

	if (!idx)
		return NULL;
	apt_words(machine, &w);
	words_add(&w, "policy");
	if (!command_open(&cmd, &w, true)) {
		if (read_indexes(idx, cmd.out)) {
			free_indexes(idx);
			idx = NULL;
		}
		command_close(&cmd);
	}
	words_free(&w);
	return idx;
}

/* Ask about some of the packages; with @idx for offers, without for tags. */
static int ask_batch(struct packages *pkgs, const struct machine *machine,
		     const struct indexes *idx, size_t from, size_t to)
{
	struct words w = { 0 };
	struct command cmd;
	int ret = 0;

	apt_words(machine, &w);
	words_add(&w, idx ? "policy" : "show");
	if (!idx)
		words_add(&w, "--no-all-versions");
	for (size_t i = from; i < to; i++)
		words_add(&w, "%s", idx ? pkgs->list[i].id : pkgs->list[i].name);
	if (w.failed) {
		ret = -1;
	} else if (!command_open(&cmd, &w, true)) {
		ret = idx ? read_offers(pkgs, idx, cmd.out) : read_tags(pkgs, cmd.out);
		command_close(&cmd);
	}
	words_free(&w);
	return ret;
}

int apt_read(struct packages *pkgs, const struct machine *machine)
{
	struct indexes *idx = ask_indexes(machine);
	int ret = 0;

	if (!idx)
		return -1;
	for (size_t i = 0; !ret && i < pkgs->count; i += BATCH) {
		size_t to = i + BATCH < pkgs->count ? i + BATCH : pkgs->count;

		ret = ask_batch(pkgs, machine, NULL, i, to);
		if (!ret && idx->count)
			ret = ask_batch(pkgs, machine, idx, i, to);
	}
	free_indexes(idx);
	return ret;
}
