/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading a configuration file (libconfig syntax).
 *
 * Read every setting, then ask conf_finish() once: the first thing that is wrong
 * is kept, with file and line, and every reader after it gives its default.  What
 * nobody asked for is an unknown setting, so there is no second list of names.
 *
 *	struct conf *c = conf_open(file, why, sizeof(why));
 *
 *	conf_string(c, "tls.key", "/etc/sockgate/key.pem", &key);
 *	conf_int(c, "workers", 4, 1, 64, &workers);
 *	if (conf_finish(c, why, sizeof(why)))
 *		fatalx("%s", why);
 */
#ifndef SOCKGATE_CONF_H
#define SOCKGATE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct conf;

#define CONF_LISTEN_MAX 8

/* Where a daemon listens. */
struct conf_listen {
	struct {
		struct sockaddr_storage addr;
		socklen_t len;
	} list[CONF_LISTEN_MAX];
	unsigned int n;
};

/*
 * conf_open - read and parse a file
 * @why: on failure "FILE:LINE: reason"
 * Returns NULL on failure.  Strings that the readers give belong to the conf.
 */
struct conf *conf_open(const char *file, char *why, size_t why_size);
void conf_close(struct conf *c);

/*
 * The readers.  @path is "name", "group.name" or "list.[0].name".  They return
 * true if the setting is there and right.  A string whose default is NULL is
 * required, and so is an address.
 *
 * conf_int:    @min and @max inclusive; @out has @def if absent
 * conf_addr:   "ADDR:PORT" or "[ADDR]:PORT", numeric; @default_port 0: the port
 *              is required
 * conf_listen: the setting `listen', one address or a list of them; @def if absent
 * conf_count:  elements of a list or array, 0 if absent
 * conf_has:    is it there?  (counts as asked for)
 * conf_is_group: is it there, as a group { }?  (counts as asked for)
 */
bool conf_string(struct conf *c, const char *path, const char *def,
		 const char **out);
bool conf_int(struct conf *c, const char *path, int64_t def, int64_t min,
	      int64_t max, int64_t *out);
bool conf_bool(struct conf *c, const char *path, bool def, bool *out);
bool conf_addr(struct conf *c, const char *path, const char *def,
	       uint16_t default_port, struct sockaddr_storage *addr,
	       socklen_t *len);
bool conf_listen(struct conf *c, const char *def, uint16_t default_port,
		 struct conf_listen *out);
unsigned int conf_count(struct conf *c, const char *path);
bool conf_has(struct conf *c, const char *path);
bool conf_is_group(struct conf *c, const char *path);

/*
 * conf_reject - for a rule of the caller's own: the value at @path is wrong
 * The message is given by conf_finish() as "FILE:LINE: message".
 */
void conf_reject(struct conf *c, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * conf_finish - was all of it right, and is nothing unknown in it?
 * @why: on failure "FILE:LINE: reason"
 * Returns 0 or -1.
 */
int conf_finish(struct conf *c, char *why, size_t why_size);

#endif
