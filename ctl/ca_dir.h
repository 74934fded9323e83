/* SPDX-License-Identifier: GPL-2.0-only */
/* The directory of the CA: its key, its certificate, a directory per host. */
#ifndef CTL_CA_DIR_H
#define CTL_CA_DIR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "pki.h"
#include "tls.h"

#define CA_DIR_DEFAULT "/etc/sockgate/ca"

/* What was written for a host, and until when it is valid. */
struct ca_files {
	time_t until;
	bool cut;		/* at the end of the CA: more was asked for */
	char dir[PATH_MAX];
	char key[PATH_MAX], cert[PATH_MAX], ca[PATH_MAX];
};

/*
 * ca_dir_init - make the directory (mode 0700) with a new CA
 * @from, @to: when it is valid, seconds since 1970
 * Never replaces one that is there.  Returns 0, or -1 with a sentence in @why.
 */
int ca_dir_init(const char *dir, const char *name, time_t from, time_t to,
		char *why, size_t why_size);

/*
 * ca_dir_enroll - issue a certificate into DIR/HOST/{key,cert,ca}.pem
 * @force: replace what is there
 * Returns 0 with @files filled in, or -1 with a sentence in @why.
 */
int ca_dir_enroll(const char *dir, const struct tls_peer *subject, time_t from,
		  time_t to, bool force, struct ca_files *files, char *why,
		  size_t why_size);

#endif
