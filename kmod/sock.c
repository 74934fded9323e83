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
 * The table has as many buckets as the machine has memory for sockets, made at once.
 * Records are not charged to whose sockets they are: there is one for each, a fraction
 * of its size, and sockets are charged.
 *
 * Locking: lookups run with preemption off, which RCU waits for.  A record that ends is
 * free for another socket at once, so that a lookup may come across one that begins:
 * its memory stays a record, it has no socket while it is in no bucket, and whoever was
 * led by it into another bucket begins again.  A lock of the table covers some buckets,
 * and keeps the sockets of what is in them from being freed.  A record's lock covers
 * its owner and executable.  Both nest inside nothing, and are taken with bottom halves
 * off, since packets leave in softirqs.  Owners are only changed by the owner's own
 * calls.
 */
#include <linux/bits.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/rculist_nulls.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "agent.h"
#include "cache.h"
#include "compat/inet.h"
#include "hold.h"
#include "mix.h"
#include "scope.h"
#include "sock.h"

#define RECORDS_MAX	BIT(21)
#define MIN_BITS	10	/* of buckets */
#define MAX_BITS	20
#define PAGES_SHIFT	3	/* of memory, for one bucket */
#define N_LOCKS		256
#define N_SPARES	4
#define WALK_BATCH	64	/* buckets looked at in one go */
#define HOW		7ULL		/* enum sg_grant in the word of a grant */

static struct hlist_nulls_head *buckets __read_mostly;
static unsigned int bucket_bits __read_mostly;
static spinlock_t locks[N_LOCKS];
static atomic_t n_records = ATOMIC_INIT(0);
static struct kmem_cache *record_cache __read_mostly;
static u64 grant_key[4] __read_mostly;

/* Records that have just ended serve those that begin, at less than the allocator's cost. */
static DEFINE_PER_CPU(struct { struct sg_sock *rec[N_SPARES]; }, spares);

/* Nobody chooses where a socket lies. */
static unsigned long index_of(const struct sock *sk)
{
	return hash_ptr(sk, bucket_bits);
}

static spinlock_t *lock_of(unsigned long index)
{
	return &locks[index % N_LOCKS];
}

/* With preemption off, or the bucket's lock. */
static struct sg_sock *find_in(unsigned long index, const struct sock *sk)
{
	struct hlist_nulls_node *node;
	struct sg_sock *rec;

	do {
		hlist_nulls_for_each_entry_rcu(rec, node, &buckets[index], node) {
			/* All of it is there then: pairs with insert(). */
			if (smp_load_acquire(&rec->sk) == sk)
				return rec;
		}
	} while (get_nulls_value(node) != index);
	return NULL;
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
	struct sg_sock *rec;

	/* Less to do than for rcu_read_lock(), and to the same effect. */
	preempt_disable_notrace();
	rec = find_in(index_of(sk), sk);
	preempt_enable_notrace();
	return rec;
}

/* False if this CPU has enough. */
static bool keep_spare(struct sg_sock *rec)
{
	int i;

	for (i = 0; i < N_SPARES; i++)
		if (!this_cpu_read(spares.rec[i]) &&
		    !this_cpu_cmpxchg(spares.rec[i], NULL, rec))
			return true;
	return false;
}

/* Whoever is moved to another CPU meanwhile takes what is there, or none. */
static struct sg_sock *take_spare(void)
{
	struct sg_sock *rec;
	int i;

	for (i = 0; i < N_SPARES; i++) {
		rec = this_cpu_read(spares.rec[i]);
		if (rec && this_cpu_cmpxchg(spares.rec[i], rec, NULL) == rec)
			return rec;
	}
	return NULL;
}

static void free_spares(void)
{
	int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < N_SPARES; i++)
			if (per_cpu(spares, cpu).rec[i])
				kmem_cache_free(record_cache,
						per_cpu(spares, cpu).rec[i]);
}

/* What nobody can find: never inserted, or removed. */
static void put(struct sg_sock *rec)
{
	if (!refcount_dec_and_test(&rec->refs))
		return;
	if (rec->leader)
		put(rec->leader);
	if (rec->exe)
		fput(rec->exe);
	if (!keep_spare(rec))
		kmem_cache_free(record_cache, rec);
}

/* A cache whose objects have a state is not cleared at each allocation. */
static void construct(void *ptr)
{
	struct sg_sock *rec = ptr;

	spin_lock_init(&rec->lock);
	rec->sk = NULL;
}

/* The owner is the caller's to fill in. */
static struct sg_sock *record_new(gfp_t gfp)
{
	struct sg_sock *rec = take_spare();

	if (!rec)
		rec = kmem_cache_alloc(record_cache, gfp | __GFP_NOWARN);
	if (!rec)
		return NULL;
	memset(rec, 0, offsetof(struct sg_sock, lock));
	/* What begins now is judged by its packets; see review.c. */
	rec->reviewed = sg_cache_generation();
	refcount_set(&rec->refs, 1);
	return rec;
}

/* Of a socket that nobody holds any more, or not yet. */
static void remove(const struct sock *sk)
{
	const unsigned long index = index_of(sk);
	struct sg_sock *rec;

	spin_lock_bh(lock_of(index));
	rec = find_in(index, sk);
	if (rec) {
		hlist_nulls_del_rcu(&rec->node);
		WRITE_ONCE(rec->sk, NULL);
	}
	spin_unlock_bh(lock_of(index));
	if (!rec)
		return;
	atomic_dec(&n_records);
	put(rec);
}

/* Returns what is there then: @rec, or what another has made; NULL: no room. */
static struct sg_sock *insert(struct sg_sock *rec, const struct sock *sk)
{
	const unsigned long index = index_of(sk);
	struct sg_sock *old = NULL;

	if (atomic_inc_return(&n_records) <= RECORDS_MAX) {
		spin_lock_bh(lock_of(index));
		old = find_in(index, sk);
		if (!old) {
			/* Whoever finds it finds it whole: pairs with find_in(). */
			smp_store_release(&rec->sk, sk);
			hlist_nulls_add_head_rcu(&rec->node, &buckets[index]);
		}
		spin_unlock_bh(lock_of(index));
		if (!old)
			return rec;
	}
	atomic_dec(&n_records);
	put(rec);
	return old;
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
	struct sg_sock *rec = record_new(gfp);

	if (!rec)
		return NULL;
	rec->owner = *owner;
	rec->exe = exe ? get_file(exe) : NULL;
	return insert(rec, sk);
}

/* NULL also if the socket is none of our business. */
static struct sg_sock *add_current(struct sock *sk)
{
	struct sg_sock *rec = record_new(GFP_KERNEL);

	if (!rec)
		return NULL;
	if (sg_event_own(&rec->owner, sk, current, &rec->exe))
		return insert(rec, sk);
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
		remove(sk);
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
	struct sg_sock *rec = record_new(gfp);

	if (!rec)
		return NULL;
	refcount_inc(&from->refs);
	rec->leader = from;
	memset(&rec->owner, 0, sizeof(rec->owner));
	rec->owner.protocol = IPPROTO_TCP;
	rec->exempt = READ_ONCE(from->exempt);
	rec->accepted = was_taken(sk, leader, from);
	return insert(rec, sk);
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
	u32 generation;

	sg_sock_drop(child);
	if (!from)
		return;
	rec = record_new(GFP_ATOMIC);
	if (!rec)
		return;
	rec->exe = sg_sock_owner(from, &rec->owner);
	generation = sg_cache_generation();
	/* Where peers are judged, this one's verdict is still to be seen. */
	if (!sg_scope_has(SOCKGATE_EVENT_ACCEPT) && sg_event_is_stream(parent))
		rec->standing = sg_sock_may_listen(from, parent);
	rec->stood = rec->standing != SG_GRANT_NONE;
	rec->lapses = READ_ONCE(from->lapses);
	if (!sg_event_gated(parent->sk_family))
		rec->granted = READ_ONCE(from->granted);
	rec->tag = READ_ONCE(from->tag);
	rec->exempt = READ_ONCE(from->exempt);
	rec->accepted = taken && parent->sk_state == TCP_LISTEN;
	if (!insert(rec, child))
		return;
	/* Either a review of a new policy finds it, or that policy is seen here. */
	smp_mb();
	if (generation != sg_cache_generation())
		WRITE_ONCE(rec->standing, SG_GRANT_NONE);
}

/**
 * sg_sock_drop() - end a record
 * @sk: a socket that is being freed, or has just been allocated
 */
void sg_sock_drop(const struct sock *sk)
{
	if (sg_sock_find(sk))
		remove(sk);
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
	return atomic_read(&n_records);
}

/* The next socket of a bucket that was not judged again, held. */
static struct sock *hold_next(unsigned long index, u32 generation)
{
	struct hlist_nulls_node *node;
	struct sock *sk = NULL;
	struct sg_sock *rec;

	spin_lock_bh(lock_of(index));
	hlist_nulls_for_each_entry(rec, node, &buckets[index], node) {
		if (READ_ONCE(rec->reviewed) == generation)
			continue;
		/* Not one that is being freed. */
		sk = (struct sock *)rec->sk;
		if (refcount_inc_not_zero(&sk->sk_refcnt))
			break;
		sk = NULL;
	}
	spin_unlock_bh(lock_of(index));
	return sk;
}

/**
 * sg_sock_next() - the next socket that was not judged again
 * @at:         where to go on; 0 at first
 * @generation: under which policy; what the caller marks so is not seen again
 *
 * What comes meanwhile may be missing.
 *
 * Return: the socket, held, or NULL at the end.
 */
struct sock *sg_sock_next(unsigned long *at, u32 generation)
{
	struct sock *sk;

	for (; *at < 1UL << bucket_bits; ++*at) {
		sk = hold_next(*at, generation);
		if (sk)
			return sk;
		if (*at % WALK_BATCH == 0)
			cond_resched();
	}
	return NULL;
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

static u64 word_of(const struct sg_remote *to, bool listens, u32 generation)
{
	u64 rest = (u64)generation << 32 |
		   (u32)(__force u16)to->port << 16 | to->protocol << 8 |
		   to->family << 1 | listens;
	u64 where = sg_mix(to->addr[0] ^ grant_key[0],
			   to->addr[1] ^ grant_key[1]);

	return sg_mix(where ^ grant_key[2], rest ^ grant_key[3]) & ~HOW;
}

/* Where to, or where at. */
static u64 grant_of(const struct sg_key *key, u32 generation)
{
	const bool listens = key->event == SOCKGATE_EVENT_LISTEN;
	const u64 *addr = (const u64 *)(listens ? &key->laddr : &key->raddr);
	const struct sg_remote at = {
		.addr = { addr[0], addr[1] },
		.port = listens ? key->lport : key->rport,
		.protocol = key->protocol,
		.family = key->family,
	};

	return word_of(&at, listens, generation);
}

/**
 * sg_sock_grant() - a socket may send to this remote, or listen there
 * @rec: the record
 * @key: of the event that was allowed
 * @tag: of the verdict
 * @how: how good that is
 * @generation: of the policy that allowed it; of another than the one in force it
 *              is none
 * @until: in jiffies: when the verdict that granted it expires
 *
 * Safe in the ftrace callback.  It replaces the grant before.
 */
void sg_sock_grant(struct sg_sock *rec, const struct sg_key *key, u32 tag,
		   enum sg_grant how, u32 generation, unsigned long until)
{
	if (how == SG_GRANT_FAILURE)
		WRITE_ONCE(rec->lapses, jiffies +
			   msecs_to_jiffies(sg_hold_deadline()));
	WRITE_ONCE(rec->tag, tag);
	WRITE_ONCE(rec->until, until);
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
 * sg_sock_may_listen() - whether a socket may listen where it does
 * @rec: its record
 * @sk:  the socket
 *
 * What stands is not bound to a port, and it may have another since.
 *
 * Return: how good that is; SG_GRANT_NONE if it may not.
 */
enum sg_grant sg_sock_may_listen(const struct sg_sock *rec,
				 const struct sock *sk)
{
	struct sg_key at;

	at.protocol = READ_ONCE(rec->owner.protocol);
	sg_event_accepted(&at, sk);
	return sg_sock_granted(rec, &at);
}

/**
 * sg_sock_may_send() - whether somebody decided that a socket may send to a remote
 * @rec:        the record
 * @to:         the remote
 * @generation: of the policy in force
 *
 * As sg_sock_granted() has it, at less cost.  Safe in the ftrace callback.
 *
 * Return: that.
 */
bool sg_sock_may_send(const struct sg_sock *rec, const struct sg_remote *to,
		      u32 generation)
{
	return READ_ONCE(rec->granted) ==
	       (word_of(to, false, generation) | SG_GRANT_VERDICT);
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
 * sg_sock_stand() - a connection may go on
 * @rec: its record
 * @peer: of a connection that the owner opened; else NULL
 * @how: how good that is
 */
void sg_sock_stand(struct sg_sock *rec, const struct sg_remote *peer,
		   enum sg_grant how)
{
	if (peer)
		rec->peer = *peer;
	else
		rec->peer.family = 0;
	WRITE_ONCE(rec->standing, how);
	WRITE_ONCE(rec->stood, true);
}

/**
 * sg_sock_unmake() - a connection is over, or a listener, and its socket is not
 * @rec: its record; the caller holds the lock of the socket
 *
 * What is known of it says nothing of the next one: neither that it may go on, nor
 * that a listener took it, nor that it answers the agent.
 */
void sg_sock_unmake(struct sg_sock *rec)
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
	unsigned long i;

	get_random_bytes(grant_key, sizeof(grant_key));
	for (i = 0; i < N_LOCKS; i++)
		spin_lock_init(&locks[i]);
	bucket_bits = clamp_t(int, ilog2(totalram_pages()) - PAGES_SHIFT,
			      MIN_BITS, MAX_BITS);
	buckets = kvmalloc_array(1UL << bucket_bits, sizeof(*buckets),
				 GFP_KERNEL);
	record_cache = kmem_cache_create("sg_sock", sizeof(struct sg_sock),
					 __alignof__(struct sg_sock),
					 SLAB_TYPESAFE_BY_RCU, construct);
	if (!buckets || !record_cache) {
		kmem_cache_destroy(record_cache);
		kvfree(buckets);
		return -ENOMEM;
	}
	for (i = 0; i < 1UL << bucket_bits; i++)
		INIT_HLIST_NULLS_HEAD(&buckets[i], i);
	return 0;
}

/* Nobody looks up any more: hooks and packets are gone. */
void sg_sock_exit(void)
{
	struct hlist_nulls_node *first;
	unsigned long i;

	for (i = 0; i < 1UL << bucket_bits; i++) {
		while (first = buckets[i].first, !is_a_nulls(first))
			remove(hlist_nulls_entry(first, struct sg_sock,
						 node)->sk);
		cond_resched();
	}
	free_spares();
	kmem_cache_destroy(record_cache);
	kvfree(buckets);
}
