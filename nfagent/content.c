// SPDX-License-Identifier: GPL-2.0-only
#include "content.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sha256.h"

#define TRIES 2

#define SECOND_NS 1000000000LL

/*
 * Two ticks of the coarsest kernel clock (HZ=100) that stamps ctime, doubled.
 */
#define SETTLE_NS 40000000LL

/*
 * Some file systems stamp whole seconds (ext3, ext4 with inodes of 128 bytes),
 * vfat every second one: two seconds, and one for the clock's own ticks.
 */
#define SETTLE_COARSE_NS (3 * SECOND_NS)

_Static_assert(HASH_SIZE == SHA256_SIZE, "one hash, one size");

static int64_t ns_of(struct timespec t)
{
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static bool same_state(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size &&
	       ns_of(a->st_mtim) == ns_of(b->st_mtim) &&
	       ns_of(a->st_ctim) == ns_of(b->st_ctim);
}

void content_init(struct content *c, int fd, const struct sockgate_file *file,
		  uint64_t limit)
{
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->file = *file;
	c->limit = limit;
	c->result.evidence = SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
}

void content_close(struct content *c)
{
	sha256_parts_free(c->parts);
	c->parts = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

uint64_t content_left(const struct content *c)
{
	uint64_t done = c->parts ? sha256_parts_done(c->parts) : 0;

	return c->file.size > done ? c->file.size - done : 0;
}

/* Returns EVIDENCE_CONTENT if reading may begin. */
static Sockgate__Evidence begin(struct content *c)
{
	if (fstat(c->fd, &c->before) || !S_ISREG(c->before.st_mode))
		return SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	if ((uint64_t)c->before.st_size > c->limit)
		return SOCKGATE__EVIDENCE__EVIDENCE_TOO_LARGE;
	if ((uint64_t)c->before.st_size != c->file.size ||
	    ns_of(c->before.st_ctim) != c->file.ctime_ns)
		return SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE;
	c->parts = sha256_parts_new(c->fd, c->limit, c->file.size);
	return c->parts ? SOCKGATE__EVIDENCE__EVIDENCE_CONTENT :
			  SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
}

/*
 * What the whole file proves; @rc is that of the last read.  The build-id is read in
 * between, so that it is that of this content.
 */
static Sockgate__Evidence judge(struct content *c, int rc)
{
	struct stat after;

	if (rc >= 0)
		c->result.build_id_size =
			(uint8_t)build_id_read(c->fd, c->result.build_id);
	if (fstat(c->fd, &after))
		return SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	if (!same_state(&c->before, &after))
		return SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE;
	if (rc < 0 || sha256_parts_done(c->parts) != c->file.size)
		return SOCKGATE__EVIDENCE__EVIDENCE_UNREADABLE;
	return SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
}

static bool unsettled(int64_t ctime_ns, int64_t now_ns)
{
	return now_ns - ctime_ns < (ctime_ns % SECOND_NS ? SETTLE_NS :
							   SETTLE_COARSE_NS);
}

/* Returns true unless it is worth another try. */
static bool finish(struct content *c, Sockgate__Evidence evidence)
{
	sha256_parts_free(c->parts);
	c->parts = NULL;
	c->result.evidence = evidence;
	c->result.unsettled = unsettled(c->file.ctime_ns, c->begun_ns);
	if (evidence == SOCKGATE__EVIDENCE__EVIDENCE_CONTENT)
		return true;
	memset(c->result.sha256, 0, sizeof(c->result.sha256));
	c->result.build_id_size = 0;
	return evidence != SOCKGATE__EVIDENCE__EVIDENCE_UNSTABLE ||
	       ++c->tries >= TRIES;
}

bool content_read(struct content *c, uint64_t bytes, int64_t now_ns)
{
	Sockgate__Evidence evidence;
	int rc;

	if (!c->parts) {
		c->begun_ns = now_ns;
		evidence = begin(c);
		if (evidence != SOCKGATE__EVIDENCE__EVIDENCE_CONTENT)
			return finish(c, evidence);
	}
	rc = sha256_parts_read(c->parts, bytes, c->result.sha256);
	return rc && finish(c, judge(c, rc));
}
