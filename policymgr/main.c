// SPDX-License-Identifier: GPL-2.0-only
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <event2/event.h>
#include <systemd/sd-daemon.h>

#include "ed25519.h"
#include "limit.h"
#include "log.h"
#include "manager.h"

struct program {
	struct event_base *base;
	struct manager *manager;
	struct event *term, *interrupt;
};

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

static void on_term(evutil_socket_t number, short what, void *arg)
{
	struct program *p = arg;

	(void)what;
	log_info("ending: %s", strsignal((int)number));
	event_base_loopbreak(p->base);
}

static bool watch(struct program *p, int number, struct event **event)
{
	*event = evsignal_new(p->base, number, on_term, p);
	return *event && !event_add(*event, NULL);
}

static int run(const struct manager_conf *conf)
{
	struct program p = { .base = event_base_new() };
	char why[1024] = "out of memory";
	int rc = 1;

	if (p.base && watch(&p, SIGTERM, &p.term) && watch(&p, SIGINT, &p.interrupt))
		p.manager = manager_new(p.base, conf, why, sizeof(why));
	if (p.manager) {
		sd_notify(0, "READY=1");
		rc = event_base_dispatch(p.base) < 0;
		sd_notify(0, "STOPPING=1");
		manager_free(p.manager);
	} else {
		log_warnx("%s", why);
	}
	if (p.interrupt)
		event_free(p.interrupt);
	if (p.term)
		event_free(p.term);
	if (p.base)
		event_base_free(p.base);
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
