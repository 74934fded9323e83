// SPDX-License-Identifier: GPL-2.0-only
#include "fixture.h"

#include "categories.h"

static const char mapping[] =
	"packages = ( ( \"special*\", \"Special\" ) );\n"
	"tags = ( ( \"protocol::bittorrent\", \"P2P\" ),\n"
	"         ( \"use::downloading\", \"File transfer\" ),\n"
	"         ( \"game::*\", \"Game\" ) );\n"
	"sections = ( ( \"net\", \"Network\" ) );\n"
	"vendors = ( ( \"aria2*\", \"aria2 Project\" ) );\n"
	"homepages = ( ( \"gnu.org\", \"GNU\" ), ( \"github.com/acme\", \"ACME\" ) );\n"
	"distributions = [ \"Debian\" ];\n";

static const struct categories_package empty = { "", "", "", "", "", "" };

static struct categories *load(struct fixture *f, const char *text)
{
	const char *path = fixture_write(f, "map.conf", 0644, text);

	return categories_load(path, f->why, sizeof(f->why));
}

static struct categories *load_good(struct fixture *f)
{
	struct categories *map = load(f, mapping);

	if (!map)
		fail_msg("%s", f->why);
	return map;
}

static void expect_category(const struct categories *map, const char *name,
			    const char *tags, const char *section, const char *category)
{
	struct categories_package pkg = empty;

	pkg.name = name;
	pkg.tags = tags;
	pkg.section = section;
	assert_string_equal(categories_category(map, &pkg), category);
}

static void the_order_of_the_file_decides(void **state)
{
	struct categories *map = load_good(*state);

	expect_category(map, "aria2", "use::downloading, protocol::http,\n"
			" protocol::bittorrent", "net", "P2P");
	expect_category(map, "aria2", "protocol::bittorrent, use::downloading", "net", "P2P");
	expect_category(map, "curl", "protocol::http, use::downloading", "net",
			"File transfer");
	expect_category(map, "x", "protocol::bittorrents", "net", "Network");
	expect_category(map, "x", "game::puzzle", "net", "Game");
	categories_free(map);
}

static void names_come_before_tags_before_sections(void **state)
{
	struct categories *map = load_good(*state);

	expect_category(map, "special-1", "protocol::bittorrent", "net", "Special");
	expect_category(map, "x", "protocol::http", "net", "Network");
	expect_category(map, "x", "", "non-free/net", "Network");
	expect_category(map, "x", "", "unheard-of", "Other");
	categories_free(map);
}

static void expect_vendor(const struct categories *map, const char *name,
			  const char *homepage, const char *origin,
			  const char *maintainer, const char *vendor)
{
	struct categories_package pkg = empty;
	char out[32];

	pkg.name = name;
	pkg.homepage = homepage;
	pkg.origin = origin;
	pkg.maintainer = maintainer;
	categories_vendor(map, &pkg, out, sizeof(out));
	assert_string_equal(out, vendor);
}

static void a_vendor_is_who_makes_it(void **state)
{
	struct categories *map = load_good(*state);

	expect_vendor(map, "aria2", "http://gnu.org", "X", "M", "aria2 Project");
	expect_vendor(map, "x", "https://www.gnu.org/software/x", "X", "M", "GNU");
	expect_vendor(map, "x", "https://GNU.org:80", "X", "M", "GNU");
	expect_vendor(map, "x", "https://notgnu.org/", "Debian", "M", "M");
	expect_vendor(map, "x", "https://gnu.org.evil.example/", "Debian", "M", "M");
	expect_vendor(map, "x", "https://github.com/acme/x", "Debian", "M", "ACME");
	expect_vendor(map, "x", "https://github.com/other", "Debian", "M", "M");
	expect_vendor(map, "x", "", "Docker", "M <m@example>", "Docker");
	expect_vendor(map, "x", "", "Debian", "Jane Doe <jane@example>", "Jane Doe");
	expect_vendor(map, "x", "", "", "\"Jane\" <jane@example>", "Jane");
	expect_vendor(map, "x", "", "", "<jane@example>", "<jane@example>");
	expect_vendor(map, "x", "", "", "J\303\251r\303\264me \033[2J <x@y>",
		      "J\303\251r\303\264me ?[2J");
	categories_free(map);
}

static void errors_name_file_and_line(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} cases[] = {
		{ "packages = (\n", "map.conf:2:" },
		{ "tags = ( ( \"a\", \"b\" ) );\n", "expected packages = " },
		{ "packages = ();\ntags = (\n ( \"a\" ) );\n", "map.conf:3: expected (" },
		{ "packages = ();\ntags = (\n ( 1, \"b\" ) );\n", "map.conf:3:" },
		{ "packages = ();\nx = 5000000000;\n", "map.conf:2: the number 5000000000" },
		{ "packages = ();\nsectoins = ();\n", "map.conf:2: unknown word" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(load(f, cases[i].text));
		if (!strstr(f->why, cases[i].words))
			fail_msg("\"%s\" does not say \"%s\"", f->why, cases[i].words);
	}
	assert_null(categories_load("/nonexistent", f->why, sizeof(f->why)));
	assert_non_null(strstr(f->why, "No such file"));
}

/* What the file that ships makes of Debian's own tags (Debian 12). */
static void the_shipped_file_knows_the_usual_programs(void **state)
{
	struct fixture *f = *state;
	struct categories *map = categories_load("sigdb/categories.conf", f->why,
						 sizeof(f->why));

	if (!map)
		fail_msg("%s", f->why);
	expect_category(map, "aria2", "implemented-in::c++, interface::commandline, "
			"network::client,\n protocol::bittorrent, protocol::ftp, "
			"protocol::http, role::program,\n scope::utility, "
			"use::downloading, works-with::file", "net", "P2P");
	expect_category(map, "transmission-cli", "protocol::bittorrent, use::downloading",
			"net", "P2P");
	expect_category(map, "curl", "network::client, protocol::ftp, protocol::http, "
			"protocol::imap,\n protocol::ssh, protocol::telnet, "
			"use::downloading, use::synchronizing", "web", "File transfer");
	expect_category(map, "wget", "protocol::ftp, protocol::http, use::downloading",
			"web", "File transfer");
	expect_category(map, "lynx", "protocol::http, use::browsing, web::browser", "web",
			"Browser");
	expect_category(map, "firefox-esr", "", "web", "Browser");
	expect_category(map, "openssh-client", "interface::shell, protocol::sftp,\n "
			"protocol::ssh, use::login", "net", "Remote access");
	expect_category(map, "bash", "devel::interpreter, interface::shell", "shells",
			"Shell");
	expect_category(map, "python3.11-minimal", "", "python", "Interpreter");
	expect_category(map, "apt", "admin::package-management, protocol::ftp", "admin",
			"System");
	expect_vendor(map, "aria2", "https://aria2.github.io/", "Debian", "P R <p@r>",
		      "aria2 Project");
	expect_vendor(map, "wget", "https://www.gnu.org/software/wget/", "Debian", "N",
		      "GNU Project");
	assert_true(categories_is_distribution(map, "Debian"));
	assert_false(categories_is_distribution(map, ""));
	categories_free(map);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(the_order_of_the_file_decides),
		FRESH(names_come_before_tags_before_sections),
		FRESH(a_vendor_is_who_makes_it),
		FRESH(errors_name_file_and_line),
		FRESH(the_shipped_file_knows_the_usual_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
