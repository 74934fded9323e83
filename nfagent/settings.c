// SPDX-License-Identifier: GPL-2.0-only
#include "settings.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "addr.h"
#include "conf.h"
#include "control.h"
#include "names.h"
#include "user.h"

#define PATH_SIZE 128

static const char *path(char *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static const char *path(char *buf, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, PATH_SIZE, fmt, ap);
	va_end(ap);
	return buf;
}

static uint32_t read_u32(struct conf *c, const char *name, uint32_t def,
			 uint32_t min, uint32_t max)
{
	int64_t value;

	conf_int(c, name, def, min, max, &value);
	return (uint32_t)value;
}

/* ---- servers ---- */

static void read_servers(struct settings *s)
{
	struct conf *c = s->conf;
	unsigned int n = conf_count(c, "servers");
	char at[PATH_SIZE];

	if (!n || n > SERVER_MAX) {
		conf_reject(c, "servers", "needs 1 to %d servers: "
			    "servers = ( { address = \"192.0.2.1:6610\"; "
			    "name = \"server\"; } );", SERVER_MAX);
		return;
	}
	s->server.n = n;
	for (unsigned int i = 0; i < n; i++) {
		struct server_address *a = &s->server.list[i];

		conf_addr(c, path(at, "servers.[%u].address", i), NULL, 0,
			  &a->addr, &a->len);
		conf_string(c, path(at, "servers.[%u].name", i), NULL,
			    &a->name);
		if (a->len)
			addr_format((struct sockaddr *)&a->addr, a->text);
	}
}

/* ---- the failure table ---- */

static void reject_action(struct conf *c, const char *at)
{
	conf_reject(c, at, "must be \"allow\", \"deny\" or \"failsafe\"");
}

static void read_failure(struct settings *s, unsigned int reason)
{
	struct sockgate_failure *row = &s->failures[s->n_failures];
	const char *action = NULL, *error = NULL;
	char at[PATH_SIZE], sub[PATH_SIZE];
	struct conf *c = s->conf;
	int number;

	path(at, "failure.%s", name_reason(reason));
	if (!conf_has(c, at))
		return;
	if (conf_has(c, path(sub, "failure.%s.action", name_reason(reason)))) {
		conf_string(c, sub, NULL, &action);
		conf_string(c, path(at, "failure.%s.error",
				    name_reason(reason)), "EACCES", &error);
	} else {
		conf_string(c, at, NULL, &action);
		error = "EACCES";
	}
	if (!action || !error)
		return;
	number = failure_from_name(action);
	if (number < 0) {
		reject_action(c, at);
		return;
	}
	row->reason = (uint8_t)reason;
	row->action = (uint8_t)number;
	number = error_from_name(error);
	if (number < 0) {
		conf_reject(c, at, "error must be EACCES, ECONNREFUSED or EPERM");
		return;
	}
	row->error = (uint16_t)number;
	s->n_failures++;
}

static void read_failures(struct settings *s)
{
	for (unsigned int r = SOCKGATE_REASON_UNSPEC + 1;
	     r < __SOCKGATE_REASON_MAX; r++)
		read_failure(s, r);
}

/* ---- failsafes ---- */

/* "10.0.0.0/8", "2001:db8::1". */
static int parse_prefix(const char *text, struct sockgate_failsafe *row)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long bits, max = 128;
	char *end;

	if (len >= sizeof(address))
		return -1;
	memcpy(address, text, len);
	address[len] = '\0';
	row->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (row->family == AF_INET)
		max = 32;
	if (inet_pton(row->family, address, row->addr) != 1)
		return -1;
	bits = slash ? strtoul(slash + 1, &end, 10) : max;
	if (slash && (end == slash + 1 || *end || bits > max))
		return -1;
	row->prefix = (uint8_t)bits;
	return 0;
}

/* "53", "8000-8100". */
static int parse_ports(const char *text, uint16_t *min, uint16_t *max)
{
	unsigned int a, b;
	int used = 0;

	if (sscanf(text, "%5u-%5u%n", &a, &b, &used) == 2 && !text[used]) {
		/* a range */
	} else if (sscanf(text, "%5u%n", &a, &used) == 1 && !text[used]) {
		b = a;
	} else {
		return -1;
	}
	if (!a || a > b || b > 65535)
		return -1;
	*min = (uint16_t)a;
	*max = (uint16_t)b;
	return 0;
}

static void read_ports(struct conf *c, const char *at, uint16_t *min,
		       uint16_t *max)
{
	const char *text;

	if (conf_string(c, at, "", &text) && parse_ports(text, min, max))
		conf_reject(c, at, "must be a port or a range, "
			    "\"53\" or \"8000-8100\"");
}

static void read_events(struct conf *c, unsigned int i, uint32_t *events)
{
	char at[PATH_SIZE];
	unsigned int n;
	const char *name;
	int set;

	n = conf_count(c, path(at, "failsafe.[%u].event", i));
	if (!n)
		conf_reject(c, path(at, "failsafe.[%u]", i), "needs event = "
			    "[ \"connect\", \"send\", \"listen\" ]");
	for (unsigned int e = 0; e < n; e++) {
		if (!conf_string(c, path(at, "failsafe.[%u].event.[%u]", i, e),
				 NULL, &name))
			return;
		set = events_from_name(name);
		if (set < 0)
			conf_reject(c, at, "no event is called \"%s\"", name);
		else
			*events |= (uint32_t)set;
	}
}

static void read_failsafe(struct settings *s, unsigned int i)
{
	struct failsafe_rule *rule = &s->failsafes[i];
	struct sockgate_failsafe *row = &rule->row;
	struct conf *c = s->conf;
	char at[PATH_SIZE];
	const char *text;
	int64_t uid;
	int number;

	read_events(c, i, &row->events);
	if (conf_string(c, path(at, "failsafe.[%u].address", i), "", &text) &&
	    parse_prefix(text, row))
		conf_reject(c, at, "must be an address or a prefix, "
			    "\"192.0.2.0/24\"");
	if (conf_string(c, path(at, "failsafe.[%u].protocol", i), "", &text)) {
		number = protocol_from_name(text);
		if (number < 0 || number > 255)
			conf_reject(c, at, "no protocol is called \"%s\"",
				    text);
		else
			row->protocol = (uint8_t)number;
	}
	read_ports(c, path(at, "failsafe.[%u].remote_port", i),
		   &row->rport_min, &row->rport_max);
	read_ports(c, path(at, "failsafe.[%u].local_port", i),
		   &row->lport_min, &row->lport_max);
	conf_int(c, path(at, "failsafe.[%u].uid", i), SOCKGATE_UID_ANY, 0,
		 SOCKGATE_UID_ANY, &uid);
	row->uid = (uint32_t)uid;
	if (conf_string(c, path(at, "failsafe.[%u].exe", i), "", &text)) {
		rule->exe = text;
		if (text[0] != '/')
			conf_reject(c, at, "must be a full path");
	}
}

static void read_failsafes(struct settings *s)
{
	unsigned int n = conf_count(s->conf, "failsafe");

	if (n > SOCKGATE_MAX_FAILSAFES) {
		conf_reject(s->conf, "failsafe", "more than %d entries",
			    SOCKGATE_MAX_FAILSAFES);
		return;
	}
	s->n_failsafes = n;
	for (unsigned int i = 0; i < n; i++)
		read_failsafe(s, i);
}

/* ---- the rest ---- */

static void read_list(struct conf *c, const char *name, const char **list)
{
	unsigned int n = conf_count(c, name);
	char at[PATH_SIZE];

	if (n > SETTINGS_LIST_MAX) {
		conf_reject(c, name, "more than %d entries", SETTINGS_LIST_MAX);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		conf_string(c, path(at, "%s.[%u]", name, i), NULL, &list[i]);
}

static void read_unverifiable(struct settings *s)
{
	static const char *const defaults[] = {
		"fuse", "fuse.*", "fuseblk", "nfs", "nfs4", "cifs", "smb3",
		"ceph", "afs", "coda", "ncpfs",
	};

	if (conf_has(s->conf, "unverifiable"))
		read_list(s->conf, "unverifiable", s->unverifiable);
	else
		memcpy(s->unverifiable, defaults, sizeof(defaults));
}

static void read_words(struct settings *s, unsigned int i, const char *name,
		       const char **words)
{
	char at[PATH_SIZE];

	if (conf_has(s->conf, path(at, "interpreters.[%u].%s", i, name)))
		conf_string(s->conf, at, NULL, words);
}

static void read_operand(struct settings *s, unsigned int i, enum operand *operand)
{
	static const char *const words[] = {
		[OPERAND_FILE] = "file",
		[OPERAND_CODE] = "code",
		[OPERAND_NAME] = "module",
	};
	const char *text = NULL;
	char at[PATH_SIZE];

	path(at, "interpreters.[%u].operand", i);
	if (!conf_string(s->conf, at, "file", &text))
		return;
	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
		if (!strcmp(text, words[w])) {
			*operand = (enum operand)w;
			return;
		}
	}
	conf_reject(s->conf, at, "must be \"file\", \"code\" or \"module\"");
}

static void read_interpreter(struct settings *s, unsigned int i)
{
	struct interpreter *is = &s->interpreters[i];
	char at[PATH_SIZE];

	conf_string(s->conf, path(at, "interpreters.[%u].name", i), NULL, &is->name);
	read_words(s, i, "flag", &is->flag);
	read_words(s, i, "value", &is->value);
	read_words(s, i, "rest", &is->rest);
	read_words(s, i, "code", &is->code);
	read_words(s, i, "module", &is->module);
	read_words(s, i, "file", &is->file);
	read_words(s, i, "stdin", &is->input);
	read_words(s, i, "preload", &is->preload);
	read_words(s, i, "environment", &is->environment);
	read_operand(s, i, &is->operand);
	conf_bool(s->conf, path(at, "interpreters.[%u].words", i), false, &is->words);
	conf_bool(s->conf, path(at, "interpreters.[%u].loader", i), false, &is->loader);
}

static void read_interpreters(struct settings *s)
{
	unsigned int n = conf_count(s->conf, "interpreters");

	if (n > SETTINGS_LIST_MAX) {
		conf_reject(s->conf, "interpreters", "more than %d entries",
			    SETTINGS_LIST_MAX);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		read_interpreter(s, i);
}

static void read_kernel(struct settings *s)
{
	struct conf *c = s->conf;

	s->kernel.has_deadline = conf_has(c, "kernel.deadline_ms");
	s->kernel.deadline_ms = read_u32(c, "kernel.deadline_ms", 10000, 100,
					 100000);
	s->kernel.has_pending = conf_has(c, "kernel.max_pending");
	s->kernel.max_pending = read_u32(c, "kernel.max_pending", 4096, 1,
					 65536);
	s->kernel.has_cached = conf_has(c, "kernel.max_cached");
	s->kernel.max_cached = read_u32(c, "kernel.max_cached", 65536, 0,
					1048576);
	s->kernel.has_mask = conf_has(c, "kernel.mark_mask");
	s->kernel.mark_mask = read_u32(c, "kernel.mark_mask", 0, 0, UINT32_MAX);
}

static void read_desk(struct settings *s)
{
	struct conf *c = s->conf;

	s->desk.deadline_ms = read_u32(c, "deadline_ms", 5000, 100, 90000);
	s->desk.user_wait_ms = read_u32(c, "user_wait_ms", 200, 0, 90000);
	s->desk.max_questions = read_u32(c, "questions_max", 65536, 1, 1U << 20);
	s->desk.max_decisions = read_u32(c, "decisions_max", 16384, 0, 1U << 20);
	conf_bool(c, "cache_in_agent", true, &s->desk.cache_in_agent);
	conf_bool(c, "cache_in_kernel", true, &s->desk.cache_in_kernel);
}

static void read_limits(struct settings *s)
{
	struct conf *c = s->conf;
	int64_t bytes;

	s->hash_threads = read_u32(c, "hash_threads", 2, 1, 64);
	s->hashes_max = read_u32(c, "hashes_max", 16384, 0, 1U << 20);
	conf_int(c, "hash_max_bytes", 1LL << 30, 1, INT64_MAX, &bytes);
	s->hash_bytes = (uint64_t)bytes;
	conf_int(c, "content_max_bytes", 64LL << 20, 0, INT64_MAX, &bytes);
	s->content_bytes = (uint64_t)bytes;
	conf_int(c, "spool_max_bytes", 256LL << 20, 1 << 20, 1LL << 40, &bytes);
	s->spool_bytes = (uint64_t)bytes;
	s->server.silence_ms = read_u32(c, "silence_ms", 3000, 1500, 600000);
	s->server.attempt_ms = read_u32(c, "attempt_ms", 3000, 100, 60000);
}

static void read_names(struct settings *s)
{
	struct conf *c = s->conf;

	conf_string(c, "host", s->hostname, &s->server.host);
	conf_string(c, "domain",
		    user_host_domain(strchr(s->server.host, '.') ?
				     s->server.host : s->hostname),
		    &s->domain);
	conf_string(c, "tls.ca", NULL, &s->tls.ca);
	conf_string(c, "tls.cert", NULL, &s->tls.cert);
	conf_string(c, "tls.key", NULL, &s->tls.key);
	conf_string(c, "control", CONTROL_AGENT_SOCKET, &s->control);
	conf_string(c, "spool", "/var/lib/sockgate/spool", &s->spool);
	conf_string(c, "resolv_conf", "/etc/resolv.conf", &s->resolv_conf);
	read_list(c, "directory_domains", s->directories);
}

struct settings *settings_read(const char *file, char *why, size_t why_size)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (!s || gethostname(s->hostname, sizeof(s->hostname) - 1)) {
		snprintf(why, why_size, "out of memory");
		free(s);
		return NULL;
	}
	s->conf = conf_open(file, why, why_size);
	if (!s->conf) {
		free(s);
		return NULL;
	}
	read_servers(s);
	read_names(s);
	read_desk(s);
	read_limits(s);
	read_unverifiable(s);
	read_interpreters(s);
	read_kernel(s);
	read_failures(s);
	read_failsafes(s);
	if (conf_finish(s->conf, why, why_size)) {
		settings_free(s);
		return NULL;
	}
	return s;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	conf_close(s->conf);
	free(s);
}
