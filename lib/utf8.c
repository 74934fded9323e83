// SPDX-License-Identifier: GPL-2.0-only
#include "utf8.h"

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
