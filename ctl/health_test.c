// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "ctl/health.h"

#define NOW 1800000000
#define DAY 86400

static struct kernel_status kernel;
static Sockgate__Status agent, server, sigdb;
static struct health_facts facts;
static struct health health;

/* Everything up, on a machine that is both. */
static int set_up(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.agent_pid = 812;
	kernel.max_pending = 4096;
	sockgate__status__init(&agent);
	agent.server = (char *)"192.0.2.1:6610";
	sockgate__status__init(&server);
	server.generation = 3;
	server.policy_rules = 10;
	sockgate__status__init(&sigdb);
	facts = (struct health_facts){ .now = NOW, .want_workload = true, .want_server = true,
				       .kernel = &kernel, .agent = &agent,
				       .server = &server, .kernel_why = "",
				       .agent_why = "", .server_why = "" };
	return 0;
}

static void one_problem(const char *what)
{
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 1);
	if (!strstr(health.problem[0].what, what))
		fail_msg("`%s' does not say `%s'", health.problem[0].what, what);
}

static void all_up(void **state)
{
	(void)state;
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 0);
	assert_int_equal(health.warnings, 0);
}

static void nothing_here(void **state)
{
	(void)state;
	facts.want_workload = facts.want_server = false;
	one_problem("nothing of sockgate runs");
}

static void workload(void **state)
{
	(void)state;
	facts.want_server = false;
	facts.server = NULL;
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 0);
	agent.server = (char *)"";
	agent.server_error = (char *)"Connection refused";
	one_problem("not connected to a security server: Connection refused");
	assert_true(strlen(health.problem[0].remedy) > 0);
	facts.agent = NULL;
	facts.agent_why = "nobody answers";
	one_problem("nobody answers");
	kernel.agent_pid = 0;
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 2);
	facts.agent = &agent;
	agent.server = (char *)"192.0.2.1:6610";
	one_problem("no agent is registered");
	facts.kernel = NULL;
	facts.kernel_why = "not loaded; run: modprobe sockgate";
	one_problem("run: modprobe sockgate");
}

static void security_server(void **state)
{
	(void)state;
	facts.want_workload = false;
	facts.kernel = NULL;
	facts.agent = NULL;
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 0);
	server.policy_error = (char *)"p.conf:3: no";
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 0);
	assert_int_equal(health.warnings, 1);
	assert_non_null(strstr(health.warning[0].what, "p.conf:3: no"));
	server.generation = 0;
	one_problem("has no policy: p.conf:3: no");
	server.generation = 3;
	server.audit_error = (char *)"disk full\033[2J";
	one_problem("disk full\\x1b[2J");
	facts.server = NULL;
	facts.server_why = "is secsrv running?";
	one_problem("is secsrv running?");
}

static void policy_manager(void **state)
{
	Sockgate__Status manager = SOCKGATE__STATUS__INIT;

	(void)state;
	facts.want_workload = facts.want_server = false;
	facts.want_manager = true;
	facts.manager = &manager;
	manager.program = (char *)"policymgr";
	manager.certificate_end = NOW + DAY;
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 0);
	assert_int_equal(health.warnings, 1);
	assert_non_null(strstr(health.warning[0].remedy, "enroll HOST --role manager --force"));
	facts.manager = NULL;
	facts.manager_why = "is policymgr running?";
	one_problem("is policymgr running?");
}

static void a_policy_manager_that_is_away_is_no_problem(void **state)
{
	(void)state;
	server.manager_error = (char *)"192.0.2.20:6650 (mgr1): Connection refused";
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 0);
	assert_int_equal(health.warnings, 1);
	assert_non_null(strstr(health.warning[0].what, "(mgr1): Connection refused"));
	server.manager_error = (char *)"";
	server.policy_version = 7;
	server.policy_drift = true;
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 0);
	assert_int_equal(health.warnings, 1);
	assert_non_null(strstr(health.warning[0].what, "is not version 7"));
}

static void crowded(void **state)
{
	(void)state;
	kernel.pending = 4096;
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 0);
	assert_int_equal(health.warnings, 1);
}

static void a_reason_may_know_what_to_do(void **state)
{
	(void)state;
	agent.server = (char *)"";
	agent.server_error = (char *)"the peer's certificate has expired; make a new one";
	one_problem("make a new one");
	assert_string_equal(health.problem[0].remedy, "");
	agent.server_error = (char *)"Connection refused";
	one_problem("Connection refused");
	assert_non_null(strstr(health.problem[0].remedy, "addresses in nfagent.conf"));
}

static void signatures_cannot_be_asked(void **state)
{
	(void)state;
	server.signatures_error = (char *)"192.0.2.3:6611 (sig1): no answer";
	one_problem("executables cannot be identified: 192.0.2.3:6611 (sig1): no answer");
	assert_non_null(strstr(health.problem[0].remedy, "secsrv.conf"));
	server.signatures = (char *)"192.0.2.4:6611";
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 0);
	assert_int_equal(health.warnings, 1);
	assert_non_null(strstr(health.warning[0].what, "a signature service is not up"));
	server.signatures_error = (char *)"";
	health_judge(&facts, &health);
	assert_int_equal(health.warnings, 0);
}

static void signature_service(void **state)
{
	(void)state;
	facts.want_workload = facts.want_server = false;
	facts.want_sigdb = true;
	facts.sigdb_why = "nobody answers on sigdb.sock";
	one_problem("nobody answers on sigdb.sock");
	facts.sigdb = &sigdb;
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 0);
	sigdb.signatures_error = (char *)"s.db: damaged";
	one_problem("sigdb cannot answer: s.db: damaged");
	sigdb.signatures_error = (char *)"";
	sigdb.program = (char *)"sigdb";
	sigdb.certificate_end = NOW + 3 * DAY;
	health_judge(&facts, &health);
	assert_int_equal(health.warnings, 1);
	assert_non_null(strstr(health.warning[0].remedy, "--role sigdb --force"));
}

static void certificates_end(void **state)
{
	(void)state;
	agent.program = (char *)"nfagent";
	server.program = (char *)"secsrv";
	agent.certificate_end = server.certificate_end = NOW + 31 * DAY;
	health_judge(&facts, &health);
	assert_int_equal(health.warnings, 0);
	agent.certificate_end = NOW + 29 * DAY + 7;
	server.certificate_end = NOW - 1;
	health_judge(&facts, &health);
	assert_int_equal(health.problems, 0);
	assert_int_equal(health.warnings, 2);
	assert_string_equal(health.warning[0].what, "the certificate of nfagent ends on "
			    "2027-02-13, in 29 days");
	assert_non_null(strstr(health.warning[0].remedy, "enroll HOST --role agent --force"));
	assert_non_null(strstr(health.warning[1].what, "of secsrv has ended on 2027-01-15"));
	assert_non_null(strstr(health.warning[1].remedy, "/etc/sockgate/server here"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
	const struct CMUnitTest tests[] = {
		TEST(all_up),
		TEST(nothing_here),
		TEST(workload),
		TEST(security_server),
		TEST(policy_manager),
		TEST(a_policy_manager_that_is_away_is_no_problem),
		TEST(crowded),
		TEST(a_reason_may_know_what_to_do),
		TEST(certificates_end),
		TEST(signatures_cannot_be_asked),
		TEST(signature_service),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
