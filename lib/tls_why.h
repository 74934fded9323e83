/* SPDX-License-Identifier: GPL-2.0-only */
/* Why a certificate is refused, and what to do about it. */
#ifndef SOCKGATE_TLS_WHY_H
#define SOCKGATE_TLS_WHY_H

#include <stdbool.h>
#include <openssl/x509.h>

#include "tls.h"
#include "why.h"

/*
 * Each of these makes a sentence; where it knows what to do, that follows a
 * semicolon.
 *
 * tls_why_peer:     the peer's certificate, by the X509_V_ERR_* of its check
 * tls_why_stranger: the peer is not @expected, who may have no host
 * tls_why_own:      our own, by the result of its check
 * tls_why_code:     the connection, by a code from OpenSSL's queue, 0 if there is none;
 *                   what the peer says of our certificate comes as one
 */
void tls_why_peer(long error, const struct why *why);
void tls_why_stranger(const struct tls_peer *met, const struct tls_peer *expected,
		      const struct why *why);
void tls_why_own(X509_STORE_CTX *checked, const struct tls_files *files,
		 const struct why *why);
void tls_why_code(unsigned long code, const struct why *why);

#endif
