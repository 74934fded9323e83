// SPDX-License-Identifier: GPL-2.0-only
/*
 * A script is looked up by its name as the process would: from its working directory
 * and below its root, out of which nothing leads.  It is opened for reading only when
 * it is known to be a file, on a file system that proves something.
 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "flatpak.h"
#include "mounts.h"
#include "process.h"

#define FACT(name) ((uint32_t)SOCKGATE__FACT__FACT_##name)

#define ARGUMENTS_MAX (64U << 10)
#define ENVIRONMENT_MAX (256U << 10)
#define MAPS_MAX (256U << 10)

/* Of one process, while it is being looked at. */
struct look {
	const struct program_conf *conf;
	const struct program_task *task;
	char dir[256];		/* /proc/PID */
	struct program *out;
};

/* ---- files of /proc ---- */

/*
 * Up to @max bytes, and a NUL behind them.  Returns a string to be freed, or NULL.
 * @cut: there may be more
 */
static char *read_proc(const struct look *l, const char *name, size_t max, size_t *size,
		       bool *cut)
{
	char path[PATH_MAX], *buf = malloc(max + 1);
	ssize_t n;

	if (!buf)
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	n = process_read_file(path, buf, max);
	if (n < 0) {
		free(buf);
		return NULL;
	}
	buf[n] = '\0';
	*size = (size_t)n;
	*cut = *size == max;
	return buf;
}

static int open_proc(const struct look *l, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* ---- the script ---- */

/* No link of /proc leads out: not those of its descriptors, which would be ours. */
static int open_below(int root, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_PATH,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static ssize_t read_link(const struct look *l, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	n = readlink(path, buf, size - 1);
	if (n > 0)
		buf[n] = '\0';
	return n;
}

/* Is what @path is below @root the working directory itself? */
static bool leads_to_cwd(const struct look *l, int root, const char *path)
{
	struct stat found, is;
	int fd = open_below(root, path, O_DIRECTORY), cwd;
	bool same;

	if (fd < 0)
		return false;
	cwd = open_proc(l, "cwd");
	same = cwd >= 0 && !fstat(fd, &found) && !fstat(cwd, &is) &&
	       found.st_dev == is.st_dev && found.st_ino == is.st_ino;
	close(fd);
	if (cwd >= 0)
		close(cwd);
	return same;
}

/* The working directory as the process would name it.  Returns its length, 0: none. */
static size_t cwd_below(const struct look *l, int root, char *buf, size_t size)
{
	char top[PATH_MAX];
	size_t len;

	if (read_link(l, "root", top, sizeof(top)) <= 0 ||
	    read_link(l, "cwd", buf, size) <= 0)
		return 0;
	len = strcmp(top, "/") != 0 ? strlen(top) : 0;
	if (strncmp(buf, top, len) != 0 || (buf[len] && buf[len] != '/'))
		return 0;
	memmove(buf, buf + len, strlen(buf + len) + 1);
	if (!*buf)
		snprintf(buf, size, "/");
	return leads_to_cwd(l, root, buf) ? strlen(buf) : 0;
}

/* Returns a descriptor that only names it, or -1. */
static int find_script(const struct look *l, const char *name)
{
	int root = open_proc(l, "root"), fd = -1;
	char path[2 * PATH_MAX] = "";
	size_t len = 0;

	if (root < 0)
		return -1;
	if (*name != '/')
		len = cwd_below(l, root, path, PATH_MAX);
	if ((*name == '/' || len) && strlen(name) < PATH_MAX) {
		snprintf(path + len, sizeof(path) - len, "/%s", name);
		fd = open_below(root, path, 0);
	}
	close(root);
	return fd;
}

/* What a line of mountinfo says. */
struct mount_line {
	uint64_t id;
	uint32_t dev;
	char type[64];
};

/* "36 35 98:0 / /mnt rw master:1 - ext4 /dev/sda1 rw": proc(5). */
static bool read_line(const char *line, struct mount_line *out)
{
	const char *dash = strstr(line, " - ");
	unsigned int dev[2];
	size_t len;

	if (!dash || sscanf(line, "%" SCNu64 " %*s %u:%u", &out->id, &dev[0], &dev[1]) != 3)
		return false;
	out->dev = dev[0] << 20 | dev[1];
	len = strcspn(dash + 3, " \n");
	return (size_t)snprintf(out->type, sizeof(out->type), "%.*s", (int)len, dash + 3) <
	       sizeof(out->type);
}

static bool by_id(const struct mount_line *line, const struct mount_line *wanted)
{
	return line->id == wanted->id;
}

/* Of the same superblock, wherever it is mounted. */
static bool by_device(const struct mount_line *line, const struct mount_line *wanted)
{
	return line->dev == wanted->dev && !strcmp(line->type, wanted->type);
}

/* @is: what is wanted of it, and then all of it */
static bool find_mount(const char *mountinfo, struct mount_line *is,
		       bool (*fits)(const struct mount_line *line,
				    const struct mount_line *wanted))
{
	FILE *f = fopen(mountinfo, "re");
	struct mount_line at;
	bool found = false;
	char *line = NULL;
	size_t room = 0;

	if (!f)
		return false;
	while (!found && getline(&line, &room, f) > 0)
		found = read_line(line, &at) && fits(&at, is);
	free(line);
	fclose(f);
	if (found)
		*is = at;
	return found;
}

static bool matches(const char *const *patterns, const char *type)
{
	for (; *patterns; patterns++)
		if (!fnmatch(*patterns, type, 0))
			return true;
	return false;
}

/* Where nobody can see the mount: of a directory of it, a process made its root. */
static bool type_by_magic(int fd, char *type, size_t size)
{
	static const struct {
		unsigned long magic;
		const char *type;
	} known[] = {
		{ EXT4_SUPER_MAGIC, "ext4" }, { XFS_SUPER_MAGIC, "xfs" },
		{ BTRFS_SUPER_MAGIC, "btrfs" }, { TMPFS_MAGIC, "tmpfs" },
		{ SQUASHFS_MAGIC, "squashfs" },
	};
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if ((unsigned long)fs.f_type != known[i].magic)
			continue;
		snprintf(type, size, "%s", known[i].type);
		return true;
	}
	return false;
}

/*
 * The type of a mount that only the process sees.  A user may mount an overlay, over
 * whatever else he mounts: FUSE, which gives what it likes, and when it likes.  What
 * lies below it is not told, so that it must be one that the machine has mounted too,
 * as those of containers are.
 */
static bool type_of_theirs(const struct look *l, int fd, struct mount_line *is)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/mountinfo", l->dir);
	if (!find_mount(path, is, by_id))
		return type_by_magic(fd, is->type, sizeof(is->type));
	return strcmp(is->type, "overlay") != 0 ||
	       find_mount("/proc/self/mountinfo", is, by_device);
}

/*
 * As we see it, or else the process does.  What is not known proves nothing, nor does
 * what the kernel makes up while it is read.
 * @ours: it is a mount of the machine's own
 */
static bool proves_something(const struct look *l, int fd, bool *ours)
{
	static const char *const made_up[] = {
		"proc", "sysfs", "debugfs", "tracefs", "securityfs", "cgroup*", "bpf",
		"configfs", "devpts", "mqueue", NULL,
	};
	struct mount_line is;

	if (mounts_id(fd, &is.id))
		return false;
	*ours = find_mount("/proc/self/mountinfo", &is, by_id);
	if (!*ours && !type_of_theirs(l, fd, &is))
		return false;
	return !matches(made_up, is.type) && !matches(l->conf->unverifiable, is.type);
}

/* Opens a file by a descriptor that only names it; -1: it is none, or proves nothing. */
static int open_named(const struct look *l, int named, struct stat *st, bool *ours)
{
	char link[40];

	if (fstat(named, st) || !S_ISREG(st->st_mode) || !proves_something(l, named, ours))
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", named);
	return open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/*
 * Nothing keeps a script from being written while it runs, and through a mapping
 * without any sign of it.  So what was read of it is good for this process, and in no
 * case for one that runs the same file as its executable.
 */
static struct sockgate_file key_of(const struct stat *st,
				   const struct sockgate_process *process)
{
	return (struct sockgate_file){
		.ino = st->st_ino,
		.ctime_ns = st->st_ctim.tv_sec * 1000000000LL + st->st_ctim.tv_nsec,
		.size = (uint64_t)st->st_size,
		.instance = 1ULL << 63 | (process->start_ns ^ process->exec_id << 40),
		.dev = major(st->st_dev) << 20 | minor(st->st_dev),
		.generation = process->pid,
	};
}

static int take_script(const struct look *l, const char *name)
{
	int named = find_script(l, name);
	bool deleted = false, ours;
	struct stat st;
	char link[40];

	if (named < 0)
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", named);
	l->out->script = process_path(link, &deleted);
	if (l->out->script && !deleted)
		l->out->fd = open_named(l, named, &st, &ours);
	if (l->out->fd >= 0) {
		l->out->file = key_of(&st, &l->task->process);
		l->out->foreign = !ours && !mounts_lead_to(l->out->script, named);
	}
	close(named);
	return l->out->fd < 0 ? -1 : 0;
}

/* ---- what the process says ---- */

/* The kernel gives no more than so many bytes of them. */
static bool gave_all(const struct program_task *task)
{
	return task->arguments && task->size < SOCKGATE_ARGUMENTS_SIZE;
}

static const struct interpreter *take_arguments(const struct look *l,
						const struct interpreter *is,
						const char *args, size_t size, bool cut)
{
	struct invocation run;

	invocation_read(&l->conf->interpreters, is, args, size, cut, &run);
	l->out->classes |= run.classes;
	if (run.script && take_script(l, run.script))
		l->out->classes |= CLASS(UNVERIFIABLE);
	return run.as;
}

static const struct interpreter *read_arguments(const struct look *l,
						const struct interpreter *is)
{
	const struct program_task *task = l->task;
	size_t size;
	char *args;
	bool cut;

	if (gave_all(task))
		return take_arguments(l, is, task->arguments, task->size, false);
	args = read_proc(l, "cmdline", ARGUMENTS_MAX, &size, &cut);
	if (!args) {
		l->out->classes |= CLASS(UNVERIFIABLE);
		return is;
	}
	is = take_arguments(l, is, args, size, cut);
	free(args);
	return is;
}

/*
 * Of a process whose memory is gone (its first thread has ended, others have not)
 * nothing is read, and no error tells: nothing is unknown, not none.
 */
static void read_environment(const struct look *l, const struct interpreter *is)
{
	size_t size, at = 0;
	char *text;
	bool cut, found = false;

	text = read_proc(l, "environ", ENVIRONMENT_MAX, &size, &cut);
	for (; text && at < size && !found; at += strlen(text + at) + 1)
		found = interpreter_preloads(is, text + at);
	free(text);
	if (found)
		l->out->classes |= CLASS(PRELOAD);
	else if (!text || !size || cut)
		l->out->unknown |= CLASS(PRELOAD);
}

static bool has_end(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && !strcmp(text + len - n, end);
}

/* By what a mapping is called: of no file that has a name, and not the kernel's own. */
static bool is_of_no_file(const char *path, bool inode)
{
	static const char *const starts[] = {
		"/memfd:", "/dev/zero", "/SYSV", "[heap", "[stack", "[anon",
	};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (!strncmp(path, starts[i], strlen(starts[i])))
			return true;
	return has_end(path, " (deleted)") || (!inode && *path != '[');
}

/* "FROM-TO r-xp OFFSET DEVICE INODE   PATH"; what can be written as well is the process's. */
static bool is_made_code(const char *line)
{
	unsigned long inode;
	char perms[5];
	int path = 0;

	if (sscanf(line, "%*x-%*x %4s %*x %*x:%*x %lu %n", perms, &inode, &path) != 2 ||
	    perms[2] != 'x')
		return false;
	return perms[1] == 'w' || is_of_no_file(line + path, inode);
}

static void read_mappings(const struct look *l)
{
	bool cut, found = false;
	char *text, *line, *end;
	size_t size;

	text = read_proc(l, "maps", MAPS_MAX, &size, &cut);
	for (line = text; line && *line && !found; line = end ? end + 1 : NULL) {
		end = strchr(line, '\n');
		if (end)
			*end = '\0';
		found = is_made_code(line);
	}
	free(text);
	if (found)
		l->out->classes |= CLASS(JIT);
	else if (!text || !size || cut)
		l->out->unknown |= CLASS(JIT);
}

static char *read_info(const struct look *l, int named)
{
	struct stat st;
	bool ours;
	char *text = NULL;
	ssize_t n = -1;
	int fd = open_named(l, named, &st, &ours);

	if (fd < 0)
		return NULL;
	if (st.st_size <= FLATPAK_INFO_MAX)
		text = calloc(1, (size_t)st.st_size + 1);
	if (text)
		n = pread(fd, text, (size_t)st.st_size, 0);
	close(fd);
	if (n == st.st_size)
		return text;
	free(text);
	return NULL;
}

/* Does it see the mounts that we see? */
static bool shares_mounts(const struct look *l)
{
	struct stat ours, theirs;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/ns/mnt", l->dir);
	return !stat("/proc/self/ns/mnt", &ours) && !stat(path, &theirs) &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* Where the machine's own root is, root would have to have put that file there. */
static void read_bundle(const struct look *l)
{
	char *text, id[300];
	int root, named;

	l->out->bundle_known = shares_mounts(l);
	if (l->out->bundle_known)
		return;
	root = open_proc(l, "root");
	if (root < 0)
		return;
	named = open_below(root, FLATPAK_INFO, O_NOFOLLOW);
	l->out->bundle_known = named < 0 && errno == ENOENT;
	close(root);
	if (named < 0)
		return;
	text = read_info(l, named);
	close(named);
	if (text && flatpak_id(text, id, sizeof(id)))
		l->out->bundle = strdup(id);
	l->out->bundle_known = l->out->bundle;
	free(text);
}

/* NULL: none that is known. */
static const struct interpreter *interpreter_of(const struct program_conf *conf,
						const struct program_task *task)
{
	const char *slash = strrchr(task->path, '/');

	return interpreter_find(&conf->interpreters, slash ? slash + 1 : task->path);
}

/* What nobody asks for is not looked for, and so not known. */
static void leave_out(struct program *p, uint32_t facts)
{
	if (!(facts & FACT(PRELOAD)))
		p->unknown |= CLASS(PRELOAD);
	if (!(facts & FACT(JIT)))
		p->unknown |= CLASS(JIT);
}

static void look(const struct look *l)
{
	const uint32_t facts = l->task->facts;
	const struct interpreter *is = interpreter_of(l->conf, l->task);

	if (is)
		is = read_arguments(l, is);
	else
		l->out->classes |= CLASS(BINARY);
	leave_out(l->out, facts);
	if (facts & FACT(PRELOAD))
		read_environment(l, is);
	if (facts & FACT(JIT))
		read_mappings(l);
	if (facts & FACT(APP))
		read_bundle(l);
}

static struct program *program_new(void)
{
	struct program *p = calloc(1, sizeof(*p));

	if (p)
		p->fd = -1;
	return p;
}

bool program_matters(const struct program_conf *conf, const struct program_task *task)
{
	return task->path && (task->facts || interpreter_of(conf, task));
}

struct program *program_known(const struct program_conf *conf,
			      const struct program_task *task)
{
	struct program *p;

	if (!task->path || !task->arguments || program_matters(conf, task))
		return NULL;
	p = program_new();
	if (!p)
		return NULL;
	p->classes = CLASS(BINARY);
	leave_out(p, 0);
	return p;
}

/* It ran another program meanwhile, or its memory went: what was read may be of neither. */
static void distrust(struct program *p)
{
	if (!(p->classes & CLASS(BINARY)))
		p->classes |= CLASS(UNVERIFIABLE);
	p->unknown |= (CLASS(PRELOAD) | CLASS(JIT)) & ~p->classes;
	p->bundle_known = false;
}

static void look_at_one(const struct look *l)
{
	char before[PATH_MAX], after[PATH_MAX];
	bool known = read_link(l, "exe", before, sizeof(before)) > 0;

	look(l);
	if (!known || read_link(l, "exe", after, sizeof(after)) <= 0 ||
	    strcmp(before, after) != 0)
		distrust(l->out);
}

static char *command_line(const struct program_conf *conf, const struct program_task *task)
{
	return task->arguments ? process_told_arguments(task->arguments, task->size) :
				 process_command_line(conf->proc, &task->process);
}

struct program *program_read(const struct program_conf *conf,
			     const struct program_task *task)
{
	struct program *p = program_new();
	struct look l = { .conf = conf, .task = task, .out = p };

	if (!p)
		return NULL;
	snprintf(l.dir, sizeof(l.dir), "%s/%" PRIu32, conf->proc, task->process.pid);
	p->command_line = command_line(conf, task);
	if (task->path)
		look_at_one(&l);
	if (process_is(conf->proc, &task->process))
		return p;
	program_free(p);
	return NULL;
}

/* In one piece. */
struct program_task *program_task_copy(const struct program_task *task)
{
	size_t path = task->path ? strlen(task->path) + 1 : 0;
	size_t arguments = task->arguments ? task->size + 1 : 0;
	struct program_task *copy = malloc(sizeof(*copy) + path + arguments);
	char *room;

	if (!copy)
		return NULL;
	room = (char *)(copy + 1);
	*copy = *task;
	if (path)
		copy->path = memcpy(room, task->path, path);
	if (arguments)
		copy->arguments = memcpy(room + path, task->arguments, arguments);
	return copy;
}

void program_task_free(struct program_task *task)
{
	free(task);
}

static int copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -1 : 0;
}

struct program *program_copy(const struct program *p)
{
	struct program *copy = p ? malloc(sizeof(*copy)) : NULL;
	int failed;

	if (!copy)
		return NULL;
	*copy = *p;
	copy->fd = p->fd < 0 ? -1 : fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
	failed = copy_text(&copy->command_line, p->command_line);
	failed |= copy_text(&copy->script, p->script);
	failed |= copy_text(&copy->bundle, p->bundle);
	if (!failed && (p->fd < 0) == (copy->fd < 0))
		return copy;
	program_free(copy);
	return NULL;
}

void program_free(struct program *p)
{
	if (!p)
		return;
	if (p->fd >= 0)
		close(p->fd);
	free(p->command_line);
	free(p->script);
	free(p->bundle);
	free(p);
}
