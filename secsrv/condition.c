// SPDX-License-Identifier: GPL-2.0-only
#include "condition.h"

static const char *const names[] = {
	[COND_TIME] = "time",
	[COND_HOST] = "host",
	[COND_HOST_GROUP] = "host_group",
	[COND_KNOWN] = "known",
	[COND_HASH] = "hash",
	[COND_APPLICATION] = "application",
	[COND_VENDOR] = "vendor",
	[COND_CATEGORY] = "category",
	[COND_VERSION] = "version",
	[COND_TRUST] = "trust",
	[COND_THREAT] = "threat",
	[COND_EVENT] = "event",
	[COND_PROTOCOL] = "protocol",
	[COND_USER] = "user",
	[COND_DOMAIN] = "domain",
	[COND_UNIT] = "unit",
	[COND_IMAGE] = "image",
	[COND_FILE] = "file",
	[COND_APP] = "app",
	[COND_CLASS] = "class",
	[COND_SCRIPT] = "script",
	[COND_SCRIPT_HASH] = "script_hash",
	[COND_PORT] = "port",
	[COND_REMOTE] = "remote",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == COND_COUNT,
	       "a condition has no name");

const char *condition_name(enum condition c)
{
	return c < COND_COUNT ? names[c] : "?";
}
