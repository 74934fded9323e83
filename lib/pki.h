/* SPDX-License-Identifier: GPL-2.0-only */
/* Making certificates: a CA, and what it issues to agents and to the services. */
#ifndef SOCKGATE_PKI_H
#define SOCKGATE_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "tls.h"

#define PKI_CA_DAYS (10 * 365)
#define PKI_LEAF_DAYS 365

/* A private key and the certificate of its public half. */
struct pki_pair {
	EVP_PKEY *key;
	X509 *cert;
};

/*
 * pki_make_ca - a key and a self-signed certificate
 * @name: its common name
 * @from, @to: seconds since 1970
 * Returns 0, or -1 with a sentence in @why.  The caller frees the pair with
 * pki_free(), which wipes the key.
 */
int pki_make_ca(const char *name, time_t from, time_t to, struct pki_pair *ca,
		char *why, size_t why_size);

/*
 * pki_issue - a key and a certificate for one host in one role
 * The certificate says "URI:sockgate:ROLE:HOST".  An agent may use it as a client, a sigdb
 * and a manager as a server, and a server as both.  It never outlives the CA's own.
 */
int pki_issue(const struct pki_pair *ca, const struct tls_peer *subject,
	      time_t from, time_t to, struct pki_pair *leaf, char *why,
	      size_t why_size);

void pki_free(struct pki_pair *pair);

/* Reads a pair back.  The key must belong to the certificate. */
int pki_read(const char *key_file, const char *cert_file, struct pki_pair *pair,
	     char *why, size_t why_size);

/*
 * pki_write_key, pki_write_cert - PEM, mode 0600 and 0644
 * A file is there whole or not at all, also after a power failure.
 * @replace: false: fail if it exists
 */
int pki_write_key(const char *file, EVP_PKEY *key, bool replace, char *why,
		  size_t why_size);
int pki_write_cert(const char *file, X509 *cert, bool replace, char *why,
		   size_t why_size);

#endif
