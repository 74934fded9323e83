// SPDX-License-Identifier: GPL-2.0-only
/* Groups in a directory of the test's own: whose they are decides what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"
#include "sockgate.pb-c.h"

#define ID "4f1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccddeeff0"
#define OTHER "0f1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccddeeff0"
#define FACT(name) ((uint32_t)SOCKGATE__PLACE_FACT__PLACE_FACT_##name)

static char dir[64];
static int cgroups;
static struct place place;

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/place-test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	cgroups = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return cgroups < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	close(cgroups);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* Makes the groups of the path; from @theirs on they are a user's. */
static void make(const char *path, const char *theirs)
{
	char text[1024], *slash = text + strlen(dir);

	snprintf(text, sizeof(text), "%s%s", dir, path);
	while (slash) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		mkdir(text, 0755);
		if (theirs && strstr(text, theirs))
			assert_int_equal(chown(text, 1000, 1000), 0);
		if (slash)
			*slash = '/';
	}
}

static void learn(const char *path, const char *theirs)
{
	make(path, theirs);
	place_learn(cgroups, dir, path, &place);
	assert_true(place.learned & FACT(SERVICE));
}

static void needs_root(void)
{
	if (getuid()) {
		print_message("only root can give a directory away\n");
		skip();
	}
}

static void test_units_of_the_machine(void **state)
{
	(void)state;
	needs_root();
	learn("/system.slice/nginx.service", NULL);
	assert_string_equal(place.service, "nginx.service");
	assert_string_equal(place.app, "");
	assert_true(place.learned & FACT(IMAGE));
	learn("/user.slice/user-1000.slice/session-7.scope", NULL);
	assert_string_equal(place.service, "session.scope");
	/* Its own group is the user's, since he may make others in it. */
	learn("/user.slice/user-1000.slice/user@1000.service", "user@1000.service");
	assert_string_equal(place.service, "user@1000.service");
	learn("/system.slice/snap.lxd.daemon.service", NULL);
	assert_string_equal(place.app, "snap:lxd.daemon");
	learn("/", NULL);
	assert_string_equal(place.service, "");
}

/* What a user may name as he likes is not what the machine calls so. */
static void test_units_of_a_user(void **state)
{
	(void)state;
	needs_root();
	learn("/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service",
	      "user@1000.service");
	assert_string_equal(place.service, "user:nginx.service");
	learn("/user.slice/user-1000.slice/user@1000.service/app.slice/"
	      "app-flatpak-org.a.B-12.scope", "user@1000.service");
	assert_string_equal(place.service, "user:app-flatpak-org.a.B.scope");
	assert_string_equal(place.app, "flatpak:org.a.B");
	/* A service that was given its group (Delegate=yes, User=). */
	learn("/system.slice/build.service/nginx.service", "build.service");
	assert_string_equal(place.service, "user:nginx.service");
	/* One that is gone by now. */
	place_learn(cgroups, dir, "/nowhere/x/nginx.service", &place);
	assert_string_equal(place.service, "user:nginx.service");
}

/* A server refuses longer ones, and with them the question. */
static void test_long_names(void **state)
{
	char path[600], name[240];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(path, sizeof(path), "/nowhere/snap.%s.y.service", name);
	place_learn(cgroups, dir, path, &place);
	assert_int_equal(strlen(place.names.unit), 254);
	assert_int_equal(strlen(place.service), 255);
	assert_in_range(strlen(place.app), 240, 255);
}

static void put_docker(void)
{
	char path[512];
	FILE *f;

	make("/var/lib/docker/containers/" ID, NULL);
	snprintf(path, sizeof(path), "%s/var/lib/docker/containers/" ID "/config.v2.json", dir);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs("{\"Config\": {\"Image\": \"nginx:1\"}}", f);
	fclose(f);
}

static void test_containers(void **state)
{
	(void)state;
	needs_root();
	learn("/system.slice/docker-" ID ".scope", NULL);
	assert_false(place.learned & FACT(IMAGE));
	put_docker();
	learn("/system.slice/docker-" ID ".scope", NULL);
	assert_true(place.learned & FACT(IMAGE));
	assert_string_equal(place.image, "nginx:1");
	learn("/system.slice/docker-" ID ".scope/system.slice/nginx.service", NULL);
	assert_string_equal(place.image, "nginx:1");
	assert_string_equal(place.service, "container:nginx.service");
	/* What is made inside of it, by whoever is root there, has no image of its own. */
	learn("/system.slice/docker-" OTHER ".scope/a.service/docker-" ID ".scope", NULL);
	assert_false(place.learned & FACT(IMAGE));
	assert_string_equal(place.image, "");
	assert_string_equal(place.service, "container:a.service");
	/* Whose it was cannot be told any more. */
	place_learn(cgroups, dir, "/nowhere/x/docker-" ID ".scope", &place);
	assert_false(place.learned & FACT(IMAGE));
	/* A group that a user has named like a container of root's. */
	learn("/user.slice/user-1000.slice/user@1000.service/docker-" ID ".scope",
	      "user@1000.service");
	assert_true(place.learned & FACT(IMAGE));
	assert_string_equal(place.image, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_units_of_the_machine),
		TEST(test_units_of_a_user),
		TEST(test_long_names),
		TEST(test_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
