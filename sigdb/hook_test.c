// SPDX-License-Identifier: GPL-2.0-only
/* A real dpkg upgrades a package below a root of its own, and tells dpkg-changed. */
#include "fixture.h"

#include <limits.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>

#include "sha256.h"

static struct fixture *f;

/* A shell script with the folder as $1 and the built programs' as $2. */
static void run(const char *command)
{
	char self[PATH_MAX], *argv[] = { (char *)"sh", (char *)"-ec",
					 (char *)(uintptr_t)command, (char *)"sh", f->dir,
					 self, NULL };
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status;
	pid_t pid;

	assert_true(len > 0);
	self[len] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(self, '/') = '\0';
	assert_int_equal(posix_spawnp(&pid, "sh", NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("failed: %s", command);
}

static const char machine[] =
	"mkdir -p $1/root/var/lib/dpkg/info $1/root/var/lib/dpkg/updates;"
	" : >$1/root/var/lib/dpkg/status; : >$1/root/var/lib/dpkg/available;"
	" for version in 1 2; do d=$1/tool-$version; mkdir -p $d/DEBIAN $d/usr/bin;"
	" printf '#!/bin/sh\\necho %s\\n' $version >$d/usr/bin/tool; chmod 755 $d/usr/bin/tool;"
	" printf 'Package: tool\\nVersion: %s\\nArchitecture: all\\nMaintainer: M <m@d.example>\\n"
	"Section: net\\nDescription: x\\n' $version >$d/DEBIAN/control;"
	" dpkg-deb --root-owner-group -b $d $1/tool-$version.deb >/dev/null; done";

#define DPKG "dpkg --root=$1/root --force-not-root --force-bad-path --log=$1/log"	\
	     " --status-logger=\"SIGDB='$2/bin/sigdb -d $1/s.db' SIGDB_IMPORT='--root"	\
	     " $1/root' sigdb/dpkg-changed\" "

static int setup(void **state)
{
	fixture_setup(state);
	f = *state;
	run(machine);
	return 0;
}

static bool is_known(const char *content)
{
	uint8_t hash[SHA256_SIZE];
	struct sigdb_answer a;

	assert_int_equal(sha256_memory(content, strlen(content), hash), 0);
	return ask(f->db, hash, NULL, &a) == SIGDB_KNOWN && a.source == SIGDB_HASH &&
	       strcmp(a.name, "tool") == 0;
}

/* It imports while dpkg goes on; it is given twenty seconds. */
static bool becomes_known(const char *content)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (int i = 0; i < 1000 && !is_known(content); i++)
		nanosleep(&pause, NULL);
	return is_known(content);
}

#define OLD "#!/bin/sh\necho 1\n"
#define NEW "#!/bin/sh\necho 2\n"

/* The old program runs on, its file deleted, and the new one is started. */
static void both_are_known_during_an_upgrade(void **state)
{
	(void)state;
	run(DPKG "-i $1/tool-1.deb >/dev/null");
	assert_true(becomes_known(OLD));
	assert_false(is_known(NEW));
	/* Not configured: that is when services are started again. */
	run(DPKG "--unpack $1/tool-2.deb >/dev/null");
	assert_true(becomes_known(NEW));
	assert_true(is_known(OLD));
	run(DPKG "--configure tool >/dev/null");
	assert_true(is_known(OLD) && is_known(NEW));
}

static void an_import_that_fails_stops_nothing(void **state)
{
	(void)state;
	run("dpkg --root=$1/root --force-not-root --force-bad-path --log=$1/log"
	    " --status-logger='SIGDB=false sigdb/dpkg-changed 2>/dev/null' -i $1/tool-1.deb"
	    " >/dev/null");
	run("test -x $1/root/usr/bin/tool");
}

#define MADE(test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MADE(both_are_known_during_an_upgrade),
		MADE(an_import_that_fails_stops_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
