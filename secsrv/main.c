// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>

#include "ed25519.h"
#include "limit.h"
#include "log.h"
#include "loop.h"
#include "policy.h"
#include "server.h"

static const char usage_text[] =
	"usage: secsrv [-d] [-n] [-c FILE]\n"
	"Decides, for the agents that ask, which application may use the network.\n"
	"\n"
	"  -c FILE  configuration (" SERVER_CONF_DEFAULT ")\n"
	"  -n       check configuration, certificates and policy, then exit\n"
	"  -d       say more\n"
	"  -V       show the version\n"
	"  -h       show this help\n"
	"\n"
	"Stays in the foreground.  SIGHUP loads the policy again; a broken one\n"
	"changes nothing.  SIGTERM ends it.\n"
	"\n"
	"  secsrv -n -c /etc/sockgate/secsrv.conf && systemctl restart secsrv\n"
	"\n"
	"Exit status: 0 fine, 1 failed, 2 wrong usage.  See secsrv(8).\n";

static int check_policy(const struct server_conf *conf)
{
	struct policy_error err;
	struct policy *policy = policy_load(conf->policy, &err);
	char why[1024];

	if (!policy) {
		log_warnx("%s", settings_error_text(&err, why, sizeof(why)));
		return 1;
	}
	for (unsigned int i = 0; i < policy->warnings; i++)
		log_warnx("%s:%u: %s", conf->policy, policy->warning[i].line,
			  policy->warning[i].text);
	policy_free(policy);
	return 0;
}

static int check_tls(const struct server_conf *conf, bool listens)
{
	char why[1024];
	SSL_CTX *tls = tls_context(listens, TLS_ROLE_SERVER, &conf->tls, why, sizeof(why));

	if (!tls) {
		log_warnx("%s", why);
		return 1;
	}
	SSL_CTX_free(tls);
	return 0;
}

static int check_policy_key(const struct server_conf *conf)
{
	char why[1024];

	if (!ed25519_check(conf->policy_key, why, sizeof(why)))
		return 0;
	log_warnx("%s", why);
	return 1;
}

static int check(const struct server_conf *conf)
{
	if (check_policy(conf) || check_tls(conf, true))
		return 1;
	if (conf->identity.services.n && check_tls(conf, false))
		return 1;
	return conf->managers ? check_policy_key(conf) : 0;
}

static void reload(void *arg)
{
	struct server **server = arg;

	server_reload(*server);
}

static int run(const struct server_conf *conf)
{
	struct server *server = NULL;
	char why[1024] = "out of memory";
	struct loop loop = { 0 };
	int rc = 1;

	/* Nobody asks how much memory SQLite has: counting takes a lock, each time. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);

	if (!loop_open(&loop, reload, &server))
		server = server_new(loop.base, conf, why, sizeof(why));
	if (server) {
		rc = loop_run(&loop) < 0;
		server_free(server);
	} else {
		log_warnx("%s", why);
	}
	loop_close(&loop);
	return rc;
}

int main(int argc, char **argv)
{
	const char *file = SERVER_CONF_DEFAULT;
	bool debug = false, only_check = false;
	struct server_conf conf;
	char why[1024];
	int opt, rc;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage_text, stdout);
		return 0;
	}
	while ((opt = getopt(argc, argv, "c:dnVh")) != -1) {
		switch (opt) {
		case 'c':
			file = optarg;
			break;
		case 'd':
			debug = true;
			break;
		case 'n':
			only_check = true;
			break;
		case 'V':
			puts("secsrv " SOCKGATE_VERSION);
			return 0;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		default:
			fputs(usage_text, stderr);
			return 2;
		}
	}
	if (optind != argc) {
		fputs(usage_text, stderr);
		return 2;
	}
	log_open("secsrv", debug);
	if (server_conf_load(&conf, file, why, sizeof(why)))
		fatalx("%s", why);
	signal(SIGPIPE, SIG_IGN);
	limit_raise_files();	/* every agent is a descriptor */
	rc = only_check ? check(&conf) : run(&conf);
	server_conf_free(&conf);
	return rc;
}
