// SPDX-License-Identifier: GPL-2.0-only
/* From libconfig settings to struct value. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockgate.h>

#include "names.h"
#include "value.h"
#include "week.h"

#define LEVEL_MAX 5

static int no_memory(const config_setting_t *s, struct policy_error *err)
{
	return settings_fail(err, s, "out of memory");
}

static int wrong_type(const config_setting_t *s, const char *key,
		      const char *want, struct policy_error *err)
{
	char text[160];

	return settings_fail(err, s, "%s must be %s, not %s", key, want,
			     settings_text(s, text, sizeof(text)));
}

/* Refuse what no setting may contain: nothing, too much, control characters. */
const char *value_plain_string(const config_setting_t *e)
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
		return value_plain_string(e);
	snprintf(buf, 32, "%lld", config_setting_get_int64(e));
	return buf;
}

static int parse_patterns(struct pattern_list *list, enum pattern_kind kind,
			  const config_setting_t *s, const struct group_elems *elems,
			  struct policy_error *err)
{
	int n = elems->count;

	list->kind = kind;
	for (int i = 0; i < n; i++) {
		const char *text = value_plain_string(elems->elem[i]);

		if (!text)
			return wrong_type(s, config_setting_name(s),
					  "a string or a list of strings, none empty",
					  err);
		if (pattern_add(list, text))
			return no_memory(s, err);
	}
	return 0;
}

static int parse_ranges(struct range_list *list, unsigned int min,
			unsigned int max, const config_setting_t *s,
			const struct group_elems *elems, struct policy_error *err)
{
	int n = elems->count;
	const char *key = config_setting_name(s), *text, *why;
	char buf[32];

	for (int i = 0; i < n; i++) {
		text = number_or_string(elems->elem[i], buf);
		if (!text)
			return wrong_type(s, key, "a number or a string such as "
					  "\"80,443\" or \">=3\"", err);
		why = range_add(list, text, min, max);
		if (why)
			return settings_fail(err, s, "%s \"%s\": %s (from %u to %u)",
					     key, text, why, min, max);
	}
	return 0;
}

static int parse_known(struct value *v, const config_setting_t *s,
		       struct policy_error *err)
{
	if (config_setting_type(s) != CONFIG_TYPE_BOOL)
		return wrong_type(s, "known", "true or false", err);
	v->known = config_setting_get_bool(s);
	return 0;
}

static int parse_hash(struct value *v, const config_setting_t *s,
		      const struct group_elems *elems, struct policy_error *err)
{
	int n = elems->count;

	v->hashes.elem = calloc((size_t)n, sizeof(*v->hashes.elem));
	if (!v->hashes.elem)
		return no_memory(s, err);
	for (int i = 0; i < n; i++) {
		const char *text = value_plain_string(elems->elem[i]);

		if (!text || hex_decode(text, v->hashes.elem[i], SHA256_SIZE))
			return wrong_type(s, config_setting_name(s), "the SHA-256 of the "
					  "file as 64 hexadecimal digits", err);
		v->hashes.count++;
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

static int add_user(struct value *v, const config_setting_t *e)
{
	unsigned long long uid;
	char buf[32];
	const char *text = number_or_string(e, buf);

	if (!text || *text == '-')
		return EINVAL;
	if (!read_uid(text, &uid))
		return pattern_add(&v->users.names, text) ? ENOMEM : 0;
	if (errno || uid >= UINT32_MAX)
		return EINVAL;
	v->users.uid[v->users.uids++] = (uint32_t)uid;
	return 0;
}

static int parse_user(struct value *v, const config_setting_t *s,
		      const struct group_elems *elems, struct policy_error *err)
{
	int n = elems->count;

	v->users.names.kind = PATTERN_EXACT;
	v->users.uid = calloc((size_t)n, sizeof(*v->users.uid));
	if (!v->users.uid)
		return no_memory(s, err);
	for (int i = 0; i < n; i++) {
		int rc = add_user(v, elems->elem[i]);

		if (rc == ENOMEM)
			return no_memory(s, err);
		if (rc)
			return wrong_type(s, "user", "a user name, a user id from 0 "
					  "to 4294967294, or a list of them", err);
	}
	return 0;
}

static int parse_event(struct value *v, const config_setting_t *s,
		       const struct group_elems *elems, struct policy_error *err)
{
	int n = elems->count;

	for (int i = 0; i < n; i++) {
		const char *name = value_plain_string(elems->elem[i]);
		int events = name ? events_from_name(name) : -1;

		if (events < 0)
			return settings_fail(err, s, "unknown event \"%s\" (for "
					     "example connect, SYN_SENT, listen, send)",
					     name ? name : "");
		v->events |= (uint32_t)events;
	}
	return 0;
}

static int parse_protocol(struct value *v, const config_setting_t *s,
			  const struct group_elems *elems, struct policy_error *err)
{
	int n = elems->count;
	char buf[32];

	for (int i = 0; i < n; i++) {
		const char *name = number_or_string(elems->elem[i], buf);
		int protocol = name ? protocol_from_name(name) : -1;

		if (protocol < 0 || protocol > 255)
			return settings_fail(err, s, "unknown protocol \"%s\" (for "
					     "example tcp, udp, or a number)",
					     name ? name : "");
		v->protocols[protocol / 64] |= UINT64_C(1) << (protocol % 64);
	}
	return 0;
}

static int parse_class(struct value *v, const config_setting_t *s,
		       const struct group_elems *elems, struct policy_error *err)
{
	for (int i = 0; i < elems->count; i++) {
		const char *name = value_plain_string(elems->elem[i]);
		int class = name ? class_from_name(name) : -1;

		if (class < 0)
			return settings_fail(err, s, "unknown class \"%s\" (binary, script, "
					     "command, stdin, module, loader, preload, jit or "
					     "unverifiable)", name ? name : "");
		v->classes |= (uint32_t)class;
	}
	return 0;
}

static int parse_remote(struct value *v, const config_setting_t *s,
			const struct group_elems *elems, struct policy_error *err)
{
	int n = elems->count;

	for (int i = 0; i < n; i++) {
		const char *text = value_plain_string(elems->elem[i]);
		const char *why = text ? prefix_add(&v->prefixes, text) :
					 "not a string";

		if (why)
			return settings_fail(err, s, "remote \"%s\": %s",
					     text ? text : "", why);
	}
	return 0;
}

static int parse_time(struct value *v, const config_setting_t *s,
		      const struct group_elems *elems, struct policy_error *err)
{
	for (int i = 0; i < elems->count; i++) {
		const char *text = value_plain_string(elems->elem[i]);
		const char *why = text ? week_add(&v->ranges, text) : "not a string";

		if (why)
			return settings_fail(err, s, "time \"%s\": %s", text ? text : "",
					     why);
	}
	return 0;
}

/* A host group is looked up by its name; its members are the value. */
static int parse_host_group(struct value *v, const config_setting_t *s,
			    const struct groups *groups,
			    const struct group_elems *names, struct policy_error *err)
{
	int rc = 0;

	for (int i = 0; i < names->count && !rc; i++) {
		const char *name = value_plain_string(names->elem[i]);
		config_setting_t *g = name && groups->hosts ?
			config_setting_get_member(groups->hosts, name) : NULL;
		struct group_elems members = { 0 };

		if (!g)
			return settings_fail(err, s, "host_group \"%s\" is not "
					     "defined in host_groups",
					     name ? name : "");
		config_setting_set_hook(g, (void *)groups);
		rc = group_elems(&members, g, groups, err) ||
		     parse_patterns(&v->patterns, PATTERN_WORD, g, &members, err);
		group_elems_free(&members);
	}
	return rc ? -1 : 0;
}

static int parse_elems(struct value *value, enum condition c, const config_setting_t *s,
		       const struct groups *groups, const struct group_elems *elems,
		       struct policy_error *err)
{
	switch (c) {
	case COND_TIME:
		return parse_time(value, s, elems, err);
	case COND_HOST_GROUP:
		return parse_host_group(value, s, groups, elems, err);
	case COND_KNOWN:
		return parse_known(value, s, err);
	case COND_HASH:
	case COND_SCRIPT_HASH:
		return parse_hash(value, s, elems, err);
	case COND_TRUST:
	case COND_THREAT:
		return parse_ranges(&value->ranges, 0, LEVEL_MAX, s, elems, err);
	case COND_EVENT:
		return parse_event(value, s, elems, err);
	case COND_PROTOCOL:
		return parse_protocol(value, s, elems, err);
	case COND_USER:
		return parse_user(value, s, elems, err);
	case COND_CLASS:
		return parse_class(value, s, elems, err);
	case COND_FILE:
	case COND_SCRIPT:
		return parse_patterns(&value->patterns, PATTERN_FILE, s, elems, err);
	case COND_UNIT:
	case COND_IMAGE:
	case COND_APP:
		return parse_patterns(&value->patterns, PATTERN_EXACT, s, elems, err);
	case COND_PORT:
		return parse_ranges(&value->ranges, 1, 65535, s, elems, err);
	case COND_REMOTE:
		return parse_remote(value, s, elems, err);
	default:
		return parse_patterns(&value->patterns, PATTERN_WORD, s, elems, err);
	}
}

int value_parse(struct value *value, enum condition c, const config_setting_t *s,
		const struct groups *groups, struct policy_error *err)
{
	struct group_elems elems = { 0 };
	int rc = group_elems(&elems, s, groups, err);

	if (!rc)
		rc = parse_elems(value, c, s, groups, &elems, err);
	group_elems_free(&elems);
	return rc;
}
