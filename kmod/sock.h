/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known of a socket: whose it is, and where it may send. */
#ifndef SOCKGATE_SOCK_H
#define SOCKGATE_SOCK_H

#include <linux/atomic.h>
#include <linux/list_nulls.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "event.h"

struct file;
struct net;
struct sk_buff;
struct sock;

/* How good a permission is.  Zero is none. */
enum sg_grant {
	SG_GRANT_NONE = 0,
	SG_GRANT_VERDICT = 1,	/* somebody decided so */
	SG_GRANT_FAILURE = 2,	/* the failure table did, for some seconds */
	SG_GRANT_NO_AGENT = 3,	/* ... and good until there is an agent */
	SG_GRANT_FAILSAFE = 4,	/* the failsafe list names it */
};

/*
 * @node and @sk are the table's; @peer is of whoever holds the
 * socket's lock.  @granted, @standing, @stood, @tag, @lapses, @until, @exempt,
 * @accepted, @reading, @refused and @reviewed are read and written without a lock,
 * each for itself.  @lock covers the rest.
 */
struct sg_sock {
	u64 granted;		/* a remote it may send to, and how good that is;
				 * of what passes by the gate: that it is open
				 */
	u32 tag;		/* of the last verdict */
	u8 standing;		/* enum sg_grant, of an open TCP connection */
	bool exempt;		/* the agent's own */
	bool accepted;		/* made by a listener, which was judged */
	bool reading;		/* a reader will be woken by the verdict */
	u16 refused;		/* errno: what its peer sent is not to be read */
	bool stood;		/* the connection was let go on, by whichever policy */
	bool early;		/* older than the end of the call that made sk */
	u32 reviewed;		/* the generation that sk was judged again under */
	struct sg_remote peer;	/* that it stands for; no family: as a listener's */
	unsigned long lapses;	/* jiffies, of SG_GRANT_FAILURE */
	unsigned long until;	/* jiffies: when the verdict that granted expires */
	atomic_t arrivals;	/* packets for it that wait */
	refcount_t refs;	/* the table's, and one of each that follows */
	struct sg_sock *leader;	/* whose owner is this one's; or NULL */
	struct file *exe;	/* what the owner runs; may be NULL */
	spinlock_t lock;	/* what stands before it is cleared in a new one */
	struct hlist_nulls_node node;
	const struct sock *sk;	/* NULL: in no bucket */
	struct sg_key owner;	/* who, and the local address as it was bound */
};

int sg_sock_init(void);
void sg_sock_exit(void);

struct sg_sock *sg_sock_find(const struct sock *sk);
struct sg_sock *sg_sock_add(struct sock *sk, const struct sg_key *owner,
			    struct file *exe, gfp_t gfp);
struct sg_sock *sg_sock_begin(struct sock *sk);
void sg_sock_follow(struct sock *sk, struct sock *leader);
struct sg_sock *sg_sock_follow_late(const struct sock *sk,
				    const struct sock *leader);
void sg_sock_inherit(const struct sock *parent, const struct sock *child,
		     bool taken);
void sg_sock_drop(const struct sock *sk);
struct sock *sg_sock_of_segment(struct net *net, const struct sk_buff *skb,
				u8 family);
u32 sg_sock_count(void);

struct sock *sg_sock_next(unsigned long *at, u32 generation);

bool sg_sock_owned_by(const struct sg_sock *rec, const struct sg_key *key);
void sg_sock_own(struct sg_sock *rec, const struct sg_key *key);
bool sg_sock_adopt(struct sg_sock *rec, const struct sg_key *key);
struct file *sg_sock_owner(struct sg_sock *rec, struct sg_key *key);

void sg_sock_grant(struct sg_sock *rec, const struct sg_key *key, u32 tag,
		   enum sg_grant how, u32 generation, unsigned long until);
enum sg_grant sg_sock_granted(const struct sg_sock *rec,
			      const struct sg_key *key);
/**
 * sg_sock_remote() - the remote of a key
 * @key: of an event
 * @to:  filled in
 */
static inline void sg_sock_remote(const struct sg_key *key,
				  struct sg_remote *to)
{
	memcpy(to->addr, &key->raddr, sizeof(to->addr));
	to->port = key->rport;
	to->family = key->family;
	to->protocol = key->protocol;
}

enum sg_grant sg_sock_may_listen(const struct sg_sock *rec,
				 const struct sock *sk);
bool sg_sock_may_send(const struct sg_sock *rec, const struct sg_remote *to,
		      u32 generation);
enum sg_grant sg_sock_standing(const struct sg_sock *rec);
bool sg_sock_good(enum sg_grant how);
void sg_sock_stand(struct sg_sock *rec, const struct sg_remote *peer,
		   enum sg_grant how);
void sg_sock_unmake(struct sg_sock *rec);
void sg_sock_revoke(struct sg_sock *rec);

#endif
