// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cgroup.h"

#define ID "4f1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccddeeff0"

struct sample {
	const char *path;
	const char *unit;
	const char *container;
};

/* As systemd, the runtimes and kubelet really name them. */
static const struct sample samples[] = {
	{ "/", "", "" },
	{ "/init.scope", "init.scope", "" },
	{ "/system.slice/ssh.service", "ssh.service", "" },
	{ "/system.slice/system-getty.slice/getty@tty1.service",
	  "getty@tty1.service", "" },
	{ "/user.slice/user-1000.slice/session-3.scope", "session-3.scope", "" },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/"
	  "firefox.service", "firefox.service", "" },
	{ "/system.slice/docker-" ID ".scope", "", ID },
	{ "/docker/" ID, "", ID },
	{ "/machine.slice/libpod-" ID ".scope", "", ID },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"
	  "1234.slice/cri-containerd-" ID ".scope", "", ID },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod"
	  "1234.slice/crio-" ID ".scope", "", ID },
	{ "/lxc.payload.web", "", "web" },
	{ "/lxc/web", "", "web" },
	{ "/lxc.monitor.web", "", "" },
	/* podman's monitor is not the container it watches */
	{ "/machine.slice/libpod-conmon-" ID ".scope",
	  "libpod-conmon-" ID ".scope", "" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-"
	  ID ".scope/container", "user@1000.service", ID },
	{ "/libpod_parent/libpod-" ID, "", ID },
	{ "/kubepods/burstable/pod0123-45/" ID, "", ID },
	{ "/default/" ID, "", ID },
	/* systemd inside of a container */
	{ "/system.slice/docker-" ID ".scope/system.slice/nginx.service",
	  "nginx.service", ID },
	{ "/machine.slice/systemd-nspawn@build.service/payload",
	  "systemd-nspawn@build.service", "build" },
	{ "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope/libvirt/emulator",
	  "", "qemu-1-web" },
	/* almost */
	{ "/docker/4f1c2d3e", "", "" },
	{ "/system.slice/docker-4f1c2d3e.scope", "docker-4f1c2d3e.scope", "" },
	{ "/system.slice/docker.service", "docker.service", "" },
	{ "/system.slice/.service", "", "" },
	{ "//system.slice//a.service/", "a.service", "" },
	{ "", "", "" },
};

static void test_real_paths(void **state)
{
	struct cgroup_names n;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		cgroup_parse(samples[i].path, &n);
		assert_string_equal(n.unit, samples[i].unit);
		assert_string_equal(n.container, samples[i].container);
	}
}

/* Whoever is in one may name groups below it like others. */
static void test_containers_within_containers(void **state)
{
	struct cgroup_names n;

	(void)state;
	cgroup_parse("/lxc/web/system.slice/docker-" ID ".scope/x", &n);
	assert_string_equal(n.container, ID);
	assert_string_equal(n.outermost, "web");
	assert_int_equal(n.outermost_end, strlen("/lxc/web"));
	cgroup_parse("/docker/" ID "/a", &n);
	assert_string_equal(n.outermost, ID);
	assert_int_equal(n.outermost_end, n.container_end);
	cgroup_parse("/system.slice/a.service", &n);
	assert_string_equal(n.outermost, "");
}

/* However long a name, it is cut and ended. */
static void test_long_names(void **state)
{
	char path[5000];
	char rest[sizeof(path) - 16];
	struct cgroup_names n;

	(void)state;
	memset(rest, 'x', sizeof(rest) - 1);
	rest[sizeof(rest) - 1] = '\0';
	snprintf(path, sizeof(path), "/lxc/%s", rest);
	cgroup_parse(path, &n);
	assert_int_equal(strlen(n.container), sizeof(n.container) - 1);
	snprintf(path, sizeof(path), "/sys/%s.service", rest);
	cgroup_parse(path, &n);
	assert_int_equal(strlen(n.unit), sizeof(n.unit) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_paths),
		cmocka_unit_test(test_containers_within_containers),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
