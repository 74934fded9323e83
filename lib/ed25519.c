// SPDX-License-Identifier: GPL-2.0-only
#include "ed25519.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "file.h"
#include "pki.h"
#include "why.h"

static EVP_PKEY *read_key(const char *file, bool private, const struct why *why)
{
	FILE *in = fopen(file, "re");
	EVP_PKEY *key;

	if (!in) {
		why_set(why, "%s: %m", file);
		return NULL;
	}
	key = private ? PEM_read_PrivateKey(in, NULL, NULL, NULL) :
			PEM_read_PUBKEY(in, NULL, NULL, NULL);
	fclose(in);
	ERR_clear_error();
	if (key && EVP_PKEY_id(key) == EVP_PKEY_ED25519)
		return key;
	EVP_PKEY_free(key);
	why_set(why, "%s: expected a %s key of Ed25519 in PEM", file,
		private ? "private" : "public");
	return NULL;
}

static int write_public(const char *file, EVP_PKEY *key, const struct why *why)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long size;
	int rc;

	if (!bio || !PEM_write_bio_PUBKEY(bio, key)) {
		rc = why_set(why, "cannot encode the key for %s: %s", file, why_openssl());
	} else {
		size = BIO_get_mem_data(bio, &data);
		rc = file_replace(file, data, (size_t)size, 0644, false, why->text,
				  why->size);
	}
	BIO_free(bio);
	return rc;
}

int ed25519_make(const char *file, const char *public_file, char *text, size_t text_size)
{
	struct why why = { text, text_size };
	EVP_PKEY *key;
	int rc;

	ERR_clear_error();
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!key)
		return why_set(&why, "cannot make a key: %s", why_openssl());
	rc = pki_write_key(file, key, false, text, text_size);
	if (!rc && write_public(public_file, key, &why)) {
		unlink(file);	/* ours, made a moment ago */
		rc = -1;
	}
	EVP_PKEY_free(key);
	return rc;
}

int ed25519_check(const char *public_file, char *text, size_t text_size)
{
	struct why why = { text, text_size };
	EVP_PKEY *key = read_key(public_file, false, &why);

	EVP_PKEY_free(key);
	return key ? 0 : -1;
}

int ed25519_sign(const char *key_file, const void *data, size_t size,
		 uint8_t signature[ED25519_SIGNATURE_SIZE], char *text, size_t text_size)
{
	struct why why = { text, text_size };
	EVP_PKEY *key = read_key(key_file, true, &why);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t length = ED25519_SIGNATURE_SIZE;
	int ret = -1;

	if (!key)
		goto out;
	if (ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestSign(ctx, signature, &length, data, size) == 1 &&
	    length == ED25519_SIGNATURE_SIZE)
		ret = 0;
	else
		why_set(&why, "%s: signing failed", key_file);
out:
	ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ret;
}

int ed25519_verify(const char *public_file, const void *data, size_t size,
		   const uint8_t signature[ED25519_SIGNATURE_SIZE],
		   uint8_t public[ED25519_KEY_SIZE], char *text, size_t text_size)
{
	struct why why = { text, text_size };
	EVP_PKEY *key = read_key(public_file, false, &why);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t length = ED25519_KEY_SIZE;
	int ret = -1;

	if (!key)
		goto out;
	if (ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(ctx, signature, ED25519_SIGNATURE_SIZE, data, size) == 1 &&
	    (!public || EVP_PKEY_get_raw_public_key(key, public, &length) == 1))
		ret = 0;
	else
		why_set(&why, "was not signed by the key in %s", public_file);
out:
	ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ret;
}
