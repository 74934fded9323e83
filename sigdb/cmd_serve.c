// SPDX-License-Identifier: GPL-2.0-only
#include "cli.h"

#include <getopt.h>
#include <signal.h>
#include <string.h>

#include "limit.h"
#include "log.h"
#include "loop.h"
#include "serve.h"

static int check(const struct serve_conf *conf)
{
	char why[1024];
	SSL_CTX *tls = tls_context(true, TLS_ROLE_SIGDB, &conf->tls, why, sizeof(why));

	if (!tls)
		return cli_fail("%s", why);
	SSL_CTX_free(tls);
	return CLI_OK;
}

static void reload(void *arg)
{
	struct serve **serve = arg;

	serve_refresh(*serve);
}

static int run(const struct serve_conf *conf)
{
	struct serve *serve = NULL;
	char why[1024] = "out of memory";
	struct loop loop = { 0 };
	int ret = CLI_FAILED;

	if (!loop_open(&loop, reload, &serve))
		serve = serve_new(loop.base, conf, why, sizeof(why));
	if (serve) {
		if (!loop_run(&loop))
			ret = CLI_OK;
		serve_free(serve);
	} else {
		log_warnx("%s", why);
	}
	loop_close(&loop);
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
