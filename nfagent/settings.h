/* SPDX-License-Identifier: GPL-2.0-only */
/* nfagent.conf, read and checked: see nfagent.conf(5). */
#ifndef NFAGENT_SETTINGS_H
#define NFAGENT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/sockgate.h>

#include "desk.h"
#include "failsafe.h"
#include "interpreter.h"
#include "server.h"
#include "tls.h"

#define SETTINGS_LIST_MAX 32

struct settings {
	struct conf *conf;		/* owns the strings */
	struct server_conf server;	/* addresses, host, times */
	struct tls_files tls;
	const char *domain;		/* of users without a directory */
	const char *control;
	const char *spool;
	uint64_t spool_bytes;
	struct desk_conf desk;		/* mark_mask is the kernel's to say */
	unsigned int hash_threads;
	uint64_t hash_bytes;
	unsigned int hashes_max;
	uint64_t content_bytes;		/* of a file that the server may see; 0: none */
	const char *directories[SETTINGS_LIST_MAX + 1];
	const char *unverifiable[SETTINGS_LIST_MAX + 1];
	struct interpreter interpreters[SETTINGS_LIST_MAX + 1];
	const char *resolv_conf;
	struct {
		uint32_t deadline_ms, max_pending, max_cached, mark_mask;
		bool has_deadline, has_pending, has_cached, has_mask;
	} kernel;
	struct sockgate_failure failures[__SOCKGATE_REASON_MAX];
	size_t n_failures;
	struct failsafe_rule failsafes[SOCKGATE_MAX_FAILSAFES];
	size_t n_failsafes;
	char hostname[256];
};

/*
 * settings_read - read a configuration file
 * @why: on failure "FILE:LINE: reason"
 * Returns NULL on failure.
 */
struct settings *settings_read(const char *file, char *why, size_t why_size);
void settings_free(struct settings *s);

#endif
