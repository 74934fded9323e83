// SPDX-License-Identifier: GPL-2.0-only
#include "utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

size_t utf8_char(const char *text, uint32_t *code)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)text;
	uint32_t value = *s;
	size_t len = 1;

	if (*s >= 0x80) {
		if (*s < 0xc2 || *s > 0xf4)
			return 0;
		len = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
		value = *s & (0x7fU >> len);
	}
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (s[i] & 0x3f);
	}
	if (value < smallest[len] || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	if (code)
		*code = value;
	return len;
}

/* What drives a terminal, and what turns the direction of writing around. */
static bool is_control(uint32_t code)
{
	return utf8_is_control(code) || (code >= 0x200e && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

char *utf8_clean(const char *text, char *out, size_t size)
{
	size_t used = 0, len;
	uint32_t code;

	for (; *text; text += len) {
		len = utf8_char(text, &code);
		if (len && !is_control(code)) {
			if (used + len >= size)
				break;
			memcpy(out + used, text, len);
			used += len;
			continue;
		}
		len = 1;
		if (used + 4 >= size)
			break;
		used += (size_t)snprintf(out + used, size - used, "\\x%02x",
					 (unsigned char)*text);
	}
	out[used] = '\0';
	return out;
}
