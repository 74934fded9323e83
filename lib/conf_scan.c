// SPDX-License-Identifier: GPL-2.0-only
#include "conf_scan.h"

#include <ctype.h>
#include <string.h>

void conf_skip(struct conf_scan *s, size_t n)
{
	for (; n && s->at < s->end; n--, s->at++)
		s->line += *s->at == '\n';
}

bool conf_starts_with(const struct conf_scan *s, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(s->end - s->at) >= len && !memcmp(s->at, word, len);
}

/* To behind the next @word, or to the end. */
static bool skip_behind(struct conf_scan *s, const char *word)
{
	while (s->at < s->end && !conf_starts_with(s, word))
		conf_skip(s, 1);
	conf_skip(s, strlen(word));
	return true;
}

bool conf_skip_comment(struct conf_scan *s)
{
	if (conf_starts_with(s, "#") || conf_starts_with(s, "//"))
		return skip_behind(s, "\n");
	return conf_starts_with(s, "/*") && skip_behind(s, "*/");
}

bool conf_skip_string(struct conf_scan *s)
{
	conf_skip(s, 1);
	while (s->at < s->end && *s->at != '"')
		conf_skip(s, *s->at == '\\' ? 2 : 1);
	if (s->at == s->end)
		return false;
	conf_skip(s, 1);
	return true;
}

bool conf_is_name_start(char c)
{
	return isalpha((unsigned char)c) || c == '*';
}

bool conf_is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '*';
}

void conf_skip_name(struct conf_scan *s)
{
	while (s->at < s->end && conf_is_name_char(*s->at))
		conf_skip(s, 1);
}
