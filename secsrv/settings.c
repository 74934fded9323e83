// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_text.h"
#include "settings.h"

int settings_fail(struct policy_error *err, const config_setting_t *at,
		  const char *fmt, ...)
{
	va_list ap;

	err->line = at ? config_setting_source_line(at) : 0;
	va_start(ap, fmt);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not */
	vsnprintf(err->reason, sizeof(err->reason), fmt, ap);
	va_end(ap);
	return -1;
}

const char *settings_error_text(const struct policy_error *err, char *buf,
			      size_t size)
{
	if (err->line)
		snprintf(buf, size, "%s:%u: %s", err->file, err->line,
			 err->reason);
	else
		snprintf(buf, size, "%s: %s", err->file, err->reason);
	return buf;
}

int settings_parse(config_t *cfg, const char *text, size_t len,
		   const char *name, struct policy_error *err)
{
	snprintf(err->file, sizeof(err->file), "%s", name);
	return conf_text_parse(cfg, text, len, false, &err->line, err->reason,
			       sizeof(err->reason));
}

int settings_index(const char *name, const char *const known[])
{
	for (int i = 0; known[i]; i++) {
		if (!strcmp(name, known[i]))
			return i;
	}
	return -1;
}

static int unknown_key(const config_setting_t *s, const char *const known[],
		       const char *what, struct policy_error *err)
{
	char list[400];
	size_t len = 0;

	for (int i = 0; known[i] && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
					i ? ", " : "", known[i]);
	return settings_fail(err, s, "unknown key \"%s\" in %s (known: %s)",
			     config_setting_name(s), what, list);
}

int settings_known(const config_setting_t *group, const char *const known[],
		   const char *what, struct policy_error *err)
{
	if (!config_setting_is_group(group))
		return settings_fail(err, group, "%s must be a group { ... }",
				     what);
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *s =
			config_setting_get_elem(group, (unsigned int)i);

		if (settings_index(config_setting_name(s), known) < 0)
			return unknown_key(s, known, what, err);
	}
	return 0;
}

int settings_string(const config_setting_t *group, const char *key,
		    const char **out, struct policy_error *err)
{
	const config_setting_t *s = config_setting_get_member(group, key);
	char text[160];
	const char *value;

	if (!s)
		return 0;
	value = config_setting_get_string(s);
	if (!value || !*value)
		return settings_fail(err, s, "%s must be a string, not %s", key,
				     settings_text(s, text, sizeof(text)));
	*out = value;
	return 0;
}

int settings_uint(const config_setting_t *group, const char *key,
		  unsigned int min, unsigned int max, unsigned int *out,
		  struct policy_error *err)
{
	const config_setting_t *s = config_setting_get_member(group, key);
	char text[160];
	long long value;

	if (!s)
		return 0;
	if (config_setting_type(s) != CONFIG_TYPE_INT &&
	    config_setting_type(s) != CONFIG_TYPE_INT64)
		return settings_fail(err, s, "%s must be a whole number, not %s", key,
				     settings_text(s, text, sizeof(text)));
	value = config_setting_get_int64(s);
	if (value < (long long)min || value > (long long)max)
		return settings_fail(err, s, "%s must be from %u to %u, not %lld",
				     key, min, max, value);
	*out = (unsigned int)value;
	return 0;
}

static const char *name_of(const config_setting_t *s)
{
	return config_setting_name(s) ? config_setting_name(s) : "value";
}

int settings_count(const config_setting_t *s, struct policy_error *err)
{
	int n;

	if (config_setting_is_scalar(s))
		return 1;
	n = config_setting_length(s);
	if (config_setting_is_group(s) || !n)
		return settings_fail(err, s,
				     "%s must be one value or a list, not empty",
				     name_of(s));
	for (int i = 0; i < n; i++) {
		const config_setting_t *e = settings_elem(s, i);

		if (!config_setting_is_scalar(e))
			return settings_fail(err, e,
					     "%s: a list may hold plain values only",
					     name_of(s));
	}
	return n;
}

const config_setting_t *settings_elem(const config_setting_t *s, int n)
{
	if (config_setting_is_scalar(s))
		return s;
	return config_setting_get_elem(s, (unsigned int)n);
}

static void print_scalar(FILE *f, const config_setting_t *s)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		fprintf(f, "%lld", config_setting_get_int64(s));
		break;
	case CONFIG_TYPE_FLOAT:
		fprintf(f, "%g", config_setting_get_float(s));
		break;
	case CONFIG_TYPE_BOOL:
		fputs(config_setting_get_bool(s) ? "true" : "false", f);
		break;
	case CONFIG_TYPE_STRING:
		fputc('"', f);
		for (const char *p = config_setting_get_string(s); *p; p++) {
			if (*p == '"' || *p == '\\')
				fputc('\\', f);
			fputc(*p, f);
		}
		fputc('"', f);
		break;
	}
}

void settings_print(FILE *f, const config_setting_t *s)
{
	bool scalar = config_setting_is_scalar(s);
	int n = scalar ? 1 : config_setting_length(s);

	fputs(scalar ? "" : "( ", f);
	for (int i = 0; i < n; i++) {
		fputs(i ? ", " : "", f);
		print_scalar(f, settings_elem(s, i));
	}
	fputs(scalar ? "" : " )", f);
}

void settings_print_group(FILE *f, const config_setting_t *group)
{
	fputs("{ ", f);
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *s =
			config_setting_get_elem(group, (unsigned int)i);

		fprintf(f, "%s = ", config_setting_name(s));
		settings_print(f, s);
		fputs("; ", f);
	}
	fputc('}', f);
}

const char *settings_text(const config_setting_t *s, char *text, size_t size)
{
	char *whole = NULL;
	size_t len;
	FILE *f = open_memstream(&whole, &len);

	snprintf(text, size, "that");
	if (!f)
		return text;
	settings_print(f, s);
	if (!fclose(f))
		snprintf(text, size, "%s", config_setting_is_group(s) ? "a group" : whole);
	free(whole);
	return text;
}
