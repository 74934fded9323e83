/* SPDX-License-Identifier: GPL-2.0-only */
/* What may talk while no verdict can be had: the list the kernel gets. */
#ifndef NFAGENT_FAILSAFE_H
#define NFAGENT_FAILSAFE_H

#include <stddef.h>
#include <stdint.h>
#include <linux/sockgate.h>

/* One of the configuration's. */
struct failsafe_rule {
	struct sockgate_failsafe row;
	const char *exe;	/* path, to be looked up; NULL: any program */
};

/* The list, with a sentence about what could not be put into it. */
struct failsafes {
	struct sockgate_failsafe row[SOCKGATE_MAX_FAILSAFES];
	size_t n;
	char trouble[512];	/* "" if none */
};

/*
 * failsafe_build - put the list together
 * First the module's own (loopback, DHCP client, ssh listener, what lets nothing
 * out), then @rules, then DNS to the resolvers of @resolv_conf.  A rule whose executable cannot be
 * looked up is left out: it must not become a rule for any program.
 */
void failsafe_build(struct failsafes *list, const struct failsafe_rule *rules,
		    size_t n_rules, const char *resolv_conf);

/*
 * failsafe_exe - the key of an executable by its path
 * Returns 0, or -1 with errno; EOPNOTSUPP where the kernel's key cannot be seen
 * from here: on overlayfs it is that of the layer's file, on tmpfs it has a
 * generation that is not told, and the device is told with the mount only.
 */
int failsafe_exe(const char *path, struct sockgate_file *file);

#endif
