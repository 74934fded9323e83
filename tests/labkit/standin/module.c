// SPDX-License-Identifier: GPL-2.0-only
/* Stands in for sockgate.ko where the lab tests itself. With warn=1 it makes the kernel complain. */
#include <linux/kernel.h>
#include <linux/module.h>

static bool warn;
module_param(warn, bool, 0);

static int __init standin_init(void)
{
	WARN(warn, "the stand-in was asked to complain\n");
	return 0;
}

static void __exit standin_exit(void)
{
}

module_init(standin_init);
module_exit(standin_exit);
MODULE_DESCRIPTION("stand-in for the lab's own test");
MODULE_LICENSE("GPL");
