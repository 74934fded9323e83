/* SPDX-License-Identifier: GPL-2.0-only */
/* For unit tests only: certificates in a directory of their own. */
#ifndef SOCKGATE_TEST_CERTS_H
#define SOCKGATE_TEST_CERTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pki.h"
#include "tls.h"

struct test_certs {
	char dir[64];
	char ca[128], cert[128], key[128];
};

/* What a test must not go on without. */
static inline void test_must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "test set-up failed: %s\n", what);
	abort();
}

/* A CA in memory, valid now. */
static inline struct pki_pair test_ca(const char *name)
{
	struct pki_pair ca;
	char why[256];
	time_t now = time(NULL);

	test_must(!pki_make_ca(name, now - 3600, now + 86400, &ca, why, sizeof(why)),
		  why);
	return ca;
}

/* Files for @role and @host, valid from now + @from to now + @to seconds. */
static inline struct test_certs test_certs_dated(const struct pki_pair *ca,
						 enum tls_role role,
						 const char *host, long from, long to)
{
	struct test_certs c = { .dir = "/tmp/sockgate-test.XXXXXX" };
	struct tls_peer subject = { .role = role };
	struct pki_pair leaf;
	time_t now = time(NULL);
	char why[256];

	test_must(mkdtemp(c.dir) != NULL, "mkdtemp");
	snprintf(c.ca, sizeof(c.ca), "%s/ca.pem", c.dir);
	snprintf(c.cert, sizeof(c.cert), "%s/cert.pem", c.dir);
	snprintf(c.key, sizeof(c.key), "%s/key.pem", c.dir);
	snprintf(subject.host, sizeof(subject.host), "%s", host);
	test_must(!pki_issue(ca, &subject, now + from, now + to, &leaf, why,
			     sizeof(why)), why);
	test_must(!pki_write_cert(c.ca, ca->cert, true, why, sizeof(why)) &&
		  !pki_write_cert(c.cert, leaf.cert, true, why, sizeof(why)) &&
		  !pki_write_key(c.key, leaf.key, true, why, sizeof(why)), why);
	pki_free(&leaf);
	return c;
}

static inline struct test_certs test_certs_make(const struct pki_pair *ca,
						enum tls_role role, const char *host)
{
	return test_certs_dated(ca, role, host, -60, 3600);
}

/* Valid as long as @c stays where it is. */
static inline struct tls_files test_certs_files(const struct test_certs *c)
{
	return (struct tls_files){ .ca = c->ca, .cert = c->cert, .key = c->key };
}

static inline void test_certs_remove(const struct test_certs *c)
{
	unlink(c->ca);
	unlink(c->cert);
	unlink(c->key);
	rmdir(c->dir);
}

#endif
