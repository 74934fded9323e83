// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"

static char dir[64], path[128], lock[140];
static char why[256];

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/sockgate-control.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/run/x.sock", dir);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	why[0] = '\0';
	return 0;
}

static int tear_down(void **state)
{
	char run[80];

	(void)state;
	snprintf(run, sizeof(run), "%s/run", dir);
	unlink(path);
	unlink(lock);
	rmdir(run);
	return rmdir(dir);
}

static void modes_and_messages(void **state)
{
	int listener, client, server;
	struct stat st;
	char byte = 0;

	(void)state;
	listener = control_listen(path, why, sizeof(why));
	if (listener < 0)
		fail_msg("%s", why);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	*strrchr(path, '/') = '\0';
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	path[strlen(path)] = '/';

	assert_int_equal(control_accept(listener), -1);
	assert_int_equal(errno, EAGAIN);
	client = control_connect(path, "x", why, sizeof(why));
	assert_true(client >= 0);
	server = control_accept(listener);
	assert_true(server >= 0);
	assert_true(fcntl(client, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(server, F_GETFL) & O_NONBLOCK);
	assert_int_equal(write(client, "a", 1), 1);
	assert_int_equal(read(server, &byte, 1), 1);
	assert_int_equal(byte, 'a');
	close(client);
	close(server);
	close(listener);
}

static void nobody_there(void **state)
{
	char expected[256];

	(void)state;
	snprintf(expected, sizeof(expected), "nobody answers on %s; is x running?", path);
	assert_int_equal(control_connect(path, "x", why, sizeof(why)), -1);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(why, expected);
}

/* A daemon that died: its lock is gone, its socket is not. */
static void make_stale(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	*strrchr(path, '/') = '\0';
	assert_int_equal(mkdir(path, 0750), 0);
	path[strlen(path)] = '/';
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.100s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
}

static void stale_socket(void **state)
{
	int fd;

	(void)state;
	make_stale();
	assert_int_equal(control_connect(path, "x", why, sizeof(why)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	fd = control_listen(path, why, sizeof(why));
	if (fd < 0)
		fail_msg("%s", why);
	close(fd);
}

static void another_daemon(void **state)
{
	int first = control_listen(path, why, sizeof(why)), client;

	(void)state;
	assert_true(first >= 0);
	assert_int_equal(control_listen(path, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "another process already listens"));
	/* The first one is still reachable. */
	client = control_connect(path, "x", why, sizeof(why));
	assert_true(client >= 0);
	close(client);
	close(first);
}

static void something_else_in_the_way(void **state)
{
	int fd;

	(void)state;
	make_stale();
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(control_listen(path, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "is not a socket; remove it"));
	assert_int_equal(access(path, F_OK), 0);
}

static void unsafe_directory(void **state)
{
	char too_long[200];

	(void)state;
	make_stale();
	*strrchr(path, '/') = '\0';
	assert_int_equal(chmod(path, 0777), 0);
	path[strlen(path)] = '/';
	assert_int_equal(control_listen(path, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "writable by all"));

	memset(too_long, 'x', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(control_listen(too_long, why, sizeof(why)), -1);
	assert_int_equal(control_connect(too_long, "x", why, sizeof(why)), -1);
	assert_int_equal(control_listen("", why, sizeof(why)), -1);
}

static int connect_as_nobody(const char *to)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (setuid(65534))
			_exit(2);
		_exit(control_connect(to, "x", why, sizeof(why)) < 0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void another_user(void **state)
{
	int listener;

	(void)state;
	if (geteuid())
		skip();
	listener = control_listen(path, why, sizeof(why));
	assert_true(listener >= 0);
	/* The modes keep it out ... */
	assert_int_equal(connect_as_nobody(path), 1);
	/* ... and without them, its uid does. */
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	*strrchr(path, '/') = '\0';
	assert_int_equal(chmod(path, 0755), 0);
	path[strlen(path)] = '/';
	assert_int_equal(connect_as_nobody(path), 0);
	assert_int_equal(control_accept(listener), -1);
	assert_int_equal(errno, EPERM);
	close(listener);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(modes_and_messages),
		TEST(nobody_there),
		TEST(stale_socket),
		TEST(another_daemon),
		TEST(something_else_in_the_way),
		TEST(unsafe_directory),
		TEST(another_user),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
