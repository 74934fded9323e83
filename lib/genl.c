// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies to a request are queued by the kernel before send(2) returns, so that
 * genl_call() finds them there; if not, it waits in poll(2), for a time.  genl_receive()
 * waits in recv(2): a question that has to come through epoll(7) first costs a
 * seventh more.
 */
#include "genl.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/genetlink.h>

#define RECEIVE_SIZE (64 * 1024)
#define SOCKET_BUFFER (1 << 20)
#define CALL_LIMIT_MS 5000
#define EARLY_MAX 64

/* A question that came while genl_call() waited for something else. */
struct early {
	struct early *next;
	size_t size;
	char data[] __attribute__((aligned(NLMSG_ALIGNTO)));
};

struct genl {
	struct mnl_socket *nl;
	struct early *early, **early_tail;
	unsigned int n_early;
	_Atomic uint32_t next_seq;	/* last used */
	uint32_t seq;		/* the one that transact() waits for */
	bool torn;		/* ... and what came for it does not fit together */
	bool one;		/* a reply is its end: no acknowledgement comes */
	uint16_t family;
	char buf[RECEIVE_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

enum shape {
	SHAPE_NONE,		/* must not come, or is not looked at */
	SHAPE_EXACT,		/* exactly size bytes */
	SHAPE_ARRAY,		/* any number of size bytes */
	SHAPE_STRING,		/* at most size bytes, NUL included and only once */
	SHAPE_BYTES,		/* at most size bytes, whatever they are */
};

#define VERSION_SIZE 128

static const struct {
	enum shape shape;
	size_t size;
} policy[SOCKGATE_A_MAX + 1] = {
	[SOCKGATE_A_ASK] = { SHAPE_EXACT, sizeof(struct sockgate_ask) },
	[SOCKGATE_A_ID] = { SHAPE_EXACT, 8 },
	[SOCKGATE_A_FD] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_GENERATION] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_DEADLINE] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_MAX_PENDING] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_MAX_CACHED] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_MARK_MASK] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_EVENTS] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_FAILURES] = { SHAPE_ARRAY, sizeof(struct sockgate_failure) },
	[SOCKGATE_A_FAILSAFES] = { SHAPE_ARRAY, sizeof(struct sockgate_failsafe) },
	[SOCKGATE_A_AGENT_PID] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_PENDING] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_CACHED] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_SOCKETS] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_PARKED] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_COUNTERS] = { SHAPE_ARRAY, sizeof(uint64_t) },
	[SOCKGATE_A_HOOKS] = { SHAPE_ARRAY, sizeof(uint64_t) },
	[SOCKGATE_A_VERSION_STR] = { SHAPE_STRING, VERSION_SIZE },
	[SOCKGATE_A_MASKS] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_ENTRY] = { SHAPE_EXACT, sizeof(struct sockgate_cached) },
	[SOCKGATE_A_PATH] = { SHAPE_STRING, SOCKGATE_PATH_SIZE },
	[SOCKGATE_A_MOUNTED] = { SHAPE_EXACT, 0 },
	[SOCKGATE_A_FS] = { SHAPE_STRING, SOCKGATE_TYPE_SIZE },
	[SOCKGATE_A_LAYER] = { SHAPE_STRING, SOCKGATE_TYPE_SIZE },
	[SOCKGATE_A_PARENT_PID] = { SHAPE_EXACT, 4 },
	[SOCKGATE_A_PARENT_PATH] = { SHAPE_STRING, SOCKGATE_PATH_SIZE },
	[SOCKGATE_A_ARGUMENTS] = { SHAPE_BYTES, SOCKGATE_ARGUMENTS_SIZE },
};

static bool fits(const struct nlattr *a, unsigned int type)
{
	const char *data = mnl_attr_get_payload(a);
	size_t len = mnl_attr_get_payload_len(a), size = policy[type].size;

	switch (policy[type].shape) {
	case SHAPE_NONE:
		return true;
	case SHAPE_EXACT:
		return len == size;
	case SHAPE_ARRAY:
		return len % size == 0;
	case SHAPE_STRING:
		return len > 0 && len <= size && memchr(data, '\0', len) ==
						 data + len - 1;
	case SHAPE_BYTES:
		return len <= size;
	}
	return false;
}

/* Attributes newer than this program are passed over; known ones must be exact. */
int genl_parse(const struct nlmsghdr *nlh,
	       const struct nlattr *attr[SOCKGATE_A_MAX + 1])
{
	const struct nlattr *a;

	for (unsigned int i = 0; i <= SOCKGATE_A_MAX; i++)
		attr[i] = NULL;
	/* The kernel pads its last attribute too; libmnl relies on it. */
	if (nlh->nlmsg_len % NLMSG_ALIGNTO ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(struct genlmsghdr))
		goto bad;
	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr)) {
		unsigned int type = mnl_attr_get_type(a);

		if (type == SOCKGATE_A_UNSPEC || type > SOCKGATE_A_MAX ||
		    policy[type].shape == SHAPE_NONE)
			continue;
		if (attr[type] || !fits(a, type))
			goto bad;
		attr[type] = a;
	}
	/* The loop ends at the first header that makes no sense. */
	if ((const char *)a < (const char *)mnl_nlmsg_get_payload_tail(nlh))
		goto bad;
	return 0;
bad:
	errno = EBADMSG;
	return -1;
}

/*
 * Reads one datagram into g->buf.  Returns its size, or -1 with errno.
 * @flags: MSG_DONTWAIT, or 0
 */
static ssize_t receive(struct genl *g, int flags)
{
	ssize_t n;

	do {
		n = recv(genl_fd(g), g->buf, sizeof(g->buf), flags | MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n > (ssize_t)sizeof(g->buf)) {
		errno = EBADMSG;
		return -1;
	}
	return n;
}

static bool keep_early(struct genl *g, const struct nlmsghdr *nlh)
{
	struct early *e;

	if (g->n_early == EARLY_MAX)
		return false;
	e = malloc(sizeof(*e) + nlh->nlmsg_len);
	if (!e)
		return false;
	e->next = NULL;
	e->size = nlh->nlmsg_len;
	memcpy(e->data, nlh, nlh->nlmsg_len);
	*g->early_tail = e;
	g->early_tail = &e->next;
	g->n_early++;
	return true;
}

static struct early *take_early(struct genl *g)
{
	struct early *e = g->early;

	if (!e)
		return NULL;
	g->early = e->next;
	if (!g->early)
		g->early_tail = &g->early;
	g->n_early--;
	return e;
}

/*
 * Connected to the kernel, a socket takes nothing from anybody else
 * (netlink_getsockbyportid()), and no message has to be asked who sent it.  What
 * came before is dropped.
 */
static int connect_kernel(struct genl *g)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (connect(genl_fd(g), (const struct sockaddr *)&kernel,
		    sizeof(kernel)))
		return -1;
	while (receive(g, MSG_DONTWAIT) >= 0)
		;
	return errno == EAGAIN ? 0 : -1;
}

static int open_socket(struct genl *g)
{
	int one = 1, size = SOCKET_BUFFER;

	g->nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!g->nl || mnl_socket_bind(g->nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    connect_kernel(g))
		return -1;
	/* Both only make things better: without them it still works. */
	mnl_socket_setsockopt(g->nl, NETLINK_CAP_ACK, &one, sizeof(one));
	if (setsockopt(genl_fd(g), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(genl_fd(g), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return 0;
}

/* Of a request: the kernel's errno; of a dump the same, if it did not come to its end. */
static int read_end(const struct genl *g, const struct nlmsghdr *nlh)
{
	/* What both begin with. */
	const struct nlmsgerr *end = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(end->error)) {
		errno = EBADMSG;
		return -1;
	}
	errno = end->error ? -end->error : g->torn ? EINTR : 0;
	return errno ? -1 : 0;
}

static int read_answer(struct genl *g, const struct nlmsghdr *nlh,
		       int (*cb)(const struct nlmsghdr *nlh, void *arg), void *arg,
		       bool *done)
{
	if (nlh->nlmsg_seq != g->seq || nlh->nlmsg_pid != mnl_socket_get_portid(g->nl)) {
		if (nlh->nlmsg_type == g->family && !keep_early(g, nlh)) {
			errno = ENOBUFS;
			return -1;
		}
		return 0;
	}
	g->torn |= nlh->nlmsg_flags & NLM_F_DUMP_INTR && nlh->nlmsg_flags & NLM_F_MULTI;
	if (nlh->nlmsg_type != NLMSG_ERROR && nlh->nlmsg_type != NLMSG_DONE) {
		*done = g->one;
		return cb ? cb(nlh, arg) : 0;
	}
	*done = true;
	return read_end(g, nlh);
}

static int wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n;

	do {
		n = poll(&p, 1, CALL_LIMIT_MS);
	} while (n < 0 && errno == EINTR);
	if (!n)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : -1;
}

/* Sends, and reads until it is over: acknowledged, answered, or a dump at its end. */
static int transact(struct genl *g, struct nlmsghdr *nlh,
		    int (*cb)(const struct nlmsghdr *nlh, void *arg), void *arg)
{
	bool done = false;
	ssize_t n;
	int rest;

	g->one = !(nlh->nlmsg_flags & (NLM_F_ACK | NLM_F_DUMP));
	g->seq = nlh->nlmsg_seq;
	g->torn = false;
	if (genl_send(g, nlh))
		return -1;
	while (!done) {
		n = receive(g, MSG_DONTWAIT);
		if (n < 0 && (errno != EAGAIN || wait_readable(genl_fd(g))))
			return -1;
		if (n < 0)
			continue;
		rest = (int)n;
		nlh = (struct nlmsghdr *)g->buf;
		for (; mnl_nlmsg_ok(nlh, rest) && !done; nlh = mnl_nlmsg_next(nlh, &rest))
			if (read_answer(g, nlh, cb, arg, &done))
				return -1;
	}
	return 0;
}

static int take_family(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *a;
	uint16_t *family = arg;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID &&
		    !mnl_attr_validate(a, MNL_TYPE_U16))
			*family = mnl_attr_get_u16(a);
	return 0;
}

static int find_family(struct genl *g)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct nlmsghdr *nlh;
	uint16_t family = 0;

	g->family = GENL_ID_CTRL;
	nlh = genl_begin(g, buf, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, SOCKGATE_GENL_NAME);
	if (transact(g, nlh, take_family, &family))
		return -1;
	if (!family) {
		errno = EBADMSG;
		return -1;
	}
	g->family = family;
	return 0;
}

struct genl *genl_open(char *why, size_t why_size)
{
	struct genl *g = calloc(1, sizeof(*g));

	if (!g) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	g->early_tail = &g->early;
	if (open_socket(g))
		snprintf(why, why_size, "cannot open a generic netlink socket: %s",
			 strerror(errno));
	else if (find_family(g))
		snprintf(why, why_size, errno == ENOENT ?
			 "the kernel module sockgate is not loaded; "
			 "run: modprobe sockgate" :
			 "cannot ask for the kernel module sockgate: %s",
			 strerror(errno));
	else
		return g;
	genl_close(g);
	return NULL;
}

void genl_close(struct genl *g)
{
	struct early *e;

	if (!g)
		return;
	while ((e = take_early(g)))
		free(e);
	if (g->nl)
		mnl_socket_close(g->nl);
	free(g);
}

int genl_fd(const struct genl *g)
{
	return mnl_socket_get_fd(g->nl);
}

struct nlmsghdr *genl_begin(struct genl *g, void *buf, uint8_t cmd,
			    uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *head;

	nlh->nlmsg_type = g->family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	/* 0 is what the kernel's own messages carry. */
	nlh->nlmsg_seq = ++g->next_seq;
	if (!nlh->nlmsg_seq)
		nlh->nlmsg_seq = ++g->next_seq;
	head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	head->cmd = cmd;
	head->version = SOCKGATE_GENL_VERSION;
	return nlh;
}

int genl_send(struct genl *g, const struct nlmsghdr *nlh)
{
	ssize_t n;

	do {
		n = send(genl_fd(g), nlh, nlh->nlmsg_len, 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

struct reply {
	genl_reply_fn cb;
	void *arg;
};

static int hand_reply(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr[SOCKGATE_A_MAX + 1];
	const struct reply *reply = arg;

	if (genl_parse(nlh, attr))
		return -1;
	return reply->cb ? reply->cb(attr, reply->arg) : 0;
}

int genl_call(struct genl *g, struct nlmsghdr *nlh, genl_reply_fn cb, void *arg)
{
	struct reply reply = { cb, arg };

	nlh->nlmsg_flags |= NLM_F_ACK;
	return transact(g, nlh, hand_reply, &reply);
}

int genl_get(struct genl *g, struct nlmsghdr *nlh, genl_reply_fn cb, void *arg)
{
	struct reply reply = { cb, arg };

	return transact(g, nlh, hand_reply, &reply);
}

/* Returns 1 for a message handed out, 0 for one that is not for us. */
static int hand_message(struct genl *g, const struct nlmsghdr *nlh,
			genl_message_fn cb, void *arg)
{
	const struct nlattr *attr[SOCKGATE_A_MAX + 1];
	const struct genlmsghdr *head = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != g->family)
		return 0;
	if (genl_parse(nlh, attr) || cb(head->cmd, attr, arg) < 0)
		return -1;
	return 1;
}

static int hand_early(struct genl *g, genl_message_fn cb, void *arg)
{
	struct early *e;
	int total = 0, n;

	while ((e = take_early(g))) {
		n = hand_message(g, (struct nlmsghdr *)e->data, cb, arg);
		free(e);
		if (n < 0)
			return -1;
		total += n;
	}
	return total;
}

int genl_receive(struct genl *g, genl_message_fn cb, void *arg)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)g->buf;
	int total, rest, n;
	ssize_t size;

	total = hand_early(g, cb, arg);
	if (total)
		return total;
	size = receive(g, 0);
	if (size < 0)
		return -1;
	rest = (int)size;
	for (; mnl_nlmsg_ok(nlh, rest); nlh = mnl_nlmsg_next(nlh, &rest)) {
		n = hand_message(g, nlh, cb, arg);
		if (n < 0)
			return -1;
		total += n;
	}
	return total;
}

int genl_wake(struct genl *g)
{
	const struct nlmsghdr nlh = {
		.nlmsg_len = sizeof(nlh),
		.nlmsg_type = NLMSG_NOOP,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
	};

	return genl_send(g, &nlh);
}
