// SPDX-License-Identifier: GPL-2.0-only
/*
 * The failure table: one row for each reason why there is no verdict, and the
 * list of what may talk all the same.  No other file decides what a failure
 * means.
 *
 * Locking: a row is one 32-bit word, read and written whole.  The failsafe list
 * is replaced whole, read under RCU; writers hold sg_failsafes_lock.
 */
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <net/netlink.h>

#include "count.h"
#include "failure.h"

/*
 * Defaults.  Only what an attacker cannot bring about himself is FAILSAFE:
 * filling the table or making the agent slow must not open a tunnel.  SERVER_AWAY
 * is, because a server that is restarted must not lock its administrators out;
 * what the list allows is no way out for data.
 */
#define DENY_ROW { .action = SOCKGATE_ACTION_DENY, .error = EACCES }
#define FAILSAFE_ROW { .action = SOCKGATE_ACTION_FAILSAFE, .error = EACCES }

static struct sockgate_failure failures[__SOCKGATE_REASON_MAX] = {
	[SOCKGATE_REASON_UNSPEC] = DENY_ROW,
	[SOCKGATE_REASON_NO_AGENT] = FAILSAFE_ROW,
	[SOCKGATE_REASON_AGENT_GONE] = FAILSAFE_ROW,
	[SOCKGATE_REASON_AGENT_BUSY] = DENY_ROW,
	[SOCKGATE_REASON_DEADLINE] = DENY_ROW,
	[SOCKGATE_REASON_TABLE_FULL] = DENY_ROW,
	[SOCKGATE_REASON_NO_MEMORY] = DENY_ROW,
	[SOCKGATE_REASON_CHANGED] = DENY_ROW,
	[SOCKGATE_REASON_UNLOAD] = FAILSAFE_ROW,
	[SOCKGATE_REASON_UNVERIFIABLE] = DENY_ROW,
	[SOCKGATE_REASON_SERVER_AWAY] = FAILSAFE_ROW,
	[SOCKGATE_REASON_BAD_ANSWER] = DENY_ROW,
	[SOCKGATE_REASON_UNJUDGED] = DENY_ROW,
};

static_assert(sizeof(struct sockgate_failure) == sizeof(u32));
static_assert(sizeof(struct sockgate_file) == 40);
static_assert(sizeof(struct sockgate_process) == 24);
static_assert(sizeof(struct sockgate_failsafe) == 16 + 40 + 8 + 8 + 8);

struct sg_failsafes {
	struct rcu_head rcu;
	size_t n;
	struct sockgate_failsafe entry[];
};

static struct sg_failsafes __rcu *failsafes;
static DEFINE_MUTEX(sg_failsafes_lock);

#define EVENT(name) BIT(SOCKGATE_EVENT_##name)

#define WITH_ADDRESS							\
	(EVENT(BIND) | EVENT(CONNECT) | EVENT(LISTEN) | EVENT(ACCEPT) |	\
	 EVENT(SEND) | EVENT(RECEIVE) | EVENT(ESTABLISHED) | EVENT(CLOSE))

/*
 * Loopback, for the programs of this machine among themselves; a DHCP client
 * (RFC 2131, RFC 8415), DNS and an ssh listener, if root's.  The agent allows DNS
 * to the configured resolvers for everybody instead, and whatever else its
 * configuration names.
 *
 * Whom a client has written to may answer unasked.  DHCP is answered by another
 * than was written to (everybody), hence its rows for receiving, which know no
 * remote port.
 *
 * Nothing leaves because an IP socket is made or bound.  A report is about a
 * connection that was let through: for want of a verdict it is not cut.
 */
static const struct sockgate_failsafe default_failsafes[] = {
	{
		.events = WITH_ADDRESS,
		.family = AF_INET, .addr = { 127 }, .prefix = 8,
		.uid = SOCKGATE_UID_ANY,
	}, {
		.events = WITH_ADDRESS,
		.family = AF_INET6, .addr = { [15] = 1 }, .prefix = 128,
		.uid = SOCKGATE_UID_ANY,
	}, {
		.events = EVENT(CONNECT) | EVENT(SEND),
		.family = AF_INET, .protocol = IPPROTO_UDP, .uid = 0,
		.lport_min = 68, .lport_max = 68,
		.rport_min = 67, .rport_max = 67,
	}, {
		.events = EVENT(CONNECT) | EVENT(SEND),
		.family = AF_INET6, .protocol = IPPROTO_UDP, .uid = 0,
		.lport_min = 546, .lport_max = 546,
		.rport_min = 547, .rport_max = 547,
	}, {
		.events = EVENT(RECEIVE),
		.family = AF_INET, .protocol = IPPROTO_UDP, .uid = 0,
		.lport_min = 68, .lport_max = 68,
	}, {
		.events = EVENT(RECEIVE),
		.family = AF_INET6, .protocol = IPPROTO_UDP, .uid = 0,
		.lport_min = 546, .lport_max = 546,
	}, {
		.events = EVENT(OPEN),
		.protocol = SOCKGATE_PROTOCOL_PACKET, .uid = 0,
	}, {
		.events = EVENT(CONNECT) | EVENT(SEND), .uid = 0,
		.rport_min = 53, .rport_max = 53,
	}, {
		.events = EVENT(BIND) | EVENT(LISTEN) | EVENT(ACCEPT),
		.protocol = IPPROTO_TCP, .uid = 0,
		.lport_min = 22, .lport_max = 22,
	}, {
		.events = EVENT(OPEN) | EVENT(BIND),
		.family = AF_INET, .uid = SOCKGATE_UID_ANY,
	}, {
		.events = EVENT(OPEN) | EVENT(BIND),
		.family = AF_INET6, .uid = SOCKGATE_UID_ANY,
	}, {
		.events = EVENT(ESTABLISHED) | EVENT(CLOSE),
		.uid = SOCKGATE_UID_ANY,
	},
};

static bool port_matches(__be16 port, u16 min, u16 max)
{
	u16 p = ntohs(port);

	return !max || (p >= min && p <= max);
}

static bool exe_matches(const struct sockgate_file *exe,
			const struct sg_key *key)
{
	if (!exe->ino)
		return true;
	return exe->ino == key->exe_ino && exe->dev == key->exe_dev &&
	       exe->generation == key->exe_generation &&
	       exe->ctime_ns == key->exe_ctime &&
	       exe->instance == key->exe_instance;
}

static bool prefix_matches(const u8 *want, const struct in6_addr *addr,
			   unsigned int bits)
{
	const u8 *have = addr->s6_addr;
	unsigned int bytes = bits / 8;

	if (memcmp(want, have, bytes))
		return false;
	if (!(bits % 8))
		return true;
	return !((want[bytes] ^ have[bytes]) >> (8 - bits % 8));
}

static bool failsafe_matches(const struct sockgate_failsafe *f,
			     const struct sg_key *key)
{
	bool local = key->event == SOCKGATE_EVENT_LISTEN ||
		     key->event == SOCKGATE_EVENT_BIND;
	const struct in6_addr *addr = local ? &key->laddr : &key->raddr;

	if (!(f->events & BIT(key->event)))
		return false;
	if (f->family && f->family != key->family)
		return false;
	if (f->protocol && f->protocol != key->protocol)
		return false;
	if (f->uid != SOCKGATE_UID_ANY && f->uid != key->uid)
		return false;
	return port_matches(key->lport, f->lport_min, f->lport_max) &&
	       port_matches(key->rport, f->rport_min, f->rport_max) &&
	       prefix_matches(f->addr, addr, f->prefix) &&
	       exe_matches(&f->exe, key);
}

static bool listed(const struct sg_key *key)
{
	const struct sg_failsafes *list;
	bool found = false;
	size_t i;

	rcu_read_lock();
	list = rcu_dereference(failsafes);
	for (i = 0; list && i < list->n && !found; i++)
		found = failsafe_matches(&list->entry[i], key);
	rcu_read_unlock();
	return found;
}

static struct sockgate_failure row_read(enum sockgate_reason reason)
{
	union {
		u32 word;
		struct sockgate_failure row;
	} u = { .word = READ_ONCE(*(u32 *)&failures[reason]) };

	return u.row;
}

/**
 * sg_failure_apply() - the consequence of having no verdict
 * @reason: why
 * @key:    of the request
 *
 * Return: 0 to let the call through, else the negative errno for the caller.
 */
int sg_failure_apply(enum sockgate_reason reason, const struct sg_key *key)
{
	struct sockgate_failure row = row_read(reason);
	bool allow = row.action == SOCKGATE_ACTION_ALLOW ||
		     (row.action == SOCKGATE_ACTION_FAILSAFE && listed(key));

	sg_count_reason(reason);
	return allow ? 0 : -(row.error ?: EACCES);
}

/**
 * sg_failure_by_list() - whether the failsafe list says what may pass
 * @reason: why there is no verdict
 *
 * Return: that.
 */
bool sg_failure_by_list(enum sockgate_reason reason)
{
	return row_read(reason).action == SOCKGATE_ACTION_FAILSAFE;
}

static bool row_valid(const struct sockgate_failure *row)
{
	if (row->reason == SOCKGATE_REASON_UNSPEC ||
	    row->reason > SOCKGATE_REASON_MAX)
		return false;
	switch (row->action) {
	case SOCKGATE_ACTION_ALLOW:
	case SOCKGATE_ACTION_DENY:
	case SOCKGATE_ACTION_FAILSAFE:
		break;
	default:
		return false;
	}
	return row->error == EACCES || row->error == EPERM ||
	       row->error == ECONNREFUSED;
}

/**
 * sg_failure_check_rows() - whether rows may be installed
 * @rows: from user space
 * @n:    how many
 *
 * Return: 0 or -EINVAL.
 */
int sg_failure_check_rows(const struct sockgate_failure *rows, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!row_valid(&rows[i]))
			return -EINVAL;
	return 0;
}

/**
 * sg_failure_set_rows() - change some rows of the table
 * @rows: checked with sg_failure_check_rows()
 * @n:    how many
 */
void sg_failure_set_rows(const struct sockgate_failure *rows, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		WRITE_ONCE(*(u32 *)&failures[rows[i].reason],
			   *(const u32 *)&rows[i]);
}

/**
 * sg_failure_get_rows() - the table as it is
 * @rows: filled in, with the reason in each row
 */
void sg_failure_get_rows(struct sockgate_failure rows[__SOCKGATE_REASON_MAX])
{
	int i;

	for (i = 0; i < __SOCKGATE_REASON_MAX; i++) {
		rows[i] = row_read(i);
		rows[i].reason = i;
	}
}

/* The bits of an address, or -1 for a family that no event has. */
static int family_bits(const struct sockgate_failsafe *f)
{
	switch (f->family) {
	case AF_INET:
		return 32;
	case AF_INET6:
		return 128;
	case AF_UNSPEC:
		return 0;
	}
	return f->protocol == SOCKGATE_PROTOCOL_PACKET ||
	       f->protocol == SOCKGATE_PROTOCOL_OTHER ? 0 : -1;
}

static bool failsafe_valid(const struct sockgate_failsafe *f)
{
	if (f->prefix > family_bits(f))
		return false;
	if (f->lport_min > f->lport_max || f->rport_min > f->rport_max)
		return false;
	return f->events && !(f->events >> __SOCKGATE_EVENT_MAX);
}

/**
 * sg_failsafes_make() - check and copy a failsafe list
 * @list: from user space
 * @n:    entries in it
 *
 * Return: a list for sg_failsafes_install() or sg_failsafes_free(), or an ERR_PTR of
 * -E2BIG, -EINVAL or -ENOMEM.
 */
struct sg_failsafes *sg_failsafes_make(const struct sockgate_failsafe *list,
				       size_t n)
{
	struct sg_failsafes *new;
	size_t i;

	if (n > SOCKGATE_MAX_FAILSAFES)
		return ERR_PTR(-E2BIG);
	for (i = 0; i < n; i++)
		if (!failsafe_valid(&list[i]))
			return ERR_PTR(-EINVAL);
	new = kmalloc(struct_size(new, entry, n), GFP_KERNEL);
	if (!new)
		return ERR_PTR(-ENOMEM);
	new->n = n;
	memcpy(new->entry, list, flex_array_size(new, entry, n));
	return new;
}

/**
 * sg_failsafes_free() - throw a list away that was not put in force
 * @list: from sg_failsafes_make(), or NULL
 */
void sg_failsafes_free(struct sg_failsafes *list)
{
	kfree(list);
}

/**
 * sg_failsafes_install() - put a list in force
 * @list: from sg_failsafes_make(), owned by the table from here; or NULL
 */
void sg_failsafes_install(struct sg_failsafes *list)
{
	struct sg_failsafes *old;

	mutex_lock(&sg_failsafes_lock);
	old = rcu_replace_pointer(failsafes, list,
				  lockdep_is_held(&sg_failsafes_lock));
	mutex_unlock(&sg_failsafes_lock);
	if (old)
		kfree_rcu(old, rcu);
}

/**
 * sg_failsafes_put() - write the list into a message
 * @skb:  message
 * @attr: attribute type
 *
 * Return: 0 or -EMSGSIZE.
 */
int sg_failsafes_put(struct sk_buff *skb, int attr)
{
	const struct sg_failsafes *list;
	int err = 0;

	rcu_read_lock();
	list = rcu_dereference(failsafes);
	if (list)
		err = nla_put(skb, attr, flex_array_size(list, entry, list->n),
			      list->entry);
	rcu_read_unlock();
	return err;
}

int __init sg_failure_init(void)
{
	struct sg_failsafes *list;

	list = sg_failsafes_make(default_failsafes,
				 ARRAY_SIZE(default_failsafes));
	if (IS_ERR(list))
		return PTR_ERR(list);
	sg_failsafes_install(list);
	return 0;
}

void sg_failure_exit(void)
{
	sg_failsafes_install(NULL);
}
