// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockgate.ko: stops socket events before they reach the transport layer, until
 * an agent has said whether this application may.
 *
 * The life of an event by file: hook.c (control) -> event.c (key) -> judge.c ->
 * cache.c (known verdicts) -> hold.c (waiting) -> upcall.c (asking agent.c's
 * process; facts.c: what it is told of who asks) -> failure.c (no verdict to be had).
 * opener.c has the sockets whose packets nobody sees.
 *
 * What no caller could be held for: chain.c (control) -> packet.c (what leaves),
 * hook.c -> arrival.c (peers), report.c (states) -> sock.c (whose it is; scan.c finds
 * the older ones) -> park.c (packets that wait; reader.c: who reads) -> cut.c (telling
 * the application).
 * When the policy changes, review.c has what is open judged again.
 *
 * scope.c says which of these the policy wants to be asked about.
 */
#include <linux/init.h>
#include <linux/module.h>

#include "agent.h"
#include "cache.h"
#include "chain.h"
#include "cut.h"
#include "failure.h"
#include "hold.h"
#include "hook.h"
#include "report.h"
#include "review.h"
#include "scan.h"
#include "sock.h"
#include "upcall.h"

static int __init sockgate_init(void)
{
	int err;

	sg_event_init();
	err = sg_failure_init();
	if (err)
		return err;
	err = sg_cache_init();
	if (err)
		goto no_cache;
	err = sg_sock_init();
	if (err)
		goto no_sock;
	err = sg_cut_init();
	if (err)
		goto no_cut;
	err = sg_review_init();
	if (err)
		goto no_review;
	sg_hold_init();
	err = sg_agent_init();
	if (err)
		goto no_agent;
	/* An agent may want reports as soon as there is somebody to tell. */
	err = sg_report_init();
	if (err)
		goto no_upcall;
	err = sg_upcall_init();
	if (err)
		goto no_upcall;
	err = sg_hook_init();
	if (err)
		goto no_hook;
	err = sg_scan();
	if (!err)
		err = sg_chain_init();
	if (err)
		goto no_chain;
	pr_info("version %s, waiting for an agent\n", SOCKGATE_VERSION);
	return 0;

no_chain:
	sg_review_close();
	sg_report_close();
	sg_hold_close();
	sg_report_exit();
	sg_hook_close();
	sg_hold_close();
	sg_hook_exit();
no_hook:
	sg_upcall_exit();
no_upcall:
	sg_agent_exit();
no_agent:
	sg_hold_close();
	sg_hold_exit();
	sg_review_exit();
no_review:
	sg_cut_exit();
no_cut:
	sg_sock_exit();
no_sock:
	sg_cache_exit();
no_cache:
	sg_failure_exit();
	return err;
}

static void __exit sockgate_exit(void)
{
	/* As long as records end with their sockets. */
	sg_review_close();
	sg_hook_close();
	sg_chain_close();
	sg_report_close();
	sg_hold_close();
	sg_report_exit();
	/* Before the chain goes: an answer may be letting packets on. */
	sg_upcall_exit();
	sg_chain_exit();
	sg_hook_exit();
	sg_agent_exit();
	sg_hold_exit();
	sg_review_exit();
	sg_cut_exit();
	sg_sock_exit();
	sg_cache_exit();
	sg_failure_exit();
}

module_init(sockgate_init);
module_exit(sockgate_exit);

MODULE_DESCRIPTION("Application-aware firewall: holds socket events for a verdict");
MODULE_VERSION(SOCKGATE_VERSION);
MODULE_LICENSE("GPL");
