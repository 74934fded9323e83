// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verdict cache: tuple space search, as the megaflows of Open vSwitch have
 * it.  A verdict is stored under the fields that the decision looked at and
 * answers every event that agrees in those.  There are few distinct masks; a
 * lookup tries each with one hash, and first the one that served the same
 * executable and remote on this CPU last.  If more are asked for than there is
 * room, the exact mask serves, which can only be too narrow, never too wide.
 *
 * The hash is NH (Black, Halevi, Krawczyk, Krovetz, Rogaway 1999): each word's two
 * halves have a secret number each added, and are multiplied.  Whoever does not know
 * the numbers cannot choose keys that collide.  Words that a mask leaves out at
 * either end cost nothing.
 *
 * Whoever lists the cache does so a bucket at a time.  New entries go to the front of
 * their bucket and have a larger serial, so that the last one listed says where to go
 * on, whatever came and went meanwhile.
 *
 * Locking: lookups and listing run under RCU alone.  cache_lock covers every change: the
 * masks, the buckets, the age list, the generation and the size.  It is a plain
 * spinlock: nothing here is called from interrupts.  Masks and entries are
 * freed after a grace period.
 */
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <net/ipv6.h>

#include "cache.h"
#include "count.h"

#define MAX_MASKS	16
#define SLOT_EXACT		0	/* its mask is never given up */
#define BUCKET_BITS	16
#define HINT_BITS	8
#define EVICT_SCAN	16	/* entries given a second chance per eviction */
#define DRAIN_BATCH	256	/* entries dropped under one hold of the lock */
#define LIFETIME_MAX	((u32)INT_MAX)	/* msecs_to_jiffies() makes more endless */

struct mask {
	struct sg_key bits;
	u64 salt;			/* equal sums under two masks differ */
	unsigned int first, end;	/* words outside are zero */
	u32 entries;
	struct rcu_head rcu;
};

struct entry {
	struct hlist_node bucket;
	struct list_head age;
	struct sg_key key;		/* within the mask */
	const struct mask *mask;
	unsigned int slot;		/* of the mask */
	struct sg_verdict verdict;
	u64 serial;
	u64 hits;			/* some are lost where CPUs meet */
	u64 hits_seen;			/* when eviction last looked */
	char program[SOCKGATE_PROGRAM_SIZE];
	struct rcu_head rcu;
};

static struct hlist_head *buckets;
static struct mask __rcu *masks[MAX_MASKS];
static unsigned int mask_end = 1;	/* above the last slot in use */
static LIST_HEAD(by_age);
static DEFINE_SPINLOCK(cache_lock);
static u32 secret[2 * SG_KEY_WORDS] __read_mostly;
static u8 __percpu *hints;		/* slots of masks */
static u64 last_serial;
static u32 generation;
static u32 size;
static u32 limit = SG_CACHE_DEFAULT;

static const u64 *words(const struct sg_key *key)
{
	return (const u64 *)key;
}

static struct hlist_head *bucket_of(const struct sg_key *key,
				    const struct mask *mask)
{
	const u64 *bits = words(&mask->bits), *k = words(key);
	u64 word, sum = mask->salt;
	unsigned int i;

	for (i = mask->first; i < mask->end; i++) {
		word = k[i] & bits[i];
		sum += (u64)((u32)word + secret[2 * i]) *
		       (u32)((word >> 32) + secret[2 * i + 1]);
	}
	return &buckets[hash_64(sum, BUCKET_BITS)];
}

static bool agree(const struct sg_key *a, const struct sg_key *b,
		  const struct mask *mask)
{
	const u64 *bits = words(&mask->bits), *x = words(a), *y = words(b);
	u64 differ = 0;
	unsigned int i;

	for (i = mask->first; i < mask->end; i++)
		differ |= (x[i] ^ y[i]) & bits[i];
	return !differ;
}

static struct entry *find(const struct sg_key *key, const struct mask *mask)
{
	struct entry *e;

	hlist_for_each_entry_rcu(e, bucket_of(key, mask), bucket,
				 lockdep_is_held(&cache_lock))
		if (e->mask == mask && agree(&e->key, key, mask))
			return e;
	return NULL;
}

static bool good(const struct entry *e)
{
	return e->verdict.generation == READ_ONCE(generation) &&
	       time_before(jiffies, e->verdict.expires);
}

static struct entry *find_in(unsigned int slot, const struct sg_key *key)
{
	const struct mask *mask = rcu_dereference(masks[slot]);
	struct entry *e;

	if (!mask || !READ_ONCE(mask->entries))
		return NULL;
	e = find(key, mask);
	return e && good(e) ? e : NULL;
}

/* Which mask is likely to serve. */
static u8 __percpu *hint_for(const struct sg_key *key)
{
	const u64 *raddr = (const u64 *)&key->raddr;
	u64 sum = key->exe_ino ^ key->start_ns ^ raddr[0] ^ raddr[1] ^
		  (__force u16)key->rport;

	return &hints[hash_64(sum, HINT_BITS)];
}

static struct entry *find_any(const struct sg_key *key)
{
	unsigned int i, end = READ_ONCE(mask_end), likely;
	u8 __percpu *hint = hint_for(key);
	struct entry *e;

	likely = this_cpu_read(*hint);
	e = find_in(likely, key);
	if (e)
		return e;
	for (i = 0; i < end; i++) {
		e = i == likely ? NULL : find_in(i, key);
		if (!e)
			continue;
		this_cpu_write(*hint, i);
		return e;
	}
	return NULL;
}

/**
 * sg_cache_lookup() - the verdict for an event, if one is remembered
 * @key:     of the event
 * @verdict: filled in if there is one
 *
 * Safe in the ftrace callback: RCU only.
 *
 * Return: whether there is one.
 */
bool sg_cache_lookup(const struct sg_key *key, struct sg_verdict *verdict)
{
	struct entry *e;

	rcu_read_lock();
	e = find_any(key);
	if (e) {
		*verdict = e->verdict;
		WRITE_ONCE(e->hits, READ_ONCE(e->hits) + 1);
	}
	rcu_read_unlock();
	return e;
}

static void prefix_bits(struct in6_addr *addr, unsigned int prefix)
{
	memset(addr->s6_addr, 0xff, prefix / 8);
	if (prefix % 8)
		addr->s6_addr[prefix / 8] = 0xff << (8 - prefix % 8);
}

static void mask_bits(struct sg_key *bits, const struct sg_fields *f)
{
	memset(bits, 0, sizeof(*bits));
	if (f->fields & SOCKGATE_F_EVENT)
		bits->event = 0xff;
	if (f->fields & SOCKGATE_F_PROTOCOL)
		bits->protocol = 0xff;
	if (f->fields & (SOCKGATE_F_FAMILY | SOCKGATE_F_LADDR | SOCKGATE_F_RADDR))
		bits->family = 0xff;
	if (f->fields & SOCKGATE_F_LADDR)
		prefix_bits(&bits->laddr, f->lprefix);
	if (f->fields & SOCKGATE_F_RADDR)
		prefix_bits(&bits->raddr, f->rprefix);
	if (f->fields & SOCKGATE_F_LPORT)
		bits->lport = htons(0xffff);
	if (f->fields & SOCKGATE_F_RPORT)
		bits->rport = htons(0xffff);
	if (f->fields & SOCKGATE_F_UID)
		bits->uid = ~0U;
	if (f->fields & SOCKGATE_F_CGROUP)
		bits->cgroup = ~0ULL;
	if (f->fields & SOCKGATE_F_NETNS)
		bits->netns = ~0ULL;
	if (f->fields & SOCKGATE_F_EXE) {
		bits->exe_ino = ~0ULL;
		bits->exe_ctime = ~0LL;
		bits->exe_dev = ~0U;
		bits->exe_generation = ~0U;
		bits->exe_instance = ~0ULL;
	}
	if (f->fields & SOCKGATE_F_PROCESS) {
		bits->pid = ~0U;
		bits->start_ns = ~0ULL;
		bits->exec_id = ~0ULL;
	}
}

static void mask_set(struct mask *mask, const struct sg_key *bits)
{
	mask->bits = *bits;
	mask->salt = get_random_u64();
	mask->end = SG_KEY_WORDS;
	while (mask->end && !words(bits)[mask->end - 1])
		mask->end--;
	while (mask->first < mask->end && !words(bits)[mask->first])
		mask->first++;
}

/* A slot whose mask is @bits, made if need be; SLOT_EXACT if there is no room. */
static unsigned int mask_slot(const struct sg_key *bits)
{
	unsigned int i, empty = SLOT_EXACT;
	struct mask *mask;

	lockdep_assert_held(&cache_lock);
	for (i = 0; i < MAX_MASKS; i++) {
		mask = rcu_dereference_protected(masks[i], true);
		if (mask && !memcmp(&mask->bits, bits, sizeof(*bits)))
			return i;
		if (!mask && empty == SLOT_EXACT)
			empty = i;
	}
	if (empty == SLOT_EXACT)
		return SLOT_EXACT;
	mask = kzalloc(sizeof(*mask), GFP_ATOMIC | __GFP_NOWARN);
	if (!mask)
		return SLOT_EXACT;
	mask_set(mask, bits);
	rcu_assign_pointer(masks[empty], mask);
	if (empty >= mask_end)
		WRITE_ONCE(mask_end, empty + 1);
	return empty;
}

static void mask_put(unsigned int slot)
{
	struct mask *mask = rcu_dereference_protected(masks[slot], true);

	lockdep_assert_held(&cache_lock);
	WRITE_ONCE(mask->entries, mask->entries - 1);
	if (mask->entries || slot == SLOT_EXACT)
		return;
	RCU_INIT_POINTER(masks[slot], NULL);
	kfree_rcu(mask, rcu);
	while (!rcu_access_pointer(masks[mask_end - 1]))
		WRITE_ONCE(mask_end, mask_end - 1);
}

static void drop(struct entry *e)
{
	lockdep_assert_held(&cache_lock);
	hlist_del_rcu(&e->bucket);
	list_del(&e->age);
	mask_put(e->slot);
	WRITE_ONCE(size, size - 1);
	kfree_rcu(e, rcu);
}

/* Everything that is cached now, a batch at a time. */
static void drain(void)
{
	LIST_HEAD(old);
	int i;

	spin_lock(&cache_lock);
	list_splice_init(&by_age, &old);
	while (!list_empty(&old)) {
		for (i = 0; i < DRAIN_BATCH && !list_empty(&old); i++)
			drop(list_first_entry(&old, struct entry, age));
		cond_resched_lock(&cache_lock);
	}
	spin_unlock(&cache_lock);
}

/*
 * The oldest that nobody used lately, or the oldest of those looked at.  False
 * if what is left is being drained already.
 */
static bool evict(void)
{
	struct entry *e;
	int i;

	lockdep_assert_held(&cache_lock);
	if (list_empty(&by_age))
		return false;
	for (i = 0; i < EVICT_SCAN; i++) {
		e = list_first_entry(&by_age, struct entry, age);
		if (e->hits_seen == READ_ONCE(e->hits) || !good(e))
			break;
		e->hits_seen = READ_ONCE(e->hits);
		list_move_tail(&e->age, &by_age);
	}
	drop(list_first_entry(&by_age, struct entry, age));
	sg_count(SOCKGATE_N_EVICTED);
	return true;
}

static bool add(struct entry *e, const struct sg_key *key,
		const struct sg_key *bits)
{
	struct entry *old;
	struct mask *mask;
	int i;

	lockdep_assert_held(&cache_lock);
	/* More than a few only while a smaller limit is being reached. */
	for (i = 0; size >= limit; i++)
		if (i == EVICT_SCAN || !evict())
			return false;
	e->slot = mask_slot(bits);
	mask = rcu_dereference_protected(masks[e->slot], true);
	e->mask = mask;
	e->key = *key;
	e->serial = ++last_serial;
	old = find(key, mask);
	WRITE_ONCE(mask->entries, mask->entries + 1);
	if (old)
		drop(old);
	hlist_add_head_rcu(&e->bucket, bucket_of(key, mask));
	list_add_tail(&e->age, &by_age);
	WRITE_ONCE(size, size + 1);
	return true;
}

/* Of a mask that does not look at the program it would say nothing. */
static void name_program(struct entry *e, struct file *exe,
			 const struct sg_key *bits)
{
	if (exe && (bits->exe_ino || bits->pid))
		snprintf(e->program, sizeof(e->program), "%pD", exe);
}

/**
 * sg_cache_expires() - when what is decided now may not be taken as known any more
 * @lifetime_ms: for how long it may; LIFETIME_MAX is the most
 *
 * Return: jiffies.
 */
unsigned long sg_cache_expires(u32 lifetime_ms)
{
	return jiffies + msecs_to_jiffies(min(lifetime_ms, LIFETIME_MAX));
}

/**
 * sg_cache_add() - remember a verdict
 * @key:         of the request it was given for
 * @exe:         what the caller runs, or NULL
 * @fields:      what the decision looked at
 * @verdict:     ALLOW or DENY, with when it expires
 * @lifetime_ms: for how long; 0 is not at all
 *
 * Best effort: without memory the question is asked again next time.
 */
void sg_cache_add(const struct sg_key *key, struct file *exe,
		  const struct sg_fields *fields,
		  const struct sg_verdict *verdict, u32 lifetime_ms)
{
	struct sg_key bits;
	struct entry *e;
	bool added;

	if (!lifetime_ms || !READ_ONCE(limit))
		return;
	e = kzalloc(sizeof(*e), GFP_KERNEL | __GFP_NOWARN);
	if (!e)
		return;
	mask_bits(&bits, fields);
	name_program(e, exe, &bits);
	e->verdict = *verdict;

	spin_lock(&cache_lock);
	added = verdict->generation == generation && add(e, key, &bits);
	spin_unlock(&cache_lock);
	if (!added) {
		sg_count(SOCKGATE_N_STALE);
		kfree(e);
	}
}

/**
 * sg_cache_set_generation() - a new policy: forget what the old one said
 * @to: its generation
 *
 * No lookup that begins after the return finds an older verdict.
 */
void sg_cache_set_generation(u32 to)
{
	bool changed;

	spin_lock(&cache_lock);
	changed = to != generation;
	WRITE_ONCE(generation, to);
	spin_unlock(&cache_lock);
	if (changed)
		drain();
}

/**
 * sg_cache_generation() - the generation in force
 *
 * Return: what was last set, 0 at first.
 */
u32 sg_cache_generation(void)
{
	return READ_ONCE(generation);
}

/**
 * sg_cache_set_limit() - how many verdicts are kept
 * @to: at most SG_CACHE_LIMIT; 0 keeps none
 */
void sg_cache_set_limit(u32 to)
{
	spin_lock(&cache_lock);
	WRITE_ONCE(limit, to);
	while (size > limit && evict())
		cond_resched_lock(&cache_lock);
	spin_unlock(&cache_lock);
}

/**
 * sg_cache_limit() - how many verdicts are kept at most
 *
 * Return: the number.
 */
u32 sg_cache_limit(void)
{
	return READ_ONCE(limit);
}

/**
 * sg_cache_size() - how many verdicts are kept now, expired ones included
 *
 * Return: the number.
 */
u32 sg_cache_size(void)
{
	return READ_ONCE(size);
}

/**
 * sg_cache_masks() - how many distinct masks there are among them
 *
 * Return: the number.
 */
u32 sg_cache_masks(void)
{
	const struct mask *mask;
	unsigned int i;
	u32 n = 0;

	rcu_read_lock();
	for (i = 0; i < MAX_MASKS; i++) {
		mask = rcu_dereference(masks[i]);
		n += mask && READ_ONCE(mask->entries);
	}
	rcu_read_unlock();
	return n;
}

static u32 fields_of(const struct sg_key *bits)
{
	u32 fields = 0;

	if (bits->event)
		fields |= SOCKGATE_F_EVENT;
	if (bits->protocol)
		fields |= SOCKGATE_F_PROTOCOL;
	if (bits->family)
		fields |= SOCKGATE_F_FAMILY;
	if (!ipv6_addr_any(&bits->laddr))
		fields |= SOCKGATE_F_LADDR;
	if (!ipv6_addr_any(&bits->raddr))
		fields |= SOCKGATE_F_RADDR;
	if (bits->lport)
		fields |= SOCKGATE_F_LPORT;
	if (bits->rport)
		fields |= SOCKGATE_F_RPORT;
	if (bits->uid)
		fields |= SOCKGATE_F_UID;
	if (bits->cgroup)
		fields |= SOCKGATE_F_CGROUP;
	if (bits->netns)
		fields |= SOCKGATE_F_NETNS;
	if (bits->exe_ino)
		fields |= SOCKGATE_F_EXE;
	if (bits->pid)
		fields |= SOCKGATE_F_PROCESS;
	return fields;
}

static u8 prefix_of(const struct in6_addr *bits)
{
	const u64 *half = (const u64 *)bits;

	return hweight64(half[0]) + hweight64(half[1]);
}

/* @key within the mask. */
static void tell_key(struct sockgate_cached *to, const struct sg_key *key)
{
	to->exe.ino = key->exe_ino;
	to->exe.ctime_ns = key->exe_ctime;
	to->exe.instance = key->exe_instance;
	to->exe.dev = key->exe_dev;
	to->exe.generation = key->exe_generation;
	to->process.start_ns = key->start_ns;
	to->process.exec_id = key->exec_id;
	to->process.pid = key->pid;
	to->cgroup = key->cgroup;
	to->netns = key->netns;
	memcpy(to->laddr, &key->laddr, sizeof(to->laddr));
	memcpy(to->raddr, &key->raddr, sizeof(to->raddr));
	to->lport = key->lport;
	to->rport = key->rport;
	to->uid = key->uid;
	to->event = key->event;
	to->family = key->family;
	to->protocol = key->protocol;
}

static void tell(struct sockgate_cached *to, const struct entry *e)
{
	const u64 *bits = words(&e->mask->bits), *k = words(&e->key);
	long left = e->verdict.expires - jiffies;
	struct sg_key key;
	unsigned int i;

	for (i = 0; i < SG_KEY_WORDS; i++)
		((u64 *)&key)[i] = k[i] & bits[i];
	memset(to, 0, sizeof(*to));
	tell_key(to, &key);
	to->hits = READ_ONCE(e->hits);
	to->fields = fields_of(&e->mask->bits);
	to->lprefix = prefix_of(&e->mask->bits.laddr);
	to->rprefix = prefix_of(&e->mask->bits.raddr);
	to->left_ms = jiffies_to_msecs(max(left, 0L));
	to->generation = e->verdict.generation;
	to->tag = e->verdict.tag;
	to->error = e->verdict.error;
	to->action = e->verdict.action;
	memcpy(to->program, e->program, sizeof(to->program));
}

/* Those of the bucket that were not listed before. */
static int list_bucket(struct sg_cache_place *at, sg_cache_take_fn take,
		       void *arg)
{
	struct sockgate_cached told;
	const struct entry *e;
	int err = 0;

	rcu_read_lock();
	hlist_for_each_entry_rcu(e, &buckets[at->bucket], bucket) {
		if ((at->below && e->serial >= at->below) || !good(e))
			continue;
		tell(&told, e);
		err = take(&told, arg);
		if (err)
			break;
		at->below = e->serial;
	}
	rcu_read_unlock();
	return err;
}

/**
 * sg_cache_list() - tell of the verdicts that are good
 * @at:   where to begin; all zero at first.  It is moved on.
 * @take: gets one of them; under RCU.  An error ends the list before it.
 * @arg:  for @take
 *
 * Called again from where it ended, it tells of none twice, and leaves out none that
 * has been there all the time.
 *
 * Return: 0 at the end, or the error of @take.
 */
int sg_cache_list(struct sg_cache_place *at, sg_cache_take_fn take, void *arg)
{
	int err;

	for (; at->bucket < 1U << BUCKET_BITS; at->bucket++, at->below = 0) {
		err = list_bucket(at, take, arg);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

/* The exact mask is that of a decision that has looked at everything. */
int __init sg_cache_init(void)
{
	static const struct sg_fields everything __initconst = {
		.fields = SOCKGATE_F_ALL,
		.lprefix = 128,
		.rprefix = 128,
	};
	struct mask *exact = kzalloc(sizeof(*exact), GFP_KERNEL);
	struct sg_key all;

	buckets = kvcalloc(1U << BUCKET_BITS, sizeof(*buckets), GFP_KERNEL);
	hints = __alloc_percpu(1U << HINT_BITS, 1);
	if (!exact || !buckets || !hints) {
		free_percpu(hints);
		kvfree(buckets);
		kfree(exact);
		return -ENOMEM;
	}
	get_random_bytes(secret, sizeof(secret));
	mask_bits(&all, &everything);
	mask_set(exact, &all);
	RCU_INIT_POINTER(masks[SLOT_EXACT], exact);
	return 0;
}

/* Nobody looks up any more: the hooks are gone. */
void sg_cache_exit(void)
{
	drain();
	kfree(rcu_dereference_protected(masks[SLOT_EXACT], true));
	free_percpu(hints);
	kvfree(buckets);
}
