// SPDX-License-Identifier: GPL-2.0-only
/* Handshakes in memory: two SSLs joined by a BIO pair, no sockets, no clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "test_certs.h"
#include "tls.h"
#include "tls_why.h"

static struct pki_pair ca, foreign_ca;

static int make_cas(void **state)
{
	(void)state;
	ca = test_ca("test CA");
	foreign_ca = test_ca("foreign CA");
	return 0;
}

static int free_cas(void **state)
{
	(void)state;
	pki_free(&ca);
	pki_free(&foreign_ca);
	return 0;
}

static SSL_CTX *must_context(bool server, enum tls_role role, const struct test_certs *c)
{
	struct tls_files files = test_certs_files(c);
	char why[512] = "";
	SSL_CTX *ctx = tls_context(server, role, &files, why, sizeof(why));

	if (!ctx)
		fail_msg("%s", why);
	return ctx;
}

static SSL *join(SSL_CTX *ctx, BIO *bio, bool server)
{
	SSL *ssl = SSL_new(ctx);

	assert_non_null(ssl);
	SSL_set_bio(ssl, bio, bio);
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

/* 1: through, 0: would go on, -1: refused. */
static int step(SSL *ssl)
{
	int n = SSL_do_handshake(ssl), error;

	if (n == 1)
		return 1;
	error = SSL_get_error(ssl, n);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

struct pair {
	SSL *client, *server;
	int client_result, server_result;
};

static struct pair handshake(SSL_CTX *client_ctx, SSL_CTX *server_ctx,
			     const struct tls_peer *client_expects,
			     const struct tls_peer *server_expects)
{
	BIO *a, *b;
	struct pair p = { 0 };
	char byte;

	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	p.client = join(client_ctx, a, false);
	p.server = join(server_ctx, b, true);
	if (client_expects)
		assert_int_equal(tls_expect(p.client, client_expects), 0);
	if (server_expects)
		assert_int_equal(tls_expect(p.server, server_expects), 0);
	for (int i = 0; i < 20; i++) {
		ERR_clear_error();
		if (p.client_result >= 0)
			p.client_result = step(p.client);
		ERR_clear_error();
		if (p.server_result >= 0)
			p.server_result = step(p.server);
	}
	/* In TLS 1.3 the client learns of a refusal after its own last word. */
	ERR_clear_error();
	if (p.client_result == 1 && SSL_read(p.client, &byte, 1) <= 0 &&
	    SSL_get_error(p.client, -1) == SSL_ERROR_SSL)
		p.client_result = -1;
	return p;
}

static void free_pair(struct pair *p)
{
	SSL_free(p->client);
	SSL_free(p->server);
	ERR_clear_error();
}

static const struct tls_peer any_agent = { .role = TLS_ROLE_AGENT };
static const struct tls_peer any_server = { .role = TLS_ROLE_SERVER };
static const struct tls_peer sec1 = { .role = TLS_ROLE_SERVER, .host = "sec1" };
static const struct tls_peer sec2 = { .role = TLS_ROLE_SERVER, .host = "sec2" };

struct attempt {
	const struct pki_pair *client_ca;
	enum tls_role client_role;
	const struct tls_peer *client_expects, *server_expects;
	int client_result, server_result;
	const char *client_says, *server_says;	/* NULL: not looked at */
};

static void check_sentence(SSL *ssl, const char *expected)
{
	char why[512];

	if (!expected)
		return;
	tls_explain(ssl, 0, why, sizeof(why));
	if (!strstr(why, expected))
		fail_msg("`%s' does not say `%s'", why, expected);
}

static void try(const struct attempt *t)
{
	struct test_certs client = test_certs_make(t->client_ca, t->client_role, "web1");
	struct test_certs server = test_certs_make(&ca, TLS_ROLE_SERVER, "sec1");
	SSL_CTX *client_ctx = must_context(false, t->client_role, &client);
	SSL_CTX *server_ctx = must_context(true, TLS_ROLE_SERVER, &server);
	X509_STORE *trusted = X509_STORE_new();
	struct pair p;

	/* A foreign client trusts our server all the same: it is an attacker. */
	assert_true(X509_STORE_add_cert(trusted, ca.cert));
	SSL_CTX_set_cert_store(client_ctx, trusted);
	p = handshake(client_ctx, server_ctx, t->client_expects, t->server_expects);
	assert_int_equal(p.server_result, t->server_result);
	assert_int_equal(p.client_result, t->client_result);
	check_sentence(p.client, t->client_says);
	check_sentence(p.server, t->server_says);
	free_pair(&p);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(server_ctx);
	test_certs_remove(&client);
	test_certs_remove(&server);
}

static void right_peer(void **state)
{
	struct test_certs client = test_certs_make(&ca, TLS_ROLE_AGENT, "web1");
	struct test_certs server = test_certs_make(&ca, TLS_ROLE_SERVER, "sec1");
	SSL_CTX *client_ctx = must_context(false, TLS_ROLE_AGENT, &client);
	SSL_CTX *server_ctx = must_context(true, TLS_ROLE_SERVER, &server);
	struct pair p = handshake(client_ctx, server_ctx, &sec1, &any_agent);
	struct tls_peer peer;

	(void)state;
	assert_int_equal(p.client_result, 1);
	assert_int_equal(p.server_result, 1);
	assert_int_equal(tls_peer_of(p.server, &peer), 0);
	assert_int_equal(peer.role, TLS_ROLE_AGENT);
	assert_string_equal(peer.host, "web1");
	assert_int_equal(tls_peer_of(p.client, &peer), 0);
	assert_int_equal(peer.role, TLS_ROLE_SERVER);
	assert_string_equal(peer.host, "sec1");
	assert_int_equal(SSL_version(p.client), TLS1_3_VERSION);
	assert_int_equal(SSL_SESSION_is_resumable(SSL_get0_session(p.client)), 0);
	free_pair(&p);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(server_ctx);
	test_certs_remove(&client);
	test_certs_remove(&server);
}

static void any_host_of_the_role(void **state)
{
	(void)state;
	try(&(struct attempt){ &ca, TLS_ROLE_AGENT, &any_server, &any_agent, 1, 1,
			       NULL, NULL });
}

static void wrong_role(void **state)
{
	(void)state;
	try(&(struct attempt){ &ca, TLS_ROLE_SERVER, &sec1, &any_agent, -1, -1, NULL,
			       "is for server web1, expected an agent; enroll it with "
			       "--role agent" });
}

/* Each name leads back to its role, and nothing else does. */
static void names_of_roles(void **state)
{
	static const enum tls_role roles[] = {
		TLS_ROLE_AGENT, TLS_ROLE_SERVER, TLS_ROLE_SIGDB,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		assert_int_equal(tls_role_from_name(tls_role_name(roles[i])), roles[i]);
	assert_int_equal(tls_role_from_name("none"), TLS_ROLE_NONE);
	assert_string_equal(tls_role_name(TLS_ROLE_NONE), "none");
	assert_string_equal(tls_role_name((enum tls_role)99), "none");
}

static void wrong_host(void **state)
{
	(void)state;
	try(&(struct attempt){ &ca, TLS_ROLE_AGENT, &sec2, &any_agent, -1, -1,
			       "is for server sec1, expected a server called sec2; "
			       "correct the name",
			       NULL });
}

static void foreign_authority(void **state)
{
	(void)state;
	try(&(struct attempt){ &foreign_ca, TLS_ROLE_AGENT, &sec1, &any_agent, -1, -1,
			       NULL, "is of another CA; both machines need" });
}

static void nobody_is_expected_unless_said(void **state)
{
	(void)state;
	try(&(struct attempt){ &ca, TLS_ROLE_AGENT, &sec1, NULL, -1, -1, NULL, NULL });
	try(&(struct attempt){ &ca, TLS_ROLE_AGENT, NULL, &any_agent, -1, -1, NULL,
			       NULL });
}

/* A client that does not use our code: it can do as it likes. */
static struct pair careless_client(const struct test_certs *certs, int version)
{
	struct test_certs server = test_certs_make(&ca, TLS_ROLE_SERVER, "sec1");
	SSL_CTX *server_ctx = must_context(true, TLS_ROLE_SERVER, &server);
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	struct pair p;

	assert_non_null(client_ctx);
	SSL_CTX_set_max_proto_version(client_ctx, version);
	if (certs) {
		assert_int_equal(SSL_CTX_use_certificate_file(client_ctx, certs->cert,
							      SSL_FILETYPE_PEM), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey_file(client_ctx, certs->key,
							     SSL_FILETYPE_PEM), 1);
	}
	p = handshake(client_ctx, server_ctx, NULL, &any_agent);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(server_ctx);
	test_certs_remove(&server);
	return p;
}

static void careless_client_with_right_certificate(void **state)
{
	struct test_certs certs = test_certs_make(&ca, TLS_ROLE_AGENT, "web1");
	struct pair p = careless_client(&certs, TLS1_3_VERSION);

	(void)state;
	/* The control: what the next three change is what makes them fail. */
	assert_int_equal(p.server_result, 1);
	free_pair(&p);
	test_certs_remove(&certs);
}

static void tls_1_2(void **state)
{
	struct test_certs certs = test_certs_make(&ca, TLS_ROLE_AGENT, "web1");
	struct pair p = careless_client(&certs, TLS1_2_VERSION);

	(void)state;
	assert_int_equal(p.server_result, -1);
	assert_int_equal(p.client_result, -1);
	free_pair(&p);
	test_certs_remove(&certs);
}

static void no_client_certificate(void **state)
{
	struct pair p = careless_client(NULL, TLS1_3_VERSION);

	(void)state;
	assert_int_equal(p.server_result, -1);
	free_pair(&p);
}

/* What the two sides say of a client's certificate that is not valid now. */
static void refused_dates(long from, long to, const char *server_says,
			  const char *client_says)
{
	struct test_certs certs = test_certs_dated(&ca, TLS_ROLE_AGENT, "web1", from, to);
	struct pair p = careless_client(&certs, TLS1_3_VERSION);
	char why[512];

	assert_int_equal(p.server_result, -1);
	tls_why_code(ERR_peek_error(), &(struct why){ why, sizeof(why) });
	if (!strstr(why, client_says))
		fail_msg("`%s' does not say `%s'", why, client_says);
	check_sentence(p.server, server_says);
	free_pair(&p);
	test_certs_remove(&certs);
}

static void client_certificates_out_of_time(void **state)
{
	(void)state;
	refused_dates(-7200, -3600, "certificate has expired, or its CA's; `sockgate enroll",
		      "the peer says: our certificate has expired; `sockgate enroll");
	refused_dates(1800, 3600, "is not valid yet; compare the clocks",
		      "not valid, or not yet; compare the clocks");
}

/* Who refuses is the server, and it is the client that somebody looks at. */
static void what_the_peer_says_of_our_ca(void **state)
{
	struct test_certs certs = test_certs_make(&foreign_ca, TLS_ROLE_AGENT, "web1");
	struct pair p = careless_client(&certs, TLS1_3_VERSION);
	char why[512];

	(void)state;
	tls_why_code(ERR_peek_error(), &(struct why){ why, sizeof(why) });
	assert_non_null(strstr(why, "a CA that it does not know; both machines"));
	free_pair(&p);
	test_certs_remove(&certs);
}

static void refuse(const struct test_certs *c, bool server, enum tls_role role,
		   const char *sentence)
{
	struct tls_files files = test_certs_files(c);
	char why[512] = "";

	assert_null(tls_context(server, role, &files, why, sizeof(why)));
	if (!strstr(why, sentence))
		fail_msg("`%s' does not say `%s'", why, sentence);
	ERR_clear_error();
}

static void own_end(void **state)
{
	struct test_certs certs = test_certs_make(&ca, TLS_ROLE_AGENT, "web1");
	SSL_CTX *ctx = must_context(false, TLS_ROLE_AGENT, &certs);

	(void)state;
	/* As it was made, and not in this machine's time zone. */
	assert_in_range(tls_own_end(ctx), time(NULL) + 3500, time(NULL) + 3600);
	assert_int_equal(tls_cert_end(NULL), 0);
	SSL_CTX_free(ctx);
	test_certs_remove(&certs);
}

static struct pki_pair dated_ca(long from, long to)
{
	time_t now = time(NULL);
	struct pki_pair made;
	char why[256];

	if (pki_make_ca("old CA", now + from, now + to, &made, why, sizeof(why)))
		fail_msg("%s", why);
	return made;
}

static void files_are_checked(void **state)
{
	struct test_certs good = test_certs_make(&ca, TLS_ROLE_AGENT, "web1");
	struct test_certs other = test_certs_make(&ca, TLS_ROLE_AGENT, "web2");
	struct test_certs foreign = test_certs_make(&foreign_ca, TLS_ROLE_AGENT, "web1");
	struct test_certs old = test_certs_dated(&ca, TLS_ROLE_AGENT, "web1", -7200,
						 -3600);
	struct test_certs early = test_certs_dated(&ca, TLS_ROLE_AGENT, "web1", 1800,
						   3600);
	struct pki_pair old_ca = dated_ca(-7200, -3600);
	struct test_certs end = test_certs_dated(&old_ca, TLS_ROLE_AGENT, "web1", -7200,
						 3600);
	struct test_certs mixed = good;

	(void)state;
	refuse(&good, false, TLS_ROLE_SERVER, "is for role agent, this program needs "
	       "server");
	refuse(&good, true, TLS_ROLE_AGENT, "not valid under CA");
	refuse(&old, false, TLS_ROLE_AGENT, "cert.pem has expired on 20");
	refuse(&old, false, TLS_ROLE_AGENT, "; `sockgate enroll HOST --force'");
	refuse(&early, false, TLS_ROLE_AGENT, "cert.pem is not valid before 20");
	refuse(&early, false, TLS_ROLE_AGENT, "; is the clock of this machine right?");
	refuse(&end, false, TLS_ROLE_AGENT, "ca.pem has expired on 20");
	refuse(&end, false, TLS_ROLE_AGENT, "; make a new CA");

	snprintf(mixed.key, sizeof(mixed.key), "%s", other.key);
	refuse(&mixed, false, TLS_ROLE_AGENT, "does not belong to certificate");
	mixed = good;
	snprintf(mixed.ca, sizeof(mixed.ca), "%s", foreign.ca);
	refuse(&mixed, false, TLS_ROLE_AGENT, "is not of the CA in");
	mixed = good;
	snprintf(mixed.key, sizeof(mixed.key), "%s", "/nonexistent/key.pem");
	refuse(&mixed, false, TLS_ROLE_AGENT, "cannot open private key /nonexistent");
	snprintf(mixed.cert, sizeof(mixed.cert), "%s", "/nonexistent/cert.pem");
	refuse(&mixed, false, TLS_ROLE_AGENT, "cannot load certificate /nonexistent");
	snprintf(mixed.ca, sizeof(mixed.ca), "%s", "/nonexistent/ca.pem");
	refuse(&mixed, false, TLS_ROLE_AGENT, "/nonexistent/ca.pem: No such file");

	assert_int_equal(chmod(good.key, 0640), 0);
	refuse(&good, false, TLS_ROLE_AGENT, "run: chmod 600");
	assert_int_equal(chmod(good.key, 0604), 0);
	refuse(&good, false, TLS_ROLE_AGENT, "run: chmod 600");
	test_certs_remove(&good);
	test_certs_remove(&other);
	test_certs_remove(&foreign);
	test_certs_remove(&old);
	test_certs_remove(&early);
	test_certs_remove(&end);
	pki_free(&old_ca);
}

/* Certificates of our own CA whose names are not what `enroll' makes. */
static X509 *cert_with_names(const char *value)
{
	X509_EXTENSION *ext;
	X509 *cert = X509_new();

	assert_non_null(cert);
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
	return cert;
}

static void names_in_certificates(void **state)
{
	static const struct {
		const char *names;
		int result;
	} cases[] = {
		{ "URI:sockgate:agent:web1.example.org", 0 },
		{ "DNS:web1,URI:https://example.org/,URI:sockgate:server:s", 0 },
		{ "DNS:web1", -1 },
		{ "URI:sockgate:agent", -1 },
		{ "URI:sockgate:agent:", -1 },
		{ "URI:sockgate::web1", -1 },
		{ "URI:sockgate:root:web1", -1 },
		{ "URI:sockgate:agent:web1/../web2", -1 },
		{ "URI:sockgate:agent:web 1", -1 },
		{ "URI:sockgate:agent:a,URI:sockgate:agent:b", -1 },
		{ "URI:sockgate:agent:a,URI:sockgate:server:a", -1 },
	};
	struct tls_peer peer;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		X509 *cert = cert_with_names(cases[i].names);

		if (tls_peer_of_cert(cert, &peer) != cases[i].result)
			fail_msg("%s", cases[i].names);
		if (cases[i].result)
			assert_int_equal(peer.role, TLS_ROLE_NONE);
		X509_free(cert);
	}
}

static void nul_in_a_name(void **state)
{
	static const char uri[] = "sockgate:agent:web1\0.evil";
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	X509 *cert = X509_new();
	struct tls_peer peer;

	(void)state;
	assert_true(names && name && text && cert);
	assert_int_equal(ASN1_STRING_set(text, uri, sizeof(uri) - 1), 1);
	GENERAL_NAME_set0_value(name, GEN_URI, text);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
	assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0), 1);
	assert_int_equal(tls_peer_of_cert(cert, &peer), -1);
	GENERAL_NAMES_free(names);
	X509_free(cert);
}

static void host_names(void **state)
{
	char longest[257];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[255] = '\0';
	assert_true(tls_host_valid(longest));
	longest[255] = 'a';
	longest[256] = '\0';
	assert_false(tls_host_valid(longest));
	assert_true(tls_host_valid("web-1.example_x.org"));
	assert_false(tls_host_valid(""));
	assert_false(tls_host_valid(".."));
	assert_false(tls_host_valid("-rf"));
	assert_false(tls_host_valid("a/b"));
	assert_false(tls_host_valid("a\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_peer),
		cmocka_unit_test(any_host_of_the_role),
		cmocka_unit_test(wrong_role),
		cmocka_unit_test(names_of_roles),
		cmocka_unit_test(wrong_host),
		cmocka_unit_test(foreign_authority),
		cmocka_unit_test(nobody_is_expected_unless_said),
		cmocka_unit_test(careless_client_with_right_certificate),
		cmocka_unit_test(tls_1_2),
		cmocka_unit_test(no_client_certificate),
		cmocka_unit_test(client_certificates_out_of_time),
		cmocka_unit_test(what_the_peer_says_of_our_ca),
		cmocka_unit_test(own_end),
		cmocka_unit_test(files_are_checked),
		cmocka_unit_test(names_in_certificates),
		cmocka_unit_test(nul_in_a_name),
		cmocka_unit_test(host_names),
	};

	return cmocka_run_group_tests_name("tls", tests, make_cas, free_cas);
}
