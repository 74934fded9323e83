/* SPDX-License-Identifier: GPL-2.0-only */
/* UTF-8 as RFC 3629 has it, whatever the locale is. */
#ifndef SOCKGATE_UTF8_H
#define SOCKGATE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * utf8_char - the character at the start of a text
 * @text: ends with a NUL, which counts as a character of one byte
 * @code: its code point; may be NULL
 * Returns its length in bytes; 0 if there is none: a stray or missing continuation
 * byte, an overlong form, a surrogate, or beyond U+10FFFF.
 */
size_t utf8_char(const char *text, uint32_t *code);

/* Is it a control character: C0, DEL or C1? */
static inline int utf8_is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/*
 * utf8_clean - copy a text so that it can be shown to people
 * Control characters, those that turn the direction of writing around, and bytes that
 * are not UTF-8 become "\xNN"; what does not fit is cut, never inside such a group.
 * Returns @out.
 */
char *utf8_clean(const char *text, char *out, size_t size);

#endif
