// SPDX-License-Identifier: GPL-2.0-only
#include "limit.h"

#include <limits.h>
#include <sys/resource.h>

unsigned long limit_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return _POSIX_OPEN_MAX;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) ||
	    getrlimit(RLIMIT_NOFILE, &limit))
		return _POSIX_OPEN_MAX;
	return limit.rlim_cur;
}
