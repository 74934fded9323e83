// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "agent.h"
#include "log.h"
#include "settings.h"

#define CONFIG "/etc/sockgate/nfagent.conf"

static void usage(FILE *to)
{
	fputs("usage: nfagent [-c FILE] [-n] [-d]\n"
	      "\n"
	      "Answers the kernel module sockgate: identifies who wants to use the\n"
	      "network and asks the security server.  Runs in the foreground.\n"
	      "\n"
	      "  -c FILE   configuration (" CONFIG ")\n"
	      "  -n        check the configuration and end: 0 right, 1 wrong\n"
	      "  -d        say more\n"
	      "  -V        print the version\n"
	      "\n"
	      "examples:\n"
	      "  nfagent -n -c new.conf    is new.conf right?\n"
	      "  nfagent -d                run in a terminal\n"
	      "  sockgate status           how it does\n"
	      "\n"
	      "nfagent(8), nfagent.conf(5)\n", to);
}

struct options {
	const char *config;
	bool check;
	bool debug;
};

/* Returns -1 to go on, else what to exit with. */
static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option words[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'n' },
		{ "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:ndhV", words, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'n':
			o->check = true;
			break;
		case 'd':
			o->debug = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			puts("nfagent " SOCKGATE_VERSION);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	return -1;
}

static int run(struct settings *settings)
{
	struct agent *agent;
	char why[1024];
	int rc;

	agent = agent_start(settings, why, sizeof(why));
	if (!agent)
		fatalx("%s", why);
	log_info("version " SOCKGATE_VERSION ", answering the kernel");
	sd_notify(0, "READY=1");
	rc = agent_run(agent);
	sd_notify(0, "STOPPING=1");
	agent_stop(agent);
	return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options o = { .config = CONFIG };
	struct settings *settings;
	char why[1024];
	int rc;

	rc = read_options(argc, argv, &o);
	if (rc >= 0)
		return rc;
	log_open("nfagent", o.debug);
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	settings = settings_read(o.config, why, sizeof(why));
	if (!settings)
		fatalx("%s", why);
	if (o.check) {
		printf("%s is right\n", o.config);
		settings_free(settings);
		return 0;
	}
	rc = run(settings);
	settings_free(settings);
	return rc;
}
