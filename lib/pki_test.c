// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <sys/stat.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "pki.h"
#include "test_certs.h"

#define DAY 86400L
static const time_t now = 1750000000;	/* any moment will do */
static char why[512];

static struct pki_pair issue(const struct pki_pair *ca, enum tls_role role,
			     const char *host, time_t to)
{
	struct tls_peer subject = { .role = role };
	struct pki_pair leaf;

	snprintf(subject.host, sizeof(subject.host), "%s", host);
	if (pki_issue(ca, &subject, now, to, &leaf, why, sizeof(why)))
		fail_msg("%s", why);
	return leaf;
}

static struct pki_pair make_ca(time_t to)
{
	struct pki_pair ca;

	if (pki_make_ca("a CA", now, to, &ca, why, sizeof(why)))
		fail_msg("%s", why);
	return ca;
}

/* X509_V_OK, or why not, as a program sees it at @when. */
static int verify(const struct pki_pair *ca, X509 *cert, const char *purpose, time_t when)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error;

	assert_true(store && ctx && X509_STORE_add_cert(store, ca->cert));
	assert_true(X509_STORE_CTX_init(ctx, store, cert, NULL));
	assert_true(X509_STORE_CTX_set_default(ctx, purpose));
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT |
				      X509_V_FLAG_CHECK_SS_SIGNATURE);
	X509_STORE_CTX_set_time(ctx, 0, when);
	X509_verify_cert(ctx);
	error = X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return error;
}

static void what_is_issued_is_valid(void **state)
{
	struct pki_pair ca = make_ca(now + PKI_CA_DAYS * DAY);
	struct pki_pair agent = issue(&ca, TLS_ROLE_AGENT, "web1", now + 365 * DAY);
	struct pki_pair server = issue(&ca, TLS_ROLE_SERVER, "sec1", now + 365 * DAY);
	struct pki_pair sigdb = issue(&ca, TLS_ROLE_SIGDB, "sig1", now + 365 * DAY);
	struct tls_peer peer;

	(void)state;
	assert_int_equal(verify(&ca, agent.cert, "ssl_client", now + DAY), X509_V_OK);
	assert_int_equal(verify(&ca, server.cert, "ssl_server", now + DAY), X509_V_OK);
	assert_int_equal(verify(&ca, server.cert, "ssl_client", now + DAY), X509_V_OK);
	/* A signature service is asked, and asks nobody. */
	assert_int_equal(verify(&ca, sigdb.cert, "ssl_server", now + DAY), X509_V_OK);
	assert_int_equal(verify(&ca, sigdb.cert, "ssl_client", now + DAY),
			 X509_V_ERR_INVALID_PURPOSE);
	assert_int_equal(tls_peer_of_cert(sigdb.cert, &peer), 0);
	assert_int_equal(peer.role, TLS_ROLE_SIGDB);
	/* An agent's certificate does not make a server, nor another CA. */
	assert_int_equal(verify(&ca, agent.cert, "ssl_server", now + DAY),
			 X509_V_ERR_INVALID_PURPOSE);
	assert_int_equal(X509_check_ca(agent.cert), 0);
	assert_int_equal(X509_check_ca(ca.cert), 1);
	assert_int_equal(verify(&ca, agent.cert, "ssl_client", now + 366 * DAY),
			 X509_V_ERR_CERT_HAS_EXPIRED);
	assert_int_equal(verify(&ca, agent.cert, "ssl_client", now - DAY),
			 X509_V_ERR_CERT_NOT_YET_VALID);
	assert_int_equal(tls_peer_of_cert(server.cert, &peer), 0);
	assert_int_equal(peer.role, TLS_ROLE_SERVER);
	assert_string_equal(peer.host, "sec1");
	pki_free(&agent);
	pki_free(&server);
	pki_free(&sigdb);
	pki_free(&ca);
}

static void serials_and_keys_differ(void **state)
{
	struct pki_pair ca = make_ca(now + DAY);
	struct pki_pair a = issue(&ca, TLS_ROLE_AGENT, "web1", now + DAY);
	struct pki_pair b = issue(&ca, TLS_ROLE_AGENT, "web1", now + DAY);
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(a.cert), NULL);

	(void)state;
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(a.cert),
					      X509_get0_serialNumber(b.cert)), 0);
	assert_int_equal(BN_num_bits(serial), 127);
	assert_int_equal(EVP_PKEY_eq(a.key, b.key), 0);
	BN_free(serial);
	pki_free(&a);
	pki_free(&b);
	pki_free(&ca);
}

static void never_outlives_its_ca(void **state)
{
	struct pki_pair ca = make_ca(now + 10 * DAY);
	struct pki_pair leaf = issue(&ca, TLS_ROLE_AGENT, "web1", now + 365 * DAY);
	struct tls_peer subject = { TLS_ROLE_AGENT, "web1" };

	(void)state;
	assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(leaf.cert),
					   X509_get0_notAfter(ca.cert)), 0);
	pki_free(&leaf);
	assert_int_equal(pki_issue(&ca, &subject, now + 11 * DAY, now + 12 * DAY, &leaf,
				   why, sizeof(why)), -1);
	assert_string_equal(why, "the CA's certificate has expired; make a new CA");
	assert_null(leaf.key);
	pki_free(&ca);
}

static void bad_subjects(void **state)
{
	static const struct tls_peer bad[] = {
		{ TLS_ROLE_NONE, "web1" }, { TLS_ROLE_AGENT, "" },
		{ TLS_ROLE_AGENT, "a,URI:sockgate:server:b" },
		{ TLS_ROLE_AGENT, "../../etc" }, { TLS_ROLE_AGENT, "a b" },
	};
	struct pki_pair ca = make_ca(now + DAY), leaf;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(pki_issue(&ca, &bad[i], now, now + DAY, &leaf, why,
					   sizeof(why)), -1);
		assert_null(leaf.cert);
	}
	pki_free(&ca);
	assert_int_equal(pki_make_ca("", now, now + DAY, &ca, why, sizeof(why)), -1);
}

static void long_host_names(void **state)
{
	struct pki_pair ca = make_ca(now + DAY), leaf;
	char host[256];
	struct tls_peer peer;

	(void)state;
	memset(host, 'h', 255);
	host[255] = '\0';
	leaf = issue(&ca, TLS_ROLE_AGENT, host, now + DAY);
	assert_int_equal(tls_peer_of_cert(leaf.cert, &peer), 0);
	assert_string_equal(peer.host, host);
	pki_free(&leaf);
	pki_free(&ca);
}

static unsigned int entries(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;	/* . and .. */
}

static void files(void **state)
{
	struct pki_pair ca = make_ca(now + DAY), other = make_ca(now + DAY), back;
	char dir[] = "/tmp/sockgate-pki.XXXXXX", key[64], cert[64];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	assert_int_equal(pki_write_key(key, ca.key, false, why, sizeof(why)), 0);
	assert_int_equal(pki_write_cert(cert, ca.cert, false, why, sizeof(why)), 0);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(stat(cert, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(pki_read(key, cert, &back, why, sizeof(why)), 0);
	assert_int_equal(EVP_PKEY_eq(back.key, ca.key), 1);
	assert_int_equal(X509_cmp(back.cert, ca.cert), 0);
	pki_free(&back);

	/* What is there stays as it is. */
	assert_int_equal(pki_write_key(key, other.key, false, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "File exists"));
	assert_int_equal(pki_read(key, cert, &back, why, sizeof(why)), 0);
	pki_free(&back);
	assert_int_equal(pki_write_key(key, other.key, true, why, sizeof(why)), 0);
	assert_int_equal(pki_read(key, cert, &back, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "does not belong to certificate"));
	assert_null(back.cert);
	assert_int_equal(entries(dir), 2);

	assert_int_equal(pki_write_key("/nonexistent/k", ca.key, true, why,
				       sizeof(why)), -1);
	assert_non_null(strstr(why, "cannot write /nonexistent/k: No such file"));
	unlink(key);
	unlink(cert);
	rmdir(dir);
	pki_free(&ca);
	pki_free(&other);
	ERR_clear_error();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_issued_is_valid),
		cmocka_unit_test(serials_and_keys_differ),
		cmocka_unit_test(never_outlives_its_ca),
		cmocka_unit_test(bad_subjects),
		cmocka_unit_test(long_host_names),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests_name("pki", tests, NULL, NULL);
}
