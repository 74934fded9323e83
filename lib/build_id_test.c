// SPDX-License-Identifier: GPL-2.0-only
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "build_id.h"

struct id {
	uint8_t bytes[BUILD_ID_MAX];
	size_t size;
};

/* As the loader has mapped it; the first object is the program. */
static int find(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct id *id = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		const char *at = (const char *)(info->dlpi_addr + p->p_vaddr);
		const char *end = at + p->p_memsz;

		while (p->p_type == PT_NOTE && at < end) {
			const ElfW(Nhdr) *note = (const void *)at;
			const char *desc = at + sizeof(*note) + ((note->n_namesz + 3) & ~3U);

			if (note->n_type == NT_GNU_BUILD_ID) {
				id->size = note->n_descsz;
				memcpy(id->bytes, desc, id->size);
				return 1;
			}
			at = desc + ((note->n_descsz + 3) & ~3U);
		}
	}
	return 1;
}

static int open_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void it_is_the_one_that_the_loader_sees(void **state)
{
	struct id loaded = { .size = 0 };
	uint8_t id[BUILD_ID_MAX];
	int fd = open_self();

	(void)state;
	dl_iterate_phdr(find, &loaded);
	assert_int_equal(loaded.size, 20);
	assert_int_equal(build_id_read(fd, id), loaded.size);
	assert_memory_equal(id, loaded.bytes, loaded.size);
	close(fd);
}

static int open_made(const void *data, size_t size)
{
	int fd = memfd_create("build_id_test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	return fd;
}

static size_t read_text(const char *text)
{
	uint8_t id[BUILD_ID_MAX];
	int fd = open_made(text, strlen(text));
	size_t size = build_id_read(fd, id);

	close(fd);
	return size;
}

static void other_files_have_none(void **state)
{
	(void)state;
	assert_int_equal(read_text(""), 0);
	assert_int_equal(read_text("#!/bin/sh\n"), 0);
	assert_int_equal(read_text("\177ELF curl\n"), 0);
	assert_int_equal(read_text("!<arch>\n"), 0);
}

/* An ELF file that is nothing but a note with so many bytes of an id. */
struct made {
	Elf64_Ehdr head;
	Elf64_Phdr segment;
	Elf64_Nhdr note;
	char name[4];
	uint8_t id[128];
};

static struct made make(uint32_t size)
{
	return (struct made){
		.head = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
				     ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
		},
		.segment = {
			.p_type = PT_NOTE,
			.p_offset = offsetof(struct made, note),
			.p_filesz = sizeof(struct made) - offsetof(struct made, note),
			.p_align = 4,
		},
		.note = { .n_namesz = 4, .n_descsz = size, .n_type = NT_GNU_BUILD_ID },
		.name = "GNU",
		.id = { 1, 2, 3, 4 },
	};
}

static size_t read_file(const struct made *file, uint8_t *id)
{
	int fd = open_made(file, sizeof(*file));
	size_t size = build_id_read(fd, id);

	close(fd);
	return size;
}

static size_t read_made(uint32_t size, uint8_t *id)
{
	struct made file = make(size);

	return read_file(&file, id);
}

static void one_that_is_too_short_or_too_long_is_none(void **state)
{
	static const uint8_t start[] = { 1, 2, 3, 4 };
	uint8_t id[BUILD_ID_MAX + 1];

	(void)state;
	id[BUILD_ID_MAX] = 0x77;
	assert_int_equal(read_made(3, id), 0);
	assert_int_equal(read_made(4, id), 4);
	assert_memory_equal(id, start, sizeof(start));
	assert_int_equal(read_made(64, id), 64);
	assert_int_equal(read_made(65, id), 0);
	assert_int_equal(id[BUILD_ID_MAX], 0x77);
}

/* A 32-bit program's headers are other ones. */
static void a_narrow_file_has_one_too(void **state)
{
	struct {
		Elf32_Ehdr head;
		Elf32_Phdr segment;
		Elf32_Nhdr note;
		char name[4];
		uint8_t id[8];
	} file = {
		.head = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32,
				     ELFDATA2LSB, EV_CURRENT },
			.e_phoff = sizeof(Elf32_Ehdr),
			.e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 1,
		},
		.segment = {
			.p_type = PT_NOTE,
			.p_offset = offsetof(__typeof__(file), note),
			.p_filesz = sizeof(file) - offsetof(__typeof__(file), note),
		},
		.note = { .n_namesz = 4, .n_descsz = 8, .n_type = NT_GNU_BUILD_ID },
		.name = "GNU",
		.id = { 8, 7, 6, 5, 4, 3, 2, 1 },
	};
	uint8_t id[BUILD_ID_MAX];
	int fd = open_made(&file, sizeof(file));

	(void)state;
	assert_int_equal(build_id_read(fd, id), 8);
	assert_memory_equal(id, file.id, 8);
	close(fd);
}

/* Of what a header calls gigabytes of notes no more is read than is looked at. */
static void sizes_that_a_header_names_are_not_believed(void **state)
{
	static const uint64_t sizes[] = { UINT64_MAX, INT64_MAX, UINT32_MAX, 1ULL << 40 };
	struct made file = make(20);
	uint8_t id[BUILD_ID_MAX];
	int fd;

	(void)state;
	file.note.n_type = 0;
	file.note.n_descsz = UINT32_MAX;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		file.segment.p_filesz = sizes[i];
		fd = open_made(&file, sizeof(file));
		assert_int_equal(ftruncate(fd, 1LL << 40), 0);
		assert_int_equal(build_id_read(fd, id), 0);
		close(fd);
	}
	/* It is among the first notes of a segment that goes on for long. */
	file = make(20);
	file.segment.p_filesz = 1ULL << 39;
	fd = open_made(&file, sizeof(file));
	assert_int_equal(ftruncate(fd, 1LL << 40), 0);
	assert_int_equal(build_id_read(fd, id), 20);
	close(fd);
}

/* Where segments or notes wrap around, or lie nowhere. */
static void offsets_that_make_no_sense_are_none(void **state)
{
	static const uint64_t offsets[] = { UINT64_MAX, UINT64_MAX - 8, INT64_MAX,
					    INT64_MAX - 4, 1ULL << 62, 1ULL << 20 };
	uint8_t id[BUILD_ID_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		struct made file = make(20);

		file.segment.p_offset = offsets[i];
		assert_int_equal(read_file(&file, id), 0);
		file = make(20);
		file.head.e_phoff = offsets[i];
		file.head.e_phnum = 0xffff;
		assert_int_equal(read_file(&file, id), 0);
	}
}

/* Every byte of the headers broken in turn: nothing but a size within bounds comes of it. */
static void a_broken_file_harms_nothing(void **state)
{
	uint8_t id[BUILD_ID_MAX];
	uint8_t head[4096];
	int self = open_self(), fd;

	(void)state;
	assert_int_equal(pread(self, head, sizeof(head), 0), sizeof(head));
	close(self);
	for (size_t i = 4; i < 1024; i++) {
		uint8_t saved = head[i];

		head[i] ^= 0xff;
		fd = open_made(head, sizeof(head));
		assert_in_range(build_id_read(fd, id), 0, BUILD_ID_MAX);
		close(fd);
		head[i] = saved;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_one_that_the_loader_sees),
		cmocka_unit_test(other_files_have_none),
		cmocka_unit_test(one_that_is_too_short_or_too_long_is_none),
		cmocka_unit_test(a_narrow_file_has_one_too),
		cmocka_unit_test(sizes_that_a_header_names_are_not_believed),
		cmocka_unit_test(offsets_that_make_no_sense_are_none),
		cmocka_unit_test(a_broken_file_harms_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
