// SPDX-License-Identifier: GPL-2.0-only
#include "cli.h"

#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <event2/event.h>
#include <systemd/sd-daemon.h>

#include "limit.h"
#include "log.h"
#include "serve.h"

struct program {
	struct event_base *base;
	struct serve *serve;
	struct event *hup, *term, *interrupt;
};

static int check(const struct serve_conf *conf)
{
	char why[1024];
	SSL_CTX *tls = tls_context(true, TLS_ROLE_SIGDB, &conf->tls, why, sizeof(why));

	if (!tls)
		return cli_fail("%s", why);
	SSL_CTX_free(tls);
	return CLI_OK;
}

static void on_hup(evutil_socket_t number, short what, void *arg)
{
	struct program *p = arg;

	(void)number, (void)what;
	serve_refresh(p->serve);
}

static void on_term(evutil_socket_t number, short what, void *arg)
{
	struct program *p = arg;

	(void)what;
	log_info("ending: %s", strsignal((int)number));
	event_base_loopbreak(p->base);
}

static bool watch(struct program *p, int number, event_callback_fn fn,
		  struct event **event)
{
	*event = evsignal_new(p->base, number, fn, p);
	return *event && !event_add(*event, NULL);
}

static void forget(struct event *event)
{
	if (event)
		event_free(event);
}

static int run(const struct serve_conf *conf)
{
	struct program p = { .base = event_base_new() };
	char why[1024] = "out of memory";
	int ret = CLI_FAILED;

	if (p.base && watch(&p, SIGHUP, on_hup, &p.hup) &&
	    watch(&p, SIGTERM, on_term, &p.term) &&
	    watch(&p, SIGINT, on_term, &p.interrupt))
		p.serve = serve_new(p.base, conf, why, sizeof(why));
	if (p.serve) {
		sd_notify(0, "READY=1");
		if (event_base_dispatch(p.base) >= 0)
			ret = CLI_OK;
		sd_notify(0, "STOPPING=1");
		serve_free(p.serve);
	} else {
		log_warnx("%s", why);
	}
	forget(p.interrupt);
	forget(p.term);
	forget(p.hup);
	if (p.base)
		event_base_free(p.base);
	return ret;
}

int cmd_serve(const struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'n' },
		{ "debug", no_argument, NULL, 'D' },
		{ NULL, 0, NULL, 0 },
	};
	const char *file = SERVE_CONF_DEFAULT;
	bool only_check = false, debug = false;
	struct serve_conf conf;
	char why[1024];
	int c, ret;

	while ((c = getopt_long(argc, argv, "c:n", options, NULL)) != -1) {
		if (c == 'c')
			file = optarg;
		else if (c == 'n')
			only_check = true;
		else if (c == 'D')
			debug = true;
		else
			return cli_usage("serve: wrong option");
	}
	if (optind != argc)
		return cli_usage("serve: it takes options only");
	if (serve_conf_load(&conf, file, why, sizeof(why)))
		return cli_fail("%s", why);
	/* What was said before "serve" goes before the file. */
	if (strcmp(cli->database, SIGDB_DEFAULT_PATH) != 0)
		conf.database = cli->database;
	log_open("sigdb", debug);
	signal(SIGPIPE, SIG_IGN);
	limit_raise_files();
	ret = only_check ? check(&conf) : run(&conf);
	serve_conf_free(&conf);
	return ret;
}
