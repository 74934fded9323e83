// SPDX-License-Identifier: GPL-2.0-only
#include "signed_policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"
#include "why.h"

#define FIRST_LINE "sockgate-policy 1\n"

void signed_policy_free(struct signed_policy *p)
{
	free(p->text);
	memset(p, 0, sizeof(*p));
}

/* ---- the head ---- */

bool signed_policy_line_valid(const char *line, size_t max)
{
	const char *at = line;
	uint32_t code;
	size_t n;

	for (; *at; at += n) {
		n = utf8_char(at, &code);
		if (!n || utf8_is_control(code))
			return false;
	}
	return (size_t)(at - line) <= max;
}

size_t signed_policy_head(const struct signed_policy *p, char text[SIGNED_POLICY_HEAD_SIZE])
{
	char digest[SHA256_TEXT_SIZE];

	hex_encode(p->sha256, SHA256_SIZE, digest);
	return (size_t)snprintf(text, SIGNED_POLICY_HEAD_SIZE, FIRST_LINE
				"number %" PRIu64 "\ntime %" PRId64 "\nauthor %s\n"
				"comment %s\nsize %" PRIu64 "\nsha256 %s\n", p->number,
				p->time, p->author, p->comment, p->size, digest);
}

/* Whether what a head is made of may be in one. */
static bool is_valid(const struct signed_policy *p)
{
	return p->number && p->number <= INT64_MAX && p->size <= INT64_MAX &&
	       signed_policy_line_valid(p->author, SIGNED_POLICY_AUTHOR_MAX) &&
	       signed_policy_line_valid(p->comment, SIGNED_POLICY_COMMENT_MAX);
}

/* The rest of a line that begins so; *@at moves behind it.  False if it does not. */
static bool take_line(const char **at, const char *begin, char *rest, size_t size)
{
	size_t skip = strlen(begin), length;

	if (strncmp(*at, begin, skip) != 0)
		return false;
	length = strcspn(*at + skip, "\n");
	if (length >= size || !(*at)[skip + length])
		return false;
	memcpy(rest, *at + skip, length);
	rest[length] = '\0';
	*at += skip + length + 1;
	return true;
}

int signed_policy_parse(const char *text, struct signed_policy *p)
{
	char number[32], when[32], size[32], digest[SHA256_TEXT_SIZE];
	char again[SIGNED_POLICY_HEAD_SIZE];
	const char *at = text;

	memset(p, 0, sizeof(*p));
	if (strncmp(at, FIRST_LINE, strlen(FIRST_LINE)) != 0)
		return -1;
	at += strlen(FIRST_LINE);
	if (!take_line(&at, "number ", number, sizeof(number)) ||
	    !take_line(&at, "time ", when, sizeof(when)) ||
	    !take_line(&at, "author ", p->author, sizeof(p->author)) ||
	    !take_line(&at, "comment ", p->comment, sizeof(p->comment)) ||
	    !take_line(&at, "size ", size, sizeof(size)) ||
	    !take_line(&at, "sha256 ", digest, sizeof(digest)) ||
	    hex_decode(digest, p->sha256, SHA256_SIZE))
		return -1;
	p->number = strtoull(number, NULL, 10);
	p->time = strtoll(when, NULL, 10);
	p->size = strtoull(size, NULL, 10);
	/* Anything else than these very bytes is no head. */
	signed_policy_head(p, again);
	return is_valid(p) && strcmp(again, text) == 0 ? 0 : -1;
}

/* ---- signatures ---- */

int signed_policy_sign(struct signed_policy *p, const char *key_file, char *text,
		       size_t text_size)
{
	struct why why = { text, text_size };
	char head[SIGNED_POLICY_HEAD_SIZE];
	size_t length;

	p->size = strlen(p->text);
	if (!is_valid(p))
		return why_set(&why, "author and comment must be plain text of one line, of "
			       "at most %d and %d bytes", SIGNED_POLICY_AUTHOR_MAX,
			       SIGNED_POLICY_COMMENT_MAX);
	if (sha256_memory(p->text, p->size, p->sha256))
		return why_set(&why, "the policy cannot be hashed: %m");
	length = signed_policy_head(p, head);
	return ed25519_sign(key_file, head, length, p->signature, text, text_size);
}

int signed_policy_verify(const struct signed_policy *p, const char *public_file, char *text,
			 size_t text_size)
{
	struct why why = { text, text_size };
	char head[SIGNED_POLICY_HEAD_SIZE], reason[384];
	size_t length = signed_policy_head(p, head);

	if (!ed25519_verify(public_file, head, length, p->signature, NULL, reason,
			    sizeof(reason)))
		return 0;
	return why_set(&why, "version %" PRIu64 " %s", p->number, reason);
}

int signed_policy_check_text(const struct signed_policy *p, char *text, size_t text_size)
{
	struct why why = { text, text_size };
	uint8_t digest[SHA256_SIZE];

	if (strlen(p->text) == p->size && !sha256_memory(p->text, p->size, digest) &&
	    !memcmp(digest, p->sha256, SHA256_SIZE))
		return 0;
	return why_set(&why, "the text is not the one that was signed");
}

/* ---- messages ---- */

void signed_policy_message(const struct signed_policy *p, size_t *sent,
			   Sockgate__PolicyVersion *out)
{
	size_t left = p->text ? p->size - *sent : 0;

	sockgate__policy_version__init(out);
	out->number = p->number;
	out->time = p->time;
	out->author = (char *)p->author;
	out->comment = (char *)p->comment;
	out->size = p->size;
	out->sha256.data = (uint8_t *)p->sha256;
	out->sha256.len = SHA256_SIZE;
	out->signature.data = (uint8_t *)p->signature;
	out->signature.len = ED25519_SIGNATURE_SIZE;
	if (!p->text)
		return;
	out->more = left > SIGNED_POLICY_PART;
	out->text.data = (uint8_t *)p->text + *sent;
	out->text.len = out->more ? SIGNED_POLICY_PART : left;
	*sent += out->text.len;
}

void signed_policy_parts_free(struct signed_policy_parts *parts)
{
	signed_policy_free(&parts->policy);
	memset(parts, 0, sizeof(*parts));
}

static int begin(struct signed_policy_parts *parts, uint64_t id,
		 const Sockgate__PolicyVersion *part, size_t limit, const struct why *why)
{
	struct signed_policy *p = &parts->policy;

	signed_policy_parts_free(parts);
	parts->id = id;
	parts->begun = true;
	p->number = part->number;
	p->time = part->time;
	p->size = part->size;
	if (part->sha256.len != SHA256_SIZE ||
	    part->signature.len != ED25519_SIGNATURE_SIZE ||
	    strlen(part->author) > SIGNED_POLICY_AUTHOR_MAX ||
	    strlen(part->comment) > SIGNED_POLICY_COMMENT_MAX)
		return why_set(why, "a version of the policy without all that belongs to one");
	strcpy(p->author, part->author);
	strcpy(p->comment, part->comment);
	memcpy(p->sha256, part->sha256.data, SHA256_SIZE);
	memcpy(p->signature, part->signature.data, ED25519_SIGNATURE_SIZE);
	if (!is_valid(p))
		return why_set(why, "version %" PRIu64 " has a number, an author or a comment "
			       "that none can have", p->number);
	if (p->size > limit)
		return why_set(why, "version %" PRIu64 " is larger than a policy may be",
			       p->number);
	p->text = malloc(p->size + 1);
	return p->text ? 0 : why_set(why, "out of memory");
}

/* Takes the part over into the text. */
static int take(struct signed_policy_parts *parts, uint64_t id,
		const Sockgate__PolicyVersion *part, size_t limit, const struct why *why)
{
	struct signed_policy *p = &parts->policy;
	size_t left;

	if ((!parts->begun || parts->id != id) && begin(parts, id, part, limit, why))
		return -1;
	left = p->size - parts->got;
	if (part->number != p->number || part->text.len > left ||
	    (!part->more && part->text.len < left))
		return why_set(why, "version %" PRIu64 ": its parts make no whole",
			       part->number);
	if (part->text.len)
		memcpy(p->text + parts->got, part->text.data, part->text.len);
	parts->got += part->text.len;
	p->text[parts->got] = '\0';
	return 0;
}

int signed_policy_add(struct signed_policy_parts *parts, uint64_t id,
		      const Sockgate__PolicyVersion *part, size_t limit, char *text,
		      size_t text_size)
{
	struct why reason = { parts->reason, sizeof(parts->reason) };
	struct signed_policy *p = &parts->policy;
	bool passed_over = parts->begun && parts->id == id && !p->text;

	if (!passed_over && take(parts, id, part, limit, &reason)) {
		free(p->text);
		p->text = NULL;
	}
	parts->begun = part->more;
	if (part->more)
		return 1;
	if (p->text)
		return 0;
	snprintf(text, text_size, "%s", parts->reason);
	return -1;
}
