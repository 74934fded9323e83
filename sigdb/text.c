// SPDX-License-Identifier: GPL-2.0-only
#include "text.h"

#include <string.h>

#include "utf8.h"

/* The length of the character at the start of @s, 0 if there is none to be shown. */
static size_t char_length(const char *s)
{
	uint32_t code;
	size_t len = utf8_char(s, &code);

	return len && !utf8_is_control(code) ? len : 0;
}

bool sigdb_text_valid(const char *s)
{
	while (*s) {
		size_t len = char_length(s);

		if (!len)
			return false;
		s += len;
	}
	return true;
}

void sigdb_text_clean(const char *s, char *out, size_t size)
{
	size_t used = 0;

	while (*s) {
		size_t len = char_length(s);

		if (used + (len ? len : 1) >= size)
			break;
		if (len)
			memcpy(out + used, s, len);
		else
			out[used] = '?';
		used += len ? len : 1;
		s += len ? len : 1;
	}
	out[used] = '\0';
}
