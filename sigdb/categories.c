// SPDX-License-Identifier: GPL-2.0-only
#include "categories.h"

#include <fnmatch.h>
#include <libconfig.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "conf_text.h"
#include "sigdb.h"
#include "text.h"

#define TAG_MAX 128
#define FILE_LIMIT (1U << 20)

struct categories {
	config_t file;
};

/* ---- reading ------------------------------------------------------------- */

static int check_pair(const config_setting_t *pair, const char *list, const char *path,
		      char *why, size_t why_size)
{
	const char *key = config_setting_get_string_elem(pair, 0);
	const char *value = config_setting_get_string_elem(pair, 1);

	if (config_setting_length(pair) == 2 && key && value && *key && *value &&
	    sigdb_text_valid(value) &&
	    strlen(value) < sizeof(((struct sigdb_answer *)0)->category))
		return 0;
	snprintf(why, why_size, "%s:%u: expected ( \"pattern\", \"name\" ) in \"%s\", the "
		 "name being text of less than %zu bytes", path,
		 config_setting_source_line(pair), list,
		 sizeof(((struct sigdb_answer *)0)->category));
	return -1;
}

static int check_list(const struct categories *map, const char *name, const char *path,
		      char *why, size_t why_size)
{
	const config_setting_t *list = config_lookup(&map->file, name);

	if (!list || !config_setting_is_list(list)) {
		snprintf(why, why_size, "%s:%u: expected %s = ( ... )", path,
			 list ? config_setting_source_line(list) : 1, name);
		return -1;
	}
	for (int i = 0; i < config_setting_length(list); i++)
		if (check_pair(config_setting_get_elem(list, (unsigned int)i), name, path,
			       why, why_size))
			return -1;
	return 0;
}

static int check_distributions(const struct categories *map, const char *path, char *why,
			       size_t why_size)
{
	const config_setting_t *list = config_lookup(&map->file, "distributions");

	if (list && config_setting_is_array(list) &&
	    (config_setting_length(list) == 0 || config_setting_get_string_elem(list, 0)))
		return 0;
	snprintf(why, why_size, "%s:%u: expected distributions = [ \"origin\", ... ]", path,
		 list ? config_setting_source_line(list) : 1);
	return -1;
}

/* A misspelled word must not be passed over. */
static int check_words(const struct categories *map, const char *path, char *why,
		       size_t why_size)
{
	static const char *const words[] = {
		"packages", "tags", "sections", "vendors", "homepages", "distributions",
	};
	const config_setting_t *root = config_root_setting(&map->file);

	for (int i = 0; i < config_setting_length(root); i++) {
		const config_setting_t *s = config_setting_get_elem(root, (unsigned int)i);
		bool known = false;

		for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
			known = known || strcmp(words[w], config_setting_name(s)) == 0;
		if (known)
			continue;
		snprintf(why, why_size, "%s:%u: unknown word \"%s\"; expected packages, "
			 "tags, sections, vendors, homepages or distributions", path,
			 config_setting_source_line(s), config_setting_name(s));
		return -1;
	}
	return 0;
}

static int check_all(const struct categories *map, const char *path, char *why,
		     size_t why_size)
{
	static const char *const lists[] = {
		"packages", "tags", "sections", "vendors", "homepages",
	};

	if (check_words(map, path, why, why_size))
		return -1;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (check_list(map, lists[i], path, why, why_size))
			return -1;
	return check_distributions(map, path, why, why_size);
}

/* Where the program lies, without its own name. */
static int program_folder(char *out, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", out, size - 1);

	if (len <= 0)
		return -1;
	out[len] = '\0';
	dirname(out);
	return 0;
}

int categories_find(char *path, size_t size)
{
	static const char changed[] = "/etc/sockgate/categories.conf";
	char folder[PATH_MAX];

	if (access(changed, F_OK) == 0)
		return (size_t)snprintf(path, size, "%s", changed) < size ? 0 : -1;
	if (program_folder(folder, sizeof(folder)) ||
	    (size_t)snprintf(path, size, "%s/../share/sockgate/categories.conf",
			     folder) >= size)
		return -1;
	return access(path, F_OK);
}

static int read_file(struct categories *map, const char *path, char *why,
		     size_t why_size)
{
	char sentence[256];
	unsigned int line;
	size_t size;
	char *text = conf_text_read(path, FILE_LIMIT, &size, why, why_size);
	int rc;

	if (!text)
		return -1;
	rc = conf_text_parse(&map->file, text, size, true, &line, sentence,
			     sizeof(sentence));
	if (rc)
		snprintf(why, why_size, "%s:%u: %s", path, line, sentence);
	free(text);
	return rc;
}

struct categories *categories_load(const char *path, char *why, size_t why_size)
{
	char found[PATH_MAX];
	struct categories *map;

	if (!path && categories_find(found, sizeof(found))) {
		snprintf(why, why_size, "categories.conf not found; name it with --map");
		return NULL;
	}
	path = path ? path : found;
	map = calloc(1, sizeof(*map));
	if (!map) {
		snprintf(why, why_size, "%s: out of memory", path);
		return NULL;
	}
	config_init(&map->file);
	if (!read_file(map, path, why, why_size) && !check_all(map, path, why, why_size))
		return map;
	categories_free(map);
	return NULL;
}

void categories_free(struct categories *map)
{
	if (!map)
		return;
	config_destroy(&map->file);
	free(map);
}

/* ---- looking up ---------------------------------------------------------- */

typedef bool (*fits_fn)(const char *pattern, const char *text);

/* The name on the first line of a list whose pattern fits, or NULL. */
static const char *first(const struct categories *map, const char *name, fits_fn fits,
			 const char *text)
{
	const config_setting_t *list = config_lookup(&map->file, name);

	for (int i = 0; i < config_setting_length(list); i++) {
		const config_setting_t *pair = config_setting_get_elem(list, (unsigned int)i);

		if (fits(config_setting_get_string_elem(pair, 0), text))
			return config_setting_get_string_elem(pair, 1);
	}
	return NULL;
}

static bool fits_text(const char *pattern, const char *text)
{
	return fnmatch(pattern, text, 0) == 0;
}

static bool fits_any_tag(const char *pattern, const char *tags)
{
	static const char separators[] = ", \t\n";
	char tag[TAG_MAX];

	for (;;) {
		size_t len;

		tags += strspn(tags, separators);
		len = strcspn(tags, separators);
		if (!len)
			return false;
		snprintf(tag, sizeof(tag), "%.*s", (int)len, tags);
		if (len < sizeof(tag) && fnmatch(pattern, tag, 0) == 0)
			return true;
		tags += len;
	}
}

/* "non-free/net" and "contrib/net" are the section net of another archive area. */
static bool fits_section(const char *pattern, const char *section)
{
	const char *slash = strrchr(section, '/');

	return fits_text(pattern, slash ? slash + 1 : section);
}

/* Is the page below the host, and below the path if the pattern has one? */
static bool fits_homepage(const char *pattern, const char *url)
{
	const char *host = strstr(url, "://");
	size_t host_len, want_len = strcspn(pattern, "/");
	const char *tail;

	if (!host)
		return false;
	host += 3;
	host_len = strcspn(host, "/:?#");
	if (host_len < want_len)
		return false;
	tail = host + host_len - want_len;
	if (strncasecmp(tail, pattern, want_len) != 0)
		return false;
	if (tail != host && tail[-1] != '.')
		return false;
	return strncasecmp(tail + want_len, pattern + want_len,
			   strlen(pattern + want_len)) == 0;
}

const char *categories_category(const struct categories *map,
				const struct categories_package *pkg)
{
	const char *category = first(map, "packages", fits_text, pkg->name);

	if (!category)
		category = first(map, "tags", fits_any_tag, pkg->tags);
	if (!category)
		category = first(map, "sections", fits_section, pkg->section);
	return category ? category : "Other";
}

bool categories_is_distribution(const struct categories *map, const char *origin)
{
	const config_setting_t *list = config_lookup(&map->file, "distributions");

	for (int i = 0; i < config_setting_length(list); i++)
		if (strcasecmp(config_setting_get_string_elem(list, i), origin) == 0)
			return true;
	return false;
}

/* "Name <address>" without the address, and without quotes around the name. */
static void maintainer_name(const char *maintainer, char *out, size_t size)
{
	const char *start = maintainer + strspn(maintainer, " \"");
	size_t len = strcspn(start, "<\"");
	char name[256];

	while (len && start[len - 1] == ' ')
		len--;
	snprintf(name, sizeof(name), "%.*s", (int)len, start);
	sigdb_text_clean(*name ? name : maintainer, out, size);
}

void categories_vendor(const struct categories *map,
		       const struct categories_package *pkg, char *out, size_t size)
{
	const char *vendor = first(map, "vendors", fits_text, pkg->name);

	if (!vendor)
		vendor = first(map, "homepages", fits_homepage, pkg->homepage);
	if (!vendor && *pkg->origin && !categories_is_distribution(map, pkg->origin))
		vendor = pkg->origin;
	if (vendor)
		sigdb_text_clean(vendor, out, size);
	else
		maintainer_name(pkg->maintainer, out, size);
}
