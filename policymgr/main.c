// SPDX-License-Identifier: GPL-2.0-only
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ed25519.h"
#include "limit.h"
#include "log.h"
#include "loop.h"
#include "manager.h"

static const char usage_text[] =
	"usage: policymgr [-d] [-n] [-c FILE]\n"
	"Keeps every version of the policy, and gives the newest to security servers.\n"
	"\n"
	"  -c FILE  configuration (" MANAGER_CONF_DEFAULT ")\n"
	"  -n       check configuration, certificates and key, then exit\n"
	"  -d       say more\n"
	"  -V       show the version\n"
	"  -h       show this help\n"
	"\n"
	"Stays in the foreground.  SIGTERM ends it.  A version is made by\n"
	"`sockgate policy push'.\n"
	"\n"
	"  policymgr -n && systemctl restart policymgr\n"
	"\n"
	"Exit status: 0 fine, 1 failed, 2 wrong usage.  See policymgr(8).\n";

static int check(const struct manager_conf *conf)
{
	char why[1024];
	SSL_CTX *tls = tls_context(true, TLS_ROLE_MANAGER, &conf->tls, why, sizeof(why));
	int rc = !tls || ed25519_check(conf->key, why, sizeof(why));

	if (rc)
		log_warnx("%s", why);
	SSL_CTX_free(tls);
	return rc;
}

static int run(const struct manager_conf *conf)
{
	struct manager *manager = NULL;
	char why[1024] = "out of memory";
	struct loop loop = { 0 };
	int rc = 1;

	if (!loop_open(&loop, NULL, NULL))
		manager = manager_new(loop.base, conf, why, sizeof(why));
	if (manager) {
		rc = loop_run(&loop) < 0;
		manager_free(manager);
	} else {
		log_warnx("%s", why);
	}
	loop_close(&loop);
	return rc;
}

int main(int argc, char **argv)
{
	const char *file = MANAGER_CONF_DEFAULT;
	bool debug = false, only_check = false;
	struct manager_conf conf;
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
			puts("policymgr " SOCKGATE_VERSION);
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
	log_open("policymgr", debug);
	if (manager_conf_load(&conf, file, why, sizeof(why)))
		fatalx("%s", why);
	signal(SIGPIPE, SIG_IGN);
	/* There is nothing to load again. */
	signal(SIGHUP, SIG_IGN);
	limit_raise_files();	/* every server is a descriptor */
	rc = only_check ? check(&conf) : run(&conf);
	manager_conf_free(&conf);
	return rc;
}
