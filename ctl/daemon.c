// SPDX-License-Identifier: GPL-2.0-only
#include "daemon.h"

#include <stdio.h>

#define WHY_SIZE 256

struct session *daemon_open(const struct options *o, bool *is_server, char *why,
			    size_t why_size)
{
	char server_why[WHY_SIZE], agent_why[WHY_SIZE];
	struct session *s = session_open(o->server_socket, "secsrv", server_why,
					 sizeof(server_why));

	if (is_server)
		*is_server = s;
	if (!s)
		s = session_open(o->agent_socket, "nfagent", agent_why,
				 sizeof(agent_why));
	if (!s)
		snprintf(why, why_size, "%s\n%s", server_why, agent_why);
	return s;
}

static bool take_status(Sockgate__Message *answer, void *arg)
{
	Sockgate__Status **status = arg;

	*status = answer->status;
	answer->body_case = SOCKGATE__MESSAGE__BODY__NOT_SET;
	return false;
}

Sockgate__Status *daemon_status(struct session *s, char *why, size_t why_size)
{
	Sockgate__Message request = SOCKGATE__MESSAGE__INIT;
	Sockgate__StatusQuery query = SOCKGATE__STATUS_QUERY__INIT;
	Sockgate__Status *status = NULL;

	request.body_case = SOCKGATE__MESSAGE__BODY_STATUS_QUERY;
	request.status_query = &query;
	if (session_ask(s, &request, SOCKGATE__MESSAGE__BODY_STATUS, SESSION_LIMIT,
			take_status, &status, why, why_size))
		return NULL;
	return status;
}
