// SPDX-License-Identifier: GPL-2.0-only
#include "fixture.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>

#include "build_id.h"

struct id {
	uint8_t bytes[SIGDB_BUILD_ID_MAX];
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
	uint8_t id[SIGDB_BUILD_ID_MAX];
	int fd = open_self();

	(void)state;
	dl_iterate_phdr(find, &loaded);
	assert_int_equal(loaded.size, 20);
	assert_int_equal(build_id_read(fd, id), loaded.size);
	assert_memory_equal(id, loaded.bytes, loaded.size);
	close(fd);
}

static size_t read_text(struct fixture *f, const char *text)
{
	uint8_t id[SIGDB_BUILD_ID_MAX];
	int fd = open(fixture_write(f, "file", 0644, text), O_RDONLY | O_CLOEXEC);
	size_t size;

	assert_true(fd >= 0);
	size = build_id_read(fd, id);
	close(fd);
	return size;
}

static void other_files_have_none(void **state)
{
	assert_int_equal(read_text(*state, ""), 0);
	assert_int_equal(read_text(*state, "#!/bin/sh\n"), 0);
	assert_int_equal(read_text(*state, "\177ELF curl\n"), 0);
	assert_int_equal(read_text(*state, "!<arch>\n"), 0);
}

/* An ELF file that is nothing but a note with so many bytes of an id. */
static size_t read_made(struct fixture *f, uint32_t size, uint8_t *id)
{
	struct {
		Elf64_Ehdr head;
		Elf64_Phdr segment;
		Elf64_Nhdr note;
		char name[4];
		uint8_t id[128];
	} file = {
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
			.p_offset = offsetof(__typeof__(file), note),
			.p_filesz = sizeof(file) - offsetof(__typeof__(file), note),
			.p_align = 4,
		},
		.note = { .n_namesz = 4, .n_descsz = size, .n_type = NT_GNU_BUILD_ID },
		.name = "GNU",
		.id = { 1, 2, 3, 4 },
	};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/made", f->dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, &file, sizeof(file)), sizeof(file));
	size = (uint32_t)build_id_read(fd, id);
	close(fd);
	return size;
}

static void one_that_is_too_short_or_too_long_is_none(void **state)
{
	static const uint8_t start[] = { 1, 2, 3, 4 };
	uint8_t id[SIGDB_BUILD_ID_MAX + 1];

	id[SIGDB_BUILD_ID_MAX] = 0x77;
	assert_int_equal(read_made(*state, 3, id), 0);
	assert_int_equal(read_made(*state, 4, id), 4);
	assert_memory_equal(id, start, sizeof(start));
	assert_int_equal(read_made(*state, 64, id), 64);
	assert_int_equal(read_made(*state, 65, id), 0);
	assert_int_equal(id[SIGDB_BUILD_ID_MAX], 0x77);
}

/* Every byte of the headers broken in turn: nothing but a size within bounds comes of it. */
static void a_broken_file_harms_nothing(void **state)
{
	struct fixture *f = *state;
	uint8_t id[SIGDB_BUILD_ID_MAX];
	uint8_t head[4096];
	char path[128];
	int self = open_self(), fd;

	assert_int_equal(pread(self, head, sizeof(head), 0), sizeof(head));
	close(self);
	snprintf(path, sizeof(path), "%s/broken", f->dir);
	for (size_t i = 4; i < 1024; i++) {
		uint8_t saved = head[i];

		head[i] ^= 0xff;
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
		assert_in_range(build_id_read(fd, id), 0, SIGDB_BUILD_ID_MAX);
		close(fd);
		head[i] = saved;
	}
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(it_is_the_one_that_the_loader_sees),
		FRESH(other_files_have_none),
		FRESH(one_that_is_too_short_or_too_long_is_none),
		FRESH(a_broken_file_harms_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
