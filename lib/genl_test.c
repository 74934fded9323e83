// SPDX-License-Identifier: GPL-2.0-only
/* The checks on what the kernel says; talking to it is for the guest tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/genetlink.h>

#include "genl.h"

static char buf[8192] __attribute__((aligned(8)));
static const struct nlattr *attr[SOCKGATE_A_MAX + 1];

static struct nlmsghdr *begin(void)
{
	struct nlmsghdr *nlh;
	struct genlmsghdr *head;

	memset(buf, 0, sizeof(buf));
	nlh = mnl_nlmsg_put_header(buf);
	head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	head->cmd = SOCKGATE_CMD_ASK;
	return nlh;
}

static void bad(const struct nlmsghdr *nlh)
{
	errno = 0;
	assert_int_equal(genl_parse(nlh, attr), -1);
	assert_int_equal(errno, EBADMSG);
}

static void whole_message(void **state)
{
	struct sockgate_ask ask = { .id = 7 };
	struct nlmsghdr *nlh = begin();

	(void)state;
	mnl_attr_put(nlh, SOCKGATE_A_ASK, sizeof(ask), &ask);
	mnl_attr_put_u64(nlh, SOCKGATE_A_ID, 42);
	mnl_attr_put_strz(nlh, SOCKGATE_A_VERSION_STR, "0.1.0");
	mnl_attr_put_u32(nlh, SOCKGATE_A_MAX + 7, 1);	/* a newer kernel */
	assert_int_equal(genl_parse(nlh, attr), 0);
	assert_int_equal(mnl_attr_get_u64(attr[SOCKGATE_A_ID]), 42);
	assert_string_equal(mnl_attr_get_str(attr[SOCKGATE_A_VERSION_STR]),
			    "0.1.0");
	assert_memory_equal(mnl_attr_get_payload(attr[SOCKGATE_A_ASK]), &ask,
			    sizeof(ask));
	assert_null(attr[SOCKGATE_A_FD]);
}

static void wrong_sizes(void **state)
{
	static const struct {
		size_t size;
		uint16_t type;
		int result;
	} cases[] = {
		{ 7, SOCKGATE_A_ID, -1 }, { 8, SOCKGATE_A_ID, 0 },
		{ 9, SOCKGATE_A_ID, -1 }, { 0, SOCKGATE_A_ID, -1 },
		{ 4, SOCKGATE_A_FD, 0 }, { 2, SOCKGATE_A_FD, -1 },
		{ sizeof(struct sockgate_ask), SOCKGATE_A_ASK, 0 },
		{ sizeof(struct sockgate_ask) - 1, SOCKGATE_A_ASK, -1 },
		{ sizeof(struct sockgate_ask) + 1, SOCKGATE_A_ASK, -1 },
		{ 0, SOCKGATE_A_COUNTERS, 0 }, { 80, SOCKGATE_A_COUNTERS, 0 },
		{ 81, SOCKGATE_A_COUNTERS, -1 },
		{ sizeof(struct sockgate_failure) * 3, SOCKGATE_A_FAILURES, 0 },
		{ sizeof(struct sockgate_failure) * 3 - 1, SOCKGATE_A_FAILURES, -1 },
		{ 0, SOCKGATE_A_VERSION_STR, -1 },
		{ 0, SOCKGATE_A_PATH, -1 }, { 1, SOCKGATE_A_PATH, 0 },
		{ 2, SOCKGATE_A_PARENT_PATH, -1 },
		{ 0, SOCKGATE_A_MOUNTED, 0 }, { 1, SOCKGATE_A_MOUNTED, -1 },
		{ 8, SOCKGATE_A_PARENT_PID, -1 },
		{ 0, SOCKGATE_A_ARGUMENTS, 0 },
		{ SOCKGATE_ARGUMENTS_SIZE, SOCKGATE_A_ARGUMENTS, 0 },
		{ SOCKGATE_ARGUMENTS_SIZE + 1, SOCKGATE_A_ARGUMENTS, -1 },
	};
	static const char zeros[SOCKGATE_ARGUMENTS_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *nlh = begin();

		mnl_attr_put(nlh, cases[i].type, cases[i].size, zeros);
		if (genl_parse(nlh, attr) != cases[i].result)
			fail_msg("attribute %u of %zu bytes", cases[i].type,
				 cases[i].size);
	}
}

static void strings(void **state)
{
	struct nlmsghdr *nlh = begin();
	char longest[129] = { 0 };

	(void)state;
	memset(longest, 'v', 127);
	mnl_attr_put(nlh, SOCKGATE_A_VERSION_STR, 4, "curl");	/* no NUL */
	bad(nlh);
	nlh = begin();
	mnl_attr_put(nlh, SOCKGATE_A_VERSION_STR, 5, "cu\0l");	/* two of them */
	bad(nlh);
	nlh = begin();
	mnl_attr_put_strz(nlh, SOCKGATE_A_VERSION_STR, longest);
	assert_int_equal(genl_parse(nlh, attr), 0);
	nlh = begin();
	longest[127] = 'v';
	mnl_attr_put_strz(nlh, SOCKGATE_A_VERSION_STR, longest);
	bad(nlh);
}

static void twice(void **state)
{
	struct nlmsghdr *nlh = begin();

	(void)state;
	mnl_attr_put_u64(nlh, SOCKGATE_A_ID, 1);
	mnl_attr_put_u64(nlh, SOCKGATE_A_ID, 2);
	bad(nlh);
}

static void cut_at_every_byte(void **state)
{
	struct nlmsghdr *nlh = begin();
	uint32_t size;

	(void)state;
	mnl_attr_put_u64(nlh, SOCKGATE_A_ID, 1);
	mnl_attr_put_u32(nlh, SOCKGATE_A_FD, 1);
	size = nlh->nlmsg_len;
	for (uint32_t cut = sizeof(*nlh); cut < size; cut++) {
		char *exact = malloc(MNL_ALIGN(cut));
		int rc;

		/* The sanitizer watches the end of it. */
		assert_non_null(exact);
		memcpy(exact, buf, cut);
		((struct nlmsghdr *)exact)->nlmsg_len = cut;
		rc = genl_parse((struct nlmsghdr *)exact, attr);
		assert_true(rc == -1 || (cut % 4 == 0 && !attr[SOCKGATE_A_FD]));
		free(exact);
	}
	nlh->nlmsg_len = sizeof(*nlh) + 2;
	bad(nlh);
}

static void attribute_longer_than_message(void **state)
{
	struct nlmsghdr *nlh = begin();
	struct nlattr *a = mnl_nlmsg_get_payload_tail(nlh);

	(void)state;
	mnl_attr_put_u64(nlh, SOCKGATE_A_ID, 1);
	a->nla_len = 400;
	bad(nlh);
	a->nla_len = 3;		/* shorter than its own head */
	bad(nlh);
}

static void no_module(void **state)
{
	char why[256] = "";
	struct genl *g = genl_open(why, sizeof(why));

	(void)state;
	if (g) {
		genl_close(g);
		skip();
	}
	assert_true(strlen(why) > 0);
	assert_non_null(strstr(why, "sockgate is not loaded; run: modprobe sockgate"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_message),
		cmocka_unit_test(wrong_sizes),
		cmocka_unit_test(strings),
		cmocka_unit_test(twice),
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(attribute_longer_than_message),
		cmocka_unit_test(no_module),
	};

	return cmocka_run_group_tests_name("genl", tests, NULL, NULL);
}
