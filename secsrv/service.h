/* SPDX-License-Identifier: GPL-2.0-only */
/* The connection to one signature service, made again whenever it is lost. */
#ifndef SECSRV_SERVICE_H
#define SECSRV_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <openssl/ssl.h>

#include "addr.h"
#include "sockgate.pb-c.h"

struct event_base;
struct service;

struct service_address {
	struct sockaddr_storage addr;
	socklen_t len;
	const char *name;	/* the host its certificate must name */
	char text[ADDR_TEXT_SIZE];
};

/* For all services of a list alike. */
struct service_conf {
	unsigned int attempt_ms;	/* for a connection, to the first message */
	unsigned int silence_ms;	/* nothing heard for so long: it hangs */
};

/*
 * up:      it may be asked
 * changed: its signatures are not those of before, at the latest since it was last
 *          heard of; told before up, if both
 * message: an answer; the channel frees it afterwards
 * down:    it was up
 * failed:  an attempt to connect has failed
 */
struct service_ops {
	void (*up)(struct service *s, void *arg);
	void (*changed)(struct service *s, void *arg);
	void (*message)(struct service *s, Sockgate__Message *msg, void *arg);
	void (*down)(struct service *s, void *arg);
	void (*failed)(struct service *s, void *arg);
};

/*
 * service_new - @address and @conf are kept by reference
 * @number: names it
 * Starts with the first attempt, from the event loop; NULL: no memory.
 */
struct service *service_new(struct event_base *base, SSL_CTX *tls,
			    const struct service_address *address,
			    const struct service_conf *conf, unsigned int number,
			    const struct service_ops *ops, void *arg);

/* Nothing is told any more; NULL is allowed. */
void service_free(struct service *s);

unsigned int service_number(const struct service *s);
bool service_is_up(const struct service *s);

/* Has an attempt failed since it was last up? */
bool service_is_away(const struct service *s);

/* Returns 0, or -1 if there is no connection that takes it now. */
int service_send(struct service *s, Sockgate__Message *msg);

const char *service_address(const struct service *s);
/* Why it is not up; "" if it is. */
const char *service_error(const struct service *s);
/* Connections that were up and ended. */
uint64_t service_losses(const struct service *s);

#endif
