// SPDX-License-Identifier: GPL-2.0-only
/* From libconfig settings to struct rule. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "names.h"
#include "rule.h"

static int no_memory(const config_setting_t *s, struct policy_error *err)
{
	return settings_fail(err, s, "out of memory");
}

static int read_verdict(const config_setting_t *s, const char *key,
			uint8_t *out, struct policy_error *err)
{
	static const char *const words[] = {
		[VERDICT_DENY] = "deny",
		[VERDICT_ALLOW] = "allow",
		[VERDICT_AUDIT] = "audit",
		NULL,
	};
	bool failure = !strcmp(key, "failure");
	const char *text = NULL;
	int i;

	if (settings_string(s, key, &text, err))
		return -1;
	if (!text)
		return 0;
	i = settings_index(text, words);
	if (i < 0 || (i == VERDICT_AUDIT && failure))
		return settings_fail(err, config_setting_get_member(s, key),
				     "%s must be %s, not \"%s\"", key,
				     failure ? "allow or deny" :
				     "allow, deny or audit", text);
	*out = (uint8_t)i;
	return 0;
}

static int parse_error(struct rule *r, const config_setting_t *s,
		       struct policy_error *err)
{
	const config_setting_t *m = config_setting_get_member(s, "error");
	const char *text = NULL;
	int error;

	r->error = EACCES;
	if (!m)
		return 0;
	if (settings_string(s, "error", &text, err))
		return -1;
	error = error_from_name(text);
	if (error < 0)
		return settings_fail(err, m, "error must be EACCES, ECONNREFUSED or "
				     "EPERM, not \"%s\"", text);
	if (r->action != VERDICT_DENY && r->failure != VERDICT_DENY)
		return settings_fail(err, m, "error has no meaning where nothing "
				     "is denied");
	r->error = (uint16_t)error;
	return 0;
}

static int parse_effect(struct rule *r, const config_setting_t *s,
			uint32_t lifetime_ms, struct policy_error *err)
{
	unsigned int lifetime = lifetime_ms / 1000;

	if (!config_setting_get_member(s, "action"))
		return settings_fail(err, s, "\"%s\" has no action (allow, deny or "
				     "audit)", r->name);
	if (read_verdict(s, "action", &r->action, err) ||
	    read_verdict(s, "failure", &r->failure, err) ||
	    parse_error(r, s, err) ||
	    settings_uint(s, "lifetime", 0, 86400, &lifetime, err) ||
	    settings_uint(s, "tag", 0, INT32_MAX, &r->tag, err))
		return -1;
	r->lifetime_ms = lifetime * 1000;
	return 0;
}

static int parse_name(struct rule *r, const config_setting_t *s,
		      struct arena *arena, struct policy_error *err)
{
	const config_setting_t *m = config_setting_get_member(s, "name");
	const char *name = m ? value_plain_string(m) : NULL;

	if (!m)
		return settings_fail(err, s, "a rule has no name");
	if (!name || strlen(name) > 128)
		return settings_fail(err, m, "name must be a string of 1 to 128 "
				     "characters");
	r->name = arena_string(arena, name);
	return r->name ? 0 : no_memory(s, err);
}

/* A rule that nobody would enforce as it is meant must not look as if somebody did. */
static int parse_enforce(struct rule *r, const config_setting_t *s,
			 struct policy_error *err)
{
	static const char *const words[] = {
		[ENFORCE_HOST] = "host",
		[ENFORCE_GATEWAY] = "gateway",
		[ENFORCE_BOTH] = "both",
		NULL,
	};
	const config_setting_t *m = config_setting_get_member(s, "enforce");
	const char *text = NULL;
	int i;

	if (!m)
		return 0;
	if (settings_string(s, "enforce", &text, err))
		return -1;
	i = settings_index(text, words);
	if (i < 0)
		return settings_fail(err, m, "enforce must be host, gateway or both, not "
				     "\"%s\"", text);
	if (i != ENFORCE_HOST)
		return settings_fail(err, m, "enforce = \"%s\" is not available yet: this "
				     "version enforces on the host only", text);
	r->enforce = (uint8_t)i;
	return 0;
}

/* "> 10 GB in 1 h", "> 100 in 1 min": well written, and not available yet. */
static int check_quota(const config_setting_t *s, const char *key, bool bytes,
		       struct policy_error *err)
{
	static const char *const sizes[] = { "B", "kB", "MB", "GB", "TB", NULL };
	static const char *const spans[] = { "s", "min", "h", "d", NULL };
	const config_setting_t *m = config_setting_get_member(s, key);
	char size[8] = "B", span[8] = "";
	unsigned int amount, time;
	const char *text = NULL;
	int end = 0;

	if (!m)
		return 0;
	if (settings_string(s, key, &text, err))
		return -1;
	if (bytes)
		sscanf(text, "> %9u %7[A-Za-z] in %9u %7[a-z]%n", &amount, size, &time, span,
		       &end);
	else
		sscanf(text, "> %9u in %9u %7[a-z]%n", &amount, &time, span, &end);
	if (!end || text[end] || settings_index(size, sizes) < 0 ||
	    settings_index(span, spans) < 0)
		return settings_fail(err, m, "%s must be like \"> %s\", not \"%s\"", key,
				     bytes ? "10 GB in 1 h" : "100 in 1 min", text);
	return settings_fail(err, m, "%s is not available yet: this version does not count "
			     "what flows", key);
}

/* Of each condition its value, in the order of the conditions. */
static int parse_conditions(struct rule *r, const config_setting_t *s,
			    const struct groups *groups, struct values *values,
			    struct policy_error *err)
{
	const struct value *value[COND_COUNT];
	size_t n = 0;

	for (enum condition c = 0; c < COND_COUNT; c++) {
		const config_setting_t *m =
			config_setting_get_member(s, condition_name(c));

		if (!m)
			continue;
		value[n] = values_get(values, c, m, groups, err);
		if (!value[n++])
			return -1;
		r->conditions |= 1U << c;
	}
	r->values = (uint8_t)n;
	if (n <= RULE_VALUES) {
		memcpy(r->few, value, n * sizeof(value[0]));
		return 0;
	}
	r->many = arena_alloc(values_arena(values), n * sizeof(value[0]));
	if (!r->many)
		return no_memory(s, err);
	memcpy(r->many, value, n * sizeof(value[0]));
	return 0;
}

int rule_parse(struct rule *rule, const config_setting_t *s,
	       const struct groups *groups, uint32_t lifetime_ms,
	       struct values *values, struct policy_error *err)
{
	static const char *const known[] = {
		"name", "application", "vendor", "category", "version", "hash",
		"file", "app", "unit", "image", "class", "script", "script_hash", "known", "trust", "threat", "user", "domain", "host",
		"host_group", "event", "protocol", "remote", "port", "action",
		"error", "failure", "lifetime", "tag", "time", "enforce", "bytes",
		"connections", NULL,
	};

	rule->line = config_setting_source_line(s);
	if (settings_known(s, known, "a rule", err) ||
	    parse_name(rule, s, values_arena(values), err) ||
	    parse_conditions(rule, s, groups, values, err))
		return -1;
	if (check_quota(s, "bytes", true, err) || check_quota(s, "connections", false, err) ||
	    parse_enforce(rule, s, err))
		return -1;
	return parse_effect(rule, s, lifetime_ms, err);
}

/* default = "deny", for short. */
static int parse_default_word(struct rule *rule, const config_setting_t *s,
			      uint32_t lifetime_ms, struct policy_error *err)
{
	rule->error = EACCES;
	rule->lifetime_ms = lifetime_ms;
	return read_verdict(config_setting_parent(s), "default", &rule->action, err);
}

int rule_parse_default(struct rule *rule, const config_setting_t *s,
		       uint32_t lifetime_ms, struct policy_error *err)
{
	static const char *const known[] = {
		"action", "error", "lifetime", "tag", NULL,
	};

	rule->line = config_setting_source_line(s);
	if (config_setting_type(s) == CONFIG_TYPE_STRING)
		return parse_default_word(rule, s, lifetime_ms, err);
	if (settings_known(s, known, "default", err))
		return -1;
	return parse_effect(rule, s, lifetime_ms, err);
}
