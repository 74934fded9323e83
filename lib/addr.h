/* SPDX-License-Identifier: GPL-2.0-only */
/* Numeric addresses and their text.  Names are never resolved. */
#ifndef SOCKGATE_ADDR_H
#define SOCKGATE_ADDR_H

#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* "[address%interface]:65535" and its NUL. */
#define ADDR_TEXT_SIZE 80

/*
 * addr_parse - "192.0.2.1:7300", "[2001:db8::1]:7300"; without the port if
 *              @default_port is not 0 (then brackets may be left out too)
 * @len: what connect(2) wants with @addr
 * Returns 0, or -1 with errno EINVAL.
 */
int addr_parse(const char *text, uint16_t default_port,
	       struct sockaddr_storage *addr, socklen_t *len);

/*
 * addr_format - the text that addr_parse() reads; "local" for AF_UNIX
 * @text: at least ADDR_TEXT_SIZE bytes
 */
void addr_format(const struct sockaddr *addr, char *text);

/*
 * addr_source - who is taken for one: an address, or a network of IPv6 (/64) such as one
 *               machine has
 * An IPv4 address mapped into IPv6 is the IPv4 address; other families are all one.
 */
struct in6_addr addr_source(const struct sockaddr *addr);

/*
 * addr_format_bytes - as above, from what the contracts carry
 * @ip:   4 or 16 bytes in network order, @ip_len of them; none gives "-"
 * @port: host order, 0: left out
 * An IPv4 address mapped into IPv6 is shown as IPv4.
 */
void addr_format_bytes(const uint8_t *ip, size_t ip_len, uint16_t port,
		       char *text);

#endif
