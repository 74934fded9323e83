// SPDX-License-Identifier: GPL-2.0-only
#include "mounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/sda1 rw": proc(5). */
static bool line_type(const char *line, uint32_t dev, char *type, size_t size)
{
	unsigned int major, minor;
	const char *dash;
	size_t len;

	if (sscanf(line, "%*s %*s %u:%u", &major, &minor) != 2 ||
	    (major << 20 | minor) != dev)
		return false;
	dash = strstr(line, " - ");
	if (!dash)
		return false;
	dash += 3;
	len = strcspn(dash, " \n");
	if (len >= size)
		len = size - 1;
	memcpy(type, dash, len);
	type[len] = '\0';
	return true;
}

bool mounts_find_type(const char *mountinfo, uint32_t dev, char *type,
		      size_t size)
{
	size_t room = 0;
	bool found = false;
	char *line = NULL;
	FILE *f;

	f = fopen(mountinfo, "re");
	if (!f)
		return false;
	while (!found && getline(&line, &room, f) > 0)
		found = line_type(line, dev, type, size);
	free(line);
	fclose(f);
	return found;
}
