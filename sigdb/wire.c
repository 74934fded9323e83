// SPDX-License-Identifier: GPL-2.0-only
#include "wire.h"

#include <string.h>

#include "text.h"

#define NAME_BYTES_MAX 255

void wire_put_question(const struct sigdb_question *q, Sockgate__SignatureQuery *out)
{
	sockgate__signature_query__init(out);
	out->sha256.data = (uint8_t *)q->sha256;
	out->sha256.len = q->sha256 ? SHA256_SIZE : 0;
	if (q->path)
		out->path = (char *)q->path;
	if (q->file_name)
		out->name = (char *)q->file_name;
	out->build_id.data = (uint8_t *)q->build_id;
	out->build_id.len = q->build_id_size;
}

const char *wire_take_question(const Sockgate__SignatureQuery *query,
			       struct sigdb_question *out)
{
	size_t id_size = query->build_id.len;

	memset(out, 0, sizeof(*out));
	if (query->sha256.len != SHA256_SIZE)
		return "the question has no SHA-256";
	if (*query->path && (*query->path != '/' || strlen(query->path) > SIGDB_PATH_MAX))
		return "the path is not absolute, or too long";
	if (strlen(query->name) > NAME_BYTES_MAX || strchr(query->name, '/'))
		return "the name is not that of a file";
	if (id_size && (id_size < SIGDB_BUILD_ID_MIN || id_size > SIGDB_BUILD_ID_MAX))
		return "the build-id is too short or too long";
	out->sha256 = query->sha256.data;
	out->path = *query->path ? query->path : NULL;
	out->file_name = *query->name ? query->name : NULL;
	out->build_id = query->build_id.data;
	out->build_id_size = id_size;
	return NULL;
}

void wire_put_answer(const struct sigdb_answer *a, Sockgate__Identity *identity,
		     Sockgate__SignatureAnswer *out)
{
	sockgate__identity__init(identity);
	identity->name = (char *)a->name;
	identity->version = (char *)a->version;
	identity->category = (char *)a->category;
	identity->vendor = (char *)a->vendor;
	identity->trust = a->trust;
	identity->threat = a->threat;
	sockgate__signature_answer__init(out);
	out->identity = identity;
	out->source = (Sockgate__SignatureAnswer__Source)a->source;
	out->unsafe = a->unsafe;
}

static bool copy_text(const char *text, char *out, size_t size)
{
	size_t len = strlen(text);

	if (len >= size || !sigdb_text_valid(text))
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static bool take_identity(const Sockgate__Identity *id, struct sigdb_answer *out)
{
	if (id->trust > SIGDB_LEVEL_MAX || id->threat > SIGDB_LEVEL_MAX)
		return false;
	out->trust = (uint8_t)id->trust;
	out->threat = (uint8_t)id->threat;
	return copy_text(id->name, out->name, sizeof(out->name)) &&
	       copy_text(id->version, out->version, sizeof(out->version)) &&
	       copy_text(id->category, out->category, sizeof(out->category)) &&
	       copy_text(id->vendor, out->vendor, sizeof(out->vendor));
}

static bool is_nothing(const struct sigdb_answer *a)
{
	return !a->unsafe && !a->trust && !a->threat && !*a->name && !*a->version &&
	       !*a->category && !*a->vendor;
}

/* What the source promises, the rest must keep. */
static bool is_consistent(const struct sigdb_answer *a)
{
	switch (a->source) {
	case SIGDB_NONE:
		return is_nothing(a);
	case SIGDB_HASH:
		return *a->name;
	case SIGDB_HASH_ONLY:
		return !*a->name && !*a->version && !*a->category && !*a->vendor;
	case SIGDB_FILE_NAME:
	case SIGDB_PACKAGE_FILE:
	case SIGDB_BUILD_ID:
		return *a->name && !a->unsafe && a->trust <= SIGDB_CLAIM_TRUST_MAX;
	}
	return false;
}

int wire_take_answer(const Sockgate__SignatureAnswer *answer, struct sigdb_answer *out)
{
	memset(out, 0, sizeof(*out));
	out->source = (enum sigdb_source)answer->source;
	out->unsafe = answer->unsafe;
	if (answer->identity && take_identity(answer->identity, out) && is_consistent(out))
		return 0;
	memset(out, 0, sizeof(*out));
	return -1;
}

int wire_take_step(const Sockgate__SignatureStep *step, struct explain_row *out)
{
	*out = (struct explain_row){
		.by = step->by, .source = step->source, .verdict = step->verdict,
		.name = step->name, .version = step->version,
		.trust = (int)step->trust, .threat = (int)step->threat,
		.outcome = (enum explain_outcome)step->outcome,
	};
	if (step->trust > SIGDB_LEVEL_MAX || step->threat > SIGDB_LEVEL_MAX ||
	    step->outcome > EXPLAIN_KNOWN_FILE)
		return -1;
	return sigdb_text_valid(step->by) && sigdb_text_valid(step->source) &&
	       sigdb_text_valid(step->verdict) && sigdb_text_valid(step->name) &&
	       sigdb_text_valid(step->version) ? 0 : -1;
}

static int64_t clamp_time(int64_t time_s, int64_t now_s)
{
	if (time_s < 0)
		return 0;
	return time_s < now_s ? time_s : now_s;
}

int wire_take_sighting(const Sockgate__Sighting *one, int64_t now_s, struct sighting *out)
{
	if (one->sha256.len != SHA256_SIZE || !*one->host ||
	    strlen(one->host) > NAME_BYTES_MAX || strlen(one->path) > SIGDB_PATH_MAX ||
	    !one->count || one->last_s < one->first_s)
		return -1;
	*out = (struct sighting){
		.host = one->host, .path = one->path,
		.first_s = clamp_time(one->first_s, now_s),
		.last_s = clamp_time(one->last_s, now_s),
		.count = one->count < WIRE_COUNT_MAX ? one->count : WIRE_COUNT_MAX,
	};
	memcpy(out->sha256, one->sha256.data, SHA256_SIZE);
	return 0;
}
