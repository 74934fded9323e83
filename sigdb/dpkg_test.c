// SPDX-License-Identifier: GPL-2.0-only
/*
 * Imports from a small machine that is made up in a folder: dpkg's database, the
 * package index and a file system, read by the real dpkg-query and apt-cache.
 */
#include "fixture.h"

#include <errno.h>
#include <openssl/evp.h>

#include "categories.h"
#include "dpkg.h"
#include "executable.h"
#include "explain.h"
#include "sha256.h"

#define CURL_ELF	"\177ELF curl\n"
#define ARIA2_ELF	"\177ELF aria2c\n"
#define HELPER_ELF	"\177ELF helper\n"

static const char status[] =
	"Package: curl\nStatus: install ok installed\nMaintainer: C <c@d.example>\n"
	"Architecture: all\nVersion: 7.88\nSection: web\nDescription: x\n\n"
	"Package: aria2\nStatus: install ok installed\nMaintainer: A <a@d.example>\n"
	"Architecture: all\nVersion: 1.36\nSection: net\nDescription: x\n\n"
	"Package: gone\nStatus: deinstall ok config-files\nMaintainer: G <g@d.example>\n"
	"Architecture: all\nVersion: 1\nSection: net\nDescription: x\n\n"
	"Package: local\nStatus: install ok installed\nMaintainer: Me <me@d.example>\n"
	"Architecture: all\nVersion: 1\nSection: admin\nDescription: x\n";

static const char index_packages[] =
	"Package: aria2\nVersion: 1.36\nArchitecture: all\nMaintainer: A <a@d.example>\n"
	"Tag: protocol::ftp, use::downloading,\n protocol::bittorrent\nSection: net\n"
	"Filename: a.deb\nSize: 1\nDescription: x\n\n"
	"Package: curl\nVersion: 7.99\nArchitecture: all\nMaintainer: C <c@d.example>\n"
	"Tag: use::downloading\nSection: web\nFilename: c.deb\nSize: 1\n"
	"Description: x\n\n";

struct machine_fixture {
	struct fixture *f;
	struct categories *map;
	char root[128];
};

static struct machine_fixture m;

static void put(const char *path, mode_t mode, const char *content)
{
	char below[256];

	snprintf(below, sizeof(below), "root/%s", path);
	fixture_write(m.f, below, mode, content);
}

/* The line of info/PACKAGE.md5sums for a file. */
static const char *md5_line(const char *content, const char *path)
{
	static char line[256];
	uint8_t md5[16];

	assert_int_equal(EVP_Digest(content, strlen(content), md5, NULL, EVP_md5(), NULL),
			 1);
	hex_encode(md5, sizeof(md5), line);
	snprintf(line + 32, sizeof(line) - 32, "  %s\n", path);
	return line;
}

static void put_link(const char *to, const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", m.root, path);
	assert_int_equal(symlink(to, full), 0);
}

static void put_index(void)
{
	put("etc/apt/sources.list", 0644, "deb [trusted=yes] http://t.example/d stable main\n");
	put("var/lib/apt/lists/t.example_d_dists_stable_Release", 0644,
	    "Origin: Debian\nLabel: Debian\nSuite: stable\nArchitectures: all amd64\n"
	    "Components: main\nDate: Sat, 01 Jan 2022 00:00:00 UTC\n");
	put("var/lib/apt/lists/t.example_d_dists_stable_main_binary-amd64_Packages", 0644,
	    index_packages);
}

static void put_database(void)
{
	put("var/lib/dpkg/status", 0644, status);
	put("var/lib/dpkg/updates/.keep", 0644, "");
	put("var/lib/dpkg/diversions", 0644, "/usr/bin/diverted\n/usr/bin/aside\n:\n");
	put("var/lib/dpkg/info/curl.list", 0644,
	    "/.\n/bin\n/bin/curl\n/usr/bin/link\n/usr/share/doc\n/usr/share/doc/curl\n"
	    "/usr/bin/not-there\n");
	put("var/lib/dpkg/info/curl.md5sums", 0644, md5_line(CURL_ELF, "bin/curl"));
	put("var/lib/dpkg/info/aria2.list", 0644,
	    "/.\n/usr/bin/aria2c\n/usr/lib/aria2/helper\n/usr/bin/script\n");
	put("var/lib/dpkg/info/aria2.md5sums", 0644, md5_line(ARIA2_ELF, "usr/bin/aria2c"));
	put("var/lib/dpkg/info/gone.list", 0644, "/usr/bin/gone\n");
	put("var/lib/dpkg/info/local.list", 0644, "/.\n/usr/bin/diverted\n");
	put("var/lib/dpkg/info/local.md5sums", 0644,
	    md5_line("\177ELF diverted\n", "usr/bin/diverted"));
}

static void put_files(void)
{
	put("usr/bin/curl", 0755, CURL_ELF);
	put_link("usr/bin", "bin");
	put_link("/etc/alternatives/x", "usr/bin/link");
	put("usr/share/doc/curl", 0644, "\177ELF but not executable\n");
	put("usr/bin/aria2c", 0755, ARIA2_ELF);
	put("usr/lib/aria2/helper", 04711, HELPER_ELF);
	put("usr/bin/script", 0755, "#!/bin/sh\nexit 0\n");
	put("usr/bin/gone", 0755, "\177ELF gone\n");
	put("usr/bin/diverted", 0755, "\177ELF somebody else's\n");
	put("usr/bin/aside", 0755, "\177ELF diverted\n");
}

/* Under valgrind there is no openat2: then there is nothing to test here. */
static bool can_open(void)
{
	int fd = executable_root("/");

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int setup(void **state)
{
	fixture_setup(state);
	m.f = *state;
	snprintf(m.root, sizeof(m.root), "%s/root", m.f->dir);
	m.map = categories_load("sigdb/categories.conf", m.f->why, sizeof(m.f->why));
	if (!m.map)
		fail_msg("%s", m.f->why);
	put_database();
	put_files();
	return 0;
}

static int teardown(void **state)
{
	categories_free(m.map);
	return fixture_teardown(state);
}

/* An hour later than now, so that every file has settled. */
static struct dpkg_import job_for(char *const *patterns, size_t count)
{
	return (struct dpkg_import){
		.machine = { .root = m.root },
		.map = m.map,
		.patterns = patterns,
		.pattern_count = count,
		.now = time(NULL) + 3600,
	};
}

static struct dpkg_report import_some(char *const *patterns, size_t count)
{
	struct dpkg_import job = job_for(patterns, count);
	struct dpkg_report report;

	if (dpkg_import(m.f->db, &job, &report, m.f->why, sizeof(m.f->why)))
		fail_msg("%s", m.f->why);
	return report;
}

static struct dpkg_report import_all(void)
{
	return import_some(NULL, 0);
}

static struct sigdb_answer look(const char *content, const char *name)
{
	uint8_t hash[SHA256_SIZE];
	struct sigdb_answer a;

	assert_int_equal(sha256_memory(content, strlen(content), hash), 0);
	assert_int_not_equal(ask(m.f->db, hash, name, &a), SIGDB_ERROR);
	return a;
}

static void packages_become_signatures(void **state)
{
	struct dpkg_report r;
	struct sigdb_answer a;

	(void)state;
	put_index();
	r = import_all();
	assert_int_equal(r.packages, 3);
	assert_int_equal(r.executables, 5);
	assert_int_equal(r.changed + r.unreadable, 0);
	assert_true(r.have_tags);
	assert_true(r.have_origins);

	a = look(ARIA2_ELF, "curl");
	assert_int_equal(a.source, SIGDB_HASH);
	assert_string_equal(a.name, "aria2");
	assert_string_equal(a.version, "1.36");
	assert_string_equal(a.category, "P2P");
	assert_string_equal(a.vendor, "aria2 Project");
	assert_int_equal(a.trust, 4);

	/* The archive has another version of it. */
	a = look(CURL_ELF, "ls");
	assert_string_equal(a.name, "curl");
	assert_string_equal(a.category, "File transfer");
	assert_int_equal(a.trust, 3);
}

static void without_an_index_the_section_gives_the_category(void **state)
{
	struct dpkg_report r = import_all();
	struct sigdb_answer a = look(ARIA2_ELF, "aria2c");

	(void)state;
	assert_false(r.have_tags);
	assert_false(r.have_origins);
	assert_string_equal(a.category, "Network");
	assert_int_equal(a.trust, 2);
}

static void files_without_a_checksum_have_less_trust(void **state)
{
	(void)state;
	put_index();
	import_all();
	assert_string_equal(look(HELPER_ELF, "x").name, "aria2");
	assert_int_equal(look(HELPER_ELF, "x").trust, 2);
	assert_string_equal(look("#!/bin/sh\nexit 0\n", "x").name, "aria2");
}

static void what_is_no_executable_of_a_package_stays_unknown(void **state)
{
	(void)state;
	import_all();
	assert_int_equal(look("\177ELF gone\n", "gone").source, SIGDB_NONE);
	assert_int_equal(look("\177ELF but not executable\n", "curl").source, SIGDB_NONE);
	assert_int_equal(look("\177ELF unknown\n", "curl").source, SIGDB_NONE);
	assert_int_equal(look("\177ELF unknown\n", "aria2c").source, SIGDB_NONE);
}

static void diverted_files_are_found_where_they_lie(void **state)
{
	(void)state;
	import_all();
	assert_string_equal(look("\177ELF diverted\n", "x").name, "local");
	assert_int_equal(look("\177ELF somebody else's\n", "diverted").source, SIGDB_NONE);
}

struct paths {
	int found;
	enum explain_outcome outcome;
};

static int take_path(const struct explain_row *row, void *arg)
{
	struct paths *p = arg;

	assert_string_equal(row->by, "package file");
	assert_string_equal(row->name, "curl");
	p->found++;
	p->outcome = row->outcome;
	return 0;
}

static struct paths look_at_path(const char *path)
{
	const uint8_t hash[SHA256_SIZE] = { 1 };
	const struct sigdb_question q = { .sha256 = hash, .path = path };
	struct paths p = { .found = 0 };

	assert_int_equal(sigdb_explain(m.f->db, &q, take_path, &p), 0);
	return p;
}

static void another_version_is_seen_to_claim_its_place(void **state)
{
	struct paths p;

	(void)state;
	import_all();
	p = look_at_path("/usr/bin/curl");
	assert_int_equal(p.found, 1);
	assert_int_equal(p.outcome, EXPLAIN_KNOWN_NAME);
	/* Where it lies, not the way that dpkg goes there. */
	assert_int_equal(look_at_path("/bin/curl").found, 0);
}

static void a_replaced_program_is_not_the_packages(void **state)
{
	struct dpkg_report r;

	(void)state;
	put("usr/bin/curl", 0755, "\177ELF trojan\n");
	r = import_all();
	assert_int_equal(r.changed, 1);
	assert_int_equal(look("\177ELF trojan\n", "curl").source, SIGDB_NONE);
}

static void no_link_leads_out_of_the_root(void **state)
{
	char outside[256];

	(void)state;
	fixture_write(m.f, "outside/tool", 0755, "\177ELF outside\n");
	snprintf(outside, sizeof(outside), "%s/outside", m.f->dir);
	put_link(outside, "usr/escape");
	put("var/lib/dpkg/info/local.list", 0644, "/.\n/usr/escape/tool\n");
	import_all();
	assert_int_equal(look("\177ELF outside\n", "tool").source, SIGDB_NONE);
}

static void a_second_import_reads_nothing_and_changes_nothing(void **state)
{
	struct dpkg_report first, second;

	(void)state;
	first = import_all();
	second = import_all();
	assert_int_equal(first.hashed, 5);
	assert_int_equal(first.counts.added, 10);	/* hashes and paths */
	assert_int_equal(second.hashed, 0);
	assert_int_equal(second.executables, 5);
	assert_int_equal(second.counts.added, 0);
	assert_int_equal(second.counts.removed, 0);
	assert_string_equal(look(CURL_ELF, "x").name, "curl");
}

static void a_changed_file_is_read_again(void **state)
{
	struct dpkg_report r;

	(void)state;
	import_all();
	put("usr/bin/curl", 0755, "\177ELF curk\n");
	put("var/lib/dpkg/info/curl.md5sums", 0644, md5_line("\177ELF curk\n", "bin/curl"));
	r = import_all();
	assert_int_equal(r.hashed, 1);
	assert_int_equal(r.counts.added, 1);
	assert_int_equal(r.counts.removed, 1);
	assert_string_equal(look("\177ELF curk\n", "x").name, "curl");
	assert_int_equal(look(CURL_ELF, "curl").source, SIGDB_NONE);
}

static void a_file_that_may_still_change_is_not_remembered(void **state)
{
	struct dpkg_import job = job_for(NULL, 0);
	struct dpkg_report report;

	(void)state;
	job.now = time(NULL);
	assert_int_equal(dpkg_import(m.f->db, &job, &report, m.f->why,
				     sizeof(m.f->why)), 0);
	assert_int_equal(import_all().hashed, 5);
}

static void remove_curl(void)
{
	/* Its paragraph comes first. */
	put("var/lib/dpkg/status", 0644, strstr(status, "Package: aria2"));
}

static void a_removed_package_loses_its_signatures(void **state)
{
	(void)state;
	import_all();
	remove_curl();
	assert_int_equal(import_all().counts.removed, 2);
	assert_int_equal(look(CURL_ELF, "curl").source, SIGDB_NONE);
	assert_string_equal(look(ARIA2_ELF, "x").name, "aria2");
}

#define HOUR 3600
#define NEW_CURL_ELF	"\177ELF curl, but newer\n"

static uint64_t import_at(time_t now, char *const *patterns, size_t count)
{
	struct dpkg_import job = job_for(patterns, count);
	struct dpkg_report report;

	job.now = now;
	job.grace_s = 24 * HOUR;
	if (dpkg_import(m.f->db, &job, &report, m.f->why, sizeof(m.f->why)))
		fail_msg("%s", m.f->why);
	return report.counts.removed;
}

static void upgrade_curl(const char *content)
{
	put("usr/bin/curl", 0755, content);
	put("var/lib/dpkg/info/curl.md5sums", 0644, md5_line(content, "bin/curl"));
}

/* The old program runs on, the new one is started: both are known, for a while. */
static void what_an_upgrade_replaced_is_known_for_a_while(void **state)
{
	char *const curl[] = { (char *)"curl" };
	time_t now = time(NULL) + HOUR;

	(void)state;
	import_at(now, NULL, 0);
	upgrade_curl(NEW_CURL_ELF);
	assert_int_equal(import_at(now, curl, 1), 0);
	assert_string_equal(look(CURL_ELF, "x").name, "curl");
	assert_string_equal(look(NEW_CURL_ELF, "x").name, "curl");
	/* Counted from when it was missed first, by whatever is imported. */
	assert_int_equal(import_at(now + 12 * HOUR, curl, 1), 0);
	assert_int_equal(import_at(now + 23 * HOUR, NULL, 0), 0);
	assert_string_equal(look(CURL_ELF, "x").name, "curl");
	assert_int_equal(import_at(now + 24 * HOUR, NULL, 0), 1);
	assert_int_equal(look(CURL_ELF, "x").source, SIGDB_NONE);
	assert_string_equal(look(NEW_CURL_ELF, "x").name, "curl");
}

static void what_is_there_again_is_not_forgotten(void **state)
{
	time_t now = time(NULL) + HOUR;

	(void)state;
	import_at(now, NULL, 0);
	upgrade_curl(NEW_CURL_ELF);
	import_at(now, NULL, 0);
	upgrade_curl(CURL_ELF);
	import_at(now + 2 * HOUR, NULL, 0);
	assert_int_equal(import_at(now + 25 * HOUR, NULL, 0), 0);
	assert_string_equal(look(CURL_ELF, "x").name, "curl");
	assert_int_equal(import_at(now + 26 * HOUR, NULL, 0), 1);
	assert_int_equal(look(NEW_CURL_ELF, "x").source, SIGDB_NONE);
	assert_string_equal(look(CURL_ELF, "x").name, "curl");
	/* Nor is it held against it that it was away once. */
	upgrade_curl(NEW_CURL_ELF);
	assert_int_equal(import_at(now + 27 * HOUR, NULL, 0), 0);
	assert_string_equal(look(CURL_ELF, "x").name, "curl");
}

/* In the middle of an upgrade of several packages, when services are started again. */
static void what_is_unpacked_is_there(void **state)
{
	static const char *const states[] = {
		"unpacked", "half-configured", "triggers-awaited", "triggers-pending",
	};
	char text[sizeof(status) + 64];
	const char *rest = strstr(status, "Package: aria2");

	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		snprintf(text, sizeof(text), "Package: curl\nStatus: install ok %s\n"
			 "Maintainer: C <c@d.example>\nArchitecture: all\nVersion: 7.99\n"
			 "%s%sSection: web\nDescription: x\n\n%s", states[i],
			 i == 2 ? "Triggers-Awaited: aria2\n" : "",
			 i == 3 ? "Triggers-Pending: x\n" : "", rest);
		put("var/lib/dpkg/status", 0644, text);
		import_all();
		assert_string_equal(look(CURL_ELF, "x").name, "curl");
	}
}

static void keep_keeps_them(void **state)
{
	struct dpkg_import job = job_for(NULL, 0);
	struct dpkg_report report;

	(void)state;
	import_all();
	remove_curl();
	job.keep = true;
	assert_int_equal(dpkg_import(m.f->db, &job, &report, m.f->why,
				     sizeof(m.f->why)), 0);
	assert_string_equal(look(CURL_ELF, "x").name, "curl");
}

static void named_packages_leave_the_others_alone(void **state)
{
	static char name[] = "aria2", other[] = "no-such-package";
	char *const one[] = { name }, *const none[] = { other };
	struct dpkg_import job = job_for(none, 1);
	struct dpkg_report report;

	(void)state;
	import_all();
	put("usr/bin/script", 0755, "#!/bin/sh\nexit 1\n");
	report = import_some(one, 1);
	assert_int_equal(report.packages, 1);
	assert_int_equal(report.counts.removed, 1);
	assert_string_equal(look(CURL_ELF, "x").name, "curl");
	assert_int_equal(dpkg_import(m.f->db, &job, &report, m.f->why,
				     sizeof(m.f->why)), -1);
	assert_string_equal(look(CURL_ELF, "x").name, "curl");
}

static void an_empty_machine_is_an_error_and_removes_nothing(void **state)
{
	struct dpkg_import job = job_for(NULL, 0);
	struct dpkg_report report;

	(void)state;
	import_all();
	put("var/lib/dpkg/status", 0644, "");
	assert_int_equal(dpkg_import(m.f->db, &job, &report, m.f->why,
				     sizeof(m.f->why)), -1);
	assert_non_null(strstr(m.f->why, "no package is installed"));
	assert_string_equal(look(CURL_ELF, "x").name, "curl");
}

#define MACHINE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE(packages_become_signatures),
		MACHINE(without_an_index_the_section_gives_the_category),
		MACHINE(files_without_a_checksum_have_less_trust),
		MACHINE(what_is_no_executable_of_a_package_stays_unknown),
		MACHINE(diverted_files_are_found_where_they_lie),
		MACHINE(another_version_is_seen_to_claim_its_place),
		MACHINE(a_replaced_program_is_not_the_packages),
		MACHINE(no_link_leads_out_of_the_root),
		MACHINE(a_second_import_reads_nothing_and_changes_nothing),
		MACHINE(a_changed_file_is_read_again),
		MACHINE(a_file_that_may_still_change_is_not_remembered),
		MACHINE(a_removed_package_loses_its_signatures),
		MACHINE(what_an_upgrade_replaced_is_known_for_a_while),
		MACHINE(what_is_there_again_is_not_forgotten),
		MACHINE(what_is_unpacked_is_there),
		MACHINE(keep_keeps_them),
		MACHINE(named_packages_leave_the_others_alone),
		MACHINE(an_empty_machine_is_an_error_and_removes_nothing),
	};

	if (!can_open()) {
		fprintf(stderr, "no openat2 (%s): nothing is tested\n", strerror(errno));
		return errno == ENOSYS ? 0 : 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
