// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf_text.h"
#include "policy.h"

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	index_free(policy->index);
	week_zone_free(policy->zone);
	arena_free(&policy->arena);
	free(policy->rule);
	free(policy->warning);
	free(policy->text);
	free(policy);
}

/* Names by which qsort() brings equal ones together, the first line first. */
static int by_name(const void *a, const void *b)
{
	const struct rule *x = *(const struct rule *const *)a;
	const struct rule *y = *(const struct rule *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x > y) - (x < y);
}

static int check_names(const struct policy *p, struct policy_error *err)
{
	const struct rule **sorted = calloc(p->rules + 1U,
					    sizeof(struct rule *));
	int rc = 0;

	if (!sorted)
		return settings_fail(err, NULL, "out of memory");
	for (unsigned int i = 0; i < p->rules; i++)
		sorted[i] = &p->rule[i];
	qsort(sorted, p->rules, sizeof(struct rule *), by_name);
	for (unsigned int i = 0; i < p->rules && !rc; i++) {
		bool twice = i && !strcmp(sorted[i - 1]->name, sorted[i]->name);

		if (!twice && strcmp(sorted[i]->name, "default"))
			continue;
		rc = settings_fail(err, NULL, twice ?
				   "rule name \"%s\" is used already" :
				   "rule name \"%s\" is reserved for the group of "
				   "this name", sorted[i]->name);
		err->line = sorted[i]->line;
	}
	free(sorted);
	return rc;
}

static int parse_each(struct policy *p, const config_setting_t *rules,
		      const struct groups *groups, uint32_t lifetime_ms,
		      struct values *values, struct policy_error *err)
{
	int n = config_setting_length(rules);

	for (int i = 0; i < n; i++) {
		struct rule *r = &p->rule[p->rules++];

		if (rule_parse(r, config_setting_get_elem(rules, (unsigned int)i),
			       groups, lifetime_ms, values, err))
			return -1;
		p->events |= rule_events(r) & SOCKGATE_EVENTS_OPTIONAL;
		p->facts |= rule_facts(r);
	}
	return 0;
}

static int parse_rules(struct policy *p, const config_setting_t *rules,
		       const struct groups *groups, uint32_t lifetime_ms,
		       struct policy_error *err)
{
	struct values *values;
	size_t size;
	int rc;

	if (!rules)
		return settings_fail(err, NULL, "has no rules = ( ... )");
	if (!config_setting_is_list(rules))
		return settings_fail(err, rules, "rules must be a list "
				     "( { ... }, { ... } )");
	size = ((size_t)config_setting_length(rules) + 1) * sizeof(*p->rule);
	p->rule = aligned_alloc(64, (size + 63) & ~(size_t)63);
	if (p->rule)
		memset(p->rule, 0, size);
	values = values_new(&p->arena);
	if (p->rule && values)
		rc = parse_each(p, rules, groups, lifetime_ms, values, err);
	else
		rc = settings_fail(err, rules, "out of memory");
	values_free(values);
	return rc ? rc : check_names(p, err);
}

static int parse_default(struct policy *p, const config_setting_t *s,
			 uint32_t lifetime_ms, struct policy_error *err)
{
	p->otherwise.name = arena_string(&p->arena, "default");
	if (!p->otherwise.name)
		return settings_fail(err, NULL, "out of memory");
	if (s)
		return rule_parse_default(&p->otherwise, s, lifetime_ms, err);
	p->otherwise.error = EACCES;
	p->otherwise.lifetime_ms = lifetime_ms;
	return 0;
}

/* It has no name, since it is nobody's rule. */
static int make_unsaid(struct policy *p, uint32_t lifetime_ms,
		       struct policy_error *err)
{
	p->unsaid.name = arena_string(&p->arena, "");
	p->unsaid.action = VERDICT_ALLOW;
	p->unsaid.lifetime_ms = lifetime_ms;
	return p->unsaid.name ? 0 : settings_fail(err, NULL, "out of memory");
}

int policy_add_warning(struct policy *p, unsigned int line, struct policy_error *err,
		       const char *fmt, ...)
{
	struct policy_warning *w = reallocarray(p->warning, p->warnings + 1UL,
						sizeof(*w));
	va_list ap;

	if (!w)
		return settings_fail(err, NULL, "out of memory");
	p->warning = w;
	w += p->warnings++;
	w->line = line;
	va_start(ap, fmt);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not */
	vsnprintf(w->text, sizeof(w->text), fmt, ap);
	va_end(ap);
	return 0;
}

static int warn_unused(struct policy *p, const config_setting_t *groups,
		       const char *what, struct policy_error *err)
{
	for (int i = 0; groups && i < config_setting_length(groups); i++) {
		const config_setting_t *g = config_setting_get_elem(groups, (unsigned int)i);

		if (!group_is_used(g) &&
		    policy_add_warning(p, config_setting_source_line(g), err,
				       "%s \"%.200s\" is not used", what,
				       config_setting_name(g)))
			return -1;
	}
	return 0;
}

static int parse_zone(struct policy *p, const config_setting_t *root,
		      struct policy_error *err)
{
	const char *name = NULL;

	if (settings_string(root, "timezone", &name, err))
		return -1;
	if (!name)
		return 0;
	p->zone = week_zone_new(name);
	if (p->zone)
		return 0;
	return settings_fail(err, config_setting_get_member(root, "timezone"),
			     "timezone \"%s\" is not known on this machine (such as "
			     "Europe/Berlin, or UTC)", name);
}

/* What a clock shows, says nothing without where it hangs. */
static int check_times(const struct policy *p, struct policy_error *err)
{
	for (unsigned int i = 0; i < p->rules && !p->zone; i++) {
		if (!rule_has(&p->rule[i], COND_TIME))
			continue;
		settings_fail(err, NULL, "rule \"%s\" has a time, and the policy no "
			      "timezone = \"...\";", p->rule[i].name);
		err->line = p->rule[i].line;
		return -1;
	}
	return 0;
}

static int parse_root(struct policy *p, const config_t *cfg,
		      struct policy_error *err)
{
	static const char *const known[] = {
		"default", "lifetime", "timezone", "groups", "host_groups", "rules", NULL,
	};
	const config_setting_t *root = config_root_setting(cfg);
	unsigned int values_left = GROUPS_VALUES_MAX;
	const struct groups groups = {
		.hosts = config_setting_get_member(root, "host_groups"),
		.lists = config_setting_get_member(root, "groups"),
		.left = &values_left,
	};
	unsigned int lifetime = POLICY_LIFETIME_MS / 1000;

	if (settings_known(root, known, "the policy", err) ||
	    settings_uint(root, "lifetime", 0, 86400, &lifetime, err) ||
	    parse_zone(p, root, err) || groups_check(&groups, err) ||
	    parse_default(p, config_setting_get_member(root, "default"),
			  lifetime * 1000, err) ||
	    make_unsaid(p, lifetime * 1000, err) ||
	    parse_rules(p, config_setting_get_member(root, "rules"), &groups,
			lifetime * 1000, err))
		return -1;
	return check_times(p, err) || warn_unused(p, groups.lists, "group", err) ||
	       warn_unused(p, groups.hosts, "host_group", err) ? -1 : 0;
}

/* What is wrong with the rule, whatever stands before it. */
static int warn_of_itself(struct policy *p, const struct rule *rule,
			  struct policy_error *err)
{
	static const struct {
		const char *(*ask)(const struct rule *rule);
		const char *says;
	} looks[] = {
		{ rule_unmatchable, "can never match" },
		{ rule_doubtful, "can hardly be meant so" },
	};

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		const char *why = looks[i].ask(rule);

		if (why && policy_add_warning(p, rule->line, err, "rule \"%s\" %s: %s",
					      rule->name, looks[i].says, why))
			return -1;
	}
	return 0;
}

/*
 * A policy that cuts off who loads it is no policy that somebody wants.  Looked for is
 * whatever denies all that is left, and before it a rule that may let SSH through.
 */
static int warn_no_ssh(struct policy *p, uint32_t event, const char *what,
		       struct policy_error *err)
{
	const struct rule *end = &p->otherwise;

	for (unsigned int i = 0; i < p->rules; i++) {
		if (rule_about_ssh(&p->rule[i], event))
			return 0;
		if (!rule_takes_ssh(&p->rule[i], event))
			continue;
		end = &p->rule[i];
		break;
	}
	if (end->action != VERDICT_DENY)
		return 0;
	/* The default may be written nowhere. */
	return policy_add_warning(p, end->line ? end->line : 1, err,
				  "%s%s%s denies, and no rule before it lets %s: a host that "
				  "is reached by SSH is cut off (a rule with port = 22 that "
				  "denies says that this is meant)",
				  end == &p->otherwise ? "" : "rule \"",  end->name,
				  end == &p->otherwise ? "" : "\"", what);
}

static int warn_of_ssh(struct policy *p, struct policy_error *err)
{
	const uint32_t accept = 1U << SOCKGATE_EVENT_ACCEPT;

	if (warn_no_ssh(p, 1U << SOCKGATE_EVENT_LISTEN,
			"an SSH server listen on port 22", err))
		return -1;
	/* What is not named is not asked about. */
	return p->events & accept ?
	       warn_no_ssh(p, accept, "anybody come to port 22, though accept is named",
			   err) : 0;
}

static int warn_shadowed(struct policy *p, const struct rule *earlier,
			 const struct rule *later, struct policy_error *err)
{
	return policy_add_warning(p, later->line, err, "rule \"%s\" can never match: \"%s\" "
				  "(line %u) takes everything that it asks for%s",
				  later->name, earlier->name, earlier->line,
				  earlier->conditions ? "" :
				  ", since it has no condition");
}

int policy_warn(struct policy *p, struct policy_error *err)
{
	for (unsigned int i = 0; i < p->rules; i++) {
		uint32_t by = index_cover(p->index, i);

		if (warn_of_itself(p, &p->rule[i], err) ||
		    (by < i && warn_shadowed(p, &p->rule[by], &p->rule[i], err)))
			return -1;
	}
	return warn_of_ssh(p, err);
}

/* The group of a rule, or of the default; NULL if it is written nowhere. */
static const config_setting_t *setting_of(const struct policy *p, const config_t *cfg,
					  const struct rule *rule)
{
	const config_setting_t *root = config_root_setting(cfg);

	if (rule == &p->otherwise)
		return config_setting_get_member(root, "default");
	if (rule == &p->unsaid)
		return NULL;
	return config_setting_get_elem(config_setting_get_member(root, "rules"),
				       (unsigned int)(rule - p->rule));
}

struct policy_source {
	const struct policy *policy;
	config_t cfg;
};

struct policy_source *policy_source(const struct policy *policy)
{
	struct policy_source *source = calloc(1, sizeof(*source));
	struct policy_error err;

	if (!source)
		return NULL;
	source->policy = policy;
	config_init(&source->cfg);
	if (!settings_parse(&source->cfg, policy->text, strlen(policy->text), "", &err))
		return source;
	policy_source_free(source);
	return NULL;
}

void policy_source_free(struct policy_source *source)
{
	if (!source)
		return;
	config_destroy(&source->cfg);
	free(source);
}

/* A default that is written as a word, or not at all. */
static void print_default(FILE *f, const struct rule *rule)
{
	static const char *const words[] = {
		[VERDICT_DENY] = "deny",
		[VERDICT_ALLOW] = "allow",
		[VERDICT_AUDIT] = "audit",
	};

	fprintf(f, "{ action = \"%s\"; }", words[rule->action]);
}

char *policy_source_text(const struct policy_source *source, const struct rule *rule)
{
	const config_setting_t *s = setting_of(source->policy, &source->cfg, rule);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	if (s && config_setting_is_group(s))
		settings_print_group(f, s);
	else if (rule == &source->policy->otherwise)
		print_default(f, rule);
	if (!fclose(f))
		return text;
	free(text);
	return NULL;
}

void policy_source_value(const struct policy_source *source, const struct rule *rule,
			 enum condition c, char *text, size_t size)
{
	const config_setting_t *s = setting_of(source->policy, &source->cfg, rule);
	const config_setting_t *m =
		s ? config_setting_get_member(s, condition_name(c)) : NULL;

	snprintf(text, size, "?");
	if (m)
		settings_text(m, text, size);
}

static struct policy *policy_new(const char *text, size_t len,
				 struct policy_error *err)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p)
		p->text = malloc(len + 1);
	if (!p || !p->text) {
		free(p);
		settings_fail(err, NULL, "out of memory");
		return NULL;
	}
	memcpy(p->text, text, len);
	p->text[len] = '\0';
	if (!sha256_memory(text, len, p->sha256))
		return p;
	settings_fail(err, NULL, "cannot be hashed: %s", strerror(errno));
	policy_free(p);
	return NULL;
}

struct policy *policy_parse(const char *text, size_t len, const char *name,
			    struct policy_error *err)
{
	struct policy *p;
	config_t cfg;
	int rc;

	snprintf(err->file, sizeof(err->file), "%s", name);
	if (len > POLICY_SIZE_MAX) {
		settings_fail(err, NULL, "is larger than %d bytes",
			      POLICY_SIZE_MAX);
		return NULL;
	}
	p = policy_new(text, len, err);
	if (!p)
		return NULL;
	config_init(&cfg);
	rc = settings_parse(&cfg, p->text, len, name, err);
	if (!rc)
		rc = parse_root(p, &cfg, err);
	config_destroy(&cfg);
	if (!rc)
		p->index = index_new(p->rule, p->rules);
	if (!rc && !p->index)
		rc = settings_fail(err, NULL, "out of memory");
	if (!rc)
		return p;
	policy_free(p);
	return NULL;
}

/* A policy is a file: to wait for a pipe, or for a terminal, would help nobody. */
static char *read_file(const char *file, size_t *len, struct policy_error *err)
{
	char why[256], *text = NULL;
	struct stat st;

	snprintf(err->file, sizeof(err->file), "%s", file);
	if (stat(file, &st))
		settings_fail(err, NULL, "cannot be opened: %s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		settings_fail(err, NULL, "is not a regular file");
	else if (!(text = conf_text_read(file, POLICY_SIZE_MAX, len, why, sizeof(why))))
		settings_fail(err, NULL, "cannot be read: %s", strerror(errno));
	return text;
}

struct policy *policy_load(const char *file, struct policy_error *err)
{
	size_t len;
	char *text = read_file(file, &len, err);
	struct policy *p;

	if (!text)
		return NULL;
	p = policy_parse(text, len, file, err);
	free(text);
	if (!p || !policy_warn(p, err))
		return p;
	policy_free(p);
	return NULL;
}
