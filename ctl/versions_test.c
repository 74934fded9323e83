// SPDX-License-Identifier: GPL-2.0-only
/* `sockgate policy push' and its like against a policymgr that is a child process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/commands.h"
#include "ctl/standin.h"
#include "signed_policy.h"

#define BODY(name) SOCKGATE__MESSAGE__BODY_##name
#define STATE(name) SOCKGATE__POLICY_STATE__POLICY_##name

#define GOOD "default = \"allow\"; rules = ();\n"
#define OLD "default = \"allow\"; rules = ( { name = \"old\"; port = 1; action = \"deny\"; } );\n"
/* As long as the good one, so that its size betrays nothing. */
#define FORGED "default = \"audit\"; rules = ();\n"
#define WRONG "default = \"allow\";\nrules = ( { name = \"a\"; } );\n"

static struct standin standin;
static char key[96], public[104];

/* ---- policymgr ---- */

/* How sec1, sec2 and sec3 behave, of which sec2 is away; or how the manager lies. */
enum behaviour {
	ALL_APPLY, ONE_REFUSES, ONE_IS_SILENT,
	FORGES_A_TEXT, FORGES_A_HEAD, GIVES_ANOTHER, FORGES_THE_NEWEST, HAS_A_HUGE_NUMBER,
	DRIVES_THE_TERMINAL,
};

/* The child's: two versions are there, and what is pushed. */
static struct signed_policy_parts incoming;
static uint64_t newest = 2;
static unsigned int asked;
static char comment[200];

static void send_error(struct channel *ch, uint64_t id, const char *text)
{
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__Error error = SOCKGATE__ERROR__INIT;

	msg.id = id;
	error.text = (char *)text;
	msg.body_case = BODY(ERROR);
	msg.error = &error;
	channel_send(ch, &msg);
}

/* It keeps what it is told of: the number, who made it, and the comment. */
static void take_push(struct channel *ch, Sockgate__Message *request)
{
	Sockgate__PolicyCommitted committed = SOCKGATE__POLICY_COMMITTED__INIT;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	char why[512];
	int rc = signed_policy_add(&incoming, request->id, request->policy_version, 40000000,
				   why, sizeof(why));

	if (rc > 0)
		return;
	if (rc || signed_policy_verify(&incoming.policy, public, why, sizeof(why)) ||
	    signed_policy_check_text(&incoming.policy, why, sizeof(why))) {
		send_error(ch, request->id, why);
		return;
	}
	newest = incoming.policy.number;
	/* Tells which text it was. */
	snprintf(comment, sizeof(comment), "%.150s %s", incoming.policy.comment,
		 strcmp(incoming.policy.text, OLD) ? "new" : "old");
	committed.number = newest;
	msg.id = request->id;
	msg.body_case = BODY(POLICY_COMMITTED);
	msg.policy_committed = &committed;
	channel_send(ch, &msg);
}

/* As it was signed once: version 1 is the old text. */
static struct signed_policy made(uint64_t number)
{
	struct signed_policy p = {
		.number = number, .time = 1800000000, .author = "alice@mgr1",
		.comment = "no p2p", .text = (char *)(number == 1 ? OLD : GOOD),
	};
	char why[512];

	if (number > 2)
		snprintf(p.comment, sizeof(p.comment), "%s", comment);
	if (signed_policy_sign(&p, key, why, sizeof(why)))
		_exit(2);
	return p;
}

/* Its last byte is changed, as the one of a signature that nobody made. */
static void spoil(struct signed_policy *p)
{
	p->signature[ED25519_SIGNATURE_SIZE - 1] ^= 1;
}

static void send_versions(struct channel *ch, Sockgate__Message *request,
			  enum behaviour behaviour)
{
	Sockgate__PolicyVersions versions = SOCKGATE__POLICY_VERSIONS__INIT;
	Sockgate__PolicyVersion one[16], *list[16];
	struct signed_policy head[16];
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	uint32_t last = request->policy_versions_query->last;

	for (uint64_t number = newest; number && versions.n_version < last && number <= 16; number--) {
		struct signed_policy *h = &head[versions.n_version];
		Sockgate__PolicyVersion *v = &one[versions.n_version];

		*h = made(number);
		h->text = NULL;
		if (behaviour == FORGES_THE_NEWEST)
			spoil(h);
		signed_policy_message(h, NULL, v);
		if (behaviour == DRIVES_THE_TERMINAL)
			v->comment = (char *)"no p2p\033[2J";
		list[versions.n_version++] = v;
	}
	if (behaviour == HAS_A_HUGE_NUMBER)
		one[0].number = INT64_MAX - 1;
	versions.version = list;
	msg.id = request->id;
	msg.body_case = BODY(POLICY_VERSIONS);
	msg.policy_versions = &versions;
	channel_send(ch, &msg);
}

static void send_version(struct channel *ch, Sockgate__Message *request,
			 enum behaviour behaviour)
{
	uint64_t number = request->policy_version_query->number;
	struct signed_policy p;
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	Sockgate__PolicyVersion part;
	size_t sent = 0;

	if (number > newest) {
		send_error(ch, request->id, "there is no such version");
		return;
	}
	p = made(behaviour == GIVES_ANOTHER ? number - 1 : number);
	if (behaviour == FORGES_A_TEXT)
		p.text = (char *)FORGED;
	if (behaviour == FORGES_A_HEAD)
		spoil(&p);
	p.size = strlen(p.text);
	signed_policy_message(&p, &sent, &part);
	msg.id = request->id;
	msg.body_case = BODY(POLICY_VERSION);
	msg.policy_version = &part;
	channel_send(ch, &msg);
}

static void send_servers(struct channel *ch, Sockgate__Message *request,
			 enum behaviour behaviour)
{
	Sockgate__PolicyServers servers = SOCKGATE__POLICY_SERVERS__INIT;
	Sockgate__PolicyServer one[3], *list[3];
	Sockgate__Message msg = SOCKGATE__MESSAGE__INIT;
	static const char *const hosts[] = { "sec1", "sec2", "sec3" };

	/* They answer by and by. */
	asked++;
	for (int i = 0; i < 3; i++) {
		bool current = newest > 2 && i != 1 && asked > 1 + (unsigned int)i &&
			!(i == 2 && behaviour != ALL_APPLY);

		sockgate__policy_server__init(&one[i]);
		one[i].host = (char *)hosts[i];
		one[i].number = current ? newest : 2;
		one[i].state = current ? STATE(CURRENT) : STATE(BEHIND);
		one[i].since = 1800000000;
		one[i].away_since = i == 1 ? 1800000001 : 0;
		list[i] = &one[i];
	}
	if (behaviour == ONE_REFUSES) {
		one[2].state = STATE(REFUSED);
		one[2].refused = newest;
		one[2].reason = (char *)"version 3:7: no\033[2J";
	}
	servers.latest = newest;
	servers.server = list;
	servers.n_server = *request->policy_servers_query->forget ? 2 : 3;
	msg.id = request->id;
	msg.body_case = BODY(POLICY_SERVERS);
	msg.policy_servers = &servers;
	channel_send(ch, &msg);
}

static void answer(struct channel *ch, Sockgate__Message *request, void *arg)
{
	const enum behaviour *behaviour = arg;

	switch (request->body_case) {
	case BODY(POLICY_VERSION):
		take_push(ch, request);
		break;
	case BODY(POLICY_VERSIONS_QUERY):
		send_versions(ch, request, *behaviour);
		break;
	case BODY(POLICY_VERSION_QUERY):
		send_version(ch, request, *behaviour);
		break;
	case BODY(POLICY_SERVERS_QUERY):
		send_servers(ch, request, *behaviour);
		break;
	default:
		send_error(ch, request->id, "what?");
	}
}

static void start_manager(enum behaviour behaviour)
{
	static const struct channel_ops ops = {
		.up = standin_up, .message = answer, .down = standin_down,
	};

	standin_start(&standin, &ops, &behaviour);
}

/* ---- sockgate ---- */

/* @line: words with spaces between; FILE and KEY stand for those.  Returns its status. */
static int run(bool json, const char *line)
{
	char copy[256], *args[16] = { (char *)"sockgate policy" };
	struct options o;
	pid_t pid;
	int from, n = 1;

	if (!standin_begin(&from, &pid))
		return standin_end(&standin, from, pid);
	options_init(&o);
	o.command = &command_policy;
	o.manager_socket = standin.socket;
	o.server_socket = "/nonexistent/x.sock";
	o.json = json;
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word && n < 15; word = strtok(NULL, " ")) {
		if (!strcmp(word, "FILE"))
			word = standin.file;
		else if (!strcmp(word, "KEY"))
			word = key;
		args[n++] = word;
	}
	optind = 0;
	exit(command_policy.run(&o, n, args));
}

static void has(const char *text)
{
	if (!strstr(standin.output, text))
		fail_msg("`%s' has no `%s'", standin.output, text);
}

static json_t *parsed(void)
{
	json_error_t error;
	json_t *json = json_loads(standin.output, 0, &error);

	if (!json)
		fail_msg("`%s': %s", standin.output, error.text);
	return json;
}

/* ---- the tests ---- */

static void a_push_makes_the_next_version(void **state)
{
	(void)state;
	standin_write(&standin, GOOD);
	start_manager(ALL_APPLY);
	assert_int_equal(run(false, "push --key KEY -m why FILE"), RESULT_OK);
	has("version 3 is committed: 0 rules\n");
	has("it goes to 2 of 3 servers now");
	assert_int_equal(run(false, "versions -n 1"), RESULT_OK);
	has("     3  ");
	has("why new");
	/* Another number, if it is asked for. */
	assert_int_equal(run(false, "push --key KEY -m why -N 9 FILE"), RESULT_OK);
	has("version 9 is committed");
}

static void a_push_can_wait_for_all_answers(void **state)
{
	(void)state;
	standin_write(&standin, GOOD);
	start_manager(ALL_APPLY);
	assert_int_equal(run(false, "push --key KEY -m why --wait 20 FILE"), RESULT_OK);
	has("sec1                  applied\n");
	has("sec2                  away\n");
	has("sec3                  applied\n");
}

static void a_server_that_refuses_is_told_with_its_reason(void **state)
{
	const char *result = NULL, *reason = NULL;
	int ok = 1, version = 0;
	json_t *json;

	(void)state;
	standin_write(&standin, GOOD);
	start_manager(ONE_REFUSES);
	assert_int_equal(run(false, "push --key KEY -m why --wait 20 FILE"), RESULT_PARTLY);
	has("sec1                  applied\n");
	has("sec3                  refused: version 3:7: no\\x1b[2J\n");
	assert_int_equal(run(true, "push --key KEY -m why --wait 20 FILE"), RESULT_PARTLY);
	json = parsed();
	assert_int_equal(json_unpack(json, "{s:b, s:i, s:[{}, {}, {s:s, s:s}]}", "ok", &ok,
				     "version", &version, "servers", "result", &result,
				     "reason", &reason), 0);
	assert_false(ok);
	assert_int_equal(version, 4);
	assert_string_equal(result, "refused");
	json_decref(json);
}

/* The version is made; that one has not answered is told, in time. */
static void waiting_ends(void **state)
{
	(void)state;
	standin_write(&standin, GOOD);
	start_manager(ONE_IS_SILENT);
	assert_int_equal(run(false, "push --key KEY -m why --wait 1 FILE"), RESULT_PARTLY);
	has("version 3 is committed");
	has("sec3                  no answer\n");
}

static void a_policy_with_an_error_is_not_pushed(void **state)
{
	json_t *json;

	(void)state;
	standin_write(&standin, WRONG);
	/* Nobody has to listen for that. */
	assert_int_equal(run(true, "push --key KEY -m why FILE"), RESULT_NO);
	json = parsed();
	assert_int_equal(json_integer_value(json_object_get(json, "line")), 2);
	json_decref(json);
	start_manager(ALL_APPLY);
	assert_int_equal(run(false, "push --key KEY -m why FILE"), RESULT_NO);
	assert_int_equal(run(false, "versions -n 1"), RESULT_OK);
	has("     2  ");
}

static void what_cannot_be_signed_is_not_pushed(void **state)
{
	(void)state;
	standin_write(&standin, GOOD);
	start_manager(ALL_APPLY);
	assert_int_equal(run(false, "push --key /nonexistent -m why FILE"), RESULT_NO);
	assert_int_equal(run(false, "push --key KEY FILE"), RESULT_USAGE);
	assert_int_equal(run(false, "push --key KEY -m a\nb FILE"), RESULT_NO);
	assert_int_equal(run(false, "push -m why"), RESULT_USAGE);
	assert_int_equal(run(false, "push --key KEY -m why FILE more"), RESULT_USAGE);
	assert_int_equal(run(false, "versions -n 1"), RESULT_OK);
	has("     2  ");
}

/* A new version with the text of the one before the newest. */
static void rollback_is_a_new_version(void **state)
{
	(void)state;
	start_manager(ALL_APPLY);
	assert_int_equal(run(false, "rollback --key KEY --wait 20"), RESULT_OK);
	has("version 3 is committed: 1 rule\n");
	has("sec1                  applied\n");
	assert_int_equal(run(false, "versions -n 1"), RESULT_OK);
	has("rollback to version 1 old");
	assert_int_equal(run(false, "rollback --key KEY -m because 2"), RESULT_OK);
	has("version 4 is committed: 0 rules\n");
	assert_int_equal(run(false, "versions -n 1"), RESULT_OK);
	has("because new");
	assert_int_equal(run(false, "rollback --key KEY 99"), RESULT_NO);
	assert_int_equal(run(false, "rollback --key KEY -b 900"), RESULT_NO);
	assert_int_equal(run(false, "rollback --key KEY -b 1 2"), RESULT_USAGE);
	assert_int_equal(run(false, "rollback --key KEY x"), RESULT_USAGE);
}

/* Who has the manager, but not the key, must not get a text of his signed by it. */
static void no_lie_is_signed(void **state)
{
	start_manager(*(const enum behaviour *)*state);
	assert_int_equal(run(false, "rollback --key KEY 2"), RESULT_NO);
	assert_int_equal(run(false, "versions -n 1"), RESULT_OK);
	has("     2  ");
}

/* The number that comes next is that of a version which was signed. */
static void no_number_is_believed_unsigned(void **state)
{
	standin_write(&standin, GOOD);
	start_manager(*(const enum behaviour *)*state);
	assert_int_equal(run(true, "push --key KEY -m why FILE"), RESULT_NO);
	has("--number");
	/* Nothing is asked of it then. */
	assert_int_equal(run(false, "push --key KEY -m why -N 3 FILE"), RESULT_OK);
}

/* By the public half of another key nothing is verified, and nothing is made. */
static void halves_that_do_not_belong_together_sign_nothing(void **state)
{
	char other[100], why[512];

	(void)state;
	snprintf(other, sizeof(other), "%s/other", standin.dir);
	unlink(public);
	standin_write(&standin, GOOD);
	start_manager(ALL_APPLY);
	assert_int_equal(run(true, "push --key KEY -m why FILE"), RESULT_NO);
	has("openssl pkey");
	assert_int_equal(ed25519_make(other, public, why, sizeof(why)), 0);
	unlink(other);
	assert_int_equal(run(true, "push --key KEY -m why FILE"), RESULT_NO);
	assert_int_equal(run(true, "rollback --key KEY"), RESULT_NO);
}

static void versions_are_shown(void **state)
{
	json_t *json;

	(void)state;
	start_manager(DRIVES_THE_TERMINAL);
	assert_int_equal(run(false, "show 1"), RESULT_OK);
	assert_string_equal(standin.output, OLD);
	assert_int_equal(run(false, "show 7"), RESULT_NO);
	assert_int_equal(run(false, "versions"), RESULT_OK);
	has("alice@mgr1");
	has("no p2p\\x1b[2J");
	assert_int_equal(run(true, "versions"), RESULT_OK);
	json = parsed();
	assert_int_equal(json_array_size(json), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json, 0),
							    "version")), 2);
	json_decref(json);
}

static void servers_are_told(void **state)
{
	const char *host = NULL, *server_state = NULL, *away = NULL;
	int connected = 1, latest = 0;
	json_t *json;

	(void)state;
	start_manager(ONE_REFUSES);
	assert_int_equal(run(false, "servers"), RESULT_OK);
	has("sec3                  refused   version 2 since");
	has("refuses 2: version 3:7: no\\x1b[2J");
	assert_int_equal(run(true, "servers"), RESULT_OK);
	json = parsed();
	assert_int_equal(json_unpack(json, "{s:i, s:[{}, {s:s, s:s, s:s, s:b}]}", "latest",
				     &latest, "servers", "host", &host, "state",
				     &server_state, "away_since", &away, "connected",
				     &connected), 0);
	assert_int_equal(latest, 2);
	assert_string_equal(host, "sec2");
	assert_string_equal(server_state, "behind");
	assert_string_equal(away, "2027-01-15T08:00:01.000Z");
	assert_false(connected);
	json_decref(json);
	assert_int_equal(run(false, "servers --forget sec3"), RESULT_OK);
	assert_null(strstr(standin.output, "sec3"));
}

static void a_key_is_made_once(void **state)
{
	char line[200], made[100];
	struct stat st;

	(void)state;
	snprintf(made, sizeof(made), "%s/k", standin.dir);
	snprintf(line, sizeof(line), "key --key %s/k/policy.key", standin.dir);
	assert_int_equal(run(false, line), RESULT_OK);
	has("policy.key.pub");
	assert_int_equal(run(false, line), RESULT_NO);
	snprintf(line, sizeof(line), "%s/policy.key", made);
	assert_int_equal(stat(line, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	unlink(line);
	snprintf(line, sizeof(line), "%s/policy.key.pub", made);
	assert_int_equal(unlink(line), 0);
	assert_int_equal(rmdir(made), 0);
}

static int set_up(void **state)
{
	char why[512];

	(void)state;
	if (standin_set_up(&standin))
		return -1;
	snprintf(key, sizeof(key), "%s/key", standin.dir);
	snprintf(public, sizeof(public), "%s.pub", key);
	return ed25519_make(key, public, why, sizeof(why));
}

static int tear_down(void **state)
{
	(void)state;
	unlink(key);
	unlink(public);
	return standin_tear_down(&standin);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define LIE(f, lie) { #f " " #lie, f, set_up, tear_down, &(enum behaviour){ lie } }
	const struct CMUnitTest tests[] = {
		TEST(a_push_makes_the_next_version),
		TEST(a_push_can_wait_for_all_answers),
		TEST(a_server_that_refuses_is_told_with_its_reason),
		TEST(waiting_ends),
		TEST(a_policy_with_an_error_is_not_pushed),
		TEST(what_cannot_be_signed_is_not_pushed),
		TEST(rollback_is_a_new_version),
		LIE(no_lie_is_signed, FORGES_A_TEXT),
		LIE(no_lie_is_signed, FORGES_A_HEAD),
		LIE(no_lie_is_signed, GIVES_ANOTHER),
		LIE(no_number_is_believed_unsigned, FORGES_THE_NEWEST),
		LIE(no_number_is_believed_unsigned, HAS_A_HUGE_NUMBER),
		TEST(halves_that_do_not_belong_together_sign_nothing),
		TEST(versions_are_shown),
		TEST(servers_are_told),
		TEST(a_key_is_made_once),
	};

	return cmocka_run_group_tests_name("versions", tests, NULL, NULL);
}
