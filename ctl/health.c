// SPDX-License-Identifier: GPL-2.0-only
#include "health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static void __attribute__((format(printf, 4, 5)))
add(struct health_problem *list, unsigned int *count, const char *remedy,
    const char *fmt, ...)
{
	char raw[sizeof(list->what)];
	va_list ap;

	if (*count == HEALTH_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	/* Reasons come from daemons, and some of them from their peers. */
	text_clean(raw, list[*count].what, sizeof(list->what));
	snprintf(list[*count].remedy, sizeof(list->remedy), "%s", remedy);
	(*count)++;
}

#define PROBLEM(h, remedy, ...) add((h)->problem, &(h)->problems, remedy, __VA_ARGS__)
#define WARNING(h, remedy, ...) add((h)->warning, &(h)->warnings, remedy, __VA_ARGS__)

static void judge_kernel(const struct health_facts *f, struct health *h)
{
	if (!f->kernel) {
		PROBLEM(h, "", "%s", f->kernel_why);
		return;
	}
	if (!f->kernel->agent_pid)
		PROBLEM(h, "start nfagent", "no agent is registered with the kernel "
			"module: its failure table decides");
	if (f->kernel->max_pending && f->kernel->pending >= f->kernel->max_pending)
		WARNING(h, "see `sockgate config set max-pending'",
			"as many callers are held as may be (%" PRIu32 ")",
			f->kernel->pending);
}

#define DAY 86400
#define SOON (30 * DAY)

/* A daemon that is up goes on with one that has ended; its next start will fail. */
static void judge_certificate(const struct health_facts *f, struct health *h,
			      const Sockgate__Status *s, const char *role)
{
	int64_t left = (int64_t)s->certificate_end - f->now;
	char day[TEXT_DAY_SIZE], remedy[256];

	if (!s->certificate_end || left > SOON)
		return;
	snprintf(remedy, sizeof(remedy), "where the CA is, run `sockgate enroll HOST --role %s "
		 "--force', copy what it makes to /etc/sockgate/%s here, and restart %s",
		 role, role, s->program);
	text_day((time_t)s->certificate_end, day);
	if (left <= 0)
		WARNING(h, remedy, "the certificate of %s has ended on %s: no new "
			"connection is made with it", s->program, day);
	else
		WARNING(h, remedy, "the certificate of %s ends on %s, in %" PRId64 " days",
			s->program, day, left / DAY);
}

/* A reason that knows what to do says so after a semicolon. */
static const char *unless_said(const char *reason, const char *remedy)
{
	return strstr(reason, "; ") ? "" : remedy;
}

static void judge_agent(const struct health_facts *f, struct health *h)
{
	if (!f->agent) {
		PROBLEM(h, "", "%s", f->agent_why);
		return;
	}
	if (!*f->agent->server)
		PROBLEM(h, unless_said(f->agent->server_error, "look at the addresses in "
				       "nfagent.conf, and run `sockgate status' on the "
				       "security server"),
			"nfagent is not connected to a security server%s%s",
			*f->agent->server_error ? ": " : "", f->agent->server_error);
	judge_certificate(f, h, f->agent, "agent");
}

static void judge_manager(const struct health_facts *f, struct health *h)
{
	if (f->manager)
		judge_certificate(f, h, f->manager, "manager");
	else
		PROBLEM(h, "", "%s", f->manager_why);
}

static void judge_managed(const Sockgate__Status *s, struct health *h)
{
	if (*s->manager_error)
		WARNING(h, unless_said(s->manager_error, "look at policymgr there, and at "
				       "policy_manager in secsrv.conf"),
			"secsrv is not connected to a policy manager, the policy in force "
			"stays: %s", s->manager_error);
	if (s->policy_drift)
		WARNING(h, "on the manager's machine, `sockgate policy push' or `rollback'",
			"the policy in force is not version %" PRIu64 " of the policy manager, "
			"which was accepted last", s->policy_version);
}

static void judge_signatures(const Sockgate__Status *s, struct health *h)
{
	const char *why = s->signatures_error;
	const char *remedy = unless_said(why, "look at the addresses in secsrv.conf, and run "
					 "`sockgate status' where sigdb serves");

	if (!*why)
		return;
	if (*s->signatures)
		WARNING(h, remedy, "a signature service is not up, others are asked: %s", why);
	else
		PROBLEM(h, remedy, "executables cannot be identified: %s", why);
}

static void judge_server(const struct health_facts *f, struct health *h)
{
	if (!f->server) {
		PROBLEM(h, "", "%s", f->server_why);
		return;
	}
	if (!f->server->generation)
		PROBLEM(h, "sockgate policy load FILE", "secsrv has no policy%s%s",
			*f->server->policy_error ? ": " : "", f->server->policy_error);
	else if (*f->server->policy_error)
		WARNING(h, "correct it and load it again", "the last policy was refused, "
			"the one before it is in force: %s", f->server->policy_error);
	if (*f->server->audit_error)
		PROBLEM(h, "make room or repair the audit database; agents keep their "
			"records until then", "records are not being stored: %s",
			f->server->audit_error);
	judge_signatures(f->server, h);
	judge_managed(f->server, h);
	judge_certificate(f, h, f->server, "server");
}

static void judge_sigdb(const struct health_facts *f, struct health *h)
{
	if (!f->sigdb) {
		PROBLEM(h, "", "%s", f->sigdb_why);
		return;
	}
	if (*f->sigdb->signatures_error)
		PROBLEM(h, "", "sigdb cannot answer: %s", f->sigdb->signatures_error);
	judge_certificate(f, h, f->sigdb, "sigdb");
}

void health_judge(const struct health_facts *facts, struct health *health)
{
	memset(health, 0, sizeof(*health));
	if (!facts->want_workload && !facts->want_server && !facts->want_sigdb &&
	    !facts->want_manager)
		PROBLEM(health, "modprobe sockgate and start nfagent, or start secsrv",
			"nothing of sockgate runs on this machine");
	if (facts->want_workload) {
		judge_kernel(facts, health);
		judge_agent(facts, health);
	}
	if (facts->want_server)
		judge_server(facts, health);
	if (facts->want_sigdb)
		judge_sigdb(facts, health);
	if (facts->want_manager)
		judge_manager(facts, health);
}
