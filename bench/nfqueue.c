// SPDX-License-Identifier: GPL-2.0-only
/*
 * The least that a firewall on NFQUEUE can do: accept every packet, one verdict
 * each, the packet itself not copied.
 *
 *	nfqueue NUMBER
 *
 * Prints "ready" when the queue is bound, and the number of packets accepted
 * when it is ended by SIGTERM.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static uint64_t accepted;
static volatile sig_atomic_t ended;

static void end(int sig)
{
	(void)sig;
	ended = 1;
}

static int packet(struct nfq_q_handle *queue, struct nfgenmsg *msg,
		  struct nfq_data *data, void *arg)
{
	const struct nfqnl_msg_packet_hdr *head = nfq_get_msg_packet_hdr(data);

	(void)msg;
	(void)arg;
	if (!head)
		return -1;
	accepted++;
	return nfq_set_verdict(queue, ntohl(head->packet_id), NF_ACCEPT, 0, NULL);
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = end };	/* no SA_RESTART */
	char buf[8192] __attribute__((aligned));
	struct nfq_q_handle *queue;
	struct nfq_handle *h;
	int n;

	if (argc != 2)
		errx(2, "usage: nfqueue NUMBER");
	sigaction(SIGTERM, &action, NULL);
	h = nfq_open();
	queue = h ? nfq_create_queue(h, (uint16_t)atoi(argv[1]), packet, NULL) : NULL;
	if (!queue || nfq_set_mode(queue, NFQNL_COPY_META, 0) < 0)
		err(1, "queue %s", argv[1]);
	puts("ready");
	fflush(stdout);
	while (!ended) {
		n = (int)recv(nfq_fd(h), buf, sizeof(buf), 0);
		if (n > 0)
			nfq_handle_packet(h, buf, n);
		else if (errno != EINTR)
			err(1, "recv");
	}
	printf("accepted %" PRIu64 "\n", accepted);
	nfq_destroy_queue(queue);
	nfq_close(h);
	return 0;
}
