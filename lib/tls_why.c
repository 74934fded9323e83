// SPDX-License-Identifier: GPL-2.0-only
#include "tls_why.h"

#include <time.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#define SAME_CA "both machines need the same ca.pem, and certificates made under it"
#define ANEW "`sockgate enroll HOST --force' makes a new one"

void tls_why_peer(long error, const struct why *why)
{
	static const struct {
		long error;
		const char *text;
	} known[] = {
		{ X509_V_ERR_CERT_HAS_EXPIRED,
		  "certificate has expired, or its CA's; " ANEW
		  ", unless it is the clock of this machine that is wrong" },
		{ X509_V_ERR_CERT_NOT_YET_VALID,
		  "certificate is not valid yet; compare the clocks of both machines" },
		{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
		  "certificate is of another CA; " SAME_CA },
		{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
		  "certificate is of another CA; " SAME_CA },
		{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
		  "certificate is of another CA; " SAME_CA },
		{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
		  "certificate is of another CA; " SAME_CA },
		{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
		  "certificate is of no CA, but signed by itself; " SAME_CA },
		{ X509_V_ERR_CERT_SIGNATURE_FAILURE,
		  "certificate is of another CA of the same name; " SAME_CA },
		{ X509_V_ERR_INVALID_PURPOSE,
		  "certificate is of another role; enroll it with --role agent, "
		  "server or sigdb, as what it is" },
	};

	for (size_t i = 0; i < COUNT(known); i++) {
		if (known[i].error == error) {
			why_set(why, "the peer's %s", known[i].text);
			return;
		}
	}
	why_set(why, "the peer's certificate is refused: %s",
		X509_verify_cert_error_string(error));
}

void tls_why_stranger(const struct tls_peer *met, const struct tls_peer *expected,
		      const struct why *why)
{
	const char *role = tls_role_name(expected->role);

	if (met->role == TLS_ROLE_NONE) {
		why_set(why, "the peer's certificate names no role and host; "
			"it was not made by `sockgate enroll'");
		return;
	}
	why_set(why, "the peer's certificate is for %s %s, expected %s %s%s%s; %s%s",
		tls_role_name(met->role), met->host,
		expected->role == TLS_ROLE_AGENT ? "an" : "a", role,
		expected->host[0] ? " called " : "", expected->host,
		met->role == expected->role ?
		"correct the name where it is expected, or enroll it under that name" :
		"enroll it with --role ",
		met->role == expected->role ? "" : role);
}

/* The day in UTC. */
static const char *day_of(const ASN1_TIME *time, char text[32])
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(time, &tm) || !strftime(text, 32, "%Y-%m-%d", &tm))
		return "?";
	return text;
}

void tls_why_own(X509_STORE_CTX *checked, const struct tls_files *files,
		 const struct why *why)
{
	int error = X509_STORE_CTX_get_error(checked);
	X509 *cert = X509_STORE_CTX_get_current_cert(checked);
	bool is_ca = X509_STORE_CTX_get_error_depth(checked) > 0;
	const char *file = is_ca ? files->ca : files->cert;
	char day[32];

	if (error == X509_V_ERR_CERT_HAS_EXPIRED && cert)
		why_set(why, "certificate %s has expired on %s; %s", file,
			day_of(X509_get0_notAfter(cert), day), is_ca ?
			"make a new CA, and enroll every host under it" : ANEW);
	else if (error == X509_V_ERR_CERT_NOT_YET_VALID && cert)
		why_set(why, "certificate %s is not valid before %s; is the clock of this "
			"machine right?", file, day_of(X509_get0_notBefore(cert), day));
	else if (error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
		 error == X509_V_ERR_CERT_SIGNATURE_FAILURE)
		why_set(why, "certificate %s is not of the CA in %s; copy key.pem, cert.pem "
			"and ca.pem of one `sockgate enroll' together", files->cert,
			files->ca);
	else
		why_set(why, "certificate %s is not valid under CA %s: %s", files->cert,
			files->ca, X509_verify_cert_error_string(error));
}

void tls_why_code(unsigned long code, const struct why *why)
{
	static const struct {
		int reason;
		const char *text;
	} alerts[] = {
		{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
		  "our certificate has expired; " ANEW
		  ", unless it is the peer's clock that is wrong" },
		{ SSL_R_TLSV1_ALERT_UNKNOWN_CA,
		  "our certificate is of a CA that it does not know; " SAME_CA },
		{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
		  "our certificate is not valid, or not yet; compare the clocks of both "
		  "machines" },
		{ SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
		  "our certificate is of another role; enroll this machine with --role "
		  "agent, server or sigdb, as what it is" },
		{ SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
		  "our certificate is not of whom it expects; its own log says more" },
		{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
		  "it got no certificate of ours; is it sockgate that connects?" },
	};
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	for (size_t i = 0; i < COUNT(alerts); i++) {
		if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
		    ERR_GET_REASON(code) == alerts[i].reason) {
			why_set(why, "the peer says: %s", alerts[i].text);
			return;
		}
	}
	why_set(why, "TLS: %s", reason ? reason : "the connection was cut");
}
