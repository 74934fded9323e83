/* SPDX-License-Identifier: GPL-2.0-only */
/* The sentence that says why something failed, on its way up to a person. */
#ifndef SOCKGATE_WHY_H
#define SOCKGATE_WHY_H

#include <stddef.h>

/* Where the sentence goes; the memory is the caller's. */
struct why {
	char *text;
	size_t size;
};

/*
 * why_set - write the sentence, cut if it does not fit
 * Keeps errno.  Returns -1, for `return why_set(...)'.
 */
int why_set(const struct why *why, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * why_openssl - what OpenSSL's error queue says, as a static string
 * The oldest entry: it is the cause, those after it are its consequences.
 */
const char *why_openssl(void);

#endif
