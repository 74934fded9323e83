// SPDX-License-Identifier: GPL-2.0-only
#include "why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <openssl/err.h>

int why_set(const struct why *why, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->text, why->size, fmt, ap);
	va_end(ap);
	errno = saved;
	return -1;
}

const char *why_openssl(void)
{
	unsigned long code = ERR_peek_error();
	const char *reason;

	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	reason = ERR_reason_error_string(code);
	return reason ? reason : "unknown error";
}
