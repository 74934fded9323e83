/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel says while a test runs. */
#ifndef GUEST_KLOG_H
#define GUEST_KLOG_H

#include <stdbool.h>

struct klog {
	int fd;			/* of /dev/kmsg, at the message to read next */
	unsigned long taint;
};

/* klog_begin - from here the kernel is listened to.  Returns 0, or -1. */
int klog_begin(struct klog *log);

/*
 * klog_end - how often the kernel complained since klog_begin()
 * Prints each complaint as a TAP comment.
 */
int klog_end(struct klog *log);

#endif
