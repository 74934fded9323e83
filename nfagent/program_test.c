// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is learned of real processes.  This program runs itself as the "interpreter":
 * with --wait and then whatever the arguments are to be, it stands still.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "program.h"

#define NAME "program_test"
#define FACT(name) ((uint32_t)SOCKGATE__FACT__FACT_##name)

static const struct interpreter own[] = {
	{ .name = NAME, .flag = "--wait", .code = "--code", .environment = "STARTUP",
	  .words = true },
	{ 0 },
};
static const struct interpreter loader[] = {
	{ .name = NAME, .flag = "--wait", .words = true, .loader = true },
	{ 0 },
};
static const char *const nothing[] = { NULL };
static const char *const everything[] = { "*", NULL };

static char dir[64], self[4096];
static struct program_conf conf;
static pid_t child;
static struct program *p;

/* ---- the process ---- */

#define CODE_SIZE 4096

/* Executable memory, by each way that it can be had. */
static bool make_code(const char *how)
{
	const int shared = MAP_SHARED, rx = PROT_READ | PROT_EXEC;
	void *at = MAP_FAILED;
	char name[] = "/tmp/program-test.XXXXXX";
	int fd;

	switch (*how) {
	case 's':
		at = mmap(NULL, CODE_SIZE, rx, shared | MAP_ANONYMOUS, -1, 0);
		break;
	case 'v':
		fd = shmget(IPC_PRIVATE, CODE_SIZE, 0700);
		at = shmat(fd, NULL, SHM_EXEC);
		shmctl(fd, IPC_RMID, NULL);
		break;
	case 'm':
		fd = memfd_create("code", 0);
		at = ftruncate(fd, CODE_SIZE) ? MAP_FAILED :
			mmap(NULL, CODE_SIZE, rx, shared, fd, 0);
		break;
	case 'd':
		/* Not in /dev/shm, which may be mounted without the right to execute. */
		fd = mkstemp(name);
		unlink(name);
		at = ftruncate(fd, CODE_SIZE) ? MAP_FAILED :
			mmap(NULL, CODE_SIZE, rx, shared, fd, 0);
		break;
	case 'w':
		fd = open(self, O_RDONLY | O_CLOEXEC);
		at = mmap(NULL, CODE_SIZE, rx | PROT_WRITE, MAP_PRIVATE, fd, 0);
		break;
	default:
		at = mmap(NULL, CODE_SIZE, rx, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	return at != MAP_FAILED;
}

static void do_as_told(char **argv)
{
	const char *root = getenv("TEST_ROOT"), *cwd = getenv("TEST_CWD");

	if (getenv("TEST_MOUNTS") && unshare(CLONE_NEWNS) &&
	    unshare(CLONE_NEWUSER | CLONE_NEWNS))
		_exit(2);
	if (root && chroot(root) && (unshare(CLONE_NEWUSER) || chroot(root)))
		_exit(3);
	if (cwd && chdir(cwd))
		_exit(4);
	if (getenv("TEST_COVER") &&
	    (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	     mount(getenv("TEST_COVER"), cwd, NULL, MS_BIND, NULL)))
		_exit(9);
	if (getenv("TEST_OVERLAY") &&
	    mount("overlay", cwd, "overlay", 0, getenv("TEST_OVERLAY")))
		_exit(11);
	/* What is mounted over it is seen by who comes again. */
	if (getenv("TEST_OVERLAY") && chdir(cwd))
		_exit(12);
	if (getenv("TEST_CODE") && !make_code(getenv("TEST_CODE")))
		_exit(5);
	/* As long as it was, so that what the kernel reads is this. */
	if (getenv("TEST_LIE"))
		memcpy(argv[2], getenv("TEST_LIE"), strlen(argv[2]));
}

static void *outlive(void *first)
{
	pthread_join(*(pthread_t *)first, NULL);
	if (write(STDOUT_FILENO, "x", 1) != 1)
		_exit(6);
	pause();
	return NULL;
}

static void end_first_thread(void)
{
	static pthread_t first;
	pthread_t other;

	first = pthread_self();
	if (pthread_create(&other, NULL, outlive, &first))
		_exit(10);
	pthread_exit(NULL);
}

static int wait_there(char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do_as_told(argv);
	if (getenv("TEST_END"))
		end_first_thread();
	if (write(STDOUT_FILENO, "x", 1) != 1)
		return 6;
	pause();
	return 0;
}

/* ---- the test ---- */

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/program-test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	conf = (struct program_conf){
		.proc = "/proc",
		.interpreters = { own },
		.unverifiable = nothing,
	};
	child = 0;
	p = NULL;
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	if (child) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	program_free(p);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *write_file(const char *name, const char *text)
{
	static char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static uint64_t start_ns(pid_t pid)
{
	char path[64], line[1024], *at;
	unsigned long long ticks;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	at = strrchr(line, ')');
	assert_non_null(at);
	for (int field = 2; field < 22; field++)
		at = strchr(at + 1, ' ');
	ticks = strtoull(at, NULL, 10);
	return ticks * (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* Runs this program in the directory of the test, with these arguments. */
static struct sockgate_process start(char *const *args, char *const *env)
{
	char *argv[16] = { (char *)NAME, (char *)"--wait" };
	int ends[2];
	char byte;

	for (int i = 0; args[i]; i++)
		argv[2 + i] = args[i];
	if (child) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		dup2(ends[1], STDOUT_FILENO);
		if (chdir(dir))
			_exit(7);
		execve(self, argv, env);
		_exit(8);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return (struct sockgate_process){ .pid = (uint32_t)child,
					  .start_ns = start_ns(child) };
}

#define ARGS(...) ((char *[]){ __VA_ARGS__, NULL })
#define T(text) ((char *)(text))

/* Of whom the kernel told no more than the executable, and all is asked for. */
static struct program_task task_of(const struct sockgate_process *process)
{
	return (struct program_task){
		.process = *process,
		.path = self,
		.facts = FACT(PRELOAD) | FACT(JIT) | FACT(APP),
	};
}

static struct program *look(char *const *args, char *const *env)
{
	static char *none[] = { NULL };
	struct sockgate_process process = start(args, env ? env : none);
	struct program_task task = task_of(&process);

	program_free(p);
	p = program_read(&conf, &task);
	assert_non_null(p);
	return p;
}

static void expect_script(const char *path, const char *content)
{
	char text[64] = "";

	assert_int_equal(p->classes, CLASS(SCRIPT));
	assert_non_null(p->script);
	assert_string_equal(p->script, path);
	assert_true(p->fd >= 0);
	assert_int_equal(p->file.size, strlen(content));
	assert_true(p->file.instance & 1ULL << 63);
	assert_int_equal(read(p->fd, text, sizeof(text) - 1), strlen(content));
	assert_string_equal(text, content);
	assert_false(p->foreign);
}

static void expect_unverifiable(void)
{
	assert_int_equal(p->classes, CLASS(SCRIPT) | CLASS(UNVERIFIABLE));
	assert_int_equal(p->fd, -1);
}

static void test_a_script_by_any_name(void **state)
{
	char path[4096], link[8192];

	(void)state;
	snprintf(path, sizeof(path), "%s", write_file("x.sh", "echo 1\n"));
	look(ARGS(T("x.sh")), NULL);
	expect_script(path, "echo 1\n");
	assert_string_equal(p->command_line, NAME " --wait x.sh");
	look(ARGS(T("./x.sh"), T("y.sh")), NULL);
	expect_script(path, "echo 1\n");
	look(ARGS(path), NULL);
	expect_script(path, "echo 1\n");
	/* Where it lies, and not what it was called. */
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink(path, link), 0);
	look(ARGS(T("link")), NULL);
	expect_script(path, "echo 1\n");
	snprintf(link, sizeof(link), "../../..%s", path);
	look(ARGS(link), NULL);
	expect_script(path, "echo 1\n");
}

static void test_what_is_no_file_is_never_opened(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char path[128];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	/* To open it for reading would never end. */
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	snprintf(path, sizeof(path), "%s/loop", dir);
	assert_int_equal(symlink("loop", path), 0);
	static const char *const names[] = {
		"fifo", "socket", "loop", "/dev/null", "/dev/zero", "/", "..", "absent", "",
		"/dev/fd/0", "/dev/stdin", "/proc/self/fd/0", "/proc/self/environ",
		"/proc/self/exe", "/proc/self/maps", "/proc/thread-self/root/bin/sh",
		"/sys/kernel/uevent_seqnum", "x/../../etc/passwd",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		look(ARGS(T(names[i])), NULL);
		if (!(p->classes & CLASS(UNVERIFIABLE)) || p->fd >= 0)
			fail_msg("\"%s\": classes %#x", names[i], p->classes);
	}
	close(fd);
}

static void test_a_memory_file(void **state)
{
	char name[64];
	int fd = memfd_create("script", 0);

	(void)state;
	assert_int_equal(write(fd, "echo 1\n", 7), 7);
	snprintf(name, sizeof(name), "/dev/fd/%d", fd);
	look(ARGS(name), NULL);
	expect_unverifiable();
	/* Not even where the agent has one of that number, or by another's name. */
	snprintf(name, sizeof(name), "/proc/%d/fd/%d", getpid(), fd);
	look(ARGS(name), NULL);
	expect_unverifiable();
	close(fd);
}

static void test_a_script_that_is_gone(void **state)
{
	struct sockgate_process process;
	struct program_task task;
	char path[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s", write_file("x.sh", "echo 1\n"));
	process = start(ARGS(T("x.sh")), ARGS(T("A=b")));
	unlink(path);
	task = task_of(&process);
	p = program_read(&conf, &task);
	assert_non_null(p);
	expect_unverifiable();
}

static void test_file_systems_that_prove_nothing(void **state)
{
	(void)state;
	conf.unverifiable = everything;
	write_file("x.sh", "echo 1\n");
	look(ARGS(T("x.sh")), NULL);
	expect_unverifiable();
}

/* Its own root and directory count; a link, or "..", does not lead out. */
static void test_below_its_own_root(void **state)
{
	char root[128], path[256], variable[160];

	(void)state;
	snprintf(root, sizeof(root), "%s/jail", dir);
	assert_int_equal(mkdir(root, 0755), 0);
	snprintf(path, sizeof(path), "%s/lib", root);
	assert_int_equal(mkdir(path, 0755), 0);
	write_file("x.sh", "outside\n");
	snprintf(path, sizeof(path), "%s", write_file("jail/lib/x.sh", "inside\n"));
	snprintf(variable, sizeof(variable), "TEST_ROOT=%s", root);
	look(ARGS(T("x.sh")), ARGS(variable, T("TEST_CWD=/lib")));
	expect_script(path, "inside\n");
	look(ARGS(T("/lib/x.sh")), ARGS(variable, T("TEST_CWD=/")));
	expect_script(path, "inside\n");
	look(ARGS(T("../../../../lib/x.sh")), ARGS(variable, T("TEST_CWD=/lib")));
	expect_script(path, "inside\n");
	snprintf(path, sizeof(path), "%s/jail/lib/out", dir);
	assert_int_equal(symlink("/x.sh", path), 0);
	look(ARGS(T("out")), ARGS(variable, T("TEST_CWD=/lib")));
	expect_unverifiable();
	/* The directory that it stands in is out of its root: nothing is guessed. */
	look(ARGS(T("x.sh")), ARGS(variable));
	expect_unverifiable();
}

/* Its directory has another one mounted over it: by name that would be found. */
static void test_a_directory_that_is_covered(void **state)
{
	char cwd[160], cover[160];

	(void)state;
	snprintf(cwd, sizeof(cwd), "%s/under", dir);
	assert_int_equal(mkdir(cwd, 0755), 0);
	snprintf(cwd, sizeof(cwd), "%s/over", dir);
	assert_int_equal(mkdir(cwd, 0755), 0);
	write_file("under/x.sh", "right\n");
	write_file("over/x.sh", "wrong\n");
	snprintf(cwd, sizeof(cwd), "TEST_CWD=%s/under", dir);
	snprintf(cover, sizeof(cover), "TEST_COVER=%s/over", dir);
	look(ARGS(T("x.sh")), ARGS(cwd, cover, T("TEST_MOUNTS=1")));
	expect_unverifiable();
}

/* Below it could be FUSE, of the same user: which would be read, and never answer. */
static void test_an_overlay_that_a_user_mounted(void **state)
{
	char cwd[160], options[400], path[160];

	(void)state;
	snprintf(cwd, sizeof(cwd), "%s/a", dir);
	assert_int_equal(mkdir(cwd, 0755), 0);
	snprintf(cwd, sizeof(cwd), "%s/b", dir);
	assert_int_equal(mkdir(cwd, 0755), 0);
	write_file("a/x.sh", "echo 1\n");
	/* A mount of its own, of what the machine has mounted. */
	snprintf(path, sizeof(path), "%s/a/x.sh", dir);
	snprintf(cwd, sizeof(cwd), "TEST_CWD=%s/a", dir);
	look(ARGS(T("x.sh")), ARGS(cwd, T("TEST_MOUNTS=1")));
	expect_script(path, "echo 1\n");
	snprintf(cwd, sizeof(cwd), "TEST_CWD=%s/b", dir);
	snprintf(options, sizeof(options), "TEST_OVERLAY=lowerdir=%s/a:%s/b", dir, dir);
	look(ARGS(T("x.sh")), ARGS(cwd, options, T("TEST_MOUNTS=1")));
	expect_unverifiable();
}

static void test_code_is_no_script(void **state)
{
	(void)state;
	look(ARGS(T("--code"), T("x.sh")), NULL);
	assert_int_equal(p->classes, CLASS(COMMAND));
	assert_null(p->script);
	conf.interpreters.own = NULL;
	look(ARGS(T("--code"), T("x.sh")), NULL);
	assert_int_equal(p->classes, CLASS(BINARY));
	conf.interpreters.own = loader;
	look(ARGS(T("/bin/sh")), NULL);
	assert_int_equal(p->classes, CLASS(LOADER));
	assert_true(p->fd >= 0);
}

/* A long environment may have it behind what is read: then it is not said to be absent. */
static void test_the_environment(void **state)
{
	char *many[64] = { NULL }, *filler = malloc(100000);

	(void)state;
	assert_non_null(filler);
	look(ARGS(T("--code"), T("1")), ARGS(T("LD_PRELOAD=/nothing.so")));
	assert_int_equal(p->classes, CLASS(COMMAND) | CLASS(PRELOAD));
	look(ARGS(T("--code"), T("1")), ARGS(T("A=b"), T("STARTUP=/x"), T("C=d")));
	assert_int_equal(p->classes, CLASS(COMMAND) | CLASS(PRELOAD));
	look(ARGS(T("--code"), T("1")), ARGS(T("A=LD_PRELOAD=/x"), T("LD_PRELOAD=")));
	assert_int_equal(p->classes, CLASS(COMMAND));
	assert_int_equal(p->unknown, 0);
	memset(filler, 'x', 99999);
	filler[99999] = '\0';
	memcpy(filler, "A=", 2);
	for (int i = 0; i < 5; i++)
		many[i] = filler;
	many[5] = T("LD_PRELOAD=/nothing.so");
	look(ARGS(T("--code"), T("1")), many);
	assert_int_equal(p->classes, CLASS(COMMAND));
	assert_int_equal(p->unknown, CLASS(PRELOAD));
	free(filler);
}

static void test_code_that_is_made(void **state)
{
	static const char *const ways[] = { "private", "shared", "v", "memory", "deleted", "write" };
	char variable[32];

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		snprintf(variable, sizeof(variable), "TEST_CODE=%s", ways[i]);
		look(ARGS(T("--code"), T("1")), ARGS(variable));
		if (p->classes != (CLASS(COMMAND) | CLASS(JIT)))
			fail_msg("%s: classes %#x", ways[i], p->classes);
	}
}

/* Its other threads go on, and the kernel says nothing of its memory. */
static void test_a_first_thread_that_has_ended(void **state)
{
	(void)state;
	look(ARGS(T("--code"), T("1")),
	     ARGS(T("TEST_END=1"), T("TEST_CODE=private"), T("LD_PRELOAD=/nothing.so")));
	assert_true(p->classes & CLASS(UNVERIFIABLE));
	assert_int_equal(p->unknown, CLASS(PRELOAD) | CLASS(JIT));
}

/* Who writes the arguments has the reader between the two looks at the executable. */
static void *give_arguments(void *arg)
{
	static const char args[] = NAME "\0--code\0" "1";
	const char *instead = arg;
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/1/cmdline", dir);
	f = fopen(path, "we");
	if (!f)
		return NULL;
	snprintf(path, sizeof(path), "%s/1/exe", dir);
	if (instead && (unlink(path) || symlink(instead, path)))
		fputs("not replaced", stderr);
	fwrite(args, 1, sizeof(args), f);
	fclose(f);
	return NULL;
}

static uint32_t classes_if_replaced(const char *by)
{
	const struct sockgate_process process = { .pid = 1 };
	static char many[SOCKGATE_ARGUMENTS_SIZE + 1];
	struct program_task task = task_of(&process);
	pthread_t writer;

	/* There may be more of them, so that the process is asked. */
	task.arguments = many;
	task.size = SOCKGATE_ARGUMENTS_SIZE;
	task.facts = 0;
	assert_int_equal(pthread_create(&writer, NULL, give_arguments, (void *)by), 0);
	program_free(p);
	p = program_read(&conf, &task);
	pthread_join(writer, NULL);
	assert_non_null(p);
	return p->classes;
}

/* By another program, which is asked for its arguments in its place. */
static void test_a_process_that_is_replaced_meanwhile(void **state)
{
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/1", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	write_file("1/stat", "1 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	snprintf(path, sizeof(path), "%s/1/exe", dir);
	assert_int_equal(symlink("/bin/this", path), 0);
	snprintf(path, sizeof(path), "%s/1/cmdline", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	conf.proc = dir;
	assert_int_equal(classes_if_replaced(NULL), CLASS(COMMAND));
	assert_int_equal(classes_if_replaced("/bin/other"),
			 CLASS(COMMAND) | CLASS(UNVERIFIABLE));
}

/* By the file in its root, which counts where that is not the machine's own. */
static void test_a_bundle(void **state)
{
	char variable[160], path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/jail", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(variable, sizeof(variable), "TEST_ROOT=%s", path);
	look(ARGS(T("--code"), T("1")), ARGS(variable, T("TEST_MOUNTS=1"), T("TEST_CWD=/")));
	assert_true(p->bundle_known);
	assert_null(p->bundle);
	write_file("jail/.flatpak-info", "[Application]\nname=org.a.B\n");
	look(ARGS(T("--code"), T("1")), ARGS(variable, T("TEST_MOUNTS=1"), T("TEST_CWD=/")));
	assert_true(p->bundle_known);
	assert_non_null(p->bundle);
	assert_string_equal(p->bundle, "flatpak:org.a.B");
	look(ARGS(T("--code"), T("1")), ARGS(variable, T("TEST_CWD=/")));
	assert_true(p->bundle_known);
	assert_null(p->bundle);
	/* What is there and cannot be read may be any. */
	snprintf(path, sizeof(path), "%s/jail/.flatpak-info", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	look(ARGS(T("--code"), T("1")), ARGS(variable, T("TEST_MOUNTS=1"), T("TEST_CWD=/")));
	assert_false(p->bundle_known);
	assert_null(p->bundle);
}

/* No more than that: whoever can run code in a process can have it say anything. */
static void test_it_is_what_the_process_says(void **state)
{
	char path[4096];

	(void)state;
	write_file("a.sh", "attack\n");
	snprintf(path, sizeof(path), "%s", write_file("b.sh", "good\n"));
	look(ARGS(T("a.sh")), ARGS(T("TEST_LIE=b.sh")));
	expect_script(path, "good\n");
}

static void test_another_process_of_that_id(void **state)
{
	struct sockgate_process process = start(ARGS(T("x.sh")), ARGS(T("A=b")));
	struct program_task task = task_of(&process);

	(void)state;
	task.process.start_ns += 1000000000;
	assert_null(program_read(&conf, &task));
	task.process.pid = 0;
	assert_null(program_read(&conf, &task));
}

/* What the kernel gave was not changed since by the process that is asked. */
static void test_arguments_that_the_kernel_gave(void **state)
{
	static const char gave[] = NAME "\0--wait\0x.sh\0";
	struct sockgate_process process;
	struct program_task task, *copy;
	char path[4096], *many;

	(void)state;
	snprintf(path, sizeof(path), "%s", write_file("x.sh", "echo 1\n"));
	process = start(ARGS(T("y.sh")), ARGS(T("A=b")));
	task = task_of(&process);
	task.arguments = gave;
	task.size = sizeof(gave) - 1;
	assert_null(program_known(&conf, &task));
	assert_true(program_matters(&conf, &task));
	copy = program_task_copy(&task);
	assert_non_null(copy);
	p = program_read(&conf, copy);
	program_task_free(copy);
	assert_non_null(p);
	expect_script(path, "echo 1\n");
	assert_string_equal(p->command_line, NAME " --wait x.sh");
	program_free(p);
	/* There may be more of them: the process has them all. */
	many = calloc(1, SOCKGATE_ARGUMENTS_SIZE + 1);
	assert_non_null(many);
	memcpy(many, gave, sizeof(gave));
	task.arguments = many;
	task.size = SOCKGATE_ARGUMENTS_SIZE;
	p = program_read(&conf, &task);
	free(many);
	assert_non_null(p);
	expect_unverifiable();
	assert_null(p->script);
}

/* Of what is no interpreter nothing has to be read, unless something is asked for. */
static void test_what_is_not_asked_for(void **state)
{
	static const char gave[] = NAME "\0--wait\0x.sh\0";
	const struct sockgate_process none = { .pid = 1 };
	struct program_task task = task_of(&none);

	(void)state;
	conf.interpreters.own = NULL;
	assert_null(program_known(&conf, &task));
	task.arguments = gave;
	task.size = sizeof(gave) - 1;
	for (uint32_t fact = 1; fact <= FACT(APP); fact <<= 1) {
		task.facts = fact;
		assert_true(program_matters(&conf, &task));
		assert_null(program_known(&conf, &task));
	}
	task.facts = 0;
	assert_false(program_matters(&conf, &task));
	p = program_known(&conf, &task);
	assert_non_null(p);
	assert_int_equal(p->classes, CLASS(BINARY));
	assert_int_equal(p->unknown, CLASS(PRELOAD) | CLASS(JIT));
	assert_false(p->bundle_known);
	program_free(p);
	/* It has to be asked for its arguments, but no policy waits for those. */
	task.arguments = NULL;
	assert_false(program_matters(&conf, &task));
	p = program_known(&conf, &task);
	assert_null(p);
}

/* It has all of them: but what is not asked for is not looked at. */
static void test_one_fact_alone(void **state)
{
	struct sockgate_process process;
	struct program_task task;

	(void)state;
	process = start(ARGS(T("--code"), T("1")),
			ARGS(T("LD_PRELOAD=/nothing.so"), T("TEST_CODE=1")));
	task = task_of(&process);
	for (uint32_t facts = 0; facts <= (FACT(PRELOAD) | FACT(JIT) | FACT(APP)); facts++) {
		const uint32_t preload = facts & FACT(PRELOAD) ? CLASS(PRELOAD) : 0;
		const uint32_t jit = facts & FACT(JIT) ? CLASS(JIT) : 0;

		task.facts = facts;
		program_free(p);
		p = program_read(&conf, &task);
		assert_non_null(p);
		assert_int_equal(p->classes, CLASS(COMMAND) | preload | jit);
		assert_int_equal(p->unknown,
				 (CLASS(PRELOAD) | CLASS(JIT)) & ~(preload | jit));
		assert_int_equal(p->bundle_known, !!(facts & FACT(APP)));
	}
}

static void test_an_executable_without_a_path(void **state)
{
	struct sockgate_process process = start(ARGS(T("x.sh")), ARGS(T("A=b")));
	struct program_task task = task_of(&process);

	(void)state;
	task.path = NULL;
	assert_false(program_matters(&conf, &task));
	p = program_read(&conf, &task);
	assert_non_null(p);
	assert_int_equal(p->classes, 0);
	assert_string_equal(p->command_line, NAME " --wait x.sh");
}

static void test_copies(void **state)
{
	struct program *copy;
	struct stat a, b;

	(void)state;
	write_file("x.sh", "echo 1\n");
	look(ARGS(T("x.sh")), NULL);
	copy = program_copy(p);
	assert_non_null(copy);
	assert_int_not_equal(copy->fd, p->fd);
	assert_int_equal(fstat(copy->fd, &a) | fstat(p->fd, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_string_equal(copy->script, p->script);
	assert_string_equal(copy->command_line, p->command_line);
	program_free(copy);
	assert_null(program_copy(NULL));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_script_by_any_name),
		TEST(test_what_is_no_file_is_never_opened),
		TEST(test_a_memory_file),
		TEST(test_a_script_that_is_gone),
		TEST(test_file_systems_that_prove_nothing),
		TEST(test_below_its_own_root),
		TEST(test_a_directory_that_is_covered),
		TEST(test_an_overlay_that_a_user_mounted),
		TEST(test_code_is_no_script),
		TEST(test_the_environment),
		TEST(test_code_that_is_made),
		TEST(test_a_first_thread_that_has_ended),
		TEST(test_a_process_that_is_replaced_meanwhile),
		TEST(test_a_bundle),
		TEST(test_it_is_what_the_process_says),
		TEST(test_another_process_of_that_id),
		TEST(test_arguments_that_the_kernel_gave),
		TEST(test_what_is_not_asked_for),
		TEST(test_one_fact_alone),
		TEST(test_an_executable_without_a_path),
		TEST(test_copies),
	};
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return 1;
	self[n] = '\0';
	if (argc > 1 && !strcmp(argv[1], "--wait"))
		return wait_there(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
