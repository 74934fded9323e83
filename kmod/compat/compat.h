/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that differs between kernels, and nothing else.  Supported: 6.1 and later
 * on x86-64.  Features are tested for, not versions, because stable kernels and
 * distributions take changes back: by the kernel's own macros, or by Kbuild,
 * which looks into its headers (SG_HAVE_*).
 */
#ifndef SOCKGATE_COMPAT_H
#define SOCKGATE_COMPAT_H

#include <linux/fs.h>
#include <linux/ftrace.h>
#include <net/net_namespace.h>

#ifndef CONFIG_X86_64
#error "sockgate enters functions past their fentry site, known for x86-64 only"
#endif
#ifndef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
#error "sockgate needs CONFIG_DYNAMIC_FTRACE_WITH_ARGS"
#endif
#ifndef CONFIG_SECURITY_NETWORK
#error "sockgate needs CONFIG_SECURITY_NETWORK"
#endif
#ifndef CONFIG_SOCK_CGROUP_DATA
#error "sockgate needs CONFIG_SOCK_CGROUP_DATA"
#endif

/* 6.2 gave the accessors of ftrace_regs their names. */
#ifndef ftrace_regs_set_instruction_pointer
#ifdef ftrace_instruction_pointer_set
#define ftrace_regs_set_instruction_pointer(fregs, ip) \
	ftrace_instruction_pointer_set(fregs, ip)
#define ftrace_regs_get_argument(fregs, n) \
	regs_get_kernel_argument(&(fregs)->regs, n)
#endif
#endif

/* 6.6 hid the inode's time stamps behind functions. */
#ifndef SG_HAVE_INODE_GET_CTIME
static inline struct timespec64 inode_get_ctime(const struct inode *inode)
{
	return inode->i_ctime;
}
#endif

/*
 * 6.7 made struct file reusable within a grace period, and get_file_rcu()
 * take the place where the pointer stands.
 */
static inline struct file *sg_get_file_rcu(struct file __rcu **where)
{
#ifdef SG_HAVE_GET_FILE_RCU_WHERE
	return get_file_rcu(where);
#else
	struct file *file = rcu_dereference(*where);

	return file && get_file_rcu(file) ? file : NULL;
#endif
}

/*
 * The inode behind a stacked file system, without sleeping.  6.9 made the
 * second argument of d_real() a choice; metadata never needs a lookup.
 */
static inline struct inode *sg_real_inode(const struct file *file)
{
#ifdef SG_HAVE_D_REAL_METADATA
	return d_backing_inode(d_real(file->f_path.dentry, D_REAL_METADATA));
#else
	return d_backing_inode(d_real(file->f_path.dentry, NULL));
#endif
}

/* Since 6.5 splice() and sendfile() send by security_socket_sendmsg() too. */
#ifdef SG_HAVE_SENDPAGE
#define SG_SENDPAGE "sock_sendpage"
#else
#define SG_SENDPAGE NULL
#endif

#endif
