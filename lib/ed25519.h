/* SPDX-License-Identifier: GPL-2.0-only */
/* Signatures by Ed25519, with keys in PEM files. */
#ifndef SOCKGATE_ED25519_H
#define SOCKGATE_ED25519_H

#include <stddef.h>
#include <stdint.h>

#define ED25519_SIGNATURE_SIZE 64
#define ED25519_KEY_SIZE 32

/*
 * ed25519_make - a new key, in @file (mode 0600) and its public half in @public_file
 * Never replaces a file.  Returns 0, or -1 with a sentence in @why.
 */
int ed25519_make(const char *file, const char *public_file, char *why, size_t why_size);

/* ed25519_check - is this file a public key?  Returns as above. */
int ed25519_check(const char *public_file, char *why, size_t why_size);

/*
 * ed25519_sign, ed25519_verify - by the private or the public key in a file
 * A private key that has a passphrase is asked for on the terminal.
 * @public: the key by which it was verified; may be NULL
 * Return 0, or -1 with a sentence in @why.
 */
int ed25519_sign(const char *key_file, const void *data, size_t size,
		 uint8_t signature[ED25519_SIGNATURE_SIZE], char *why, size_t why_size);
int ed25519_verify(const char *public_file, const void *data, size_t size,
		   const uint8_t signature[ED25519_SIGNATURE_SIZE],
		   uint8_t public[ED25519_KEY_SIZE], char *why, size_t why_size);

#endif
