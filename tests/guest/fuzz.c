// SPDX-License-Identifier: GPL-2.0-only
/*
 * A message begins right for its command and is spoilt here and there, so that most
 * of it is understood and the checks behind the first are reached.  The header keeps
 * its type, or it would speak to another family, and the flags that make the kernel
 * answer it.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <linux/genetlink.h>

#define HEADERS (NLMSG_HDRLEN + GENL_HDRLEN)
#define CONTENT_MAX 8192U	/* bytes of an attribute */

static uint64_t draw(struct fuzz *f)
{
	/* xorshift64*, by Marsaglia and Vigna */
	f->random ^= f->random >> 12;
	f->random ^= f->random << 25;
	f->random ^= f->random >> 27;
	return f->random * 2685821657736338717ULL;
}

uint32_t fuzz_draw(struct fuzz *f, uint32_t n)
{
	return (uint32_t)((draw(f) >> 32) * n >> 32);
}

static bool one_in(struct fuzz *f, uint32_t n)
{
	return !fuzz_draw(f, n);
}

struct fuzz fuzz_begin(uint64_t seed, unsigned int who, uint16_t family,
		       struct fuzz_seen *seen)
{
	struct fuzz f = {
		.seen = seen,
		.random = seed * 2654435761U + who + 1,
		.family = family,
	};
	int i;

	f.random = f.random ?: 1;
	/* What differs in few bits has to differ in all. */
	for (i = 0; i < 16; i++)
		draw(&f);
	return f;
}

void fuzz_note(struct fuzz *f, uint64_t id)
{
	f->seen->id[f->seen->next++ % FUZZ_IDS] = id;
}

/* ---- values -------------------------------------------------------------------- */

static uint64_t some_id(struct fuzz *f)
{
	switch (fuzz_draw(f, 16)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return draw(f);
	case 3:
		return f->seen->id[0] + fuzz_draw(f, 8);
	}
	return f->seen->id[fuzz_draw(f, FUZZ_IDS)];
}

/* At, around and far beyond a bound, or well within. */
static uint32_t around(struct fuzz *f, uint32_t bound)
{
	switch (fuzz_draw(f, 10)) {
	case 0:
		return 0;
	case 1:
		return UINT32_MAX;
	case 2:
		return 1U << fuzz_draw(f, 32);
	case 3:
		return (uint32_t)draw(f);
	case 4:
		return bound;
	case 5:
		return bound + 1;
	case 6:
		return 1;
	}
	return fuzz_draw(f, bound ?: 2);
}

static uint32_t some_generation(struct fuzz *f)
{
	uint32_t now = f->seen->generation;

	return one_in(f, 4) ? around(f, now) : now;
}

static uint32_t some_error(struct fuzz *f)
{
	static const uint32_t errors[] = {
		EACCES, EPERM, ECONNREFUSED, EACCES, EPERM, ECONNREFUSED,
		0, EINTR, 512, 65535, EACCES + 65536U, (uint32_t)-EACCES,
	};

	return errors[fuzz_draw(f, sizeof(errors) / sizeof(errors[0]))];
}

/* A small number, and rarely any byte. */
static uint8_t byte_to(struct fuzz *f, uint8_t most)
{
	return (uint8_t)(one_in(f, 12) ? draw(f) : fuzz_draw(f, most + 1U));
}

static struct sockgate_answer right_answer(struct fuzz *f, uint64_t id)
{
	return (struct sockgate_answer){
		.id = id,
		.lifetime_ms = one_in(f, 2) ? 0 : fuzz_draw(f, 100000),
		.generation = f->seen->generation,
		.fields = fuzz_draw(f, SOCKGATE_F_ALL + 1),
		.error = EACCES,
		.action = one_in(f, 4) ? SOCKGATE_ACTION_DENY :
			  SOCKGATE_ACTION_ALLOW,
		.lprefix = (uint8_t)fuzz_draw(f, 129),
		.rprefix = (uint8_t)fuzz_draw(f, 129),
	};
}

static size_t answer(struct fuzz *f, void *out)
{
	struct sockgate_answer a = right_answer(f, some_id(f));

	if (one_in(f, 3))
		a.action = byte_to(f, SOCKGATE_ACTION_MAX + 1);
	if (one_in(f, 3))
		a.reason = byte_to(f, SOCKGATE_REASON_MAX + 1);
	if (one_in(f, 4))
		a.error = some_error(f);
	if (one_in(f, 4))
		a.lifetime_ms = around(f, 0x7fffffffU);
	if (one_in(f, 4))
		a.generation = some_generation(f);
	if (one_in(f, 4))
		a.fields = around(f, SOCKGATE_F_ALL);
	if (one_in(f, 4))
		a.tag = around(f, 0xff);
	if (one_in(f, 8))
		a.lprefix = a.rprefix = (uint8_t)draw(f);
	memcpy(out, &a, sizeof(a));
	return sizeof(a);
}

static size_t failures(struct fuzz *f, void *out)
{
	uint32_t i, n = fuzz_draw(f, one_in(f, 16) ? 1000 : 6);
	struct sockgate_failure *row = out;

	for (i = 0; i < n; i++)
		row[i] = (struct sockgate_failure){
			.reason = (uint8_t)(1 + byte_to(f, SOCKGATE_REASON_MAX - 1)),
			.action = (uint8_t)(1 + byte_to(f, SOCKGATE_ACTION_DENY - 1)),
			.error = one_in(f, 8) ? (uint16_t)some_error(f) : EPERM,
		};
	return n * sizeof(*row);
}

static struct sockgate_failsafe failsafe(struct fuzz *f)
{
	struct sockgate_failsafe s = {
		.events = 1U << fuzz_draw(f, __SOCKGATE_EVENT_MAX),
		.uid = around(f, 65534),
		.family = one_in(f, 2) ? 2 /* AF_INET */ : 10 /* AF_INET6 */,
		.prefix = (uint8_t)fuzz_draw(f, 33),
		.rport_max = (uint16_t)draw(f),
		.addr = { 192, 0, 2, 1 },
	};

	if (!one_in(f, 8))
		return s;
	s.events = around(f, 1U << SOCKGATE_EVENT_MAX);
	s.family = byte_to(f, 64);
	s.protocol = (uint8_t)draw(f);
	s.prefix = (uint8_t)draw(f);
	s.lport_min = (uint16_t)draw(f);
	s.exe.ino = draw(f);
	return s;
}

static size_t failsafes(struct fuzz *f, void *out)
{
	static const uint32_t many[] = {
		SOCKGATE_MAX_FAILSAFES, SOCKGATE_MAX_FAILSAFES + 1, 100,
	};
	uint32_t i, n = one_in(f, 16) ? many[fuzz_draw(f, 3)] : fuzz_draw(f, 5);
	struct sockgate_failsafe one = failsafe(f);

	/* Many differ in nothing: what is wrong in one was among few. */
	for (i = 0; i < n; i++) {
		memcpy((char *)out + i * sizeof(one), &one, sizeof(one));
		if (n < SOCKGATE_MAX_FAILSAFES)
			one = failsafe(f);
	}
	return n * sizeof(one);
}

static size_t number(void *out, uint32_t value)
{
	memcpy(out, &value, sizeof(value));
	return sizeof(value);
}

static size_t long_number(void *out, uint64_t value)
{
	memcpy(out, &value, sizeof(value));
	return sizeof(value);
}

static size_t any_bytes(struct fuzz *f, void *out)
{
	uint32_t i, n = fuzz_draw(f, 64);

	for (i = 0; i < n; i++)
		((uint8_t *)out)[i] = (uint8_t)draw(f);
	return n;
}

/* ---- attributes ---------------------------------------------------------------- */

static size_t content(struct fuzz *f, unsigned int type, void *out)
{
	switch (type) {
	case SOCKGATE_A_ANSWER:
		return answer(f, out);
	case SOCKGATE_A_ID:
		return long_number(out, some_id(f));
	case SOCKGATE_A_GENERATION:
		return number(out, some_generation(f));
	case SOCKGATE_A_DEADLINE:
		return number(out, around(f, 100000));
	case SOCKGATE_A_MAX_PENDING:
		return number(out, around(f, 65536));
	case SOCKGATE_A_MAX_CACHED:
		return number(out, around(f, 1048576));
	case SOCKGATE_A_MARK_MASK:
		return number(out, around(f, 0xff));
	case SOCKGATE_A_EVENTS:
		return number(out, around(f, UINT32_MAX) &
			      (one_in(f, 4) ? UINT32_MAX :
			       SOCKGATE_EVENTS_OPTIONAL));
	case SOCKGATE_A_FAILURES:
		return failures(f, out);
	case SOCKGATE_A_FAILSAFES:
		return failsafes(f, out);
	}
	return any_bytes(f, out);
}

static struct nlattr *tail(struct nlmsghdr *nlh)
{
	return (struct nlattr *)((char *)nlh + nlh->nlmsg_len);
}

static uint16_t spoilt_type(struct fuzz *f, unsigned int type)
{
	switch (fuzz_draw(f, 24)) {
	case 0:
		return (uint16_t)fuzz_draw(f, SOCKGATE_A_MAX + 3);
	case 1:
		return (uint16_t)(type | NLA_F_NESTED);
	case 2:
		return (uint16_t)(type | NLA_F_NET_BYTEORDER);
	case 3:
		return (uint16_t)draw(f);
	}
	return (uint16_t)type;
}

static size_t spoilt_size(struct fuzz *f, char *at, size_t size)
{
	uint32_t most = 2 * (uint32_t)size + 8, n;

	if (!one_in(f, 24))
		return size;
	n = fuzz_draw(f, most < CONTENT_MAX ? most : CONTENT_MAX);
	/* Not what an earlier message left there. */
	if (n > size)
		memset(at + size, (int)(f->random & 0xff), n - size);
	return n;
}

/* One that may say of itself what is not so. */
static void put(struct fuzz *f, struct nlmsghdr *nlh, unsigned int type)
{
	struct nlattr *a = tail(nlh);
	char *at = (char *)a + NLA_HDRLEN;
	size_t size;

	if (nlh->nlmsg_len + NLA_HDRLEN + CONTENT_MAX > FUZZ_MESSAGE_MAX)
		return;
	size = spoilt_size(f, at, content(f, type, at));
	a->nla_type = spoilt_type(f, type);
	a->nla_len = (uint16_t)(NLA_HDRLEN + size);
	nlh->nlmsg_len += (uint32_t)NLA_ALIGN(NLA_HDRLEN + size);
	if (one_in(f, 48))
		a->nla_len = (uint16_t)(one_in(f, 2) ? draw(f) : fuzz_draw(f, 8));
}

/* An attribute with attributes in it. */
static void put_nest(struct fuzz *f, struct nlmsghdr *nlh)
{
	struct nlattr *nest = tail(nlh);
	uint32_t begin = nlh->nlmsg_len, i, n = fuzz_draw(f, 3);

	nest->nla_type = (uint16_t)(fuzz_draw(f, SOCKGATE_A_MAX + 1) |
				    NLA_F_NESTED);
	nlh->nlmsg_len += NLA_HDRLEN;
	for (i = 0; i < n; i++)
		put(f, nlh, SOCKGATE_A_ID + fuzz_draw(f, 3));
	nest->nla_len = (uint16_t)(nlh->nlmsg_len - begin);
}

static const uint8_t of_config[] = {
	SOCKGATE_A_DEADLINE, SOCKGATE_A_MAX_PENDING, SOCKGATE_A_MAX_CACHED,
	SOCKGATE_A_MARK_MASK, SOCKGATE_A_EVENTS, SOCKGATE_A_FAILURES,
	SOCKGATE_A_FAILSAFES,
};

static void put_config(struct fuzz *f, struct nlmsghdr *nlh)
{
	uint32_t n = 1 + fuzz_draw(f, 2);

	/* Few: with more of them one is likely to be wrong. */
	while (n--)
		put(f, nlh, of_config[fuzz_draw(f, sizeof(of_config))]);
}

static void put_own(struct fuzz *f, struct nlmsghdr *nlh, uint8_t cmd)
{
	if (cmd == SOCKGATE_CMD_ANSWER)
		put(f, nlh, SOCKGATE_A_ANSWER);
	else if (cmd == SOCKGATE_CMD_OPEN_EXE)
		put(f, nlh, SOCKGATE_A_ID);
	else if (cmd == SOCKGATE_CMD_SET_GENERATION)
		put(f, nlh, SOCKGATE_A_GENERATION);
	else if (cmd == SOCKGATE_CMD_SET_CONFIG)
		put_config(f, nlh);
}

static void put_more(struct fuzz *f, struct nlmsghdr *nlh)
{
	if (one_in(f, 16))
		put(f, nlh, fuzz_draw(f, SOCKGATE_A_MAX + 2));
	if (one_in(f, 32))
		put_nest(f, nlh);
}

/* ---- messages ------------------------------------------------------------------ */

static struct nlmsghdr *begin(struct fuzz *f, void *buf, uint32_t seq, uint8_t cmd)
{
	struct genlmsghdr *head = (struct genlmsghdr *)((char *)buf + NLMSG_HDRLEN);
	struct nlmsghdr *nlh = buf;

	*nlh = (struct nlmsghdr){
		.nlmsg_len = HEADERS,
		.nlmsg_type = f->family,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		.nlmsg_seq = seq,
	};
	*head = (struct genlmsghdr){
		.cmd = cmd,
		.version = SOCKGATE_GENL_VERSION,
	};
	return nlh;
}

static uint8_t some_cmd(struct fuzz *f)
{
	static const uint8_t often[] = {
		SOCKGATE_CMD_ANSWER, SOCKGATE_CMD_ANSWER, SOCKGATE_CMD_ANSWER,
		SOCKGATE_CMD_SET_CONFIG, SOCKGATE_CMD_SET_CONFIG,
		SOCKGATE_CMD_OPEN_EXE, SOCKGATE_CMD_OPEN_EXE,
		SOCKGATE_CMD_SET_GENERATION, SOCKGATE_CMD_REGISTER,
	};

	if (one_in(f, 24))
		return SOCKGATE_CMD_GET_STATUS;
	if (one_in(f, 32))
		return (uint8_t)draw(f);
	return often[fuzz_draw(f, sizeof(often))];
}

/* Bits of what stands behind the first header, whatever it is. */
static void flip(struct fuzz *f, struct nlmsghdr *nlh)
{
	uint32_t n = 1 + fuzz_draw(f, 6), room = nlh->nlmsg_len - NLMSG_HDRLEN;
	uint8_t *bytes = (uint8_t *)nlh + NLMSG_HDRLEN;

	while (room && n--)
		bytes[fuzz_draw(f, room)] ^= (uint8_t)(1U << fuzz_draw(f, 8));
}

static void cut(struct fuzz *f, struct nlmsghdr *nlh)
{
	nlh->nlmsg_len -= fuzz_draw(f, nlh->nlmsg_len - NLMSG_HDRLEN + 1);
}

static size_t end(struct nlmsghdr *nlh)
{
	return NLMSG_ALIGN(nlh->nlmsg_len);
}

size_t fuzz_message(struct fuzz *f, void *buf, uint32_t seq)
{
	uint8_t cmd = some_cmd(f);
	struct nlmsghdr *nlh = begin(f, buf, seq, cmd);

	if (!one_in(f, 32))
		put_own(f, nlh, cmd);
	if (one_in(f, 32))
		put_own(f, nlh, cmd);
	put_more(f, nlh);
	if (one_in(f, 12))
		flip(f, nlh);
	if (one_in(f, 32))
		cut(f, nlh);
	if (one_in(f, 32))
		nlh->nlmsg_flags |= (uint16_t)draw(f);
	return end(nlh);
}

size_t fuzz_answer(struct fuzz *f, void *buf, uint32_t seq, uint64_t id)
{
	struct nlmsghdr *nlh = begin(f, buf, seq, SOCKGATE_CMD_ANSWER);
	const struct sockgate_answer a = right_answer(f, id);
	struct nlattr *attr = tail(nlh);

	attr->nla_type = SOCKGATE_A_ANSWER;
	attr->nla_len = NLA_HDRLEN + sizeof(a);
	memcpy((char *)attr + NLA_HDRLEN, &a, sizeof(a));
	nlh->nlmsg_len += attr->nla_len;
	return end(nlh);
}

void fuzz_lie(struct fuzz *f, struct nlmsghdr *nlh)
{
	if (one_in(f, 2))
		nlh->nlmsg_len = fuzz_draw(f, NLMSG_HDRLEN);
	else
		nlh->nlmsg_len = end(nlh) + 1 + (uint32_t)(draw(f) & 0x7fffffff);
}
