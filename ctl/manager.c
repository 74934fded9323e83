// SPDX-License-Identifier: GPL-2.0-only
#include "manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "secsrv/policy.h"
#include "session.h"

#define LIMIT 30	/* seconds: a large policy is indexed first */

#define BODY(name) SOCKGATE__MESSAGE__BODY_##name

bool manager_is_here(const struct options *o)
{
	char why[256];
	int fd = control_connect(o->manager_socket, "policymgr", why, sizeof(why));

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int ask(const struct options *o, Sockgate__Message *request,
	       Sockgate__Message__BodyCase expect, session_fn fn, void *arg, char *why,
	       size_t why_size)
{
	struct session *s = session_open(o->manager_socket, "policymgr", why, why_size);
	int rc;

	if (!s)
		return -1;
	rc = session_ask(s, request, expect, LIMIT, fn, arg, why, why_size);
	session_close(s);
	return rc;
}

/* ---- one version ---- */

struct taking {
	struct signed_policy_parts parts;
	char why[512];
	bool whole;
};

static bool take_part(Sockgate__Message *answer, void *arg)
{
	struct taking *t = arg;
	int rc = signed_policy_add(&t->parts, answer->id, answer->policy_version,
				   POLICY_SIZE_MAX, t->why, sizeof(t->why));

	t->whole = !rc;
	return rc > 0;
}

int manager_get(const struct options *o, uint64_t number, struct signed_policy *p, char *why,
		size_t why_size)
{
	Sockgate__PolicyVersionQuery query = SOCKGATE__POLICY_VERSION_QUERY__INIT;
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	struct taking t = { 0 };
	int rc;

	memset(p, 0, sizeof(*p));
	query.number = number;
	request.body_case = BODY(POLICY_VERSION_QUERY);
	request.policy_version_query = &query;
	rc = ask(o, &request, BODY(POLICY_VERSION), take_part, &t, why, why_size);
	if (!rc && !t.whole) {
		snprintf(why, why_size, "%s", t.why);
		rc = -1;
	}
	if (rc)
		signed_policy_parts_free(&t.parts);
	else
		*p = t.parts.policy;
	return rc;
}

/* ---- a list of them ---- */

static bool take_versions(Sockgate__Message *answer, void *arg)
{
	const Sockgate__PolicyVersions *m = answer->policy_versions;
	struct version_list *list = arg;
	struct signed_policy *bigger;

	bigger = reallocarray(list->version, list->n + m->n_version + 1, sizeof(*bigger));
	if (!bigger) {
		list->failed = true;
		return false;
	}
	list->version = bigger;
	for (size_t i = 0; i < m->n_version; i++) {
		const Sockgate__PolicyVersion *from = m->version[i];
		struct signed_policy *to = &bigger[list->n++];

		memset(to, 0, sizeof(*to));
		to->number = from->number;
		to->time = from->time;
		to->size = from->size;
		snprintf(to->author, sizeof(to->author), "%s", from->author);
		snprintf(to->comment, sizeof(to->comment), "%s", from->comment);
		if (from->sha256.len == SHA256_SIZE)
			memcpy(to->sha256, from->sha256.data, SHA256_SIZE);
		if (from->signature.len == ED25519_SIGNATURE_SIZE)
			memcpy(to->signature, from->signature.data, ED25519_SIGNATURE_SIZE);
	}
	return m->more;
}

int manager_versions(const struct options *o, uint32_t last, struct version_list *list,
		     char *why, size_t why_size)
{
	Sockgate__PolicyVersionsQuery query = SOCKGATE__POLICY_VERSIONS_QUERY__INIT;
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;

	memset(list, 0, sizeof(*list));
	query.last = last;
	request.body_case = BODY(POLICY_VERSIONS_QUERY);
	request.policy_versions_query = &query;
	if (ask(o, &request, BODY(POLICY_VERSIONS), take_versions, list, why, why_size))
		return -1;
	if (list->failed)
		snprintf(why, why_size, "out of memory");
	return list->failed ? -1 : 0;
}

void version_list_free(struct version_list *list)
{
	free(list->version);
}

/* ---- pushing ---- */

static bool take_committed(Sockgate__Message *answer, void *arg)
{
	uint64_t *number = arg;

	*number = answer->policy_committed->number;
	return false;
}

int manager_push(const struct options *o, const struct signed_policy *p, char *why,
		 size_t why_size)
{
	struct session *s = session_open(o->manager_socket, "policymgr", why, why_size);
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyVersion part;
	uint64_t number = 0;
	size_t sent = 0;
	int rc = 0;

	if (!s)
		return -1;
	msg.body_case = BODY(POLICY_VERSION);
	msg.policy_version = &part;
	signed_policy_message(p, &sent, &part);
	while (part.more && !rc) {
		rc = session_part(s, &msg, why, why_size);
		signed_policy_message(p, &sent, &part);
	}
	if (!rc)
		rc = session_ask(s, &msg, BODY(POLICY_COMMITTED), LIMIT, take_committed,
				 &number, why, why_size);
	session_close(s);
	return rc;
}

/* ---- servers ---- */

static bool take_servers(Sockgate__Message *answer, void *arg)
{
	Sockgate__PolicyServers *m = answer->policy_servers;
	struct server_list *list = arg;
	Sockgate__PolicyServer **bigger;

	bigger = reallocarray(list->server, list->n + m->n_server + 1, sizeof(*bigger));
	if (!bigger) {
		list->failed = true;
		return false;
	}
	list->server = bigger;
	list->latest = m->latest;
	/* They are ours now. */
	for (size_t i = 0; i < m->n_server; i++)
		bigger[list->n++] = m->server[i];
	m->n_server = 0;
	return m->more;
}

int manager_servers(const struct options *o, const char *forget, struct server_list *list,
		    char *why, size_t why_size)
{
	Sockgate__PolicyServersQuery query = SOCKGATE__POLICY_SERVERS_QUERY__INIT;
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;

	memset(list, 0, sizeof(*list));
	if (forget)
		query.forget = (char *)forget;
	request.body_case = BODY(POLICY_SERVERS_QUERY);
	request.policy_servers_query = &query;
	if (ask(o, &request, BODY(POLICY_SERVERS), take_servers, list, why, why_size))
		return -1;
	if (list->failed)
		snprintf(why, why_size, "out of memory");
	return list->failed ? -1 : 0;
}

void server_list_free(struct server_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		sockgate__policy_server__free_unpacked(list->server[i], NULL);
	free(list->server);
}
