/* SPDX-License-Identifier: GPL-2.0-only */
/* The connection to a security server, made again whenever it is lost. */
#ifndef NFAGENT_SERVER_H
#define NFAGENT_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <openssl/ssl.h>

#include "desk.h"
#include "sockgate.pb-c.h"

struct event_base;
struct server;

#define SERVER_MAX 16

struct server_address {
	struct sockaddr_storage addr;
	socklen_t len;
	const char *name;	/* the host its certificate must name */
	char text[80];
};

struct server_conf {
	struct server_address list[SERVER_MAX];	/* tried in this order */
	unsigned int n;
	SSL_CTX *tls;
	const char *host;		/* ours */
	const char *context;
	const uint8_t *instance;	/* of our spool, 16 bytes */
	unsigned int silence_ms;	/* nothing heard for so long: it hangs */
	unsigned int attempt_ms;	/* for a connection, to the first answer */
};

/*
 * state:   see enum server_state; away is told when each server of the list
 *          has failed once since the last connection
 * policy:  @events: what the policy names, as in the proto's PolicyChanged;
 *          so @facts;
 *          @another: not the server of before
 * decided: @decision NULL: the server could not decide
 * stored:  records up to @sequence are committed
 * refused: the server did not take a batch of records now
 * content: it wants to see an executable
 */
struct server_ops {
	void (*state)(enum server_state state, void *arg);
	void (*policy)(uint64_t generation, uint32_t events, uint32_t facts, bool another,
		       void *arg);
	void (*decided)(uint64_t number, const Sockgate__Decision *decision,
			void *arg);
	void (*stored)(uint64_t sequence, void *arg);
	void (*refused)(void *arg);
	void (*content)(uint64_t id, const Sockgate__ContentQuery *query, void *arg);
};

/* @conf is kept by reference.  Starts with the first attempt; NULL: no memory. */
struct server *server_new(struct event_base *base,
			  const struct server_conf *conf,
			  const struct server_ops *ops, void *arg);
void server_free(struct server *s);

/*
 * All return 0, or -1 if there is no connection that takes it now.  A part of a file
 * is taken only where next to nothing else is on its way.
 */
int server_ask(struct server *s, uint64_t number, Sockgate__Question *question);
int server_send_records(struct server *s, Sockgate__Records *records);
int server_send_part(struct server *s, uint64_t id, Sockgate__ContentPart *part);

/* Does the server in use want to see executables? */
bool server_fetches(const struct server *s);

/* Address of the server in use, "" if none. */
const char *server_in_use(const struct server *s);

/* Why there is none, "" if there is. */
const char *server_error(const struct server *s);

/* Connections that were up and ended. */
uint64_t server_losses(const struct server *s);

#endif
