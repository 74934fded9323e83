// SPDX-License-Identifier: GPL-2.0-only
#include "text.h"

#include <string.h>

/*
 * The length of the character at the start of @s, or 0 if there is none: a stray
 * or missing continuation byte, an overlong form, a surrogate, beyond U+10FFFF
 * (RFC 3629, section 4), or a control character (C0, DEL, C1).
 */
static size_t char_length(const unsigned char *s)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code;
	size_t len;

	if (*s < 0x80)
		return *s >= 0x20 && *s != 0x7f;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	len = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	code = *s & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < smallest[len] || code > 0x10ffff || code < 0xa0)
		return 0;
	return code >= 0xd800 && code <= 0xdfff ? 0 : len;
}

bool sigdb_text_valid(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		size_t len = char_length(s);

		if (!len)
			return false;
		s += len;
	}
	return true;
}

void sigdb_text_clean(const char *text, char *out, size_t size)
{
	const unsigned char *s = (const unsigned char *)text;
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
