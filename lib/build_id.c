// SPDX-License-Identifier: GPL-2.0-only
/*
 * Without a library for ELF: those map or read whatever size a header names, and here
 * anybody's file is read.
 */
#include "build_id.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* More than any linker writes; a file can be made to have millions. */
#define SEGMENTS_MAX 256
#define NOTES_MAX 64
#define NOTES_BYTES (64U << 10)		/* in all segments together */
#define CHUNK 4096U			/* of a segment; a build-id is among the first notes */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OUR_ORDER ELFDATA2LSB
#else
#define OUR_ORDER ELFDATA2MSB
#endif

/* What there is of a file, of both classes in the same terms. */
struct elf {
	int fd;
	bool wide;
	uint64_t segments_at;
	unsigned int segments, segment_size;
};

struct notes {
	uint64_t at, size;
	unsigned int align;
};

static bool read_at(int fd, void *buf, size_t size, uint64_t at)
{
	ssize_t n;

	if (at > INT64_MAX - size)
		return false;
	do
		n = pread(fd, buf, size, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)size;
}

static bool open_elf(struct elf *elf, int fd)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr narrow;
		Elf64_Ehdr wide;
	} head;

	if (!read_at(fd, &head, sizeof(head.narrow), 0) ||
	    memcmp(head.ident, ELFMAG, SELFMAG) != 0 || head.ident[EI_DATA] != OUR_ORDER)
		return false;
	elf->fd = fd;
	elf->wide = head.ident[EI_CLASS] == ELFCLASS64;
	if (!elf->wide && head.ident[EI_CLASS] != ELFCLASS32)
		return false;
	if (elf->wide && !read_at(fd, &head, sizeof(head.wide), 0))
		return false;
	elf->segments_at = elf->wide ? head.wide.e_phoff : head.narrow.e_phoff;
	elf->segments = elf->wide ? head.wide.e_phnum : head.narrow.e_phnum;
	elf->segment_size = elf->wide ? head.wide.e_phentsize : head.narrow.e_phentsize;
	return elf->segment_size == (elf->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr));
}

/* Returns false if it is no segment of notes. */
static bool read_segment(const struct elf *elf, unsigned int i, struct notes *notes)
{
	uint64_t at = elf->segments_at + (uint64_t)i * elf->segment_size;
	Elf32_Phdr narrow;
	Elf64_Phdr wide;

	if (at < elf->segments_at)
		return false;
	if (elf->wide) {
		if (!read_at(elf->fd, &wide, sizeof(wide), at) || wide.p_type != PT_NOTE)
			return false;
		*notes = (struct notes){ wide.p_offset, wide.p_filesz,
					 wide.p_align == 8 ? 8 : 4 };
		return true;
	}
	if (!read_at(elf->fd, &narrow, sizeof(narrow), at) || narrow.p_type != PT_NOTE)
		return false;
	*notes = (struct notes){ narrow.p_offset, narrow.p_filesz, 4 };
	return true;
}

static size_t take_note(const Elf64_Nhdr *note, const uint8_t *name, const uint8_t *desc,
			uint8_t *out)
{
	if (note->n_type != NT_GNU_BUILD_ID || note->n_namesz != sizeof("GNU") ||
	    memcmp(name, "GNU", sizeof("GNU")) != 0 ||
	    note->n_descsz < BUILD_ID_MIN || note->n_descsz > BUILD_ID_MAX)
		return 0;
	memcpy(out, desc, note->n_descsz);
	return note->n_descsz;
}

static uint64_t round_up(uint64_t n, unsigned int align)
{
	return (n + align - 1) & ~(uint64_t)(align - 1);
}

/* Sizes in notes have 32 bits, so that sums of them in 64 do not overflow. */
static size_t search_notes(const uint8_t *buf, size_t size, unsigned int align,
			   uint8_t *out)
{
	uint64_t at = 0;

	for (int i = 0; i < NOTES_MAX; i++) {
		uint64_t name, desc;
		Elf64_Nhdr note;
		size_t found;

		name = at + sizeof(note);
		if (name > size)
			return 0;
		memcpy(&note, buf + at, sizeof(note));
		desc = round_up(name + note.n_namesz, align);
		if (desc + note.n_descsz > size)
			return 0;
		found = take_note(&note, buf + name, buf + desc, out);
		if (found)
			return found;
		at = round_up(desc + note.n_descsz, align);
		if (at >= size)
			return 0;
	}
	return 0;
}

static size_t read_notes(const struct elf *elf, const struct notes *notes,
			 uint32_t *left, uint8_t *out)
{
	uint32_t size = notes->size < CHUNK ? (uint32_t)notes->size : CHUNK;
	uint8_t buf[CHUNK];

	if (size > *left)
		return 0;
	*left -= size;
	if (!read_at(elf->fd, buf, size, notes->at))
		return 0;
	return search_notes(buf, size, notes->align, out);
}

size_t build_id_read(int fd, uint8_t *out)
{
	uint32_t left = NOTES_BYTES;
	struct notes notes;
	struct elf elf;
	size_t size = 0;

	if (!open_elf(&elf, fd))
		return 0;
	for (unsigned int i = 0; !size && i < elf.segments && i < SEGMENTS_MAX; i++)
		if (read_segment(&elf, i, &notes))
			size = read_notes(&elf, &notes, &left, out);
	return size;
}
