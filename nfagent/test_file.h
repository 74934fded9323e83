/* SPDX-License-Identifier: GPL-2.0-only */
/* For tests: an executable's key, as the kernel would give it. */
#ifndef NFAGENT_TEST_FILE_H
#define NFAGENT_TEST_FILE_H

#include <linux/sockgate.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static inline struct sockgate_file test_file_key(const struct stat *st)
{
	return (struct sockgate_file){
		.ino = st->st_ino,
		.ctime_ns = st->st_ctim.tv_sec * 1000000000LL +
			    st->st_ctim.tv_nsec,
		.size = (uint64_t)st->st_size,
		.dev = major(st->st_dev) << 20 | minor(st->st_dev),
	};
}

#endif
