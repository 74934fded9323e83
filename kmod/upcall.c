// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic-netlink family: see the uapi header for its messages.
 *
 * Locking: none of its own but config_lock, which makes SET_CONFIG whole;
 * commands run in parallel and call into what locks itself.
 */
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/ipv6.h>

#include "agent.h"
#include "cache.h"
#include "compat/file.h"
#include "compat/netlink.h"
#include "count.h"
#include "facts.h"
#include "failure.h"
#include "hold.h"
#include "hook.h"
#include "mark.h"
#include "park.h"
#include "request.h"
#include "review.h"
#include "scope.h"
#include "sock.h"
#include "upcall.h"

static struct genl_family family;
static DEFINE_MUTEX(config_lock);

static_assert(sizeof(struct sockgate_ask) == 152 &&
	      sizeof(struct sockgate_answer) == 32 &&
	      sizeof(struct sockgate_cached) == 184,
	      "a hole would tell what was in memory");

static const struct nla_policy policy[SOCKGATE_A_MAX + 1] = {
	[SOCKGATE_A_ID] = { .type = NLA_U64 },
	[SOCKGATE_A_GENERATION] = { .type = NLA_U32 },
	[SOCKGATE_A_DEADLINE] = { .type = NLA_U32 },
	[SOCKGATE_A_MAX_PENDING] = { .type = NLA_U32 },
	[SOCKGATE_A_MAX_CACHED] = { .type = NLA_U32 },
	[SOCKGATE_A_MARK_MASK] = { .type = NLA_U32 },
	[SOCKGATE_A_EVENTS] = { .type = NLA_U32 },
	[SOCKGATE_A_FAILURES] = { .type = NLA_BINARY },
	[SOCKGATE_A_FAILSAFES] = { .type = NLA_BINARY },
};

static void fill_exe(struct sockgate_file *exe, const struct sg_request *req)
{
	const struct sg_key *key = &req->key;

	exe->ino = key->exe_ino;
	exe->ctime_ns = key->exe_ctime;
	exe->size = req->exe ? i_size_read(sg_real_inode(req->exe)) : 0;
	exe->dev = key->exe_dev;
	exe->generation = key->exe_generation;
	exe->instance = key->exe_instance;
}

static void fill_process(struct sockgate_process *process,
			 const struct sg_request *req)
{
	process->start_ns = req->key.start_ns;
	process->exec_id = req->key.exec_id;
	process->pid = req->key.pid;
	process->tid = req->tid;
}

/* Each member: what is not written would be somebody's old memory. */
static void fill_ask(struct sockgate_ask *ask, const struct sg_request *req)
{
	const struct sg_key *key = &req->key;
	long left = req->deadline - jiffies;

	ask->id = req->id;
	ask->cgroup = key->cgroup;
	ask->netns = key->netns;
	fill_exe(&ask->exe, req);
	fill_process(&ask->process, req);
	memcpy(ask->laddr, &key->laddr, sizeof(ask->laddr));
	memcpy(ask->raddr, &key->raddr, sizeof(ask->raddr));
	ask->lport = key->lport;
	ask->rport = key->rport;
	ask->uid = key->uid;
	ask->remaining_ms = jiffies_to_msecs(max(left, 0L));
	ask->event = key->event;
	ask->family = key->family;
	ask->protocol = key->protocol;
	ask->pad = 0;
	memcpy(ask->comm, req->comm, sizeof(ask->comm));
}

static struct sk_buff *ask_message(const struct sg_request *req, gfp_t gfp)
{
	const size_t size = nla_total_size(sizeof(struct sockgate_ask));
	struct sk_buff *skb = genlmsg_new(size, gfp | __GFP_NOWARN);
	struct nlattr *ask = NULL;
	void *head;

	/* The first attribute is at 8-byte alignment: it is filled in place. */
	BUILD_BUG_ON((NLMSG_HDRLEN + GENL_HDRLEN + NLA_HDRLEN) % sizeof(u64));
	if (!skb)
		return NULL;
	head = genlmsg_put(skb, 0, 0, &family, 0, SOCKGATE_CMD_ASK);
	if (head)
		ask = nla_reserve(skb, SOCKGATE_A_ASK,
				  sizeof(struct sockgate_ask));
	if (!ask) {
		nlmsg_free(skb);
		return NULL;
	}
	fill_ask(nla_data(ask), req);
	genlmsg_end(skb, head);
	return skb;
}

/**
 * sg_upcall_ask() - send a published request to the agent
 * @req: published
 * @gfp: how to allocate
 *
 * Never waits for the agent: a socket that is full is a failure.
 *
 * Return: SOCKGATE_REASON_UNSPEC, or why it could not be sent.
 */
enum sockgate_reason sg_upcall_ask(struct sg_request *req, gfp_t gfp)
{
	struct sk_buff *skb;
	u32 portid;

	portid = sg_agent_next_socket();
	if (!portid)
		return SOCKGATE_REASON_NO_AGENT;
	skb = ask_message(req, gfp);
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
	return sg_agent_register(info->snd_portid);
}

static u32 get_u32(struct genl_info *info, int attr)
{
	return info->attrs[attr] ? nla_get_u32(info->attrs[attr]) : 0;
}

static bool answer_valid(const struct sockgate_answer *a)
{
	if (a->fields & ~SOCKGATE_F_ALL || a->tag & ~sg_mark_mask() ||
	    a->lprefix > 128 || a->rprefix > 128)
		return false;
	switch (a->action) {
	case SOCKGATE_ACTION_ALLOW:
		return true;
	case SOCKGATE_ACTION_DENY:
		return a->error == EACCES || a->error == ECONNREFUSED ||
		       a->error == EPERM;
	case SOCKGATE_ACTION_FAIL:
		return a->reason > SOCKGATE_REASON_UNSPEC &&
		       a->reason <= SOCKGATE_REASON_MAX;
	}
	return false;
}

/*
 * The one command that is not parsed for us, since a caller waits for it: an
 * answer is one attribute of one size, and nothing else.
 */
static int get_answer(struct genl_info *info, struct sockgate_answer *answer)
{
	const struct nlattr *a = nlmsg_attrdata(info->nlhdr, GENL_HDRLEN);

	if (nlmsg_attrlen(info->nlhdr, GENL_HDRLEN) !=
		    nla_total_size(sizeof(*answer)) ||
	    a->nla_len != nla_attr_size(sizeof(*answer)) ||
	    a->nla_type != SOCKGATE_A_ANSWER)
		return -EINVAL;
	memcpy(answer, nla_data(a), sizeof(*answer));
	return 0;
}

/*
 * An answer that makes no sense still ends the wait: the caller gets the failure
 * table's row for it at once instead of waiting for the deadline.
 */
static int do_answer(struct sk_buff *skb, struct genl_info *info)
{
	struct sg_verdict verdict;
	struct sockgate_answer a;
	struct sg_fields fields;
	int err;

	err = get_answer(info, &a);
	if (err)
		return err;
	if (!sg_agent_has_socket(info->snd_portid))
		return -EPERM;
	verdict = (struct sg_verdict){
		.action = a.action,
		.reason = a.reason,
		.error = a.error,
		.tag = a.tag,
		.generation = a.generation,
		.expires = sg_cache_expires(a.lifetime_ms),
	};
	fields = (struct sg_fields){
		.fields = a.fields,
		.lprefix = a.lprefix,
		.rprefix = a.rprefix,
	};
	if (!answer_valid(&a)) {
		verdict = sg_verdict_fail(SOCKGATE_REASON_BAD_ANSWER);
		err = -EINVAL;
	}
	if (!sg_hold_answer(a.id, &verdict, &fields, a.lifetime_ms))
		return -ENOENT;
	return err;
}

static int reply_exe(struct genl_info *info, int fd,
		     const struct sg_facts *facts)
{
	struct sk_buff *skb = genlmsg_new(nla_total_size(sizeof(s32)) +
					  sg_facts_size(facts), GFP_KERNEL);
	void *head;

	if (!skb)
		return -ENOMEM;
	head = genlmsg_put_reply(skb, info, &family, 0, SOCKGATE_CMD_OPEN_EXE);
	if (!head || nla_put_s32(skb, SOCKGATE_A_FD, fd) ||
	    sg_facts_put(skb, facts)) {
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
static int give_exe(struct genl_info *info, const struct sg_request *req)
{
	struct sg_facts facts;
	int fd, err;

	if (!req->exe)
		return -ENOENT;
	/* Reading what is on FUSE could take for ever, too, at its server's will. */
	if (!sg_event_verifiable(req->exe))
		return -EOPNOTSUPP;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	sg_facts_learn(&facts, &req->key, req->exe, req->arguments);
	err = reply_exe(info, fd, &facts);
	sg_facts_free(&facts);
	if (err) {
		put_unused_fd(fd);
		return err;
	}
	fd_install(fd, get_file(req->exe));
	return 0;
}

/* Runs in the context of the sender, whose descriptor table it fills. */
static int do_open_exe(struct sk_buff *skb, struct genl_info *info)
{
	struct sg_request *req;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, SOCKGATE_A_ID))
		return -EINVAL;
	if (!sg_agent_is_current())
		return -EPERM;
	req = sg_hold_get(nla_get_u64(info->attrs[SOCKGATE_A_ID]));
	if (!req)
		return -ENOENT;
	err = give_exe(info, req);
	sg_hold_put(req);
	return err;
}

static int do_set_generation(struct sk_buff *skb, struct genl_info *info)
{
	if (GENL_REQ_ATTR_CHECK(info, SOCKGATE_A_GENERATION))
		return -EINVAL;
	if (!sg_agent_is_current())
		return -EPERM;
	sg_cache_set_generation(get_u32(info, SOCKGATE_A_GENERATION));
	sg_review();
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

static int check_events(struct genl_info *info)
{
	const struct nlattr *a = info->attrs[SOCKGATE_A_EVENTS];

	if (!a || !(get_u32(info, SOCKGATE_A_EVENTS) & ~SOCKGATE_EVENTS_OPTIONAL))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, a, "not an optional event");
	return -EINVAL;
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
	if (info->attrs[SOCKGATE_A_EVENTS])
		sg_scope_set(get_u32(info, SOCKGATE_A_EVENTS));
	if (a)
		sg_failure_set_rows(nla_data(a), nla_len(a) /
				    sizeof(struct sockgate_failure));
	if (list)
		sg_failsafes_install(list);
}

/* The hooks stand before anything is judged there. */
static int prepare_events(struct genl_info *info)
{
	const struct nlattr *a = info->attrs[SOCKGATE_A_EVENTS];
	int err = a ? sg_hook_scope(get_u32(info, SOCKGATE_A_EVENTS)) : 0;

	if (err)
		NL_SET_ERR_MSG_ATTR(info->extack, a,
				    "no hook can be placed for such an event");
	return err;
}

/* Everything is checked before anything changes. */
static int do_set_config(struct sk_buff *skb, struct genl_info *info)
{
	struct sg_failsafes *list;
	int err;

	err = check_limits(info);
	if (!err)
		err = check_events(info);
	if (!err)
		err = check_failures(info);
	if (!err)
		err = make_failsafes(info, &list);
	if (err)
		return err;
	mutex_lock(&config_lock);
	err = prepare_events(info);
	if (!err)
		apply_config(info, list);
	mutex_unlock(&config_lock);
	if (err)
		sg_failsafes_free(list);
	return err;
}

static int put_config(struct sk_buff *skb)
{
	struct sockgate_failure rows[__SOCKGATE_REASON_MAX];

	sg_failure_get_rows(rows);
	if (nla_put_u32(skb, SOCKGATE_A_DEADLINE, sg_hold_deadline()) ||
	    nla_put_u32(skb, SOCKGATE_A_MAX_PENDING, sg_hold_limit()) ||
	    nla_put_u32(skb, SOCKGATE_A_MAX_CACHED, sg_cache_limit()) ||
	    nla_put_u32(skb, SOCKGATE_A_MARK_MASK, sg_mark_mask()) ||
	    nla_put_u32(skb, SOCKGATE_A_EVENTS, sg_scope_events()) ||
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
	    nla_put_u32(skb, SOCKGATE_A_MASKS, sg_cache_masks()) ||
	    nla_put_u32(skb, SOCKGATE_A_SOCKETS, sg_sock_count()) ||
	    nla_put_u32(skb, SOCKGATE_A_PARKED, sg_park_count()) ||
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
	int err = -EMSGSIZE;
	void *head;

	if (!reply)
		return -ENOMEM;
	head = genlmsg_put_reply(reply, info, &family, 0,
				 SOCKGATE_CMD_GET_STATUS);
	if (head)
		err = put_config(reply);
	if (!err)
		err = put_state(reply);
	if (!err)
		err = put_counters(reply);
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	genlmsg_end(reply, head);
	return genlmsg_reply(reply, info);
}

struct list {
	struct sk_buff *skb;
	struct netlink_callback *cb;
};

static int put_cached(const struct sockgate_cached *cached, void *arg)
{
	const struct list *list = arg;
	void *head;

	head = genlmsg_put(list->skb, NETLINK_CB(list->cb->skb).portid,
			   list->cb->nlh->nlmsg_seq, &family, NLM_F_MULTI,
			   SOCKGATE_CMD_GET_CACHE);
	if (!head)
		return -EMSGSIZE;
	genl_dump_check_consistent(list->cb, head);
	if (nla_put(list->skb, SOCKGATE_A_ENTRY, sizeof(*cached), cached)) {
		genlmsg_cancel(list->skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(list->skb, head);
	return 0;
}

/*
 * As many as the message has room for.  Of two policies' verdicts together nobody
 * could make sense.
 */
static int dump_cache(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct sg_cache_place at = { cb->args[0], cb->args[1] };
	struct list list = { skb, cb };
	int err;

	/* Never 0, which is for what cannot change. */
	cb->seq = sg_cache_generation() << 1 | 1;
	err = sg_cache_list(&at, put_cached, &list);
	if (err && !skb->len)
		return err;
	cb->args[0] = at.bucket;
	cb->args[1] = at.below;
	return skb->len;
}

#define OP(name, fn) \
	{ .cmd = SOCKGATE_CMD_##name, .doit = fn, .flags = GENL_ADMIN_PERM, \
	  .policy = policy, .maxattr = SOCKGATE_A_MAX }

static const struct genl_ops ops[] = {
	OP(REGISTER, do_register),
	{
		.cmd = SOCKGATE_CMD_ANSWER,
		.doit = do_answer,
		.flags = GENL_ADMIN_PERM,
	},
	OP(OPEN_EXE, do_open_exe),
	OP(SET_GENERATION, do_set_generation),
	OP(SET_CONFIG, do_set_config),
	OP(GET_STATUS, do_get_status),
	{
		.cmd = SOCKGATE_CMD_GET_CACHE,
		.dumpit = dump_cache,
		.flags = GENL_ADMIN_PERM,
		.policy = policy,
		.maxattr = SOCKGATE_A_MAX,
	},
};

/* Neither policy nor maxattr, which ANSWER would inherit. */
static struct genl_family family __ro_after_init = {
	.name = SOCKGATE_GENL_NAME,
	.version = SOCKGATE_GENL_VERSION,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	/* Or an answer, which has no policy, would not get through. */
	SG_RESV_START_OP(SOCKGATE_CMD_MAX + 1)
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
