// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names as systemd, snapd and desktops make them; the latter by the "XDG standardization
 * for applications" of systemd.io/DESKTOP_ENVIRONMENTS: app[-LAUNCHER]-ID-RANDOM.scope,
 * app[-LAUNCHER]-ID[@RANDOM].service.
 */
#include "unit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define UUID_LENGTH 36

/* The name ends at @len; what follows is its type. */
static size_t name_length(const char *unit)
{
	const char *dot = strrchr(unit, '.');

	return dot ? (size_t)(dot - unit) : strlen(unit);
}

static bool all(const char *text, size_t len, int (*is)(int))
{
	for (size_t i = 0; i < len; i++)
		if (!is((unsigned char)text[i]))
			return false;
	return len;
}

/* A count, or a random number: 12, u12, p12, i12, r0123...; 8 or more hex digits. */
static bool changes(const char *text, size_t len)
{
	if (all(text, len, isdigit))
		return true;
	if (len > 1 && strchr("upi", *text) && all(text + 1, len - 1, isdigit))
		return true;
	if (len > 8 && *text == 'r')
		return all(text + 1, len - 1, isxdigit);
	return len >= 8 && all(text, len, isxdigit);
}

static bool is_uuid(const char *text)
{
	for (size_t i = 0; i < UUID_LENGTH; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

/* How long it is without its last part, which changes; @len if that does not. */
static size_t without_last(const char *unit, size_t len, const char *between)
{
	size_t at = len;

	if (len == UUID_LENGTH && is_uuid(unit))
		return len;
	if (len > UUID_LENGTH + 1 && is_uuid(unit + len - UUID_LENGTH) &&
	    strchr("-.", unit[len - UUID_LENGTH - 1]))
		return len - UUID_LENGTH - 1;
	while (at && !strchr(between, unit[at - 1]))
		at--;
	return at > 1 && changes(unit + at, len - at) ? at - 1 : len;
}

void unit_stable(const char *unit, char *buf, size_t size)
{
	size_t len = name_length(unit), was;
	const char *type = unit + len;

	if (!strcmp(type, ".scope") || !strncmp(unit, "run-", 4)) {
		do {
			was = len;
			len = without_last(unit, len, "-.");
		} while (len < was);
	} else if (!strncmp(unit, "app-", 4)) {
		len = without_last(unit, len, "@");
	}
	snprintf(buf, size, "%.*s%s", (int)len, unit, type);
}

/* systemd writes other characters as "\x2d". */
static void unescape(const char *text, size_t len, char *buf, size_t size)
{
	unsigned int byte;
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size; i++) {
		if (i + 3 < len && text[i] == '\\' && text[i + 1] == 'x' &&
		    isxdigit((unsigned char)text[i + 2]) &&
		    isxdigit((unsigned char)text[i + 3]) &&
		    sscanf(text + i + 2, "%2x", &byte) == 1 && byte >= ' ' && byte < 0x7f) {
			buf[n++] = (char)byte;
			i += 3;
		} else {
			buf[n++] = text[i];
		}
	}
	buf[n] = '\0';
}

static bool bundle_of_desktop(const char *name, size_t len, char *buf, size_t size)
{
	const char *at = memchr(name, '@', len), *dash;
	const char *kind = "desktop:";
	size_t used;

	if (at)
		len = (size_t)(at - name);
	dash = memchr(name, '-', len);
	if (dash && (size_t)(dash - name) == strlen("flatpak") &&
	    !memcmp(name, "flatpak", strlen("flatpak")))
		kind = "flatpak:";
	if (dash) {
		len -= (size_t)(dash + 1 - name);
		name = dash + 1;
	}
	if (!len)
		return false;
	used = (size_t)snprintf(buf, size, "%s", kind);
	if (used >= size)
		return false;
	unescape(name, len, buf + used, size - used);
	return true;
}

bool unit_bundle(const char *unit, char *buf, size_t size)
{
	size_t len = name_length(unit);

	/* snap.NAME.APP */
	if (len > 5 && !strncmp(unit, "snap.", 5) && memchr(unit + 5, '.', len - 5)) {
		snprintf(buf, size, "snap:%.*s", (int)len - 5, unit + 5);
		return true;
	}
	return len > 4 && !strncmp(unit, "app-", 4) &&
	       bundle_of_desktop(unit + 4, len - 4, buf, size);
}
