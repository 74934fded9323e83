/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A version of the policy, as the policy manager keeps it and servers get it.
 *
 * Signed (Ed25519) is a head of a few lines: number, time, author, comment, and size and
 * SHA-256 of the text.  So nobody without the key can change one, or give an old one a
 * newer number.
 */
#ifndef SOCKGATE_SIGNED_POLICY_H
#define SOCKGATE_SIGNED_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ed25519.h"
#include "sha256.h"
#include "sockgate.pb-c.h"

#define SIGNED_POLICY_AUTHOR_MAX 320
#define SIGNED_POLICY_COMMENT_MAX 500
#define SIGNED_POLICY_HEAD_SIZE 1200
/* Of the text, in one message; the limit of a frame is twice that. */
#define SIGNED_POLICY_PART (512U << 10)

struct signed_policy {
	uint64_t number;
	int64_t time;
	char author[SIGNED_POLICY_AUTHOR_MAX + 1];
	char comment[SIGNED_POLICY_COMMENT_MAX + 1];
	uint64_t size;
	uint8_t sha256[SHA256_SIZE];
	uint8_t signature[ED25519_SIGNATURE_SIZE];
	char *text;		/* malloc()'s; NULL: it is not here */
};

void signed_policy_free(struct signed_policy *p);

/* UTF-8 without control characters, which fits: what a head may have in a line. */
bool signed_policy_line_valid(const char *line, size_t max);

/* The head as it is signed.  Returns its length. */
size_t signed_policy_head(const struct signed_policy *p,
			  char text[SIGNED_POLICY_HEAD_SIZE]);

/* Exactly what signed_policy_head() writes; the signature is not in it.  Returns 0 or -1. */
int signed_policy_parse(const char *text, struct signed_policy *p);

/*
 * signed_policy_sign - fill in size, SHA-256 and signature for the text that is there
 * signed_policy_verify - the signature by the public key; the text is not looked at
 * signed_policy_check_text - is it the text of the head?
 * Return 0, or -1 with a sentence in @why.
 */
int signed_policy_sign(struct signed_policy *p, const char *key_file, char *why,
		       size_t why_size);
int signed_policy_verify(const struct signed_policy *p, const char *public_file, char *why,
			 size_t why_size);
int signed_policy_check_text(const struct signed_policy *p, char *why, size_t why_size);

/*
 * signed_policy_message - what goes into a message
 * @sent: bytes of the text that went before; raised by those of this part
 * What @out points to is @p's.  With @p->text NULL it has no text.
 */
void signed_policy_message(const struct signed_policy *p, size_t *sent,
			   Sockgate__PolicyVersion *out);

/* One that comes in parts. */
struct signed_policy_parts {
	struct signed_policy policy;
	uint64_t id;		/* of its messages */
	size_t got;
	bool begun;
	char reason[256];	/* why it is refused, if its text is not here */
};

/*
 * signed_policy_add - take a part
 * @id: of its message; another one begins another policy
 * @limit: bytes that a text may have
 * Returns 1 if more is to come; 0 if @parts->policy is whole, with its text, of which
 * neither signature nor SHA-256 have been looked at; -1 with a sentence in @why, also at
 * its last part only, so that it is refused once.
 */
int signed_policy_add(struct signed_policy_parts *parts, uint64_t id,
		      const Sockgate__PolicyVersion *part, size_t limit, char *why,
		      size_t why_size);
void signed_policy_parts_free(struct signed_policy_parts *parts);

#endif
