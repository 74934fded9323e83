/* SPDX-License-Identifier: GPL-2.0-only */
/* The local socket through which `sockgate` talks to a daemon. */
#ifndef SOCKGATE_CONTROL_H
#define SOCKGATE_CONTROL_H

#include <stddef.h>

#define CONTROL_AGENT_SOCKET "/run/sockgate/nfagent.sock"
#define CONTROL_SERVER_SOCKET "/run/sockgate/secsrv.sock"
#define CONTROL_SIGDB_SOCKET "/run/sockgate/sigdb.sock"
#define CONTROL_MANAGER_SOCKET "/run/sockgate/policymgr.sock"

/*
 * control_listen - make the socket and listen on it
 * @path: its directory is made (mode 0750) if it is not there; the socket is
 *        made with mode 0600
 * @why:  on failure a sentence, e.g. that another daemon already answers there
 *
 * A socket that nobody listens on any more is replaced; the lock file @path.lock
 * keeps two daemons that start together from replacing each other's.  It is held
 * until the process ends.  Returns a non-blocking descriptor, or -1.
 */
int control_listen(const char *path, char *why, size_t why_size);

/*
 * control_accept - take the next connection
 * Returns a non-blocking descriptor for channel_local(), or -1 with errno EAGAIN
 * (none), EPERM (one came from a user that is neither root nor our own; it was
 * closed), or another of accept(2).
 */
int control_accept(int listener);

/*
 * control_connect - connect to a daemon
 * @program: its name, for @why: "is nfagent running?"
 * Returns a non-blocking descriptor, or -1 with errno and @why.
 */
int control_connect(const char *path, const char *program, char *why,
		    size_t why_size);

#endif
