// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes an allocation of sockgate.ko's fail: the n-th from now on that has a function
 * of it on its stack, in whatever context.  What a kernel with CONFIG_FAILSLAB asks
 * before each allocation from a slab is there without it, too, and says that all is
 * well; this says otherwise, once.  (From 6.11 on it is only there with it.)
 *
 * debugfs has a file for it, sockgate_fault: write n, 0 for none; read how many are
 * left, 0 when it has failed.
 *
 * What the page allocator gives directly (large tables) does not pass here, and what
 * is told of in the kernel's log if it fails is left alone: the cache of records.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define TARGET	"sockgate"
#define DEPTH	32

static struct module *target;	/* while it is there */
static atomic_t left = ATOMIC_INIT(0);
static struct dentry *file;

/* In the place of should_failslab(). */
static noinline int fail(void)
{
	return -ENOMEM;
}

/* These complain by themselves, whoever it is that has no memory. */
static bool complains(unsigned long address)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol_no_offset(name, address);
	return str_has_prefix(name, "kmem_cache_create") ||
	       str_has_prefix(name, "__vmalloc_node");
}

static bool is_of_target(void)
{
	const struct module *mod = READ_ONCE(target);
	unsigned long entries[DEPTH];
	unsigned int i, n, at;

	if (!mod)
		return false;
	n = stack_trace_save(entries, DEPTH, 0);
	for (at = 0; at < n; at++)
		if (within_module(entries[at], mod))
			break;
	for (i = 0; at < n && i < at; i++)
		if (complains(entries[i]))
			return false;
	return at < n;
}

/* struct kmem_cache *, gfp_t */
static int before(struct kprobe *probe, struct pt_regs *regs)
{
	const gfp_t gfp = regs_get_kernel_argument(regs, 1);

	if (!atomic_read(&left) || gfp & __GFP_NOFAIL || !is_of_target())
		return 0;
	if (atomic_dec_if_positive(&left))
		return 0;
	regs->ip = (unsigned long)fail;
	return 1;
}

static struct kprobe probe = {
	.symbol_name = "should_failslab",
	.pre_handler = before,
};

static int follow(struct notifier_block *block, unsigned long state, void *data)
{
	struct module *mod = data;

	if (strcmp(mod->name, TARGET))
		return NOTIFY_DONE;
	if (state == MODULE_STATE_COMING)
		WRITE_ONCE(target, mod);
	/* It has ended by now, and what it is made of is still there. */
	if (state == MODULE_STATE_GOING)
		WRITE_ONCE(target, NULL);
	return NOTIFY_DONE;
}

static struct notifier_block modules = { .notifier_call = follow };

static ssize_t told(struct file *file, const char __user *buf, size_t size,
		    loff_t *pos)
{
	unsigned int n;
	int err = kstrtouint_from_user(buf, size, 10, &n);

	if (err)
		return err;
	atomic_set(&left, n);
	return size;
}

static ssize_t tell(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	char text[16];
	int n = scnprintf(text, sizeof(text), "%d\n", atomic_read(&left));

	return simple_read_from_buffer(buf, size, pos, text, n);
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.write = told,
	.read = tell,
};

/* Before the one whose allocations it is: that one is not told of otherwise. */
static int __init fault_init(void)
{
	int err = register_module_notifier(&modules);

	if (err)
		return err;
	err = register_kprobe(&probe);
	if (err) {
		unregister_module_notifier(&modules);
		return err;
	}
	file = debugfs_create_file("sockgate_fault", 0600, NULL, NULL, &operations);
	return 0;
}

static void __exit fault_exit(void)
{
	debugfs_remove(file);
	unregister_kprobe(&probe);
	unregister_module_notifier(&modules);
}

module_init(fault_init);
module_exit(fault_exit);
MODULE_DESCRIPTION("makes allocations of sockgate's fail");
MODULE_LICENSE("GPL");
