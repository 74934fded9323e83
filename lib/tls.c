// SPDX-License-Identifier: GPL-2.0-only
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls_why.h"
#include "why.h"

#define URI_PREFIX "sockgate:"
#define KEY_FILE_LIMIT (64 * 1024)
#define CHAIN_DEPTH 4

static const char *const role_names[] = {
	[TLS_ROLE_AGENT] = "agent",
	[TLS_ROLE_SERVER] = "server",
	[TLS_ROLE_SIGDB] = "sigdb",
	[TLS_ROLE_MANAGER] = "manager",
};

#define ROLES (sizeof(role_names) / sizeof(role_names[0]))

const char *tls_role_name(enum tls_role role)
{
	return role > TLS_ROLE_NONE && role < ROLES ? role_names[role] : "none";
}

enum tls_role tls_role_from_name(const char *name)
{
	for (size_t i = TLS_ROLE_NONE + 1; i < ROLES; i++)
		if (!strcasecmp(name, role_names[i]))
			return (enum tls_role)i;
	return TLS_ROLE_NONE;
}

bool tls_host_valid(const char *host)
{
	size_t len = strlen(host);

	if (!len || len >= sizeof(((struct tls_peer *)0)->host))
		return false;
	if (host[0] == '.' || host[0] == '-')
		return false;
	return strspn(host, "abcdefghijklmnopqrstuvwxyz"
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == len;
}

/* Returns 1 if @uri is ours and names a peer, 0 if not ours, -1 if ours but bad. */
static int parse_uri(const ASN1_IA5STRING *uri, struct tls_peer *peer)
{
	const char *text = (const char *)ASN1_STRING_get0_data(uri);
	size_t len = (size_t)ASN1_STRING_length(uri);
	char copy[sizeof(URI_PREFIX) + sizeof("manager:") + sizeof(peer->host)];
	char *role, *host;

	if (len < strlen(URI_PREFIX) ||
	    strncasecmp(text, URI_PREFIX, strlen(URI_PREFIX)))
		return 0;
	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return -1;
	memcpy(copy, text, len);
	copy[len] = '\0';
	role = copy + strlen(URI_PREFIX);
	host = strchr(role, ':');
	if (!host)
		return -1;
	*host++ = '\0';
	peer->role = tls_role_from_name(role);
	if (peer->role == TLS_ROLE_NONE || !tls_host_valid(host))
		return -1;
	memcpy(peer->host, host, strlen(host) + 1);
	return 1;
}

int tls_peer_of_cert(X509 *cert, struct tls_peer *peer)
{
	GENERAL_NAMES *names;
	int found = 0;

	memset(peer, 0, sizeof(*peer));
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && found >= 0; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		int ours = 0;

		if (name->type == GEN_URI)
			ours = parse_uri(name->d.uniformResourceIdentifier, peer);
		/* Two identities in one certificate are none. */
		found = ours < 0 || (ours && found) ? -1 : found + ours;
	}
	GENERAL_NAMES_free(names);
	if (found == 1)
		return 0;
	memset(peer, 0, sizeof(*peer));
	return -1;
}

int tls_peer_of(const SSL *ssl, struct tls_peer *peer)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);

	if (cert && SSL_get_verify_result(ssl) == X509_V_OK)
		return tls_peer_of_cert(cert, peer);
	memset(peer, 0, sizeof(*peer));
	return -1;
}

/* Whom an SSL has to meet, and whom it met instead. */
struct expectation {
	struct tls_peer expect;
	struct tls_peer met;
};

static pthread_once_t index_once = PTHREAD_ONCE_INIT;
static int expectation_index = -1;

static void free_expectation(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx,
			     long argl, void *argp)
{
	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	OPENSSL_free(ptr);
}

static void make_index(void)
{
	expectation_index = SSL_get_ex_new_index(0, NULL, NULL, NULL,
						 free_expectation);
}

static bool is_expected(struct expectation *e, X509 *cert)
{
	if (tls_peer_of_cert(cert, &e->met) || e->met.role != e->expect.role)
		return false;
	return !e->expect.host[0] || !strcasecmp(e->expect.host, e->met.host);
}

/* Checked inside the handshake, so that the other side gets an alert too. */
static int check_peer(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store,
					      SSL_get_ex_data_X509_STORE_CTX_idx());
	struct expectation *e;

	if (!ok || X509_STORE_CTX_get_error_depth(store) > 0)
		return ok;
	e = ssl ? SSL_get_ex_data(ssl, expectation_index) : NULL;
	if (e && is_expected(e, X509_STORE_CTX_get_current_cert(store)))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

int tls_expect(SSL *ssl, const struct tls_peer *expect)
{
	struct expectation *e;

	if (pthread_once(&index_once, make_index) || expectation_index < 0)
		return -1;
	e = OPENSSL_zalloc(sizeof(*e));
	if (!e)
		return -1;
	e->expect = *expect;
	if (!SSL_set_ex_data(ssl, expectation_index, e)) {
		OPENSSL_free(e);
		return -1;
	}
	SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
		       check_peer);
	return 0;
}

void tls_explain(const SSL *ssl, unsigned long error, char *text, size_t size)
{
	struct why why = { text, size };
	long verify = SSL_get_verify_result(ssl);
	const struct expectation *e = SSL_get_ex_data(ssl, expectation_index);

	if (verify == X509_V_ERR_APPLICATION_VERIFICATION && e)
		tls_why_stranger(&e->met, &e->expect, &why);
	else if (verify != X509_V_OK)
		tls_why_peer(verify, &why);
	else
		tls_why_code(error, &why);
}

time_t tls_cert_end(const X509 *cert)
{
	struct tm tm;

	if (!cert || !ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm))
		return 0;
	return timegm(&tm);
}

time_t tls_own_end(const SSL_CTX *ctx)
{
	return tls_cert_end(SSL_CTX_get0_certificate(ctx));
}

static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

/* Opens a key file that nobody else can read; -1 with a sentence. */
static int open_key(const char *file, struct why *why)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		why_set(why, "cannot open private key %s: %s", file, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > KEY_FILE_LIMIT) {
		why_set(why, "private key %s is not a key file", file);
	} else if (st.st_mode & 077) {
		why_set(why, "private key %s is accessible to others (mode %04o); "
		     "run: chmod 600 %s", file, (unsigned int)st.st_mode & 07777,
		     file);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

EVP_PKEY *tls_read_key(const char *file, char *text, size_t text_size)
{
	struct why why = { text, text_size };
	int fd = open_key(file, &why);
	EVP_PKEY *key = NULL;
	FILE *stream;

	if (fd < 0)
		return NULL;
	stream = fdopen(fd, "r");
	if (!stream) {
		why_set(&why, "cannot read private key %s: %s", file, strerror(errno));
		close(fd);
		return NULL;
	}
	setvbuf(stream, NULL, _IONBF, 0);	/* no copy of the key in stdio */
	ERR_clear_error();
	key = PEM_read_PrivateKey(stream, NULL, no_passphrase, NULL);
	fclose(stream);
	if (!key)
		why_set(&why, "private key %s is not an unencrypted PEM key: %s",
		     file, why_openssl());
	return key;
}

static bool load_key(SSL_CTX *ctx, const struct tls_files *files,
		     struct why *why)
{
	EVP_PKEY *key = tls_read_key(files->key, why->text, why->size);
	bool ok;

	if (!key)
		return false;
	/* Compares it with the certificate, which is loaded before. */
	ok = SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
	     SSL_CTX_check_private_key(ctx) == 1;
	EVP_PKEY_free(key);
	if (!ok)
		why_set(why, "private key %s does not belong to certificate %s: %s",
		     files->key, files->cert, why_openssl());
	return ok;
}

static bool load_files(SSL_CTX *ctx, const struct tls_files *files,
		       struct why *why)
{
	ERR_clear_error();
	if (SSL_CTX_load_verify_file(ctx, files->ca) != 1) {
		why_set(why, "cannot load CA certificate %s: %s", files->ca,
		     why_openssl());
		return false;
	}
	if (SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1) {
		why_set(why, "cannot load certificate %s: %s", files->cert,
		     why_openssl());
		return false;
	}
	return load_key(ctx, files, why);
}

/* Would our own peers believe us?  Better said at start than by each of them. */
static bool check_own_chain(SSL_CTX *ctx, bool server,
			    const struct tls_files *files, struct why *why)
{
	X509_STORE_CTX *store = X509_STORE_CTX_new();
	bool ok = false;

	if (!store ||
	    !X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(ctx),
				 SSL_CTX_get0_certificate(ctx), NULL) ||
	    !X509_STORE_CTX_set_default(store, server ? "ssl_server" :
					"ssl_client")) {
		why_set(why, "out of memory");
		goto out;
	}
	ok = X509_verify_cert(store) == 1;
	if (!ok)
		tls_why_own(store, files, why);
out:
	X509_STORE_CTX_free(store);
	return ok;
}

static bool check_own_role(SSL_CTX *ctx, enum tls_role role,
			   const struct tls_files *files, struct why *why)
{
	struct tls_peer self;

	if (tls_peer_of_cert(SSL_CTX_get0_certificate(ctx), &self)) {
		why_set(why, "certificate %s names no role and host; make one with "
		     "`sockgate enroll'", files->cert);
		return false;
	}
	if (self.role != role) {
		why_set(why, "certificate %s is for role %s, this program needs %s; "
		     "make one with `sockgate enroll HOST --role %s'", files->cert,
		     tls_role_name(self.role), tls_role_name(role),
		     tls_role_name(role));
		return false;
	}
	return true;
}

static SSL_CTX *strict_context(bool server)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() :
				   TLS_client_method());

	if (!ctx)
		return NULL;
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 0) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	/* Frames carry their length: an end without close_notify hides nothing. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Most connections are silent most of the time: 16 kB less for each of those. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH);
	/* Until tls_expect() names somebody, check_peer() refuses everybody. */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   check_peer);
	return ctx;
}

SSL_CTX *tls_context(bool server, enum tls_role role,
		     const struct tls_files *files, char *text, size_t text_size)
{
	struct why why = { text, text_size };
	SSL_CTX *ctx;

	if (pthread_once(&index_once, make_index) || expectation_index < 0) {
		why_set(&why, "cannot set up OpenSSL: out of memory");
		return NULL;
	}
	ctx = strict_context(server);
	if (!ctx) {
		why_set(&why, "cannot set up TLS 1.3: %s", why_openssl());
		return NULL;
	}
	if (load_files(ctx, files, &why) &&
	    check_own_chain(ctx, server, files, &why) &&
	    check_own_role(ctx, role, files, &why))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}
