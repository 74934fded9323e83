/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may talk to whom: TLS 1.3, both sides with a certificate of our CA. */
#ifndef SOCKGATE_TLS_H
#define SOCKGATE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <openssl/ssl.h>

enum tls_role {
	TLS_ROLE_NONE,
	TLS_ROLE_AGENT,
	TLS_ROLE_SERVER,
	TLS_ROLE_SIGDB,		/* answers servers' questions about executables */
	TLS_ROLE_MANAGER,	/* gives servers their policy */
};

/* What a certificate says its holder is: URI SAN "sockgate:ROLE:HOST". */
struct tls_peer {
	enum tls_role role;
	char host[256];
};

struct tls_files {
	const char *ca;		/* PEM; certificates signed by it are ours */
	const char *cert;	/* PEM */
	const char *key;	/* PEM; must not be readable by others */
};

/*
 * tls_context - make the context for one role, client or server side
 * @role: what our own certificate must say we are
 * @why:  on failure a sentence that names the file and what to do
 *
 * TLS 1.3 only, peer certificate required, no session resumption (a revoked or
 * expired peer must not come back through one).  The caller frees the result
 * with SSL_CTX_free().  Returns NULL on failure.
 */
SSL_CTX *tls_context(bool server, enum tls_role role,
		     const struct tls_files *files, char *why, size_t why_size);

/*
 * tls_peer_of - after the handshake: who the other side is
 * Returns 0, or -1 if its certificate names no role and host of ours.
 */
int tls_peer_of(const SSL *ssl, struct tls_peer *peer);

/* The same for a certificate that is at hand; its chain is not looked at. */
int tls_peer_of_cert(X509 *cert, struct tls_peer *peer);

/*
 * tls_expect - say who the other side must be, before the handshake
 * @expect: copied; an empty host stands for any
 * Without this the handshake fails, whoever the other side is.  A wrong peer is
 * refused inside the handshake.  Returns 0, or -1 (no memory).
 */
int tls_expect(SSL *ssl, const struct tls_peer *expect);

/*
 * tls_explain - a sentence about why a connection failed
 * @error: code from OpenSSL's queue, 0 if there is none
 */
void tls_explain(const SSL *ssl, unsigned long error, char *why, size_t why_size);

/* When our own certificate ends, in seconds since 1970; 0 if that cannot be said. */
time_t tls_own_end(const SSL_CTX *ctx);

/* The same of any certificate. */
time_t tls_cert_end(const X509 *cert);

/*
 * tls_read_key - read a private key that must be nobody else's to read
 * @why: on failure a sentence that names the file and what to do
 * The caller frees the result with EVP_PKEY_free().  Never asks for a
 * passphrase.  Returns NULL on failure.
 */
EVP_PKEY *tls_read_key(const char *file, char *why, size_t why_size);

/* Letters, digits, "." "-" "_", 1 to 255 of them, none of ".-" at the start. */
bool tls_host_valid(const char *host);

/* "agent", "server", "sigdb", "manager" and back (TLS_ROLE_NONE if unknown). */
const char *tls_role_name(enum tls_role role);
enum tls_role tls_role_from_name(const char *name);

#endif
