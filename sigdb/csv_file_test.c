// SPDX-License-Identifier: GPL-2.0-only
#include "fixture.h"

#include "csv_file.h"
#include "sha256.h"

#define REST "file_name,name,version,category,vendor,trust,threat,verdict\n"
#define HEADER "sha256," REST
#define H1 "1111111111111111111111111111111111111111111111111111111111111111"
#define H2 "2222222222222222222222222222222222222222222222222222222222222222"

static int import(struct fixture *f, const char *text, bool replace,
		  struct csv_report *report)
{
	FILE *in = fmemopen((char *)(uintptr_t)text, strlen(text), "r");
	int ret;

	assert_non_null(in);
	ret = csv_import(f->db, in, "test.csv", replace, report, f->why, sizeof(f->why));
	fclose(in);
	return ret;
}

static void good(struct fixture *f, const char *text)
{
	struct csv_report report;

	if (import(f, text, false, &report))
		fail_msg("%s", f->why);
}

static enum sigdb_result look(struct fixture *f, const char *hex, const char *name,
			      struct sigdb_answer *a)
{
	uint8_t hash[SHA256_SIZE];

	assert_int_equal(hex_decode(hex, hash, sizeof(hash)), 0);
	return ask(f->db, hash, name, a);
}

/* It is refused with these words, and nothing of it is in the database. */
static void bad(struct fixture *f, const char *text, const char *words)
{
	struct csv_report report;
	struct sigdb_answer a;

	if (!import(f, text, false, &report))
		fail_msg("accepted: %s", text);
	if (strstr(f->why, words) != f->why)
		fail_msg("\"%s\" does not begin with \"%s\"", f->why, words);
	assert_int_equal(look(f, H1, NULL, &a), SIGDB_UNKNOWN);
}

static void every_column_arrives(void **state)
{
	struct fixture *f = *state;
	struct sigdb_answer a;

	good(f, HEADER H1 ",tool,Tool,1.2,P2P,\"ACME, \"\"Inc\"\"\",3,2,safe\n");
	assert_int_equal(look(f, H1, "x", &a), SIGDB_KNOWN);
	assert_int_equal(a.source, SIGDB_HASH);
	assert_string_equal(a.name, "Tool");
	assert_string_equal(a.version, "1.2");
	assert_string_equal(a.category, "P2P");
	assert_string_equal(a.vendor, "ACME, \"Inc\"");
	assert_int_equal(a.trust, 3);
	assert_int_equal(a.threat, 2);
	assert_false(a.unsafe);
}

static void columns_go_by_name_and_may_be_absent(void **state)
{
	struct fixture *f = *state;
	struct sigdb_answer a;

	good(f, "\357\273\277verdict,sha256\r\nunsafe," H1 "\r\n\r\nsafe," H2 "\r\n");
	assert_int_equal(look(f, H1, NULL, &a), SIGDB_KNOWN);
	assert_int_equal(a.source, SIGDB_HASH_ONLY);
	assert_true(a.unsafe);
	assert_int_equal(a.trust, 0);
	assert_int_equal(a.threat, 5);
	assert_int_equal(look(f, H2, NULL, &a), SIGDB_KNOWN);
	assert_false(a.unsafe);
	assert_int_equal(a.trust, 5);
	assert_int_equal(a.threat, 0);
}

static void a_name_without_a_hash_is_a_name_signature(void **state)
{
	struct fixture *f = *state;
	struct sigdb_answer a;

	good(f, "file_name,name,vendor\nbackup,Backup,ACME\n");
	assert_int_equal(look(f, H1, "backup", &a), SIGDB_KNOWN);
	assert_int_equal(a.source, SIGDB_FILE_NAME);
	assert_int_equal(a.trust, 1);
	assert_string_equal(a.vendor, "ACME");
}

static void a_name_with_a_hash_is_no_name_signature(void **state)
{
	struct fixture *f = *state;
	struct sigdb_answer a;

	good(f, "sha256,file_name,name\n" H1 ",backup,Backup\n");
	assert_int_equal(look(f, H2, "backup", &a), SIGDB_UNKNOWN);
}

static void errors_name_line_and_column(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} cases[] = {
		{ "", "test.csv:1: empty" },
		{ "\n\n", "test.csv:2: empty" },
		{ "sha256,colour\n", "test.csv:1: column \"colour\" is unknown" },
		{ "sha256,change\n", "test.csv:1: column \"change\" is unknown" },
		{ "sha256,name,sha256\n", "test.csv:1: column sha256 is there twice" },
		{ "name,vendor\n", "test.csv:1: the header names none" },
		{ HEADER H1 ",,Tool\n", "test.csv:2: expected 9 fields" },
		{ HEADER H1 ",,Tool,,,,,,\n\n123,,X,,,,,,\n",
		  "test.csv:4: column sha256: expected 64" },
		{ HEADER ",,Tool,,,,,,\n", "test.csv:2: expected a value in column sha256" },
		{ HEADER H1 ",,,,,,,,\n", "test.csv:2: expected a value in column name" },
		{ HEADER H1 ",,,1.0,,,,,safe\n", "test.csv:2: column name:" },
		{ HEADER H1 ",,T,,,,6,,\n", "test.csv:2: column trust: expected a number 0 to 5" },
		{ HEADER H1 ",,T,,,,,-1,\n", "test.csv:2: column threat:" },
		{ HEADER H1 ",,T,,,,10,,\n", "test.csv:2: column trust:" },
		{ HEADER H1 ",,T,,,,,,evil\n", "test.csv:2: column verdict: expected safe" },
		{ HEADER H1 ",,T,,,,5,,unsafe\n",
		  "test.csv:2: column trust: an unsafe hash has trust 0, not 5" },
		{ HEADER H1 ",,,,,,5,0,unsafe\n", "test.csv:2: column trust: an unsafe" },
		{ HEADER H1 ",,,,,,,0,unsafe\n",
		  "test.csv:2: column threat: an unsafe hash has a threat of 4 or 5, not 0" },
		{ HEADER H1 ",,T,,,,,4,safe\n",
		  "test.csv:2: column threat: a safe hash has a threat below 4, not 4" },
		{ HEADER ",a/b,T,,,,,,\n", "test.csv:2: column file_name:" },
		{ "path,name\na/b,T\n", "test.csv:2: column path: expected an absolute" },
		{ "path,name\n/,T\n", "test.csv:2: column path: expected an absolute" },
		{ "path,name\n/a,T\n/a,U\n", "test.csv:3: column path: the same value" },
		{ "path,build_id,name\n/a,01234567,T\n",
		  "test.csv:2: column build_id: column path has a value too" },
		{ "sha256,path,name\n" H1 ",/a,T\n",
		  "test.csv:2: column path: column sha256 has a value too" },
		{ "build_id,name\n012345,T\n", "test.csv:2: column build_id: expected 8 to" },
		{ "build_id,name\n012345678,T\n", "test.csv:2: column build_id:" },
		{ "build_id,name\n0123456g,T\n", "test.csv:2: column build_id:" },
		{ "path,name,trust\n/a,T,2\n", "test.csv:2: column trust:" },
		{ HEADER ",tool,T,,,,2,,\n",
		  "test.csv:2: column trust: expected a number 0 to 1 (without" },
		{ HEADER ",tool,T,,,,,,safe\n", "test.csv:2: column verdict: only a hash" },
		{ HEADER H1 ",,T\033[2J,,,,,,\n", "test.csv:2: column name: expected UTF-8" },
		{ HEADER H1 ",,T\377,,,,,,\n", "test.csv:2: column name: expected UTF-8" },
		{ HEADER H1 ",,T,,,,,,\n" H1 ",,U,,,,,,\n",
		  "test.csv:3: column sha256: the same value" },
		{ HEADER H1 ",,\"T,,,,,,\n" H2 ",,U,,,,,,\n",
		  "test.csv:2: the file ends within quotes" },
		{ HEADER H1 ",,T\"x,,,,,,\n", "test.csv:2: expected a quote only" },
		{ HEADER H1 ",,T,,"
		  "0123456789012345678901234567890123456789012345678901234567890123,,,,\n",
		  "test.csv:2: column category: expected at most 63 bytes, not 64" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		bad(f, cases[i].text, cases[i].words);
}

static void a_row_over_several_lines_is_named_by_its_first(void **state)
{
	struct fixture *f = *state;

	bad(f, HEADER H1 ",,\"two\nlines\",,,,9,,\n", "test.csv:2: column name:");
}

static void a_forgotten_quote_does_not_eat_the_memory(void **state)
{
	struct fixture *f = *state;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs(HEADER H1 ",,\"", out);
	for (size_t i = 0; i < CSV_ROW_MAX; i++)
		fputs("x\n", out);
	assert_int_equal(fclose(out), 0);
	bad(f, text, "test.csv:2: a row of more than");
	free(text);
}

static void a_nul_byte_is_refused(void **state)
{
	static const char text[] = HEADER H1 ",,a\0b,,,,,,\n";
	struct fixture *f = *state;
	FILE *in = fmemopen((char *)(uintptr_t)text, sizeof(text) - 1, "r");
	struct csv_report report;

	assert_non_null(in);
	assert_int_equal(csv_import(f->db, in, "t", false, &report, f->why,
				    sizeof(f->why)), -1);
	assert_non_null(strstr(f->why, "t:2: a NUL byte"));
	fclose(in);
}

static void a_second_import_adds_and_replace_removes(void **state)
{
	struct fixture *f = *state;
	struct csv_report report;
	struct sigdb_answer a;

	good(f, "sha256,name\n" H1 ",One\n");
	assert_int_equal(import(f, "sha256,name\n" H2 ",Two\n", false, &report), 0);
	assert_int_equal(report.counts.added, 1);
	assert_int_equal(report.counts.removed, 0);
	assert_int_equal(look(f, H1, NULL, &a), SIGDB_KNOWN);
	assert_int_equal(import(f, "sha256,name\n" H2 ",Two\n", true, &report), 0);
	assert_int_equal(report.rows, 1);
	assert_int_equal(report.counts.added, 0);
	assert_int_equal(report.counts.removed, 1);
	assert_int_equal(look(f, H1, NULL, &a), SIGDB_UNKNOWN);
	assert_int_equal(look(f, H2, NULL, &a), SIGDB_KNOWN);
}

static void what_is_exported_can_be_imported(void **state)
{
	static const char text[] = "sha256,path,build_id," REST
		H1 ",,,\"tool\",\"To\"\"ol\",\"1\",\"P2P\",\"A, B\",3,2,\"safe\"\n"
		H2 ",,,,,,,,0,5,\"unsafe\"\n"
		",\"/opt/a b\",,,\"Agent\",\"\",\"\",\"\",1,0,\n"
		",,0123456789abcdef,,\"Agent\",\"2\",\"\",\"\",0,3,\n"
		",,,\"backup\",\"Backup\",\"\",\"\",\"\",1,0,\n";
	struct fixture *f = *state;
	char *out = NULL;
	size_t size;
	FILE *stream = open_memstream(&out, &size);

	good(f, text);
	assert_non_null(stream);
	assert_int_equal(csv_export(f->db, stream, f->why, sizeof(f->why)), 0);
	fclose(stream);
	assert_string_equal(out, text);
	good(f, out);
	free(out);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(every_column_arrives),
		FRESH(columns_go_by_name_and_may_be_absent),
		FRESH(a_name_without_a_hash_is_a_name_signature),
		FRESH(a_name_with_a_hash_is_no_name_signature),
		FRESH(errors_name_line_and_column),
		FRESH(a_row_over_several_lines_is_named_by_its_first),
		FRESH(a_forgotten_quote_does_not_eat_the_memory),
		FRESH(a_nul_byte_is_refused),
		FRESH(a_second_import_adds_and_replace_removes),
		FRESH(what_is_exported_can_be_imported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
