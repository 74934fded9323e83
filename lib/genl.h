/* SPDX-License-Identifier: GPL-2.0-only */
/* Talking to sockgate.ko: one generic-netlink socket, on libmnl. */
#ifndef SOCKGATE_GENL_H
#define SOCKGATE_GENL_H

#include <stddef.h>
#include <stdint.h>
#include <linux/sockgate.h>
#include <libmnl/libmnl.h>

struct genl;

/*
 * genl_open - open a socket to the module
 * @why: on failure a sentence: module not loaded, no privilege, ...
 * Returns NULL on failure.
 */
struct genl *genl_open(char *why, size_t why_size);
void genl_close(struct genl *g);
int genl_fd(const struct genl *g);

/*
 * genl_begin - start a message in @buf (zeroed, 4-byte aligned, with room for
 *              all that the caller puts into it)
 * @flags: NLM_F_* besides NLM_F_REQUEST
 */
struct nlmsghdr *genl_begin(struct genl *g, void *buf, uint8_t cmd,
			    uint16_t flags);

/* Send without waiting for anything.  Returns 0, or -1 with errno. */
int genl_send(struct genl *g, const struct nlmsghdr *nlh);

/*
 * genl_call - send with NLM_F_ACK and wait for replies and acknowledgement
 * @cb:  called for each reply with its attributes by number (NULL: absent,
 *       index up to SOCKGATE_A_MAX); may be NULL
 * Only for a socket that is not registered for questions; the REGISTER that
 * makes it one may be called.  A question that arrives before its
 * acknowledgement is kept for genl_receive().  Returns 0, or -1 with errno as the kernel gave it, or
 * ETIMEDOUT, EBADMSG, ENOBUFS.
 *
 * With NLM_F_DUMP among its flags it is a dump, which ends by itself: EINTR if what
 * came does not fit together, and should be asked for again.
 *
 * Attributes handed to a callback have the size that the contract says, strings
 * end with their only NUL, and none comes twice.  Arrays are packed structures
 * at 4-byte alignment: memcpy() elements out of them.
 */
typedef int (*genl_reply_fn)(const struct nlattr *const attr[], void *arg);
int genl_call(struct genl *g, struct nlmsghdr *nlh, genl_reply_fn cb, void *arg);

/*
 * genl_get - send, and wait for the one reply
 * For what the kernel answers by one message, or an error: no acknowledgement has to
 * be made, sent and read after it.  For the rest as genl_call().
 */
int genl_get(struct genl *g, struct nlmsghdr *nlh, genl_reply_fn cb, void *arg);

/*
 * genl_receive - wait for something to come, and hand out each message
 * @cb:  gets the command and the attributes; a malformed message is counted by
 *       the caller through a return of -1 from here with errno EBADMSG
 * Waits as long as it takes.  A callback that returns less than 0 ends it, with
 * -1 and its errno.  Errors that the kernel returns for messages sent without
 * waiting are passed over.  Other threads may send meanwhile.
 * Returns the number of messages, -1 with errno (ENOBUFS: the kernel dropped
 * messages for us).
 */
typedef int (*genl_message_fn)(uint8_t cmd, const struct nlattr *const attr[],
			       void *arg);
int genl_receive(struct genl *g, genl_message_fn cb, void *arg);

/* Makes genl_receive() return, in another thread.  Returns 0, or -1 with errno. */
int genl_wake(struct genl *g);

/*
 * genl_parse - check one message and find its attributes
 * @nlh: whole, mnl_nlmsg_ok() said so
 * What both of the above do with each message.  Returns 0, or -1 with EBADMSG.
 */
int genl_parse(const struct nlmsghdr *nlh,
	       const struct nlattr *attr[SOCKGATE_A_MAX + 1]);

#endif
