// SPDX-License-Identifier: GPL-2.0-only
#include "conf.h"

#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libconfig.h>

#include "addr.h"
#include "conf_text.h"

#define PATH_SIZE 256
#define MESSAGE_SIZE 1024
#define FILE_LIMIT (16U << 20)

struct conf {
	config_t lib;
	char *file;
	char **asked;		/* every path a reader was called with */
	size_t n_asked;
	char error[MESSAGE_SIZE];	/* the first, "" if there is none */
};

static void __attribute__((format(printf, 3, 0)))
keep_error(struct conf *c, const config_setting_t *where, const char *fmt, va_list ap)
{
	const char *file = where ? config_setting_source_file(where) : NULL;
	int n;

	if (c->error[0])
		return;
	if (where)
		n = snprintf(c->error, sizeof(c->error), "%s:%u: ",
			     file ? file : c->file, config_setting_source_line(where));
	else
		n = snprintf(c->error, sizeof(c->error), "%s: ", c->file);
	if (n > 0 && (size_t)n < sizeof(c->error))
		vsnprintf(c->error + n, sizeof(c->error) - (size_t)n, fmt, ap);
}

static void __attribute__((format(printf, 3, 4)))
complain(struct conf *c, const config_setting_t *where, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	keep_error(c, where, fmt, ap);
	va_end(ap);
}

static bool remember(struct conf *c, const char *path)
{
	char **bigger = reallocarray(c->asked, c->n_asked + 1, sizeof(*bigger));

	if (!bigger)
		return false;
	c->asked = bigger;
	c->asked[c->n_asked] = strdup(path);
	if (!c->asked[c->n_asked])
		return false;
	c->n_asked++;
	return true;
}

static config_setting_t *look_up(struct conf *c, const char *path)
{
	if (!remember(c, path))
		complain(c, NULL, "out of memory");
	return c->error[0] ? NULL : config_lookup(&c->lib, path);
}

static bool parse_text(struct conf *c, const char *text, size_t size, char *why,
		       size_t why_size)
{
	const char *where;
	char sentence[256];
	unsigned int line;

	if (!conf_text_parse(&c->lib, text, size, true, &line, sentence,
			     sizeof(sentence)))
		return true;
	/* It may be in a file that is included. */
	where = config_error_file(&c->lib);
	snprintf(why, why_size, "%s:%u: %s", where ? where : c->file, line, sentence);
	return false;
}

static bool parse(struct conf *c, char *why, size_t why_size)
{
	char *copy = strdup(c->file), *text;
	size_t size;
	bool ok;

	if (!copy) {
		snprintf(why, why_size, "out of memory");
		return false;
	}
	/* What is included is looked for beside the file that includes it. */
	config_set_include_dir(&c->lib, dirname(copy));
	free(copy);
	text = conf_text_read(c->file, FILE_LIMIT, &size, why, why_size);
	ok = text && parse_text(c, text, size, why, why_size);
	free(text);
	return ok;
}

struct conf *conf_open(const char *file, char *why, size_t why_size)
{
	struct conf *c = calloc(1, sizeof(*c));

	if (!c) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	config_init(&c->lib);
	c->file = strdup(file);
	if (!c->file)
		snprintf(why, why_size, "out of memory");
	else if (parse(c, why, why_size))
		return c;
	conf_close(c);
	return NULL;
}

void conf_close(struct conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_asked; i++)
		free(c->asked[i]);
	free(c->asked);
	free(c->file);
	config_destroy(&c->lib);
	free(c);
}

bool conf_string(struct conf *c, const char *path, const char *def,
		 const char **out)
{
	config_setting_t *s = look_up(c, path);

	*out = def;
	if (!s) {
		if (!def)
			complain(c, NULL, "setting `%s' is required", path);
		return false;
	}
	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		complain(c, s, "`%s' must be a string in double quotes", path);
		return false;
	}
	*out = config_setting_get_string(s);
	return true;
}

bool conf_int(struct conf *c, const char *path, int64_t def, int64_t min,
	      int64_t max, int64_t *out)
{
	config_setting_t *s = look_up(c, path);
	int64_t value;
	int type;

	*out = def;
	if (!s)
		return false;
	type = config_setting_type(s);
	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) {
		complain(c, s, "`%s' must be a whole number", path);
		return false;
	}
	value = type == CONFIG_TYPE_INT ? config_setting_get_int(s) :
					  config_setting_get_int64(s);
	/* libconfig reads 0xff000000 as a negative number. */
	if (type == CONFIG_TYPE_INT &&
	    config_setting_get_format(s) == CONFIG_FORMAT_HEX)
		value &= UINT32_MAX;
	if (value < min || value > max) {
		complain(c, s, "`%s' must be between %lld and %lld, not %lld", path,
			 (long long)min, (long long)max, (long long)value);
		return false;
	}
	*out = value;
	return true;
}

bool conf_bool(struct conf *c, const char *path, bool def, bool *out)
{
	config_setting_t *s = look_up(c, path);

	*out = def;
	if (!s)
		return false;
	if (config_setting_type(s) != CONFIG_TYPE_BOOL) {
		complain(c, s, "`%s' must be true or false", path);
		return false;
	}
	*out = config_setting_get_bool(s);
	return true;
}

bool conf_addr(struct conf *c, const char *path, const char *def,
	       uint16_t default_port, struct sockaddr_storage *addr,
	       socklen_t *len)
{
	const char *text;
	bool given = conf_string(c, path, def, &text);

	memset(addr, 0, sizeof(*addr));
	*len = 0;
	if (!text || !addr_parse(text, default_port, addr, len))
		return given;
	conf_reject(c, path, "`%s' must be a numeric address%s such as "
		    "192.0.2.1:7300 or [2001:db8::1]:7300, not `%s'", path,
		    default_port ? ", with or without a port," : " and port", text);
	return false;
}

bool conf_listen(struct conf *c, const char *def, uint16_t default_port,
		 struct conf_listen *out)
{
	unsigned int n;
	bool right = true;
	char path[32];

	out->n = 0;
	if (!conf_has(c, "listen.[0]")) {
		out->n = 1;
		return conf_addr(c, "listen", def, default_port, &out->list[0].addr,
				 &out->list[0].len);
	}
	n = conf_count(c, "listen");
	if (n > CONF_LISTEN_MAX) {
		conf_reject(c, "listen", "listen: no more than %d addresses",
			    CONF_LISTEN_MAX);
		return false;
	}
	for (; out->n < n; out->n++) {
		snprintf(path, sizeof(path), "listen.[%u]", out->n);
		right &= conf_addr(c, path, NULL, default_port,
				   &out->list[out->n].addr, &out->list[out->n].len);
	}
	return right;
}

unsigned int conf_count(struct conf *c, const char *path)
{
	config_setting_t *s = look_up(c, path);

	if (!s)
		return 0;
	if (!config_setting_is_list(s) && !config_setting_is_array(s)) {
		complain(c, s, "`%s' must be a list in ( ) or an array in [ ]", path);
		return 0;
	}
	return (unsigned int)config_setting_length(s);
}

bool conf_has(struct conf *c, const char *path)
{
	return look_up(c, path);
}

bool conf_is_group(struct conf *c, const char *path)
{
	const config_setting_t *s = look_up(c, path);

	return s && config_setting_is_group(s);
}

void conf_reject(struct conf *c, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	keep_error(c, config_lookup(&c->lib, path), fmt, ap);
	va_end(ap);
}

/* Was @path asked for, or something inside it? */
static bool was_asked(const struct conf *c, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < c->n_asked; i++)
		if (!strncmp(c->asked[i], path, len) &&
		    (c->asked[i][len] == '\0' || c->asked[i][len] == '.'))
			return true;
	return false;
}

/* The names asked for inside @group ("" is the whole file), each once. */
static void list_known(const struct conf *c, const char *group, char *text,
		       size_t size)
{
	size_t skip = *group ? strlen(group) + 1 : 0, used = 0;

	*text = '\0';
	for (size_t i = 0; i < c->n_asked; i++) {
		const char *name = c->asked[i];
		size_t len;
		bool seen = false;

		if (skip && (strncmp(name, group, skip - 1) || name[skip - 1] != '.'))
			continue;
		len = skip + strcspn(name + skip, ".");
		for (size_t j = 0; j < i && !seen; j++)
			seen = !strncmp(c->asked[j], name, len) &&
			       (!c->asked[j][len] || c->asked[j][len] == '.');
		if (seen || used >= size)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%.*s",
					 used ? ", " : "", (int)(len - skip),
					 name + skip);
	}
}

static void complain_unknown(struct conf *c, const config_setting_t *s,
			     const char *group, const char *path)
{
	const char *name = config_setting_name(s);
	char known[MESSAGE_SIZE / 2];

	list_known(c, group, known, sizeof(known));
	complain(c, s, "unknown setting `%s' (known: %s)", name ? name : path,
		 *known ? known : "none");
}

static void find_unknown(struct conf *c, const config_setting_t *group,
			 const char *group_path)
{
	int n = config_setting_is_aggregate(group) ? config_setting_length(group) : 0;

	for (int i = 0; i < n && !c->error[0]; i++) {
		const config_setting_t *s = config_setting_get_elem(group,
								    (unsigned int)i);
		const char *name = config_setting_name(s);
		char path[PATH_SIZE], index[16];

		snprintf(index, sizeof(index), "[%d]", i);
		snprintf(path, sizeof(path), "%s%s%s", group_path,
			 *group_path ? "." : "", name ? name : index);
		if (was_asked(c, path))
			find_unknown(c, s, path);
		else
			complain_unknown(c, s, group_path, path);
	}
}

int conf_finish(struct conf *c, char *why, size_t why_size)
{
	find_unknown(c, config_root_setting(&c->lib), "");
	if (!c->error[0])
		return 0;
	snprintf(why, why_size, "%s", c->error);
	return -1;
}
