// SPDX-License-Identifier: GPL-2.0-only
#include "pki.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "file.h"
#include "why.h"

#define CURVE "P-256"
#define SERIAL_BITS 127		/* positive, and at most 16 bytes */
#define ORGANIZATION "sockgate"
#define COMMON_NAME_MAX 64	/* RFC 5280, ub-common-name */

/* What a certificate will say. */
struct content {
	const char *common_name;
	const char *basic_constraints;
	const char *key_usage;
	const char *extended_key_usage;	/* NULL: none */
	const char *alternative_name;	/* NULL: none */
	time_t from, to;
};

static bool set_serial(X509 *cert)
{
	BIGNUM *n = BN_new();
	bool ok = n && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
		  BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));

	BN_free(n);
	return ok;
}

static bool add_name(X509_NAME *name, int nid, const char *text)
{
	return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
					  (const unsigned char *)text, -1, -1, 0);
}

static bool set_subject(X509 *cert, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return add_name(name, NID_organizationName, ORGANIZATION) &&
	       add_name(name, NID_commonName, common_name);
}

static bool add_extension(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *ext;
	bool ok;

	if (!value)
		return true;
	ext = X509V3_EXT_nconf_nid(NULL, ctx, nid, value);
	ok = ext && X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return ok;
}

static bool add_extensions(X509 *cert, X509 *issuer, const struct content *what)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	return add_extension(cert, &ctx, NID_basic_constraints,
			     what->basic_constraints) &&
	       add_extension(cert, &ctx, NID_key_usage, what->key_usage) &&
	       add_extension(cert, &ctx, NID_ext_key_usage,
			     what->extended_key_usage) &&
	       add_extension(cert, &ctx, NID_subject_key_identifier, "hash") &&
	       add_extension(cert, &ctx, NID_authority_key_identifier,
			     "keyid:always") &&
	       add_extension(cert, &ctx, NID_subject_alt_name,
			     what->alternative_name);
}

static bool set_dates(X509 *cert, const X509 *issuer, time_t from, time_t to)
{
	if (!ASN1_TIME_set(X509_getm_notBefore(cert), from) ||
	    !ASN1_TIME_set(X509_getm_notAfter(cert), to))
		return false;
	/* What outlives its CA looks valid and is not. */
	if (issuer != cert &&
	    ASN1_TIME_compare(X509_get0_notAfter(issuer),
			      X509_get0_notAfter(cert)) < 0)
		return X509_set1_notAfter(cert, X509_get0_notAfter(issuer));
	return true;
}

/* @issuer NULL: signed by itself. */
static int make_pair(const struct pki_pair *issuer, const struct content *what,
		     struct pki_pair *made, struct why *why)
{
	const struct pki_pair *by = issuer ? issuer : made;

	ERR_clear_error();
	made->key = EVP_EC_gen(CURVE);
	made->cert = X509_new();
	if (made->key && made->cert && X509_set_version(made->cert, X509_VERSION_3) &&
	    set_serial(made->cert) && set_subject(made->cert, what->common_name) &&
	    X509_set_issuer_name(made->cert, X509_get_subject_name(by->cert)) &&
	    set_dates(made->cert, by->cert, what->from, what->to) &&
	    X509_set_pubkey(made->cert, made->key) &&
	    add_extensions(made->cert, by->cert, what) &&
	    X509_sign(made->cert, by->key, EVP_sha256()))
		return 0;
	pki_free(made);
	return why_set(why, "cannot make a certificate: %s", why_openssl());
}

int pki_make_ca(const char *name, time_t from, time_t to, struct pki_pair *ca,
		char *text, size_t text_size)
{
	struct why why = { text, text_size };
	struct content what = {
		.common_name = name,
		.basic_constraints = "critical,CA:TRUE,pathlen:0",
		.key_usage = "critical,keyCertSign,cRLSign",
		.from = from,
		.to = to,
	};

	memset(ca, 0, sizeof(*ca));
	if (!*name || strlen(name) > COMMON_NAME_MAX)
		return why_set(&why, "the name of a CA must have 1 to %d bytes",
			    COMMON_NAME_MAX);
	return make_pair(NULL, &what, ca, &why);
}

/* A server asks signature services and policy managers; those ask nobody. */
static const char *key_usage(enum tls_role role)
{
	switch (role) {
	case TLS_ROLE_SERVER:
		return "serverAuth,clientAuth";
	case TLS_ROLE_SIGDB:
	case TLS_ROLE_MANAGER:
		return "serverAuth";
	default:
		return "clientAuth";
	}
}

int pki_issue(const struct pki_pair *ca, const struct tls_peer *subject,
	      time_t from, time_t to, struct pki_pair *leaf, char *text,
	      size_t text_size)
{
	const char *role = tls_role_name(subject->role);
	struct why why = { text, text_size };
	char uri[sizeof("URI:sockgate:manager:") + sizeof(subject->host)];
	struct content what = {
		.common_name = subject->host,
		.basic_constraints = "critical,CA:FALSE",
		.key_usage = "critical,digitalSignature",
		.extended_key_usage = key_usage(subject->role),
		.alternative_name = uri,
		.from = from,
		.to = to,
	};

	memset(leaf, 0, sizeof(*leaf));
	if (subject->role == TLS_ROLE_NONE)
		return why_set(&why, "the role must be agent, server, sigdb or manager");
	if (!tls_host_valid(subject->host))
		return why_set(&why, "`%s' is not a host name (letters, digits, \".\", "
			    "\"-\", \"_\")", subject->host);
	if (X509_cmp_time(X509_get0_notAfter(ca->cert), &from) <= 0)
		return why_set(&why, "the CA's certificate has expired; make a new CA");
	if (strlen(subject->host) > COMMON_NAME_MAX)
		what.common_name = role;	/* the host is in the URI */
	snprintf(uri, sizeof(uri), "URI:sockgate:%s:%s", role, subject->host);
	return make_pair(ca, &what, leaf, &why);
}

void pki_free(struct pki_pair *pair)
{
	EVP_PKEY_free(pair->key);	/* OpenSSL wipes the private number */
	X509_free(pair->cert);
	memset(pair, 0, sizeof(*pair));
}

static X509 *read_cert(const char *file, struct why *why)
{
	FILE *stream = fopen(file, "re");
	X509 *cert = NULL;

	if (!stream) {
		why_set(why, "cannot open certificate %s: %s", file, strerror(errno));
		return NULL;
	}
	ERR_clear_error();
	cert = PEM_read_X509(stream, NULL, NULL, NULL);
	fclose(stream);
	if (!cert)
		why_set(why, "%s is not a PEM certificate: %s", file, why_openssl());
	return cert;
}

int pki_read(const char *key_file, const char *cert_file, struct pki_pair *pair,
	     char *text, size_t text_size)
{
	struct why why = { text, text_size };

	memset(pair, 0, sizeof(*pair));
	pair->cert = read_cert(cert_file, &why);
	if (!pair->cert)
		return -1;
	pair->key = tls_read_key(key_file, text, text_size);
	if (pair->key && X509_check_private_key(pair->cert, pair->key))
		return 0;
	if (pair->key)
		why_set(&why, "key %s does not belong to certificate %s", key_file,
		     cert_file);
	pki_free(pair);
	return -1;
}

static int write_file(const char *file, mode_t mode, BIO *content, bool replace,
		      const struct why *why)
{
	char *data;
	long size = BIO_get_mem_data(content, &data);

	return file_replace(file, data, (size_t)size, mode, replace, why->text,
			    why->size);
}

int pki_write_key(const char *file, EVP_PKEY *key, bool replace, char *text,
		  size_t text_size)
{
	struct why why = { text, text_size };
	BIO *bio = BIO_new(BIO_s_secmem());	/* wiped when freed */
	int result;

	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
		result = write_file(file, 0600, bio, replace, &why);
	else
		result = why_set(&why, "cannot encode the key for %s: %s", file,
			      why_openssl());
	BIO_free(bio);
	return result;
}

int pki_write_cert(const char *file, X509 *cert, bool replace, char *text,
		   size_t text_size)
{
	struct why why = { text, text_size };
	BIO *bio = BIO_new(BIO_s_mem());
	int result;

	if (bio && PEM_write_bio_X509(bio, cert))
		result = write_file(file, 0644, bio, replace, &why);
	else
		result = why_set(&why, "cannot encode the certificate for %s: %s", file,
			      why_openssl());
	BIO_free(bio);
	return result;
}
