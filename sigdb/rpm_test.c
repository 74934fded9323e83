// SPDX-License-Identifier: GPL-2.0-only
/* A package made by rpmbuild, as a file and as installed below a root of its own. */
#include "fixture.h"

#include <fcntl.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "categories.h"
#include "explain.h"
#include "rpm.h"
#include "sha256.h"

#define TOOL_ELF	"\177ELF tool\n"
#define SCRIPT		"#!/bin/sh\nexit 0\n"

static const char spec[] =
	"Name: tool\nVersion: 1.2\nRelease: 3\nSummary: x\nLicense: GPL\n"
	"Vendor: ACME Corp <acme@example.com>\nURL: https://tool.example/\n"
	"Group: Applications/Internet\nBuildArch: noarch\nAutoReqProv: no\n"
	"%define __os_install_post %{nil}\n%define _build_id_links none\n"
	"%description\nx\n"
	"%install\n"
	"mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share %{buildroot}/usr/lib/.build-id/ab\n"
	"printf '\\177ELF tool\\n' >%{buildroot}/usr/bin/tool\n"
	"printf '#!/bin/sh\\nexit 0\\n' >%{buildroot}/usr/bin/script\n"
	"printf '\\177ELF data\\n' >%{buildroot}/usr/share/data\n"
	"ln -s ../../../bin/tool %{buildroot}/usr/lib/.build-id/ab/cdef0123\n"
	"%files\n"
	"%attr(755,root,root) /usr/bin/tool\n%attr(755,root,root) /usr/bin/script\n"
	"%attr(644,root,root) /usr/share/data\n/usr/lib/.build-id/ab/cdef0123\n";

static struct fixture *f;
static struct categories *map;
static char package[256], weak[256], root[128];

/* Run a shell command with the folder as $1; its output is only of use if it fails. */
static void run(const char *command)
{
	char *argv[] = { (char *)"sh", (char *)"-ec", (char *)(uintptr_t)command,
			 (char *)"sh", f->dir, NULL };
	int status;
	pid_t pid;

	assert_int_equal(posix_spawnp(&pid, "sh", NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("failed: %s", command);
}

static int setup(void **state)
{
	fixture_setup(state);
	f = *state;
	map = categories_load("sigdb/categories.conf", f->why, sizeof(f->why));
	if (!map)
		fail_msg("%s", f->why);
	snprintf(root, sizeof(root), "%s/root", f->dir);
	snprintf(package, sizeof(package), "%s/sha256/noarch/tool-1.2-3.noarch.rpm", f->dir);
	snprintf(weak, sizeof(weak), "%s/md5/noarch/tool-1.2-3.noarch.rpm", f->dir);
	fixture_write(f, "tool.spec", 0644, spec);
	run("build() { rpmbuild -bb --quiet --define \"_topdir $1/build\" --define"
	    " \"_rpmdir $1/$2\" --define \"_source_filedigest_algorithm $3\" --define"
	    " \"_binary_filedigest_algorithm $3\" $1/tool.spec >$1/log 2>&1 ||"
	    " { cat $1/log; exit 1; }; }; build $1 sha256 8; build $1 md5 1");
	return 0;
}

static int teardown(void **state)
{
	categories_free(map);
	return fixture_teardown(state);
}

static void install(void)
{
	run("mkdir -p $1/root/var/lib/rpm; rpm --dbpath $1/root/var/lib/rpm -i --justdb"
	    " --nodeps $1/sha256/noarch/tool-1.2-3.noarch.rpm 2>$1/log");
}

static void uninstall(void)
{
	run("rpm --dbpath $1/root/var/lib/rpm -e --justdb --nodeps tool 2>$1/log");
}

/* One package's header is no header. */
static void damage(void)
{
	sqlite3 *db;
	char path[192];

	snprintf(path, sizeof(path), "%s/var/lib/rpm/rpmdb.sqlite", root);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE Packages SET blob = x'00' WHERE hnum ="
				      " (SELECT max(hnum) FROM Packages)", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_close(db);
}

static int import(const struct rpm_import *job, struct rpm_report *report)
{
	return rpm_import(f->db, job, report, f->why, sizeof(f->why));
}

static struct rpm_report import_root(bool sweep)
{
	const struct rpm_import job = { .root = root, .map = map, .sweep = sweep };
	struct rpm_report report;

	if (import(&job, &report))
		fail_msg("%s", f->why);
	return report;
}

static int import_file(const char *path, struct rpm_report *report)
{
	char *const files[] = { (char *)(uintptr_t)path };
	const struct rpm_import job = { .files = files, .file_count = 1, .map = map };

	return import(&job, report);
}

static struct sigdb_answer look(const char *content)
{
	uint8_t hash[SHA256_SIZE];
	struct sigdb_answer a;

	assert_int_equal(sha256_memory(content, strlen(content), hash), 0);
	assert_int_not_equal(ask(f->db, hash, NULL, &a), SIGDB_ERROR);
	return a;
}

/* The trust that the source of this kind gives. */
struct wanted {
	const char *source;
	int trust;
};

static int take_trust(const struct explain_row *row, void *arg)
{
	struct wanted *w = arg;

	if (strcmp(row->by, "hash") == 0 &&
	    strncmp(row->source, w->source, strlen(w->source)) == 0)
		w->trust = row->trust;
	return 0;
}

static int trust_from(const char *source)
{
	struct wanted w = { .source = source, .trust = -1 };
	uint8_t hash[SHA256_SIZE];
	const struct sigdb_question q = { .sha256 = hash };

	assert_int_equal(sha256_memory(TOOL_ELF, strlen(TOOL_ELF), hash), 0);
	assert_int_equal(sigdb_explain(f->db, &q, take_trust, &w), 0);
	return w.trust;
}

static void expect_tool(void)
{
	struct sigdb_answer a = look(TOOL_ELF);

	assert_int_equal(a.source, SIGDB_HASH);
	assert_string_equal(a.name, "tool");
	assert_string_equal(a.version, "1.2-3");
	assert_string_equal(a.vendor, "ACME Corp");
	/* Nobody has signed it. */
	assert_int_equal(a.trust, 2);
	assert_string_equal(look(SCRIPT).name, "tool");
	assert_int_equal(look("\177ELF data\n").source, SIGDB_NONE);
}

static void a_package_file_brings_its_executables(void **state)
{
	struct rpm_report r;

	(void)state;
	if (import_file(package, &r))
		fail_msg("%s", f->why);
	assert_int_equal(r.packages, 1);
	assert_int_equal(r.executables, 2);
	assert_int_equal(r.weak, 0);
	expect_tool();
}

static void an_installed_package_brings_them_too(void **state)
{
	struct rpm_report r;

	(void)state;
	install();
	r = import_root(true);
	assert_int_equal(r.packages, 1);
	assert_int_equal(r.executables, 2);
	expect_tool();
}

static void a_signature_gives_trust_if_its_key_is_known(void **state)
{
	struct rpm_report r;

	(void)state;
	run("export GNUPGHOME=$1/gpg; mkdir -m 700 $1/gpg; gpg --batch --passphrase ''"
	    " --quick-gen-key a@b.example rsa2048 sign never >$1/log 2>&1;"
	    " rpmsign --addsign --define '_gpg_name a@b.example' --define '__gpg /usr/bin/gpg'"
	    " $1/sha256/noarch/tool-1.2-3.noarch.rpm >$1/log 2>&1;"
	    " gpgconf --kill gpg-agent");
	/* This machine's rpm does not know the key. */
	if (import_file(package, &r))
		fail_msg("%s", f->why);
	assert_int_equal(trust_from("rpm-files"), 2);
	/* Whoever installed it did. */
	install();
	import_root(true);
	assert_int_equal(trust_from("rpm:"), 3);
}

static int count_row(const struct explain_row *row, void *arg)
{
	int *count = arg;

	assert_string_equal(row->name, "tool");
	assert_int_equal(row->outcome, EXPLAIN_KNOWN_NAME);
	(*count)++;
	return 0;
}

static void its_paths_and_build_ids_are_claims(void **state)
{
	static const uint8_t hash[SHA256_SIZE] = { 1 };
	static const uint8_t id[] = { 0xab, 0xcd, 0xef, 0x01, 0x23 };
	struct sigdb_question q = { .sha256 = hash, .path = "/usr/bin/script" };
	struct rpm_report r;
	int count = 0;

	(void)state;
	assert_int_equal(import_file(package, &r), 0);
	assert_int_equal(sigdb_explain(f->db, &q, count_row, &count), 0);
	assert_int_equal(count, 1);
	q = (struct sigdb_question){ .sha256 = hash, .build_id = id,
				     .build_id_size = sizeof(id) };
	assert_int_equal(sigdb_explain(f->db, &q, count_row, &count), 0);
	assert_int_equal(count, 2);
}

static void hashes_of_another_kind_are_left_out_and_counted(void **state)
{
	struct rpm_report r;

	(void)state;
	assert_int_equal(import_file(weak, &r), 0);
	assert_int_equal(r.weak, 2);
	assert_int_equal(r.executables, 0);
	assert_int_equal(look(TOOL_ELF).source, SIGDB_NONE);
}

static void a_removed_package_loses_its_signatures(void **state)
{
	struct rpm_import job = { .root = root, .map = map, .sweep = true };
	struct rpm_report r;

	(void)state;
	install();
	import_root(true);
	run("sed 's/^Name: tool/Name: other/; s/tool.n/other.n/' $1/tool.spec"
	    " >$1/other.spec; rpmbuild -bb --quiet --define \"_topdir $1/build\""
	    " --define \"_rpmdir $1/sha256\" $1/other.spec >$1/log 2>&1;"
	    " rpm --dbpath $1/root/var/lib/rpm -i --justdb --nodeps --replacefiles"
	    " $1/sha256/noarch/other-1.2-3.noarch.rpm 2>$1/log");
	uninstall();
	r = import_root(false);
	assert_int_equal(r.counts.removed, 0);
	assert_string_equal(look(SCRIPT).name, "other");
	r = import_root(true);
	assert_true(r.counts.removed > 0);
	assert_int_equal(look(TOOL_ELF).source, SIGDB_NONE);
	/* Nothing at all is rather a wrong folder. */
	run("rpm --dbpath $1/root/var/lib/rpm -e --justdb --nodeps other 2>$1/log");
	assert_int_equal(import(&job, &r), -1);
	assert_non_null(strstr(f->why, "no package is installed below"));
	assert_string_equal(look(SCRIPT).name, "other");
}

/* The rest would be taken for all there is, and what is not seen would go. */
static void a_database_that_is_damaged_sweeps_nothing(void **state)
{
	struct rpm_import job = { .root = root, .map = map, .sweep = true };
	struct rpm_report r;

	(void)state;
	install();
	run("sed 's/^Name: tool/Name: other/; s/ tool.n/ other.n/; s|/usr/bin|/opt|g;"
	    " /mkdir/s|-p|& %{buildroot}/opt|; s|ab/c|ab/d|' $1/tool.spec"
	    " >$1/other.spec; rpmbuild -bb --quiet --define \"_topdir $1/build\""
	    " --define \"_rpmdir $1/sha256\" $1/other.spec >$1/log 2>&1;"
	    " rpm --dbpath $1/root/var/lib/rpm -i --justdb --nodeps --replacefiles"
	    " $1/sha256/noarch/other-1.2-3.noarch.rpm 2>$1/log");
	import_root(true);
	damage();
	assert_int_equal(import(&job, &r), -1);
	assert_non_null(strstr(f->why, "has 2 packages, of which 1 can be read"));
	assert_string_equal(look("\177ELF other.n").name, "other");
	/* Nor if nothing is swept: what is imported is all that there is. */
	job.sweep = false;
	assert_int_equal(import(&job, &r), -1);
}

static void a_root_without_packages_is_refused_and_stays_as_it_is(void **state)
{
	const struct rpm_import job = { .root = root, .map = map, .sweep = true };
	struct rpm_report r;

	(void)state;
	assert_int_equal(mkdir(root, 0755), 0);
	assert_int_equal(import(&job, &r), -1);
	assert_non_null(strstr(f->why, "no package is installed below"));
	/* It is empty. */
	assert_int_equal(rmdir(root), 0);
}

static void a_damaged_package_is_refused(void **state)
{
	static char bytes[65536];
	struct rpm_report r;
	const char *vendor;
	ssize_t size;
	int fd = open(package, O_RDWR);

	(void)state;
	assert_true(fd >= 0);
	size = pread(fd, bytes, sizeof(bytes), 0);
	vendor = memmem(bytes, (size_t)size, "ACME", 4);
	assert_non_null(vendor);
	assert_int_equal(pwrite(fd, "Acme", 4, vendor - bytes), 4);
	close(fd);
	assert_int_equal(import_file(package, &r), -1);
	assert_non_null(strstr(f->why, "is damaged"));
	assert_int_equal(import_file(fixture_write(f, "x.rpm", 0644, "no package"), &r), -1);
	assert_non_null(strstr(f->why, "is no RPM package"));
	assert_int_equal(import_file("/nowhere.rpm", &r), -1);
	assert_non_null(strstr(f->why, "No such file"));
}

#define MADE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MADE(a_package_file_brings_its_executables),
		MADE(an_installed_package_brings_them_too),
		MADE(a_signature_gives_trust_if_its_key_is_known),
		MADE(its_paths_and_build_ids_are_claims),
		MADE(hashes_of_another_kind_are_left_out_and_counted),
		MADE(a_removed_package_loses_its_signatures),
		MADE(a_database_that_is_damaged_sweeps_nothing),
		MADE(a_root_without_packages_is_refused_and_stays_as_it_is),
		MADE(a_damaged_package_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
