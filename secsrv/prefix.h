/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of address prefixes (RFC 4632, RFC 4291). */
#ifndef SECSRV_PREFIX_H
#define SECSRV_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prefix {
	uint8_t addr[16];	/* network order, 4 or 16 bytes used */
	uint8_t size;		/* 4 or 16 */
	uint8_t bits;
};

struct prefix_list {
	struct prefix *elem;
	uint32_t count;
};

/*
 * prefix_add - read "10.0.0.0/8", "2001:db8::/32", an address, or "loopback"
 * (127.0.0.0/8 and ::1)
 * Returns NULL, or why not, as a static sentence.  Bits set to the right of
 * the prefix are an error: the writer meant something else.
 */
const char *prefix_add(struct prefix_list *list, const char *text);

void prefix_free(struct prefix_list *list);

/* Of the addresses of one family, what was compared. */
struct prefix_look {
	unsigned int needed;	/* so many bits of the address settled it */
	unsigned int longest;	/* prefix that was looked at */
};

/*
 * prefix_match - is an address in one of them
 * @addr: @size bytes in network order
 * @look: raised by what was looked at on the way; NULL: nobody wants to know
 */
bool prefix_match(const struct prefix_list *list, const uint8_t *addr,
		  size_t size, struct prefix_look *look);

/* True if every address in @inner is in @outer (judged prefix by prefix). */
bool prefix_covers(const struct prefix_list *outer,
		   const struct prefix_list *inner);

#endif
