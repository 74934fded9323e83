// SPDX-License-Identifier: GPL-2.0-only
/*
 * Another one who redirects functions, for tests of what sockgate.ko does then: a
 * kprobe with a handler that runs after the instruction, which the kernel places by
 * ftrace, with the right to change where the call goes on.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

#define MOST 2

static char *functions[MOST];
static unsigned int n;
module_param_array(functions, charp, &n, 0);

static void after(struct kprobe *probe, struct pt_regs *regs,
		  unsigned long flags)
{
}

static struct kprobe probes[MOST];

static void remove(unsigned int from)
{
	while (from)
		unregister_kprobe(&probes[--from]);
}

static int __init rival_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < n; i++) {
		probes[i].symbol_name = functions[i];
		probes[i].post_handler = after;
		err = register_kprobe(&probes[i]);
		if (err) {
			remove(i);
			return err;
		}
	}
	return 0;
}

static void __exit rival_exit(void)
{
	remove(n);
}

module_init(rival_init);
module_exit(rival_exit);
MODULE_DESCRIPTION("redirects functions that sockgate wants");
MODULE_LICENSE("GPL");
