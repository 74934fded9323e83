// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic-netlink family: see the uapi header for its messages.
 *
 * Locking: none of its own but config_lock, which makes SET_CONFIG whole;
 * commands run in parallel and call into what locks itself.
 */
#include <linux/errno.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/ipv6.h>

#include "agent.h"
#include "cache.h"
#include "compat/compat.h"
#include "count.h"
#include "failure.h"
#include "hold.h"
#include "mark.h"
#include "request.h"
#include "upcall.h"

static struct genl_family family;
static DEFINE_MUTEX(config_lock);

static const struct nla_policy policy[SOCKGATE_A_MAX + 1] = {
	[SOCKGATE_A_ID] = { .type = NLA_U64 },
	[SOCKGATE_A_ACTION] = { .type = NLA_U8 },
	[SOCKGATE_A_ERROR] = { .type = NLA_U32 },
	[SOCKGATE_A_REASON] = { .type = NLA_U8 },
	[SOCKGATE_A_LIFETIME] = { .type = NLA_U32 },
	[SOCKGATE_A_GENERATION] = { .type = NLA_U32 },
	[SOCKGATE_A_FIELDS] = { .type = NLA_U32 },
	[SOCKGATE_A_LPREFIX] = NLA_POLICY_MAX(NLA_U8, 128),
	[SOCKGATE_A_RPREFIX] = NLA_POLICY_MAX(NLA_U8, 128),
	[SOCKGATE_A_TAG] = { .type = NLA_U32 },
	[SOCKGATE_A_DEADLINE] = { .type = NLA_U32 },
	[SOCKGATE_A_MAX_PENDING] = { .type = NLA_U32 },
	[SOCKGATE_A_MAX_CACHED] = { .type = NLA_U32 },
	[SOCKGATE_A_MARK_MASK] = { .type = NLA_U32 },
	[SOCKGATE_A_FAILURES] = { .type = NLA_BINARY },
	[SOCKGATE_A_FAILSAFES] = { .type = NLA_BINARY },
};

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, SOCKGATE_A_PAD);
}

static int put_addr(struct sk_buff *skb, int attr, const struct sg_key *key,
		    const struct in6_addr *addr)
{
	if (ipv6_addr_any(addr))
		return 0;
	return nla_put(skb, attr, key->family == AF_INET ? 4 : 16, addr);
}

static int put_event(struct sk_buff *skb, const struct sg_key *key)
{
	if (nla_put_u8(skb, SOCKGATE_A_EVENT, key->event) ||
	    nla_put_u8(skb, SOCKGATE_A_FAMILY, key->family) ||
	    nla_put_u8(skb, SOCKGATE_A_PROTOCOL, key->protocol) ||
	    put_addr(skb, SOCKGATE_A_LADDR, key, &key->laddr) ||
	    nla_put_be16(skb, SOCKGATE_A_LPORT, key->lport) ||
	    put_addr(skb, SOCKGATE_A_RADDR, key, &key->raddr) ||
	    nla_put_be16(skb, SOCKGATE_A_RPORT, key->rport) ||
	    nla_put_u32(skb, SOCKGATE_A_UID, key->uid) ||
	    put_u64(skb, SOCKGATE_A_CGROUP, key->cgroup) ||
	    put_u64(skb, SOCKGATE_A_NETNS, key->netns))
		return -EMSGSIZE;
	return 0;
}

static int put_caller(struct sk_buff *skb, const struct sg_request *req)
{
	const struct sg_key *key = &req->key;
	const struct sockgate_file exe = {
		.ino = key->exe_ino,
		.ctime_ns = key->exe_ctime,
		.size = req->exe ? i_size_read(sg_real_inode(req->exe)) : 0,
		.dev = key->exe_dev,
		.generation = key->exe_generation,
	};
	const struct sockgate_process process = {
		.start_ns = key->start_ns,
		.exec_id = key->exec_id,
		.pid = key->pid,
		.tid = req->tid,
	};
	long left = req->deadline - jiffies;

	if (nla_put(skb, SOCKGATE_A_EXE, sizeof(exe), &exe) ||
	    nla_put(skb, SOCKGATE_A_PROCESS, sizeof(process), &process) ||
	    nla_put_string(skb, SOCKGATE_A_COMM, req->comm) ||
	    nla_put_u32(skb, SOCKGATE_A_REMAINING,
			jiffies_to_msecs(max(left, 0L))))
		return -EMSGSIZE;
	return 0;
}

static size_t ask_size(void)
{
	return 3 * nla_total_size(sizeof(u8)) +
	       2 * nla_total_size(sizeof(u16)) +
	       2 * nla_total_size(sizeof(u32)) +
	       3 * nla_total_size_64bit(sizeof(u64)) +
	       2 * nla_total_size(sizeof(struct in6_addr)) +
	       nla_total_size(sizeof(struct sockgate_file)) +
	       nla_total_size(sizeof(struct sockgate_process)) +
	       nla_total_size(TASK_COMM_LEN);
}

static struct sk_buff *ask_message(const struct sg_request *req)
{
	struct sk_buff *skb = genlmsg_new(ask_size(), GFP_KERNEL | __GFP_NOWARN);
	void *head;

	if (!skb)
		return NULL;
	head = genlmsg_put(skb, 0, 0, &family, 0, SOCKGATE_CMD_ASK);
	if (!head || put_u64(skb, SOCKGATE_A_ID, req->id) ||
	    put_event(skb, &req->key) || put_caller(skb, req)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, head);
	return skb;
}

/**
 * sg_upcall_ask() - send a published request to the agent
 * @req: published
 *
 * Never waits for the agent: a socket that is full is a failure.
 *
 * Return: SOCKGATE_REASON_UNSPEC, or why it could not be sent.
 */
enum sockgate_reason sg_upcall_ask(struct sg_request *req)
{
	struct sk_buff *skb;
	u32 portid;

	portid = sg_agent_next_socket();
	if (!portid)
		return SOCKGATE_REASON_NO_AGENT;
	skb = ask_message(req);
	if (!skb)
		return SOCKGATE_REASON_NO_MEMORY;
	/* Before sending: from here the end of that socket ends the request. */
	WRITE_ONCE(req->portid, portid);
	switch (genlmsg_unicast(&init_net, skb, portid)) {
	case 0:
		return SOCKGATE_REASON_UNSPEC;
	case -EAGAIN:
	case -ENOBUFS:
		return SOCKGATE_REASON_AGENT_BUSY;
	default:
		return SOCKGATE_REASON_AGENT_GONE;
	}
}

static int do_register(struct sk_buff *skb, struct genl_info *info)
{
	if (!net_eq(genl_info_net(info), &init_net))
		return -EPERM;
	return sg_agent_register(info->snd_portid);
}

static u32 get_u32(struct genl_info *info, int attr)
{
	return info->attrs[attr] ? nla_get_u32(info->attrs[attr]) : 0;
}

static u8 get_u8(struct genl_info *info, int attr)
{
	return info->attrs[attr] ? nla_get_u8(info->attrs[attr]) : 0;
}

static bool verdict_valid(const struct sg_verdict *v, u32 error, u32 fields)
{
	if (fields & ~SOCKGATE_F_ALL || v->tag & ~sg_mark_mask())
		return false;
	switch (v->action) {
	case SOCKGATE_ACTION_ALLOW:
		return true;
	case SOCKGATE_ACTION_DENY:
		return error == EACCES || error == ECONNREFUSED ||
		       error == EPERM;
	case SOCKGATE_ACTION_FAIL:
		return v->reason > SOCKGATE_REASON_UNSPEC &&
		       v->reason <= SOCKGATE_REASON_MAX;
	}
	return false;
}

/*
 * An answer that makes no sense still ends the wait: the caller gets the failure
 * table's row for it at once instead of waiting for the deadline.
 */
static int do_answer(struct sk_buff *skb, struct genl_info *info)
{
	struct sg_verdict verdict = {
		.action = get_u8(info, SOCKGATE_A_ACTION),
		.reason = get_u8(info, SOCKGATE_A_REASON),
		.error = get_u32(info, SOCKGATE_A_ERROR),
		.tag = get_u32(info, SOCKGATE_A_TAG),
	};
	const struct sg_fields fields = {
		.fields = get_u32(info, SOCKGATE_A_FIELDS),
		.lprefix = get_u8(info, SOCKGATE_A_LPREFIX),
		.rprefix = get_u8(info, SOCKGATE_A_RPREFIX),
	};
	int err = 0;

	if (GENL_REQ_ATTR_CHECK(info, SOCKGATE_A_ID))
		return -EINVAL;
	if (!sg_agent_has_socket(info->snd_portid))
		return -EPERM;
	if (!verdict_valid(&verdict, get_u32(info, SOCKGATE_A_ERROR),
			   fields.fields)) {
		verdict = sg_verdict_fail(SOCKGATE_REASON_BAD_ANSWER);
		err = -EINVAL;
	}
	if (!sg_hold_answer(nla_get_u64(info->attrs[SOCKGATE_A_ID]), &verdict,
			    &fields, get_u32(info, SOCKGATE_A_LIFETIME),
			    get_u32(info, SOCKGATE_A_GENERATION)))
		return -ENOENT;
	return err;
}

static int reply_fd(struct genl_info *info, int fd)
{
	struct sk_buff *skb = genlmsg_new(nla_total_size(sizeof(s32)),
					  GFP_KERNEL);
	void *head;

	if (!skb)
		return -ENOMEM;
	head = genlmsg_put_reply(skb, info, &family, 0, SOCKGATE_CMD_OPEN_EXE);
	if (!head || nla_put_s32(skb, SOCKGATE_A_FD, fd)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, info);
}

/*
 * Hands over the very open file that exec made: nothing is opened again, so no
 * file system is waited for while generic netlink is busy with us.
 */
static int give_exe(struct genl_info *info, struct file *exe)
{
	int fd, err;

	/* Reading it could make the agent wait for ever, at its server's will. */
	if (file_inode(exe)->i_sb->s_magic == FUSE_SUPER_MAGIC ||
	    sg_real_inode(exe)->i_sb->s_magic == FUSE_SUPER_MAGIC)
		return -EOPNOTSUPP;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	err = reply_fd(info, fd);
	if (err) {
		put_unused_fd(fd);
		return err;
	}
	fd_install(fd, get_file(exe));
	return 0;
}

/* Runs in the context of the sender, whose descriptor table it fills. */
static int do_open_exe(struct sk_buff *skb, struct genl_info *info)
{
	struct file *exe;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, SOCKGATE_A_ID))
		return -EINVAL;
	if (!sg_agent_is_current())
		return -EPERM;
	exe = sg_hold_exe(nla_get_u64(info->attrs[SOCKGATE_A_ID]));
	if (!exe)
		return -ENOENT;
	err = give_exe(info, exe);
	fput(exe);
	return err;
}

static int do_set_generation(struct sk_buff *skb, struct genl_info *info)
{
	if (GENL_REQ_ATTR_CHECK(info, SOCKGATE_A_GENERATION))
		return -EINVAL;
	if (!sg_agent_is_current())
		return -EPERM;
	sg_cache_set_generation(get_u32(info, SOCKGATE_A_GENERATION));
	return 0;
}

static int check_u32(struct genl_info *info, int attr, u32 min, u32 max)
{
	u32 value = get_u32(info, attr);

	if (!info->attrs[attr] || (value >= min && value <= max))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[attr], "out of range");
	return -ERANGE;
}

static int check_limits(struct genl_info *info)
{
	int err;

	err = check_u32(info, SOCKGATE_A_DEADLINE, 1, SG_DEADLINE_LIMIT);
	if (!err)
		err = check_u32(info, SOCKGATE_A_MAX_PENDING, 1,
				SG_PENDING_LIMIT);
	if (!err)
		err = check_u32(info, SOCKGATE_A_MAX_CACHED, 0, SG_CACHE_LIMIT);
	return err;
}

static int check_failures(struct genl_info *info)
{
	const struct nlattr *a = info->attrs[SOCKGATE_A_FAILURES];
	int err;

	if (!a)
		return 0;
	err = nla_len(a) % sizeof(struct sockgate_failure) ? -EINVAL :
	      sg_failure_check_rows(nla_data(a), nla_len(a) /
				    sizeof(struct sockgate_failure));
	if (err)
		NL_SET_ERR_MSG_ATTR(info->extack, a, "malformed failure row");
	return err;
}

static int make_failsafes(struct genl_info *info, struct sg_failsafes **list)
{
	const struct nlattr *a = info->attrs[SOCKGATE_A_FAILSAFES];

	*list = NULL;
	if (!a)
		return 0;
	if (nla_len(a) % sizeof(struct sockgate_failsafe))
		return -EINVAL;
	*list = sg_failsafes_make(nla_data(a), nla_len(a) /
				  sizeof(struct sockgate_failsafe));
	if (!IS_ERR(*list))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, a, "malformed failsafe list");
	return PTR_ERR(*list);
}

static void apply_config(struct genl_info *info, struct sg_failsafes *list)
{
	const struct nlattr *a = info->attrs[SOCKGATE_A_FAILURES];

	if (info->attrs[SOCKGATE_A_DEADLINE])
		sg_hold_set_deadline(get_u32(info, SOCKGATE_A_DEADLINE));
	if (info->attrs[SOCKGATE_A_MAX_PENDING])
		sg_hold_set_limit(get_u32(info, SOCKGATE_A_MAX_PENDING));
	if (info->attrs[SOCKGATE_A_MAX_CACHED])
		sg_cache_set_limit(get_u32(info, SOCKGATE_A_MAX_CACHED));
	if (info->attrs[SOCKGATE_A_MARK_MASK])
		sg_mark_set_mask(get_u32(info, SOCKGATE_A_MARK_MASK));
	if (a)
		sg_failure_set_rows(nla_data(a), nla_len(a) /
				    sizeof(struct sockgate_failure));
	if (list)
		sg_failsafes_install(list);
}

/* Everything is checked before anything changes. */
static int do_set_config(struct sk_buff *skb, struct genl_info *info)
{
	struct sg_failsafes *list;
	int err;

	err = check_limits(info);
	if (!err)
		err = check_failures(info);
	if (!err)
		err = make_failsafes(info, &list);
	if (err)
		return err;
	mutex_lock(&config_lock);
	apply_config(info, list);
	mutex_unlock(&config_lock);
	return 0;
}

static int put_config(struct sk_buff *skb)
{
	struct sockgate_failure rows[__SOCKGATE_REASON_MAX];

	sg_failure_get_rows(rows);
	if (nla_put_u32(skb, SOCKGATE_A_DEADLINE, sg_hold_deadline()) ||
	    nla_put_u32(skb, SOCKGATE_A_MAX_PENDING, sg_hold_limit()) ||
	    nla_put_u32(skb, SOCKGATE_A_MAX_CACHED, sg_cache_limit()) ||
	    nla_put_u32(skb, SOCKGATE_A_MARK_MASK, sg_mark_mask()) ||
	    nla_put(skb, SOCKGATE_A_FAILURES, sizeof(rows), rows) ||
	    sg_failsafes_put(skb, SOCKGATE_A_FAILSAFES))
		return -EMSGSIZE;
	return 0;
}

static int put_counters(struct sk_buff *skb)
{
	struct sg_counts *sum = kmalloc(sizeof(*sum), GFP_KERNEL);
	int err = 0;

	if (!sum)
		return -ENOMEM;
	sg_counts_sum(sum);
	if (nla_put_64bit(skb, SOCKGATE_A_COUNTERS, sizeof(sum->n), sum->n,
			  SOCKGATE_A_PAD) ||
	    nla_put_64bit(skb, SOCKGATE_A_HOOKS, sizeof(sum->hook), sum->hook,
			  SOCKGATE_A_PAD))
		err = -EMSGSIZE;
	kfree(sum);
	return err;
}

static int put_state(struct sk_buff *skb)
{
	u32 pid = sg_agent_pid();

	if (pid && nla_put_u32(skb, SOCKGATE_A_AGENT_PID, pid))
		return -EMSGSIZE;
	if (nla_put_u32(skb, SOCKGATE_A_GENERATION, sg_cache_generation()) ||
	    nla_put_u32(skb, SOCKGATE_A_PENDING, sg_hold_pending()) ||
	    nla_put_u32(skb, SOCKGATE_A_CACHED, sg_cache_size()) ||
	    nla_put_string(skb, SOCKGATE_A_VERSION_STR, SOCKGATE_VERSION))
		return -EMSGSIZE;
	return 0;
}

static size_t status_size(void)
{
	return NLMSG_GOODSIZE +
	       SOCKGATE_MAX_FAILSAFES * sizeof(struct sockgate_failsafe);
}

static int do_get_status(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *reply = genlmsg_new(status_size(), GFP_KERNEL);
	void *head;

	if (!reply)
		return -ENOMEM;
	head = genlmsg_put_reply(reply, info, &family, 0,
				 SOCKGATE_CMD_GET_STATUS);
	if (!head || put_config(reply) || put_state(reply) ||
	    put_counters(reply)) {
		nlmsg_free(reply);
		return -EMSGSIZE;
	}
	genlmsg_end(reply, head);
	return genlmsg_reply(reply, info);
}

#define OP(name, fn) \
	{ .cmd = SOCKGATE_CMD_##name, .doit = fn, .flags = GENL_ADMIN_PERM }

static const struct genl_ops ops[] = {
	OP(REGISTER, do_register),
	{
		/* One for each question: no room made for what it has not. */
		.cmd = SOCKGATE_CMD_ANSWER,
		.doit = do_answer,
		.flags = GENL_ADMIN_PERM,
		.policy = policy,
		.maxattr = SOCKGATE_A_TAG,
	},
	OP(OPEN_EXE, do_open_exe),
	OP(SET_GENERATION, do_set_generation),
	OP(SET_CONFIG, do_set_config),
	OP(GET_STATUS, do_get_status),
};

static struct genl_family family __ro_after_init = {
	.name = SOCKGATE_GENL_NAME,
	.version = SOCKGATE_GENL_VERSION,
	.maxattr = SOCKGATE_A_MAX,
	.policy = policy,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.resv_start_op = SOCKGATE_CMD_MAX + 1,
	.parallel_ops = true,
};

int __init sg_upcall_init(void)
{
	return genl_register_family(&family);
}

void sg_upcall_exit(void)
{
	genl_unregister_family(&family);
}
