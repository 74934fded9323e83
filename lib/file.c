// SPDX-License-Identifier: GPL-2.0-only
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "why.h"

int file_write(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Makes the new name itself survive a power failure. */
static int sync_directory_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *dir = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup(".");
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		close(fd);
	free(dir);
	return rc;
}

int file_replace(const char *file, const void *data, size_t size, mode_t mode,
		 bool replace, char *text, size_t text_size)
{
	struct why why = { text, text_size };
	char temp[4096];
	int fd, error;
	bool ok;

	if ((size_t)snprintf(temp, sizeof(temp), "%s.XXXXXX", file) >= sizeof(temp))
		return why_set(&why, "the name of %s is too long", file);
	fd = mkostemp(temp, O_CLOEXEC);		/* mode 0600 */
	if (fd < 0)
		return why_set(&why, "cannot write %s: %s", file, strerror(errno));
	ok = !file_write(fd, data, size) && !fchmod(fd, mode) && !fsync(fd);
	error = errno;
	close(fd);
	if (ok) {
		ok = !renameat2(AT_FDCWD, temp, AT_FDCWD, file,
				replace ? 0 : RENAME_NOREPLACE);
		error = errno;
	}
	if (!ok) {
		unlink(temp);
		return why_set(&why, "cannot write %s: %s", file, strerror(error));
	}
	if (sync_directory_of(file))
		log_warn("%s is in place, but its directory cannot be synced", file);
	return 0;
}
