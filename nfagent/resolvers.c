// SPDX-License-Identifier: GPL-2.0-only
#include "resolvers.h"

#include <errno.h>
#include <event2/event.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define CHANGES (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | \
		 IN_MOVED_FROM)

struct resolvers {
	const char *file;
	void (*fn)(void *arg);
	void *arg;
	struct event *event;
	int fd;
	int target_watch;	/* of the directory the link leads to, or -1 */
	int link_watch;
};

static int watch_directory_of(struct resolvers *r, const char *file)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", file);
	return inotify_add_watch(r->fd, dirname(copy), CHANGES | IN_ONLYDIR);
}

static void watch(struct resolvers *r)
{
	char target[PATH_MAX];

	r->link_watch = watch_directory_of(r, r->file);
	if (r->target_watch >= 0 && r->target_watch != r->link_watch)
		inotify_rm_watch(r->fd, r->target_watch);
	r->target_watch = -1;
	if (realpath(r->file, target))
		r->target_watch = watch_directory_of(r, target);
}

static void on_change(evutil_socket_t fd, short what, void *arg)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct resolvers *r = arg;
	bool any = false;

	(void)what;
	while (read(fd, buf, sizeof(buf)) > 0)
		any = true;
	if (!any)
		return;
	watch(r);
	r->fn(r->arg);
}

struct resolvers *resolvers_watch(struct event_base *base, const char *file,
				  void (*fn)(void *arg), void *arg)
{
	struct resolvers *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->file = file;
	r->fn = fn;
	r->arg = arg;
	r->target_watch = -1;
	r->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->fd < 0)
		goto fail;
	r->event = event_new(base, r->fd, EV_READ | EV_PERSIST, on_change, r);
	if (!r->event || event_add(r->event, NULL)) {
		errno = ENOMEM;
		goto fail;
	}
	watch(r);
	return r;
fail:
	resolvers_free(r);
	return NULL;
}

void resolvers_free(struct resolvers *r)
{
	int err = errno;

	if (!r)
		return;
	if (r->event)
		event_free(r->event);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
	errno = err;
}
