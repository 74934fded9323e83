// SPDX-License-Identifier: GPL-2.0-only
#include "flatpak.h"

#include <stdio.h>
#include <string.h>

/* As flatpak checks it: letters, digits, "_", "-" between dots; as long as is told. */
static bool is_id(const char *id, size_t len)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";

	return len && len <= 255 - strlen("flatpak:") && strspn(id, allowed) >= len;
}

/* The first "name=ID" in the group [Application]. */
bool flatpak_id(const char *text, char *buf, size_t size)
{
	bool inside = false;

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (*text == '[') {
			inside = len == 13 && !memcmp(text, "[Application]", 13);
		} else if (inside && len > 5 && !memcmp(text, "name=", 5)) {
			return is_id(text + 5, len - 5) &&
			       (size_t)snprintf(buf, size, "flatpak:%.*s", (int)len - 5,
						text + 5) < size;
		}
		text += len + (text[len] == '\n');
	}
	return false;
}
