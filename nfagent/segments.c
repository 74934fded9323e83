// SPDX-License-Identifier: GPL-2.0-only
#include "segments.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#define MAGIC "SGSPOOL1"
#define SUFFIX ".spool"
#define NAME_SIZE (16 + sizeof(SUFFIX))
#define CLEAN "clean"
#define LOCK "lock"

/* More than any run writes between two crashes. */
#define CRASH_GAP (1ULL << 32)

/* A disk that does not give a record so many times in a row never will. */
#define READ_TRIES 10

struct header {
	uint8_t magic[8];
	uint8_t instance[SEGMENTS_INSTANCE_SIZE];
	uint64_t first;
};

struct frame {
	uint32_t len;
	uint32_t crc;
	uint64_t sequence;
};

struct segment {
	uint64_t first;		/* names the file */
	uint64_t next;		/* the sequence after its last record */
	uint64_t readable;	/* the sequence after the last that can be read */
	uint64_t size;		/* of the good part */
	unsigned int failures;	/* reads in a row that ended with an error */
	struct segment *prev, *next_segment;
};

struct segments {
	struct segments_limits limits;
	uint8_t instance[SEGMENTS_INSTANCE_SIZE];
	struct segment *list;	/* oldest first; the last one is written to */
	uint64_t bytes;
	uint64_t dropped;	/* the highest sequence told to drop */
	uint64_t lost;
	int dir;
	int lock;
	int fd;			/* of the last segment; -1: begin another */
	/* where the last read ended */
	uint64_t read_after;
	uint64_t read_first;
	uint64_t read_offset;
};

/* CRC-32 as in IEEE 802.3, four bits at a time. */
static uint32_t crc32_of(uint32_t crc, const void *data, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const uint8_t *p = data;

	crc = ~crc;
	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

static uint32_t frame_crc(const struct frame *frame, const uint8_t *data)
{
	uint32_t crc = crc32_of(0, &frame->sequence, sizeof(frame->sequence));

	return crc32_of(crc, data, le32toh(frame->len));
}

static void name_of(char *name, uint64_t first)
{
	snprintf(name, NAME_SIZE, "%016" PRIx64 SUFFIX, first);
}

static struct segment *last_of(struct segments *s)
{
	return s->list ? s->list->prev : NULL;
}

/* Returns 0; -1 with errno, which is ENODATA where the file ends before. */
static int read_all(int fd, void *buf, size_t len, uint64_t at)
{
	size_t n = 0;
	ssize_t got;

	while (n < len) {
		got = pread(fd, (char *)buf + n, len - n, (off_t)(at + n));
		if (got < 0 && errno == EINTR)
			continue;
		if (!got)
			errno = ENODATA;
		if (got <= 0)
			return -1;
		n += (size_t)got;
	}
	return 0;
}

static int write_all(int fd, const void *buf, size_t len, uint64_t at)
{
	size_t n = 0;
	ssize_t put;

	while (n < len) {
		put = pwrite(fd, (const char *)buf + n, len - n,
			     (off_t)(at + n));
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		n += (size_t)put;
	}
	return 0;
}

struct spool_record *spool_record_new(uint64_t sequence, const uint8_t *data,
				      uint32_t len)
{
	struct spool_record *r = malloc(sizeof(*r) + len);

	if (!r)
		return NULL;
	r->next = NULL;
	r->sequence = sequence;
	r->len = len;
	if (data)
		memcpy(r->data, data, len);
	return r;
}

void spool_records_free(struct spool_record *list)
{
	struct spool_record *next;

	for (; list; list = next) {
		next = list->next;
		free(list);
	}
}

/*
 * The record at @at, which must have the sequence @expect.  Returns NULL with
 * errno: ENODATA at the end of the good part, anything else if reading failed,
 * which says nothing of what stands there.
 */
static struct spool_record *read_record(int fd, uint64_t at, uint64_t expect)
{
	struct spool_record *r;
	struct frame frame;
	uint32_t len;

	if (read_all(fd, &frame, sizeof(frame), at))
		return NULL;
	len = le32toh(frame.len);
	if (len > SEGMENTS_RECORD_MAX || le64toh(frame.sequence) != expect) {
		errno = ENODATA;
		return NULL;
	}
	r = spool_record_new(expect, NULL, len);
	if (!r)
		return NULL;
	if (read_all(fd, r->data, len, at + sizeof(frame))) {
		free(r);
		return NULL;
	}
	if (frame_crc(&frame, r->data) == le32toh(frame.crc))
		return r;
	free(r);
	errno = ENODATA;
	return NULL;
}

/* ---- opening ---- */

/* Finds the end of the good part; -1 with errno if it could not be read. */
static int measure(int fd, struct segment *seg)
{
	struct spool_record *r;

	seg->next = seg->first;
	seg->size = sizeof(struct header);
	while ((r = read_record(fd, seg->size, seg->next))) {
		seg->size += sizeof(struct frame) + r->len;
		seg->next++;
		free(r);
	}
	seg->readable = seg->next;
	return errno == ENODATA ? 0 : -1;
}

static int by_first(const struct segment *a, const struct segment *b)
{
	return a->first < b->first ? -1 : a->first > b->first;
}

static bool header_is_good(struct segments *s, const struct header *h,
			   uint64_t first)
{
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)) ||
	    le64toh(h->first) != first)
		return false;
	/* The directory has one instance: that of its first file. */
	if (!s->list)
		memcpy(s->instance, h->instance, sizeof(s->instance));
	return !memcmp(s->instance, h->instance, sizeof(s->instance));
}

/* What is not ours, or damaged, is put aside for people to look at. */
static int put_aside(struct segments *s, const char *name)
{
	char bad[NAME_MAX + sizeof(".bad")];

	snprintf(bad, sizeof(bad), "%s.bad", name);
	return renameat(s->dir, name, s->dir, bad);
}

/* What is torn at the end goes; what could not be read stays for another try. */
static struct segment *take_segment(int fd, uint64_t first)
{
	struct segment *seg = calloc(1, sizeof(*seg));
	int error;

	if (!seg)
		return NULL;
	seg->first = first;
	if (!measure(fd, seg) && !ftruncate(fd, (off_t)seg->size))
		return seg;
	error = errno;
	free(seg);
	errno = error;
	return NULL;
}

static int load_segment(struct segments *s, const char *name)
{
	struct segment *seg;
	struct header h;
	uint64_t first;
	int fd, error;

	first = strtoull(name, NULL, 16);
	fd = openat(s->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (read_all(fd, &h, sizeof(h), 0)) {
		error = errno;
		close(fd);
		errno = error;
		return error == ENODATA ? put_aside(s, name) : -1;
	}
	if (!header_is_good(s, &h, first)) {
		close(fd);
		return put_aside(s, name);
	}
	seg = take_segment(fd, first);
	error = errno;
	close(fd);
	errno = error;
	if (!seg)
		return -1;
	s->bytes += seg->size;
	DL_APPEND2(s->list, seg, prev, next_segment);
	return 0;
}

static int is_segment(const struct dirent *d)
{
	return strlen(d->d_name) == NAME_SIZE - 1 &&
	       strspn(d->d_name, "0123456789abcdef") == 16 &&
	       !strcmp(d->d_name + 16, SUFFIX);
}

static int load(struct segments *s)
{
	struct dirent **names;
	int n, rc = 0;

	n = scandirat(s->dir, ".", &names, is_segment, alphasort);
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		if (!rc)
			rc = load_segment(s, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	DL_SORT2(s->list, by_first, prev, next_segment);
	return rc;
}

static int lock(struct segments *s)
{
	s->lock = openat(s->dir, LOCK,
			 O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lock < 0)
		return -1;
	return flock(s->lock, LOCK_EX | LOCK_NB);
}

/* Begins a file whose first record will have the sequence @first. */
static int begin(struct segments *s, uint64_t first)
{
	struct header h = { .first = htole64(first) };
	struct segment *seg;
	char name[NAME_SIZE];
	int fd;

	seg = calloc(1, sizeof(*seg));
	if (!seg)
		return -1;
	name_of(name, first);
	/* What stands there under this name holds no record: see load(). */
	fd = openat(s->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW |
		    O_CLOEXEC, 0600);
	if (fd < 0)
		goto fail;
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	memcpy(h.instance, s->instance, sizeof(h.instance));
	if (write_all(fd, &h, sizeof(h), 0) || fdatasync(fd) || fsync(s->dir))
		goto fail;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	seg->first = first;
	seg->next = first;
	seg->readable = first;
	seg->size = sizeof(h);
	s->bytes += seg->size;
	DL_APPEND2(s->list, seg, prev, next_segment);
	return 0;
fail:
	if (fd >= 0) {
		close(fd);
		unlinkat(s->dir, name, 0);
	}
	free(seg);
	return -1;
}

/* A file with records that nobody has read is put aside, not removed. */
static void remove_segment(struct segments *s, struct segment *seg)
{
	char name[NAME_SIZE];

	name_of(name, seg->first);
	if (seg->readable == seg->next || put_aside(s, name))
		unlinkat(s->dir, name, 0);
	s->bytes -= seg->size;
	DL_DELETE2(s->list, seg, prev, next_segment);
	free(seg);
}

/* Every run begins a file of its own, so that gaps lie between files only. */
static int begin_run(struct segments *s, const uint8_t *fresh)
{
	bool clean = !unlinkat(s->dir, CLEAN, 0);
	struct segment *last = last_of(s);
	uint64_t next = 1;

	if (last)
		next = last->next + (clean ? 0 : CRASH_GAP);
	else
		memcpy(s->instance, fresh, sizeof(s->instance));
	if (last && last->first == next)
		remove_segment(s, last);
	return begin(s, next);
}

/* With its parent; what goes wrong is told when it is opened. */
static void make_directory(const char *dir)
{
	const char *slash = strrchr(dir, '/');
	char parent[PATH_MAX];

	if (slash && slash != dir && (size_t)(slash - dir) < sizeof(parent)) {
		memcpy(parent, dir, (size_t)(slash - dir));
		parent[slash - dir] = '\0';
		mkdir(parent, 0700);
	}
	mkdir(dir, 0700);
}

struct segments *segments_open(const char *dir,
			       const struct segments_limits *limits,
			       const uint8_t fresh[SEGMENTS_INSTANCE_SIZE],
			       char *why, size_t why_size)
{
	struct segments *s = calloc(1, sizeof(*s));

	if (!s) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	s->limits = *limits;
	s->lock = -1;
	s->fd = -1;
	make_directory(dir);
	s->dir = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0)
		snprintf(why, why_size, "cannot open the directory %s: %s",
			 dir, strerror(errno));
	else if (lock(s))
		snprintf(why, why_size, errno == EWOULDBLOCK ?
			 "%s is in use by another process" :
			 "cannot lock %s: %s", dir, strerror(errno));
	else if (load(s) || begin_run(s, fresh))
		snprintf(why, why_size, "cannot use the files in %s: %s",
			 dir, strerror(errno));
	else
		return s;
	segments_close(s, true);
	return NULL;
}

void segments_close(struct segments *s, bool crash)
{
	struct segment *seg, *next;
	int fd;

	if (!s)
		return;
	if (!crash) {
		fd = openat(s->dir, CLEAN, O_WRONLY | O_CREAT | O_NOFOLLOW |
			    O_CLOEXEC, 0600);
		if (fd >= 0)
			close(fd);
		fsync(s->dir);
	}
	DL_FOREACH_SAFE2(s->list, seg, next, next_segment)
		free(seg);
	if (s->fd >= 0)
		close(s->fd);
	if (s->lock >= 0)
		close(s->lock);
	if (s->dir >= 0)
		close(s->dir);
	free(s);
}

const uint8_t *segments_instance(const struct segments *s)
{
	return s->instance;
}

uint64_t segments_next_sequence(const struct segments *s)
{
	return s->list->prev->next;
}

uint64_t segments_bytes(const struct segments *s)
{
	return s->bytes;
}

uint64_t segments_lost(const struct segments *s)
{
	return s->lost;
}

/* ---- writing ---- */

/* The oldest goes, its records that were never dropped are lost. */
static void make_room(struct segments *s, uint64_t need)
{
	struct segment *seg;
	uint64_t kept;

	while (s->bytes + need > s->limits.max_bytes && s->list != last_of(s)) {
		seg = s->list;
		kept = s->dropped + 1 > seg->first ? s->dropped + 1 :
						     seg->first;
		if (kept < seg->readable)
			s->lost += seg->readable - kept;
		remove_segment(s, seg);
	}
}

static size_t put_frame(uint8_t *to, const struct spool_record *r)
{
	struct frame frame = { .len = htole32(r->len),
			       .sequence = htole64(r->sequence) };

	frame.crc = htole32(frame_crc(&frame, r->data));
	memcpy(to, &frame, sizeof(frame));
	memcpy(to + sizeof(frame), r->data, r->len);
	return sizeof(frame) + r->len;
}

/* Writes the list into the last file; its end does not move on failure. */
static int write_list(struct segments *s, const struct spool_record *list,
		      size_t size)
{
	struct segment *seg = last_of(s);
	uint8_t *buf = malloc(size);
	size_t at = 0;
	int rc, err;

	if (!buf)
		return -1;
	for (const struct spool_record *r = list; r; r = r->next)
		at += put_frame(buf + at, r);
	rc = write_all(s->fd, buf, size, seg->size);
	if (!rc)
		rc = fdatasync(s->fd);
	err = errno;
	free(buf);
	if (rc && ftruncate(s->fd, (off_t)seg->size)) {
		/* The torn part stays: never write behind it. */
		close(s->fd);
		s->fd = -1;
	}
	errno = err;
	return rc;
}

int segments_append(struct segments *s, const struct spool_record *list)
{
	const struct spool_record *r, *last = list;
	struct segment *seg;
	size_t size = 0;

	for (r = list; r; r = r->next) {
		size += sizeof(struct frame) + r->len;
		last = r;
	}
	if (!size)
		return 0;
	make_room(s, size);
	seg = last_of(s);
	if ((s->fd < 0 || seg->size >= s->limits.segment_bytes ||
	     list->sequence != seg->next || seg->readable < seg->next) &&
	    begin(s, list->sequence))
		return -1;
	if (write_list(s, list, size))
		return -1;
	seg = last_of(s);
	seg->next = last->sequence + 1;
	seg->readable = seg->next;
	seg->size += size;
	s->bytes += size;
	return 0;
}

void segments_drop(struct segments *s, uint64_t sequence)
{
	struct segment *seg;

	if (sequence > s->dropped)
		s->dropped = sequence;
	seg = last_of(s);
	/* A large last file whose records are all dropped makes way too. */
	if (seg->next > seg->first && seg->next <= sequence + 1 &&
	    seg->size > s->limits.segment_bytes / 4)
		(void)begin(s, seg->next);
	while (s->list != last_of(s) && s->list->next <= sequence + 1)
		remove_segment(s, s->list);
}

/* ---- reading ---- */

struct batch {
	struct spool_record *first, **last;
	unsigned int records, max_records;
	size_t bytes, max_bytes;
};

/* Nothing from @sequence on can be had of this file: it is counted, once. */
static void give_up_rest(struct segments *s, struct segment *seg,
			 uint64_t sequence)
{
	s->lost += seg->readable - sequence;
	seg->readable = sequence;
}

/*
 * A record did not come.  What is damaged is given up at once; what a failing
 * disk does not give, after some tries.  Returns -1 with errno to try again.
 */
static int no_record(struct segments *s, struct segment *seg, uint64_t sequence)
{
	bool lasting = errno == ENODATA || errno == ENOENT || errno == ELOOP;

	if (errno == EIO)
		lasting = ++seg->failures >= READ_TRIES;
	if (!lasting)
		return -1;
	give_up_rest(s, seg, sequence);
	return 0;
}

static void batch_add(struct batch *b, struct spool_record *r)
{
	*b->last = r;
	b->last = &r->next;
	b->bytes += r->len;
	b->records++;
}

static bool batch_full(const struct batch *b)
{
	return b->records >= b->max_records || b->bytes >= b->max_bytes;
}

/* From an open file.  Returns 0, or -1 with errno. */
static int read_records(struct segments *s, struct segment *seg, int fd,
			uint64_t after, struct batch *b)
{
	uint64_t at = sizeof(struct header), sequence = seg->first;
	struct spool_record *r;

	if (s->read_first == seg->first && s->read_after == after &&
	    after >= sequence) {
		at = s->read_offset;
		sequence = after + 1;
	}
	while (!batch_full(b) && sequence < seg->readable) {
		r = read_record(fd, at, sequence);
		if (!r)
			return no_record(s, seg, sequence);
		seg->failures = 0;
		at += sizeof(struct frame) + r->len;
		sequence++;
		if (r->sequence <= after) {
			free(r);
			continue;
		}
		batch_add(b, r);
		s->read_first = seg->first;
		s->read_after = r->sequence;
		s->read_offset = at;
	}
	return 0;
}

static int read_segment(struct segments *s, struct segment *seg,
			uint64_t after, struct batch *b)
{
	uint64_t first = after + 1 > seg->first ? after + 1 : seg->first;
	char name[NAME_SIZE];
	int fd, rc, error;

	name_of(name, seg->first);
	fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return no_record(s, seg, first);
	rc = read_records(s, seg, fd, after, b);
	error = errno;
	close(fd);
	errno = error;
	return rc;
}

int segments_read(struct segments *s, uint64_t sequence,
		  unsigned int max_records, size_t max_bytes,
		  struct spool_record **list)
{
	struct batch b = {
		.first = NULL, .last = &b.first,
		.max_records = max_records, .max_bytes = max_bytes,
	};
	struct segment *seg;
	int rc = 0;

	DL_FOREACH2(s->list, seg, next_segment) {
		if (seg->readable <= sequence + 1)
			continue;
		rc = read_segment(s, seg, sequence, &b);
		if (rc || batch_full(&b))
			break;
	}
	*list = b.first;
	/* What was read goes first; the next call meets the error again. */
	return b.first ? 0 : rc;
}
