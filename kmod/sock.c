// SPDX-License-Identifier: GPL-2.0-only
/*
 * One record for each socket that a program has: whose it is, so that a packet
 * can be judged when no caller is there to be asked, and where it may send, so
 * that a packet that was judged costs one lookup.  A record is made with the
 * socket (or when the module finds it, see scan.c) and ends with it.
 *
 * A grant is bound to the remote (a listener's to its own port) and to the
 * policy's generation by a keyed hash: one word, so that it is written and read
 * whole.  Nobody sees the hash, nor anything made of it but whether two are equal,
 * so that two multiplications with secret words do.  A program can overwrite it
 * with another grant of its own, which costs it a question, but cannot make it
 * match what was never granted.
 *
 * A connection of MPTCP is a socket that the kernel made for a program's one.  Its
 * record follows that one's: it has its owner, and may send where that one may.
 *
 * Locking: lookups run under RCU.  The table locks its buckets itself.  A
 * record's lock covers its owner and executable; it nests inside nothing, and
 * is taken with bottom halves off, since packets leave in softirqs.  It also keeps
 * a socket from being freed, for whoever has the record and wants to hold the socket.  Owners are
 * only changed by the owner's own calls.
 */
#include <linux/bits.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/rhashtable.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "agent.h"
#include "cache.h"
#include "compat/inet.h"
#include "hold.h"
#include "scope.h"
#include "sock.h"

#define MAX_BUCKETS	BIT(20)	/* as many records as twice that */
#define WALK_BATCH	64	/* records looked at in one go */
#define HOW		7ULL		/* enum sg_grant in the word of a grant */
#define HINT_BITS	12

/*
 * Nobody chooses where a socket lies.  Another seed moves whole buckets, and does not
 * part what is in one; nor is there a need to.
 */
static u32 hash_of(const void *sk, u32 len, u32 seed)
{
	return hash_ptr(*(void *const *)sk, 32) ^ seed;
}

static int differs(struct rhashtable_compare_arg *arg, const void *obj)
{
	return ((const struct sg_sock *)obj)->sk !=
	       *(const struct sock *const *)arg->key;
}

static const struct rhashtable_params params = {
	.hashfn = hash_of,
	.obj_cmpfn = differs,
	.key_len = sizeof(const struct sock *),
	.key_offset = offsetof(struct sg_sock, sk),
	.head_offset = offsetof(struct sg_sock, node),
	.max_size = MAX_BUCKETS,
	.automatic_shrinking = true,
};

/*
 * By the place of a socket, the record that was found there last.  A record is taken out
 * when nobody can look for it any more, so none is put in again after that.
 */
static struct sg_sock __rcu *hints[BIT(HINT_BITS)];

static struct rhashtable records;
static struct kmem_cache *record_cache;
static u64 grant_key[4] __read_mostly;

static struct sg_sock __rcu **hint_of(const struct sock *sk)
{
	return &hints[hash_ptr(sk, HINT_BITS)];
}

/**
 * sg_sock_find() - the record of a socket
 * @sk: the socket; as long as the caller holds it the record is there
 *
 * Safe in the ftrace callback.
 *
 * Return: it, or NULL.
 */
struct sg_sock *sg_sock_find(const struct sock *sk)
{
	struct sg_sock __rcu **hint = hint_of(sk);
	struct sg_sock *rec;

	/* Mostly it is another socket's, which may be going. */
	rcu_read_lock();
	rec = rcu_dereference(*hint);
	if (!rec || rec->sk != sk) {
		rec = rhashtable_lookup(&records, &sk, params);
		if (rec)
			rcu_assign_pointer(*hint, rec);
	}
	rcu_read_unlock();
	return rec;
}

static void put(struct sg_sock *rec);

static void free_rcu(struct rcu_head *head)
{
	struct sg_sock *rec = container_of(head, struct sg_sock, rcu);

	if (rec->leader)
		put(rec->leader);
	if (rec->exe)
		fput(rec->exe);
	kmem_cache_free(record_cache, rec);
}

/* After a grace period: it may be looked at still. */
static void put(struct sg_sock *rec)
{
	if (refcount_dec_and_test(&rec->refs))
		call_rcu(&rec->rcu, free_rcu);
}

/* A cache whose objects have a state is not cleared at each allocation. */
static void construct(void *ptr)
{
	struct sg_sock *rec = ptr;

	spin_lock_init(&rec->lock);
}

/* The owner is the caller's to fill in. */
static struct sg_sock *record_new(const struct sock *sk, gfp_t gfp)
{
	struct sg_sock *rec = kmem_cache_alloc(record_cache,
					       gfp | __GFP_NOWARN);

	if (!rec)
		return NULL;
	memset(rec, 0, offsetof(struct sg_sock, lock));
	rec->sk = sk;
	/* What begins now is judged by its packets; see review.c. */
	rec->reviewed = sg_cache_generation();
	refcount_set(&rec->refs, 1);
	return rec;
}

static void remove(struct sg_sock *rec)
{
	struct sg_sock __rcu **hint = hint_of(rec->sk);

	/* Who has found the record holds its socket by now, or never will. */
	spin_lock_bh(&rec->lock);
	rec->gone = true;
	spin_unlock_bh(&rec->lock);
	if (rhashtable_remove_fast(&records, &rec->node, params))
		return;
	if (rcu_access_pointer(*hint) == rec)
		cmpxchg((struct sg_sock **)hint, rec, NULL);
	put(rec);
}

static struct sg_sock *insert(struct sg_sock *rec)
{
	struct sg_sock *old;

	old = rhashtable_lookup_get_insert_fast(&records, &rec->node, params);
	if (!old)
		return rec;
	free_rcu(&rec->rcu);
	return IS_ERR(old) ? NULL : old;
}

/**
 * sg_sock_add() - begin a record
 * @sk:    the socket; the caller holds it
 * @owner: who
 * @exe:   what the owner runs, or NULL; the record takes a reference of its own
 * @gfp:   how to allocate
 *
 * Return: the record, which another may have made at the same moment; or NULL.
 */
struct sg_sock *sg_sock_add(struct sock *sk, const struct sg_key *owner,
			    struct file *exe, gfp_t gfp)
{
	struct sg_sock *rec = record_new(sk, gfp);

	if (!rec)
		return NULL;
	rec->owner = *owner;
	rec->exe = exe ? get_file(exe) : NULL;
	return insert(rec);
}

/* NULL also if the socket is none of our business. */
static struct sg_sock *add_current(struct sock *sk)
{
	struct sg_sock *rec = record_new(sk, GFP_KERNEL);

	if (!rec)
		return NULL;
	if (sg_event_own(&rec->owner, sk, current, &rec->exe))
		return insert(rec);
	kmem_cache_free(record_cache, rec);
	return NULL;
}

/**
 * sg_sock_begin() - begin the record of a socket that the caller has just made
 * @sk: the socket
 *
 * Whatever had its memory before is gone; what sg_sock_follow() has begun for it
 * is kept.
 *
 * Return: the record, or NULL: no memory, or the socket is none of our business.
 */
struct sg_sock *sg_sock_begin(struct sock *sk)
{
	struct sg_sock *rec = sg_sock_find(sk);

	if (rec && rec->early) {
		rec->early = false;
		return rec;
	}
	if (rec)
		remove(rec);
	return add_current(sk);
}

/* Some kernels make the first connection inside the socket() call already. */
static struct sg_sock *leader_of(struct sock *sk)
{
	struct sg_sock *rec = sg_sock_find(sk);

	if (rec)
		return rec;
	rec = add_current(sk);
	if (rec)
		rec->early = true;
	return rec;
}

/* What was taken has its listener's port; what the session opened itself has not. */
static bool was_taken(const struct sock *sk, const struct sock *leader,
		      const struct sg_sock *from)
{
	return READ_ONCE(from->accepted) &&
	       inet_sk(sk)->inet_num == inet_sk(leader)->inet_num;
}

static struct sg_sock *follow(const struct sock *sk, const struct sock *leader,
			      struct sg_sock *from, gfp_t gfp)
{
	struct sg_sock *rec = record_new(sk, gfp);

	if (!rec)
		return NULL;
	refcount_inc(&from->refs);
	rec->leader = from;
	memset(&rec->owner, 0, sizeof(rec->owner));
	rec->owner.protocol = IPPROTO_TCP;
	rec->exempt = READ_ONCE(from->exempt);
	rec->accepted = was_taken(sk, leader, from);
	return insert(rec);
}

/**
 * sg_sock_follow() - begin the record of a socket that is a part of another
 * @sk:     made by the kernel, known to nobody else yet
 * @leader: the program's
 */
void sg_sock_follow(struct sock *sk, struct sock *leader)
{
	struct sg_sock *from = leader_of(leader);

	sg_sock_drop(sk);
	if (from)
		follow(sk, leader, from, GFP_KERNEL);
}

/**
 * sg_sock_follow_late() - the same of one that has been in use
 * @sk:     made by the kernel
 * @leader: the program's, which is there as long as @sk
 *
 * In softirqs too, under RCU.
 *
 * Return: the record, or NULL: the leader has none, or no memory.
 */
struct sg_sock *sg_sock_follow_late(const struct sock *sk,
				    const struct sock *leader)
{
	struct sg_sock *from = sg_sock_find(leader);

	return from ? follow(sk, leader, from, GFP_ATOMIC) : NULL;
}

/**
 * sg_sock_inherit() - begin the record of a socket that another one's connection
 *                     gets
 * @parent: mostly a listener
 * @child:  known to nobody else yet
 * @taken:  false: the parent opened the connection itself
 *
 * In softirqs too.  The child is its listener's: same owner, same verdict.  Leave
 * to have opened a socket that passes by the gate holds for its connections.
 */
void sg_sock_inherit(const struct sock *parent, const struct sock *child,
		     bool taken)
{
	struct sg_sock *from = sg_sock_find(parent), *rec;

	sg_sock_drop(child);
	if (!from)
		return;
	rec = record_new(child, GFP_ATOMIC);
	if (!rec)
		return;
	rec->exe = sg_sock_owner(from, &rec->owner);
	rec->stands_by = READ_ONCE(from->stands_by);
	/* Where peers are judged, this one's verdict is still to be seen. */
	if (!sg_scope_has(SOCKGATE_EVENT_ACCEPT))
		rec->standing = READ_ONCE(from->standing);
	rec->stood = rec->standing != SG_GRANT_NONE;
	rec->lapses = READ_ONCE(from->lapses);
	if (!sg_event_gated(parent->sk_family))
		rec->granted = READ_ONCE(from->granted);
	rec->tag = READ_ONCE(from->tag);
	rec->exempt = READ_ONCE(from->exempt);
	rec->accepted = taken && parent->sk_state == TCP_LISTEN;
	insert(rec);
	/* Either a review of a new policy finds it, or that policy is seen here. */
	smp_mb();
	if (rec->stands_by != sg_cache_generation())
		WRITE_ONCE(rec->standing, SG_GRANT_NONE);
}

/**
 * sg_sock_drop() - end a record
 * @sk: a socket that is being freed, or has just been allocated
 */
void sg_sock_drop(const struct sock *sk)
{
	struct sg_sock *rec = sg_sock_find(sk);

	if (rec)
		remove(rec);
}

/**
 * sg_sock_of_segment() - the connection, or the request for one, of a segment
 * @net:    where it arrives, or would: if both ends are in this namespace
 * @skb:    the segment
 * @family: of it
 *
 * Return: that, held; or NULL.  It is put by sock_gen_put().
 */
struct sock *sg_sock_of_segment(struct net *net, const struct sk_buff *skb,
				u8 family)
{
	const struct tcphdr *th = tcp_hdr(skb);

	if (family == AF_INET)
		return sg_lookup(__inet_lookup_established, net,
				 ip_hdr(skb)->saddr, th->source,
				 ip_hdr(skb)->daddr, ntohs(th->dest),
				 skb->skb_iif, 0);
#if IS_ENABLED(CONFIG_IPV6)
	return sg_lookup(__inet6_lookup_established, net,
			 &ipv6_hdr(skb)->saddr, th->source,
			 &ipv6_hdr(skb)->daddr, ntohs(th->dest), skb->skb_iif, 0);
#else
	return NULL;
#endif
}

/**
 * sg_sock_count() - how many records there are
 *
 * Return: the number.
 */
u32 sg_sock_count(void)
{
	return atomic_read(&records.nelems);
}

/* Not one that is being freed. */
static struct sock *hold_sock(struct sg_sock *rec)
{
	struct sock *sk = (struct sock *)rec->sk;

	spin_lock_bh(&rec->lock);
	if (rec->gone || !refcount_inc_not_zero(&sk->sk_refcnt))
		sk = NULL;
	spin_unlock_bh(&rec->lock);
	return sk;
}

/**
 * sg_sock_walk_begin() - begin to look at all records
 * @iter: keeps the place; ended by sg_sock_walk_end()
 */
void sg_sock_walk_begin(struct rhashtable_iter *iter)
{
	rhashtable_walk_enter(&records, iter);
}

/**
 * sg_sock_walk_next() - the next socket that was not judged again
 * @iter:       where to go on
 * @generation: under which policy
 *
 * What comes meanwhile may be missing, and while the table grows some may come twice.
 *
 * Return: the socket, held, or NULL at the end.
 */
struct sock *sg_sock_walk_next(struct rhashtable_iter *iter, u32 generation)
{
	struct sock *sk = NULL;
	struct sg_sock *rec;
	unsigned int n = 0;

	rhashtable_walk_start(iter);
	while (!sk && (rec = rhashtable_walk_next(iter))) {
		/* The table has another size: from its beginning. */
		if (IS_ERR(rec))
			continue;
		if (READ_ONCE(rec->reviewed) != generation)
			sk = hold_sock(rec);
		if (++n % WALK_BATCH)
			continue;
		rhashtable_walk_stop(iter);
		cond_resched();
		rhashtable_walk_start(iter);
	}
	rhashtable_walk_stop(iter);
	return sk;
}

/**
 * sg_sock_walk_end() - it is enough
 * @iter: from sg_sock_walk_begin()
 */
void sg_sock_walk_end(struct rhashtable_iter *iter)
{
	rhashtable_walk_exit(iter);
}

/* An executable that could not be named is nobody's. */
static bool same_program(const struct sg_key *a, const struct sg_key *b)
{
	return a->exe_ino && sg_event_same_file(a, b);
}

/* Process, user and executable; where the socket is bound may change. */
static bool same_owner(const struct sg_key *a, const struct sg_key *b)
{
	return a->pid == b->pid && a->start_ns == b->start_ns &&
	       a->exec_id == b->exec_id && a->uid == b->uid &&
	       same_program(a, b);
}

/**
 * sg_sock_owned_by() - whether a record says who calls
 * @rec: the record
 * @key: of a call
 *
 * Safe in the ftrace callback.  Without the lock: while another process takes
 * the socket over, it may be wrong either way for a call that comes at the same
 * moment, and either order of the two is a right one.
 *
 * Return: that.
 */
bool sg_sock_owned_by(const struct sg_sock *rec, const struct sg_key *key)
{
	return same_owner(&rec->owner, key);
}

/**
 * sg_sock_own() - the caller is who uses this socket from now on
 * @rec: the record
 * @key: of a call of the current process
 *
 * What was granted to whoever had it before is gone.
 */
void sg_sock_own(struct sg_sock *rec, const struct sg_key *key)
{
	struct file *exe = sg_event_exe(key), *old;

	spin_lock_bh(&rec->lock);
	old = rec->exe;
	rec->exe = exe;
	if (!same_owner(&rec->owner, key))
		sg_sock_revoke(rec);
	rec->owner = *key;
	spin_unlock_bh(&rec->lock);
	if (old)
		fput(old);
}

/**
 * sg_sock_adopt() - take a socket over from a process of the same program
 * @rec: the record
 * @key: of the calling process
 *
 * A server that forks uses its sockets in its children: they are its own, and
 * stay root's where a server of root's lends them to other users.
 *
 * Return: false if the owner runs another program, or is another user; then
 * nothing has changed.
 */
bool sg_sock_adopt(struct sg_sock *rec, const struct sg_key *key)
{
	bool same;

	spin_lock_bh(&rec->lock);
	same = same_program(&rec->owner, key) &&
	       (!rec->owner.uid || rec->owner.uid == key->uid);
	if (same) {
		rec->owner.pid = key->pid;
		rec->owner.start_ns = key->start_ns;
		rec->owner.exec_id = key->exec_id;
	}
	spin_unlock_bh(&rec->lock);
	return same;
}

/**
 * sg_sock_owner() - who uses a socket
 * @rec: the record
 * @key: filled in: who, and the local address; what was last asked for it
 *
 * Return: a reference to what the owner runs, or NULL.
 */
struct file *sg_sock_owner(struct sg_sock *rec, struct sg_key *key)
{
	struct file *exe;

	if (rec->leader)
		rec = rec->leader;
	spin_lock_bh(&rec->lock);
	*key = rec->owner;
	exe = rec->exe ? get_file(rec->exe) : NULL;
	spin_unlock_bh(&rec->lock);
	return exe;
}

static u64 mix(u64 a, u64 b)
{
	const unsigned __int128 product = (unsigned __int128)a * b;

	return (u64)product ^ (u64)(product >> 64);
}

/* Where to, or where at. */
static u64 grant_of(const struct sg_key *key, u32 generation)
{
	bool listens = key->event == SOCKGATE_EVENT_LISTEN;
	const u64 *addr = (const u64 *)(listens ? &key->laddr : &key->raddr);
	__be16 port = listens ? key->lport : key->rport;
	u64 rest = (u64)generation << 32 |
		   (u32)(__force u16)port << 16 | key->protocol << 8 |
		   key->family << 1 | listens;
	u64 where = mix(addr[0] ^ grant_key[0], addr[1] ^ grant_key[1]);

	return mix(where ^ grant_key[2], rest ^ grant_key[3]) & ~HOW;
}

/**
 * sg_sock_grant() - a socket may send to this remote, or listen there
 * @rec: the record
 * @key: of the event that was allowed
 * @tag: of the verdict
 * @how: how good that is
 * @generation: of the policy that allowed it; of another than the one in force it
 *              is none
 *
 * Safe in the ftrace callback.  It replaces the grant before.
 */
void sg_sock_grant(struct sg_sock *rec, const struct sg_key *key, u32 tag,
		   enum sg_grant how, u32 generation)
{
	if (how == SG_GRANT_FAILURE)
		WRITE_ONCE(rec->lapses, jiffies +
			   msecs_to_jiffies(sg_hold_deadline()));
	WRITE_ONCE(rec->tag, tag);
	WRITE_ONCE(rec->granted, grant_of(key, generation) | how);
}

/* What the failure table granted is asked for again: it may not last. */
static enum sg_grant unless_lapsed(const struct sg_sock *rec, enum sg_grant how)
{
	if (how == SG_GRANT_FAILURE &&
	    time_after(jiffies, READ_ONCE(rec->lapses)))
		return SG_GRANT_NONE;
	return how;
}

/**
 * sg_sock_standing() - whether an open connection may go on
 * @rec: its record
 *
 * Return: how good that is; SG_GRANT_NONE: nobody has said yet.
 */
enum sg_grant sg_sock_standing(const struct sg_sock *rec)
{
	return unless_lapsed(rec, READ_ONCE(rec->standing));
}

/**
 * sg_sock_granted() - whether a socket may send to a remote, or listen there
 * @rec: the record
 * @key: event, remote (to listen: local) address and port, family, protocol
 *
 * Return: how good that is; SG_GRANT_NONE if it may not.
 */
enum sg_grant sg_sock_granted(const struct sg_sock *rec,
			      const struct sg_key *key)
{
	u64 granted = READ_ONCE(rec->granted);

	if (!granted || (granted & ~HOW) != grant_of(key, sg_cache_generation()))
		return SG_GRANT_NONE;
	return unless_lapsed(rec, granted & HOW);
}

/**
 * sg_sock_good() - whether something may pass by what was granted
 * @how: from sg_sock_granted() or sg_sock_standing()
 *
 * Safe in the ftrace callback.
 *
 * Return: false if a verdict is to be asked for.
 */
bool sg_sock_good(enum sg_grant how)
{
	return how == SG_GRANT_VERDICT || how == SG_GRANT_FAILURE ||
	       how == SG_GRANT_FAILSAFE ||
	       (how == SG_GRANT_NO_AGENT && !sg_agent_present());
}

/**
 * sg_sock_stand() - an open connection may go on, or a listener take some
 * @rec: its record
 * @how: how good that is
 * @generation: the policy in force before that was found
 */
void sg_sock_stand(struct sg_sock *rec, enum sg_grant how, u32 generation)
{
	WRITE_ONCE(rec->standing, how);
	WRITE_ONCE(rec->stands_by, generation);
	WRITE_ONCE(rec->stood, true);
}

/**
 * sg_sock_opens() - a connection begins, or a listener
 * @rec: its record; the caller holds the lock of the socket
 *
 * What is known of the connection before it says nothing of this one: neither that
 * it may go on, nor that a listener took it, nor that it answers the agent.
 */
void sg_sock_opens(struct sg_sock *rec)
{
	WRITE_ONCE(rec->standing, SG_GRANT_NONE);
	WRITE_ONCE(rec->stood, false);
	WRITE_ONCE(rec->accepted, false);
	WRITE_ONCE(rec->refused, 0);
	if (!sg_agent_is_current())
		WRITE_ONCE(rec->exempt, false);
}

/**
 * sg_sock_revoke() - what was granted is void
 * @rec: the record
 */
void sg_sock_revoke(struct sg_sock *rec)
{
	WRITE_ONCE(rec->granted, 0);
	WRITE_ONCE(rec->standing, SG_GRANT_NONE);
	WRITE_ONCE(rec->exempt, false);
}

int __init sg_sock_init(void)
{
	int err;

	get_random_bytes(grant_key, sizeof(grant_key));
	record_cache = kmem_cache_create("sg_sock", sizeof(struct sg_sock),
					 __alignof__(struct sg_sock),
					 SLAB_ACCOUNT, construct);
	if (!record_cache)
		return -ENOMEM;
	err = rhashtable_init(&records, &params);
	if (err)
		kmem_cache_destroy(record_cache);
	return err;
}

static void free_now(void *ptr, void *arg)
{
	put(ptr);
}

/* Nobody looks up any more: hooks and packets are gone. */
void sg_sock_exit(void)
{
	rhashtable_free_and_destroy(&records, free_now, NULL);
	/* Twice: what is freed may have followed another. */
	rcu_barrier();
	rcu_barrier();
	kmem_cache_destroy(record_cache);
}
