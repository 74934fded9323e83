// SPDX-License-Identifier: GPL-2.0-only
#include "reading.h"

#include <string.h>

#include "text.h"

bool reading_open(struct reading *r, const char *file)
{
	memset(r, 0, sizeof(*r));
	r->name = strcmp(file, "-") ? file : "standard input";
	if (expand_file(&r->whole, file, POLICY_SIZE_MAX, &r->err))
		return false;
	r->policy = policy_parse(r->whole.text, r->whole.size, r->name, &r->err);
	if (r->policy && !policy_warn(r->policy, &r->err))
		return true;
	snprintf(r->err.file, sizeof(r->err.file), "%s",
		 expand_origin(&r->whole, r->name, &r->err.line));
	return false;
}

void reading_free(struct reading *r)
{
	policy_free(r->policy);
	expand_free(&r->whole);
}

json_t *reading_warnings(const struct reading *r)
{
	json_t *warnings = json_array();

	for (unsigned int i = 0; i < r->policy->warnings; i++) {
		const struct policy_warning *w = &r->policy->warning[i];
		unsigned int line = w->line;
		const char *file = expand_origin(&r->whole, r->name, &line);

		json_array_append_new(warnings, json_pack("{s:o, s:I, s:o}",
			"file", text_json(file), "line", (json_int_t)line,
			"text", text_json(w->text)));
	}
	return warnings;
}

void reading_print_warnings(const struct reading *r)
{
	char clean[1200], name[1200];

	for (unsigned int i = 0; i < r->policy->warnings; i++) {
		const struct policy_warning *w = &r->policy->warning[i];
		unsigned int line = w->line;
		const char *file = expand_origin(&r->whole, r->name, &line);

		printf("%s:%u: warning: %s\n", text_clean(file, name, sizeof(name)), line,
		       text_clean(w->text, clean, sizeof(clean)));
	}
}

/* "FILE:LINE: reason" stands alone, so that editors can jump there. */
int reading_refused(const struct options *o, const struct policy_error *err)
{
	char text[1024], clean[1200];

	if (o->json) {
		json_t *json = json_pack("{s:b, s:o, s:I, s:o, s:[]}", "ok", 0,
					 "file", text_json(err->file),
					 "line", (json_int_t)err->line,
					 "error", text_json(err->reason), "warnings");

		if (json && !json_dumpf(json, stdout, JSON_INDENT(2)))
			putchar('\n');
		json_decref(json);
		return RESULT_NO;
	}
	if (!*err->file)
		return options_failed(o, "%s", err->reason);
	settings_error_text(err, text, sizeof(text));
	fprintf(stderr, "%s\n", text_clean(text, clean, sizeof(clean)));
	return RESULT_NO;
}
