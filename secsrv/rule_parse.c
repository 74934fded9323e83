// SPDX-License-Identifier: GPL-2.0-only
/* From libconfig settings to struct rule. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockgate.h>

#include "names.h"
#include "rule.h"
#include "sha256.h"

#define LEVEL_MAX 5

static int no_memory(const config_setting_t *s, struct policy_error *err)
{
	return settings_fail(err, s, "out of memory");
}

static int wrong_type(const config_setting_t *s, const char *key,
		      const char *want, struct policy_error *err)
{
	return settings_fail(err, s, "%s must be %s", key, want);
}

/* Refuse what no setting may contain: nothing, too much, control characters. */
static const char *plain_string(const config_setting_t *e)
{
	const char *text = config_setting_get_string(e);

	if (!text || !*text || strlen(text) > 1024)
		return NULL;
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return NULL;
	}
	return text;
}

/* An element that may be a number or a text, as text. */
static const char *number_or_string(const config_setting_t *e, char buf[32])
{
	int type = config_setting_type(e);

	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
		return plain_string(e);
	snprintf(buf, 32, "%lld", config_setting_get_int64(e));
	return buf;
}

static int parse_patterns(struct pattern_list *list, enum pattern_kind kind,
			  const config_setting_t *s, struct policy_error *err)
{
	int n = settings_count(s, err);

	list->kind = kind;
	for (int i = 0; i < n; i++) {
		const char *text = plain_string(settings_elem(s, i));

		if (!text)
			return wrong_type(s, config_setting_name(s),
					  "a string or a list of strings, none empty",
					  err);
		if (pattern_add(list, text))
			return no_memory(s, err);
	}
	return n < 0 ? -1 : 0;
}

static int parse_ranges(struct range_list *list, unsigned int min,
			unsigned int max, const config_setting_t *s,
			struct policy_error *err)
{
	int n = settings_count(s, err);
	const char *key = config_setting_name(s), *text, *why;
	char buf[32];

	for (int i = 0; i < n; i++) {
		text = number_or_string(settings_elem(s, i), buf);
		if (!text)
			return wrong_type(s, key, "a number or a string such as "
					  "\"80,443\" or \">=3\"", err);
		why = range_add(list, text, min, max);
		if (why)
			return settings_fail(err, s, "%s \"%s\": %s (from %u to %u)",
					     key, text, why, min, max);
	}
	return n < 0 ? -1 : 0;
}

static int parse_application(struct rule *r, const config_setting_t *s,
			     struct policy_error *err)
{
	return parse_patterns(&r->application, PATTERN_WORD, s, err);
}

static int parse_vendor(struct rule *r, const config_setting_t *s,
			struct policy_error *err)
{
	return parse_patterns(&r->vendor, PATTERN_WORD, s, err);
}

static int parse_category(struct rule *r, const config_setting_t *s,
			  struct policy_error *err)
{
	return parse_patterns(&r->category, PATTERN_WORD, s, err);
}

static int parse_version(struct rule *r, const config_setting_t *s,
			 struct policy_error *err)
{
	return parse_patterns(&r->version, PATTERN_WORD, s, err);
}

static int parse_domain(struct rule *r, const config_setting_t *s,
			struct policy_error *err)
{
	return parse_patterns(&r->domain, PATTERN_WORD, s, err);
}

static int parse_host(struct rule *r, const config_setting_t *s,
		      struct policy_error *err)
{
	return parse_patterns(&r->host, PATTERN_WORD, s, err);
}

static int parse_file(struct rule *r, const config_setting_t *s,
		      struct policy_error *err)
{
	return parse_patterns(&r->file, PATTERN_FILE, s, err);
}

static int parse_trust(struct rule *r, const config_setting_t *s,
		       struct policy_error *err)
{
	return parse_ranges(&r->trust, 0, LEVEL_MAX, s, err);
}

static int parse_threat(struct rule *r, const config_setting_t *s,
			struct policy_error *err)
{
	return parse_ranges(&r->threat, 0, LEVEL_MAX, s, err);
}

static int parse_port(struct rule *r, const config_setting_t *s,
		      struct policy_error *err)
{
	return parse_ranges(&r->port, 1, 65535, s, err);
}

static int parse_known(struct rule *r, const config_setting_t *s,
		       struct policy_error *err)
{
	if (config_setting_type(s) != CONFIG_TYPE_BOOL)
		return wrong_type(s, "known", "true or false", err);
	r->known = config_setting_get_bool(s);
	return 0;
}

static int parse_hash(struct rule *r, const config_setting_t *s,
		      struct policy_error *err)
{
	int n = settings_count(s, err);

	if (n < 0)
		return -1;
	r->hash = calloc((size_t)n, sizeof(*r->hash));
	if (!r->hash)
		return no_memory(s, err);
	for (int i = 0; i < n; i++) {
		const char *text = plain_string(settings_elem(s, i));

		if (!text || hex_decode(text, r->hash[i], SHA256_SIZE))
			return wrong_type(s, "hash", "the SHA-256 of the executable "
					  "as 64 hexadecimal digits", err);
		r->hashes++;
	}
	return 0;
}

/* Digits are an id in quotes too: no tool makes a user of such a name. */
static bool read_uid(const char *text, unsigned long long *uid)
{
	if (text[strspn(text, "0123456789")])
		return false;
	errno = 0;
	*uid = strtoull(text, NULL, 10);
	return true;
}

static int add_user(struct rule *r, const config_setting_t *e)
{
	unsigned long long uid;
	char buf[32];
	const char *text = number_or_string(e, buf);

	if (!text || *text == '-')
		return EINVAL;
	if (!read_uid(text, &uid))
		return pattern_add(&r->user, text) ? ENOMEM : 0;
	if (errno || uid >= UINT32_MAX)
		return EINVAL;
	r->uid[r->uids++] = (uint32_t)uid;
	return 0;
}

static int parse_user(struct rule *r, const config_setting_t *s,
		      struct policy_error *err)
{
	int n = settings_count(s, err);

	if (n < 0)
		return -1;
	r->user.kind = PATTERN_EXACT;
	r->uid = calloc((size_t)n, sizeof(*r->uid));
	if (!r->uid)
		return no_memory(s, err);
	for (int i = 0; i < n; i++) {
		int rc = add_user(r, settings_elem(s, i));

		if (rc == ENOMEM)
			return no_memory(s, err);
		if (rc)
			return wrong_type(s, "user", "a user name, a user id from 0 "
					  "to 4294967294, or a list of them", err);
	}
	return 0;
}

static int parse_event(struct rule *r, const config_setting_t *s,
		       struct policy_error *err)
{
	int n = settings_count(s, err);

	for (int i = 0; i < n; i++) {
		const char *name = plain_string(settings_elem(s, i));
		int events = name ? events_from_name(name) : -1;

		if (events < 0)
			return settings_fail(err, s, "unknown event \"%s\" (for "
					     "example connect, SYN_SENT, listen, send)",
					     name ? name : "");
		r->events |= (uint32_t)events;
	}
	return n < 0 ? -1 : 0;
}

static int parse_protocol(struct rule *r, const config_setting_t *s,
			  struct policy_error *err)
{
	int n = settings_count(s, err);
	char buf[32];

	for (int i = 0; i < n; i++) {
		const char *name = number_or_string(settings_elem(s, i), buf);
		int protocol = name ? protocol_from_name(name) : -1;

		if (protocol < 0 || protocol > 255)
			return settings_fail(err, s, "unknown protocol \"%s\" (for "
					     "example tcp, udp, or a number)",
					     name ? name : "");
		r->protocols[protocol / 64] |= UINT64_C(1) << (protocol % 64);
	}
	return n < 0 ? -1 : 0;
}

static int parse_remote(struct rule *r, const config_setting_t *s,
			struct policy_error *err)
{
	int n = settings_count(s, err);

	for (int i = 0; i < n; i++) {
		const char *text = plain_string(settings_elem(s, i));
		const char *why = text ? prefix_add(&r->remote, text) :
					 "not a string";

		if (why)
			return settings_fail(err, s, "remote \"%s\": %s",
					     text ? text : "", why);
	}
	return n < 0 ? -1 : 0;
}

/* host_group has a reader of its own, below, since it needs the groups. */
static int (*const readers[])(struct rule *, const config_setting_t *,
			      struct policy_error *) = {
	[COND_HOST] = parse_host,
	[COND_KNOWN] = parse_known,
	[COND_HASH] = parse_hash,
	[COND_APPLICATION] = parse_application,
	[COND_VENDOR] = parse_vendor,
	[COND_CATEGORY] = parse_category,
	[COND_VERSION] = parse_version,
	[COND_TRUST] = parse_trust,
	[COND_THREAT] = parse_threat,
	[COND_EVENT] = parse_event,
	[COND_PROTOCOL] = parse_protocol,
	[COND_USER] = parse_user,
	[COND_DOMAIN] = parse_domain,
	[COND_FILE] = parse_file,
	[COND_PORT] = parse_port,
	[COND_REMOTE] = parse_remote,
};

static int parse_host_group(struct rule *r, const config_setting_t *s,
			    const config_setting_t *groups,
			    struct policy_error *err)
{
	int n = settings_count(s, err);

	for (int i = 0; i < n; i++) {
		const char *name = plain_string(settings_elem(s, i));
		const config_setting_t *g = name && groups ?
			config_setting_get_member(groups, name) : NULL;

		if (!g)
			return settings_fail(err, s, "host_group \"%s\" is not "
					     "defined in host_groups",
					     name ? name : "");
		if (parse_patterns(&r->host_group, PATTERN_WORD, g, err))
			return -1;
	}
	return n < 0 ? -1 : 0;
}

static int parse_conditions(struct rule *r, const config_setting_t *s,
			    const config_setting_t *groups,
			    struct policy_error *err)
{
	for (enum condition c = 0; c < COND_COUNT; c++) {
		const config_setting_t *m =
			config_setting_get_member(s, condition_name(c));
		int rc;

		if (!m)
			continue;
		rc = c == COND_HOST_GROUP ? parse_host_group(r, m, groups, err) :
					    readers[c](r, m, err);
		if (rc)
			return -1;
		r->conditions |= 1U << c;
	}
	return 0;
}

static int read_verdict(const config_setting_t *s, const char *key,
			enum verdict *out, struct policy_error *err)
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
	*out = (enum verdict)i;
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
	r->error = (uint32_t)error;
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

static void print_scalar(FILE *f, const config_setting_t *s)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		fprintf(f, "%lld", config_setting_get_int64(s));
		break;
	case CONFIG_TYPE_BOOL:
		fputs(config_setting_get_bool(s) ? "true" : "false", f);
		break;
	case CONFIG_TYPE_STRING:
		fputc('"', f);
		for (const char *p = config_setting_get_string(s); *p; p++)
			fprintf(f, "%s%c", *p == '"' || *p == '\\' ? "\\" : "",
				*p);
		fputc('"', f);
		break;
	}
}

/* libconfig can print a whole file only; this is one group, on one line. */
static int print_rule(struct rule *r, const config_setting_t *s,
		      struct policy_error *err)
{
	size_t size;
	FILE *f = open_memstream(&r->text, &size);

	if (!f)
		return no_memory(s, err);
	fputs("{ ", f);
	for (int i = 0; i < config_setting_length(s); i++) {
		const config_setting_t *m =
			config_setting_get_elem(s, (unsigned int)i);
		bool scalar = config_setting_is_scalar(m);
		int n = scalar ? 1 : config_setting_length(m);

		fprintf(f, "%s = %s", config_setting_name(m), scalar ? "" : "( ");
		for (int j = 0; j < n; j++) {
			fputs(j ? ", " : "", f);
			print_scalar(f, settings_elem(m, j));
		}
		fputs(scalar ? "; " : " ); ", f);
	}
	fputc('}', f);
	return fclose(f) ? no_memory(s, err) : 0;
}

static int parse_name(struct rule *r, const config_setting_t *s,
		      struct policy_error *err)
{
	const config_setting_t *m = config_setting_get_member(s, "name");
	const char *name = m ? plain_string(m) : NULL;

	if (!m)
		return settings_fail(err, s, "a rule has no name");
	if (!name || strlen(name) > 128)
		return settings_fail(err, m, "name must be a string of 1 to 128 "
				     "characters");
	r->name = strdup(name);
	return r->name ? 0 : no_memory(s, err);
}

int rule_parse(struct rule *rule, const config_setting_t *s,
	       const config_setting_t *groups, uint32_t lifetime_ms,
	       struct policy_error *err)
{
	static const char *const known[] = {
		"name", "application", "vendor", "category", "version", "hash",
		"file", "known", "trust", "threat", "user", "domain", "host",
		"host_group", "event", "protocol", "remote", "port", "action",
		"error", "failure", "lifetime", "tag", NULL,
	};

	rule->line = config_setting_source_line(s);
	if (settings_known(s, known, "a rule", err) ||
	    parse_name(rule, s, err) ||
	    parse_conditions(rule, s, groups, err) ||
	    parse_effect(rule, s, lifetime_ms, err))
		return -1;
	return print_rule(rule, s, err);
}

/* default = "deny", for short. */
static int parse_default_word(struct rule *rule, const config_setting_t *s,
			      uint32_t lifetime_ms, struct policy_error *err)
{
	const config_setting_t *root = config_setting_parent(s);

	rule->error = EACCES;
	rule->lifetime_ms = lifetime_ms;
	if (read_verdict(root, "default", &rule->action, err))
		return -1;
	if (asprintf(&rule->text, "{ action = \"%s\"; }",
		     config_setting_get_string(s)) >= 0)
		return 0;
	rule->text = NULL;
	return no_memory(s, err);
}

int rule_parse_default(struct rule *rule, const config_setting_t *s,
		       uint32_t lifetime_ms, struct policy_error *err)
{
	static const char *const known[] = {
		"action", "error", "lifetime", "tag", NULL,
	};

	rule->line = config_setting_source_line(s);
	rule->name = strdup("default");
	if (!rule->name)
		return no_memory(s, err);
	if (config_setting_type(s) == CONFIG_TYPE_STRING)
		return parse_default_word(rule, s, lifetime_ms, err);
	if (settings_known(s, known, "default", err) ||
	    parse_effect(rule, s, lifetime_ms, err))
		return -1;
	return print_rule(rule, s, err);
}
