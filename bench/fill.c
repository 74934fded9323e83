// SPDX-License-Identifier: GPL-2.0-only
/*
 * fill COUNT MASKS - an agent that gives the module so many verdicts to remember,
 * under so many masks, and then allows whatever else is asked, by its protocol
 *
 * A child of it asks, by connecting a datagram socket to one destination after the
 * other in 127/8.  Says "filled COUNT" when all are answered.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "genl.h"

#define COUNT_MAX 1000000
#define MASKS_MAX 15	/* of the kernel's 16; one is for those who are measured */
#define PORTS 60000	/* in one net of /16 */

struct fill {
	struct genl *genl;
	unsigned int count, masks, answered;
	pid_t child;
};

/* Where the verdict of that number is for. */
static struct sockaddr_in place(unsigned int n)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)(1 + n % PORTS)),
		.sin_addr.s_addr = htonl(0x7f000001U + ((1 + n / PORTS) << 16)),
	};
}

/*
 * The longest prefix that a mask has is 32, the shortest keeps the nets apart; the last
 * mask looks at everything.
 */
static void choose_mask(struct sockgate_answer *a, unsigned int which)
{
	a->fields = SOCKGATE_F_RADDR | SOCKGATE_F_RPORT;
	a->rprefix = (uint8_t)(32 - which);
	if (which < MASKS_MAX - 1)
		return;
	a->fields = SOCKGATE_F_ALL;
	a->lprefix = a->rprefix = 128;
}

static int answer(struct fill *f, const struct sockgate_ask *ask)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct nlmsghdr *nlh = genl_begin(f->genl, buf, SOCKGATE_CMD_ANSWER, 0);
	struct sockgate_answer a = {
		.id = ask->id,
		.action = SOCKGATE_ACTION_ALLOW,
		.lifetime_ms = INT_MAX,
		.fields = SOCKGATE_F_PROTOCOL,
	};

	if ((pid_t)ask->process.pid == f->child)
		choose_mask(&a, f->answered++ % f->masks);
	mnl_attr_put(nlh, SOCKGATE_A_ANSWER, sizeof(a), &a);
	return genl_send(f->genl, nlh);
}

static int take(uint8_t cmd, const struct nlattr *const attr[], void *arg)
{
	struct sockgate_ask ask;
	struct fill *f = arg;

	if (cmd != SOCKGATE_CMD_ASK || !attr[SOCKGATE_A_ASK])
		return 0;
	memcpy(&ask, mnl_attr_get_payload(attr[SOCKGATE_A_ASK]), sizeof(ask));
	if (answer(f, &ask))
		return -1;
	if (f->answered == f->count && f->child > 0) {
		f->child = 0;
		printf("filled %u\n", f->count);
		fflush(stdout);
	}
	return 0;
}

static void ask_all(const struct fill *f)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int n = 0; n < f->count; n++) {
		struct sockaddr_in to = place(n);

		if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
			err(1, "connect");
	}
	exit(0);
}

static pid_t start_asking(const struct fill *f)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	/* Or it would be the agent's as well. */
	close(genl_fd(f->genl));
	ask_all(f);
	return 0;
}

int main(int argc, char **argv)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 }, why[256];
	struct fill f = { 0 };

	if (argc != 3)
		errx(2, "usage: fill COUNT MASKS");
	f.count = (unsigned int)strtoul(argv[1], NULL, 10);
	f.masks = (unsigned int)strtoul(argv[2], NULL, 10);
	if (!f.count || f.count > COUNT_MAX || !f.masks || f.masks > MASKS_MAX)
		errx(2, "from 1 to %d verdicts, from 1 to %d masks", COUNT_MAX, MASKS_MAX);
	f.genl = genl_open(why, sizeof(why));
	if (!f.genl)
		errx(1, "%s", why);
	if (genl_call(f.genl, genl_begin(f.genl, buf, SOCKGATE_CMD_REGISTER, 0), NULL,
		      NULL))
		err(1, "register");
	f.child = start_asking(&f);
	while (genl_receive(f.genl, take, &f) >= 0)
		;
	err(1, "receive");
}
