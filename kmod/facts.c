// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the agent would have to look up in /proc of a process that asks: it is given
 * with the descriptor of the executable, of that very process and that very file.
 *
 * The command line lies in the process's own memory, which it can make unreadable
 * for as long as it likes (userfaultfd, FUSE).  So it is copied by the caller itself
 * before it is held, and only if all of it is there: what would have to be waited for
 * is left out, and the agent reads it where it can afford to wait.
 *
 * All else is read in the context of the agent, whose root is where paths begin.
 * Nothing is asked of a file system.
 *
 * Locking: the parent is looked at under RCU, and its memory under its task_lock(),
 * so that no last reference to it is ever ours: its end may take as long as its
 * owner likes.
 */
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/mm_types.h>
#include <linux/overflow.h>
#include <linux/path.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/sockgate.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <net/netlink.h>

#include "compat/file.h"
#include "facts.h"

static bool copy_there(void *to, unsigned long from, size_t len)
{
	return !copy_from_user_nofault(to, (const void __user *)from, len);
}

/*
 * Where setproctitle(3) has written over the last NUL the command line goes on in the
 * environment: that is left to /proc, which knows how far.
 */
static bool ends_with_nul(unsigned long end)
{
	char last;

	return copy_there(&last, end - 1, sizeof(last)) && !last;
}

/**
 * sg_facts_arguments() - the command line of the caller
 *
 * Does not wait for its memory.
 *
 * Return: a copy, to be freed with kfree(); NULL if it is not all there.
 */
struct sg_arguments *sg_facts_arguments(void)
{
	struct mm_struct *mm = current->mm;
	struct sg_arguments *a;
	unsigned long start, end;
	size_t len;

	if (!mm)
		return NULL;
	spin_lock(&mm->arg_lock);
	start = mm->arg_start;
	end = mm->arg_end;
	spin_unlock(&mm->arg_lock);
	if (start >= end || !ends_with_nul(end))
		return NULL;
	len = min_t(unsigned long, end - start, SOCKGATE_ARGUMENTS_SIZE);
	a = kmalloc(struct_size(a, text, len),
		    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!a)
		return NULL;
	a->len = len;
	if (copy_there(a->text, start, len))
		return a;
	kfree(a);
	return NULL;
}

static void tell_path(struct sg_facts_path *to, const struct path *path)
{
	char *text = d_path(path, to->few, sizeof(to->few));

	if (PTR_ERR_OR_ZERO(text) == -ENAMETOOLONG) {
		to->more = kmalloc(SOCKGATE_PATH_SIZE, GFP_KERNEL | __GFP_NOWARN);
		if (!to->more)
			return;
		text = d_path(path, to->more, SOCKGATE_PATH_SIZE);
	}
	if (!IS_ERR(text))
		to->text = text;
}

static bool is_mounted_here(const struct file *exe)
{
	struct path root;
	bool yes;

	get_fs_root(current->fs, &root);
	yes = path_is_under(&exe->f_path, &root);
	path_put(&root);
	return yes;
}

/* FUSE, which alone has subtypes, is not told of. */
static void learn_file_system(struct sg_facts *facts, const struct file *exe)
{
	const struct super_block *sb = file_inode(exe)->i_sb;
	const struct super_block *real = sg_real_inode(exe)->i_sb;

	facts->fs = sb->s_type->name;
	if (real != sb)
		facts->layer = real->s_type->name;
}

/* A thread of the kernel's may have borrowed its memory. */
static struct file *exe_of(struct task_struct *task)
{
	struct file *exe = NULL;

	task_lock(task);
	if (!(task->flags & PF_KTHREAD))
		exe = sg_event_exe_of(task);
	task_unlock(task);
	return exe;
}

/* A process of this id that started at another time is another one. */
static void learn_parent(struct sg_facts *facts, const struct sg_key *key)
{
	struct task_struct *task, *parent;
	struct file *exe = NULL;

	rcu_read_lock();
	task = pid_task(find_pid_ns(key->pid, &init_pid_ns), PIDTYPE_TGID);
	if (task && task->start_boottime == key->start_ns) {
		parent = rcu_dereference(task->real_parent);
		facts->parent = task_tgid_nr(parent);
		exe = exe_of(parent);
	}
	rcu_read_unlock();
	if (!exe)
		return;
	tell_path(&facts->parent_path, &exe->f_path);
	fput(exe);
}

/**
 * sg_facts_learn() - what there is to know of who asks
 * @facts:     filled in; to be freed with sg_facts_free()
 * @key:       of the question
 * @exe:       what the process runs
 * @arguments: of it, or NULL; must stay as long as @facts
 *
 * In the context of who wants to know.
 */
void sg_facts_learn(struct sg_facts *facts, const struct sg_key *key,
		    struct file *exe, const struct sg_arguments *arguments)
{
	memset(facts, 0, sizeof(*facts));
	facts->arguments = arguments;
	learn_file_system(facts, exe);
	tell_path(&facts->path, &exe->f_path);
	/* Without a path it says nothing, and deep below the root it takes long. */
	facts->mounted = facts->path.text && is_mounted_here(exe);
	learn_parent(facts, key);
}

static size_t string_size(const char *s)
{
	return s ? nla_total_size(strlen(s) + 1) : 0;
}

/**
 * sg_facts_size() - how much room they take in a message
 * @facts: to be put there
 *
 * Return: bytes.
 */
size_t sg_facts_size(const struct sg_facts *facts)
{
	size_t size = nla_total_size(0) + nla_total_size(sizeof(u32));

	size += string_size(facts->path.text);
	size += string_size(facts->parent_path.text);
	size += string_size(facts->fs);
	size += string_size(facts->layer);
	if (facts->arguments)
		size += nla_total_size(facts->arguments->len);
	return size;
}

static int put_string(struct sk_buff *skb, int attr, const char *s)
{
	return s ? nla_put_string(skb, attr, s) : 0;
}

/**
 * sg_facts_put() - put them into a message
 * @skb:   has room for them
 * @facts: of who asks
 *
 * Return: 0 or -EMSGSIZE.
 */
int sg_facts_put(struct sk_buff *skb, const struct sg_facts *facts)
{
	const struct sg_arguments *a = facts->arguments;

	if (put_string(skb, SOCKGATE_A_PATH, facts->path.text) ||
	    put_string(skb, SOCKGATE_A_PARENT_PATH, facts->parent_path.text) ||
	    put_string(skb, SOCKGATE_A_FS, facts->fs) ||
	    put_string(skb, SOCKGATE_A_LAYER, facts->layer) ||
	    (facts->mounted && nla_put_flag(skb, SOCKGATE_A_MOUNTED)) ||
	    (facts->parent &&
	     nla_put_u32(skb, SOCKGATE_A_PARENT_PID, facts->parent)) ||
	    (a && nla_put(skb, SOCKGATE_A_ARGUMENTS, a->len, a->text)))
		return -EMSGSIZE;
	return 0;
}

/**
 * sg_facts_free() - end of what sg_facts_learn() began
 * @facts: learned
 */
void sg_facts_free(struct sg_facts *facts)
{
	kfree(facts->path.more);
	kfree(facts->parent_path.more);
}
