// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"

#define ID "4f1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccddeeff0"
#define OTHER "0f1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccddeeff0"

#define DOCKER "/var/lib/docker/containers/" ID "/config.v2.json"
#define CONTAINERD "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json"
#define PODMAN "/var/lib/containers/storage/overlay-containers/containers.json"
#define CRIO "/run/containers/storage/overlay-containers/" ID "/userdata/config.json"

static char root[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/image-test.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void put(const char *file, const char *text)
{
	char path[512], *slash;
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, file);
	for (slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *image(const char *id)
{
	static char buf[32];

	return image_of_container(root, id, buf, sizeof(buf)) ? buf : "";
}

static void test_each_runtime(void **state)
{
	static const char *const files[][2] = {
		{ DOCKER, "{\"Image\": \"sha256:1\", \"Config\": {\"Image\": \"nginx:1\"}}" },
		{ CONTAINERD, "{\"annotations\": {\"io.kubernetes.cri.image-name\": \"nginx:1\"}}" },
		{ PODMAN, "[{\"id\": \"" OTHER "\", \"metadata\": \"{\\\"image-name\\\":\\\"x\\\"}\"},"
			  " {\"id\": \"" ID "\", \"metadata\": \"{\\\"image-name\\\":\\\"nginx:1\\\"}\"}]" },
		{ CRIO, "{\"annotations\": {\"io.kubernetes.cri-o.ImageName\": \"nginx:1\"}}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_string_equal(image(ID), "");
		put(files[i][0], files[i][1]);
		assert_string_equal(image(ID), "nginx:1");
		put(files[i][0], "");
	}
	/* Nothing but an id is looked for. */
	put(DOCKER, files[0][1]);
	assert_string_equal(image(""), "");
	assert_string_equal(image("web"), "");
	assert_string_equal(image("../../../../var/lib/docker/containers/" ID), "");
	assert_string_equal(image(ID "0"), "");
}

static void test_files_that_make_no_sense(void **state)
{
	static const char *const texts[] = {
		"", "{", "[]", "null", "1", "{\"Config\": []}", "{\"Config\": {\"Image\": 1}}",
		"{\"Config\": {\"Image\": \"\"}}", "{\"annotations\": \"x\"}",
		"{\"Config\": {\"Image\": \"much-longer-than-there-is-room-for:1\"}}",
		"[{}]", "[1]", "[{\"id\": \"" ID "\"}]", "[{\"id\": \"" ID "\", \"metadata\": 1}]",
		"[{\"id\": \"" ID "\", \"metadata\": \"{\"}]",
		"[{\"id\": \"" ID "\", \"metadata\": \"[]\"}]",
	};
	static const char *const files[] = { DOCKER, CONTAINERD, PODMAN, CRIO };
	char path[512];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++)
			put(files[f], texts[i]);
		assert_string_equal(image(ID), "");
	}
	/* To open it would wait for whoever writes. */
	snprintf(path, sizeof(path), "%s" DOCKER, root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_string_equal(image(ID), "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_runtime),
		TEST(test_files_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
