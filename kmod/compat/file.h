/* SPDX-License-Identifier: GPL-2.0-only */
/* Files, and what of them is called otherwise elsewhere. */
#ifndef SOCKGATE_COMPAT_FILE_H
#define SOCKGATE_COMPAT_FILE_H

#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/net.h>
#include <linux/rcupdate.h>

/* 5.10 has it in a file of FUSE's own. */
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
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

/* Until 5.11 it said by an error why a file is no socket. */
static inline struct socket *sg_sock_from_file(struct file *file)
{
#ifdef SG_HAVE_SOCK_FROM_FILE_ERR
	int err;

	return sock_from_file(file, &err);
#else
	return sock_from_file(file);
#endif
}

/* Since 6.5 splice() and sendfile() send by security_socket_sendmsg() too. */
#ifdef SG_HAVE_SENDPAGE
#define SG_SENDPAGE "sock_sendpage"
#else
#define SG_SENDPAGE NULL
#endif

/*
 * Where a process puts another file in the place of its executable.  5.15 made a
 * function of the memory's of it; both return an error, and begin with the memory.
 */
#ifdef SG_HAVE_REPLACE_MM_EXE
#define SG_SWAP_EXE "replace_mm_exe_file"
#else
#define SG_SWAP_EXE "prctl_set_mm_exe_file"
#endif

#endif
