// SPDX-License-Identifier: GPL-2.0-only
#include "build_id.h"

#include <gelf.h>
#include <string.h>

/* More notes than any linker writes; a file can be made to have millions. */
#define NOTES_MAX	64
#define SEGMENTS_MAX	256

static size_t take_note(const Elf_Data *data, const GElf_Nhdr *note, size_t name,
			size_t desc, uint8_t *out)
{
	const char *bytes = data->d_buf;

	if (note->n_type != NT_GNU_BUILD_ID || note->n_namesz != sizeof("GNU") ||
	    memcmp(bytes + name, "GNU", sizeof("GNU")) != 0 ||
	    note->n_descsz < SIGDB_BUILD_ID_MIN || note->n_descsz > SIGDB_BUILD_ID_MAX)
		return 0;
	memcpy(out, bytes + desc, note->n_descsz);
	return note->n_descsz;
}

static size_t read_notes(Elf *elf, const GElf_Phdr *segment, uint8_t *out)
{
	Elf_Type type = segment->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR;
	size_t at = 0, name, desc, size = 0;
	GElf_Nhdr note;
	Elf_Data *data;

	data = elf_getdata_rawchunk(elf, (int64_t)segment->p_offset, segment->p_filesz,
				    type);
	for (int i = 0; data && !size && i < NOTES_MAX; i++) {
		at = gelf_getnote(data, at, &note, &name, &desc);
		if (!at)
			break;
		size = take_note(data, &note, name, desc, out);
	}
	return size;
}

static size_t read_segments(Elf *elf, uint8_t *out)
{
	size_t count, size = 0;
	GElf_Phdr segment;

	if (elf_getphdrnum(elf, &count))
		return 0;
	if (count > SEGMENTS_MAX)
		count = SEGMENTS_MAX;
	for (int i = 0; !size && i < (int)count; i++)
		if (gelf_getphdr(elf, i, &segment) && segment.p_type == PT_NOTE)
			size = read_notes(elf, &segment, out);
	return size;
}

size_t build_id_read(int fd, uint8_t *out)
{
	size_t size = 0;
	Elf *elf;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return 0;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return 0;
	if (elf_kind(elf) == ELF_K_ELF)
		size = read_segments(elf, out);
	elf_end(elf);
	return size;
}
