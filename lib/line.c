// SPDX-License-Identifier: GPL-2.0-only
#include "line.h"

#include <errno.h>

ssize_t line_read(char **line, size_t *room, FILE *in)
{
	ssize_t len;

	errno = 0;
	len = getline(line, room, in);
	if (len >= 0)
		return len;
	if (feof(in) && !ferror(in))
		return 0;
	if (!errno)
		errno = EIO;
	return -1;
}
