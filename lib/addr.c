// SPDX-License-Identifier: GPL-2.0-only
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Only digits, 1 to 65535. */
static bool parse_port(const char *text, in_port_t *port)
{
	unsigned long value = 0;
	size_t len = strlen(text);

	if (!len || len > 5 || strspn(text, "0123456789") != len)
		return false;
	value = strtoul(text, NULL, 10);
	if (!value || value > UINT16_MAX)
		return false;
	*port = htons((uint16_t)value);
	return true;
}

static bool parse_v4(const char *host, in_port_t port,
		     struct sockaddr_storage *addr, socklen_t *len)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = port };

	if (inet_pton(AF_INET, host, &sin.sin_addr) != 1)
		return false;
	memcpy(addr, &sin, sizeof(sin));
	*len = sizeof(sin);
	return true;
}

static bool parse_v6(char *host, in_port_t port, struct sockaddr_storage *addr,
		     socklen_t *len)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = port };
	char *zone = strchr(host, '%');

	if (zone) {
		*zone++ = '\0';
		sin6.sin6_scope_id = if_nametoindex(zone);
		if (!sin6.sin6_scope_id)
			return false;
	}
	if (inet_pton(AF_INET6, host, &sin6.sin6_addr) != 1)
		return false;
	memcpy(addr, &sin6, sizeof(sin6));
	*len = sizeof(sin6);
	return true;
}

/*
 * Splits in place.  *port is NULL if there is none; *bracketed says that only
 * IPv6 will do.
 */
static bool split(char *text, char **host, char **port, bool *bracketed)
{
	char *end;

	*bracketed = *text == '[';
	*host = text + *bracketed;
	if (*bracketed) {
		end = strchr(text, ']');
		if (!end)
			return false;
		*end++ = '\0';
		if (*end && *end != ':')
			return false;
		*port = *end ? end + 1 : NULL;
		return true;
	}
	end = strchr(text, ':');
	/* Two colons without brackets: an IPv6 address without a port. */
	*port = end && !strchr(end + 1, ':') ? end + 1 : NULL;
	if (*port)
		*end = '\0';
	return true;
}

int addr_parse(const char *text, uint16_t default_port,
	       struct sockaddr_storage *addr, socklen_t *len)
{
	char copy[ADDR_TEXT_SIZE], *host, *port_text;
	in_port_t port = htons(default_port);
	bool bracketed, ok;

	memset(addr, 0, sizeof(*addr));
	*len = 0;
	if (strlen(text) >= sizeof(copy))
		goto bad;
	memcpy(copy, text, strlen(text) + 1);
	if (!split(copy, &host, &port_text, &bracketed))
		goto bad;
	if (port_text ? !parse_port(port_text, &port) : !default_port)
		goto bad;
	ok = !bracketed && parse_v4(host, port, addr, len);
	if (!ok)
		ok = (bracketed || !port_text) && parse_v6(host, port, addr, len);
	if (ok)
		return 0;
bad:
	errno = EINVAL;
	return -1;
}

void addr_format_bytes(const uint8_t *ip, size_t ip_len, uint16_t port, char *text)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char host[INET6_ADDRSTRLEN];
	bool v6;

	if (ip_len == 16 && !memcmp(ip, mapped, sizeof(mapped))) {
		ip += sizeof(mapped);
		ip_len = 4;
	}
	v6 = ip_len == 16;
	if ((ip_len != 4 && !v6) ||
	    !inet_ntop(v6 ? AF_INET6 : AF_INET, ip, host, sizeof(host)))
		snprintf(host, sizeof(host), "-");
	if (port && v6)
		snprintf(text, ADDR_TEXT_SIZE, "[%s]:%u", host, port);
	else if (port)
		snprintf(text, ADDR_TEXT_SIZE, "%s:%u", host, port);
	else
		snprintf(text, ADDR_TEXT_SIZE, "%s", host);
}

static void format_v6(const struct sockaddr_in6 *sin6, char *text)
{
	char host[INET6_ADDRSTRLEN], zone[IF_NAMESIZE];

	if (!sin6->sin6_scope_id || !if_indextoname(sin6->sin6_scope_id, zone)) {
		addr_format_bytes(sin6->sin6_addr.s6_addr, 16,
				  ntohs(sin6->sin6_port), text);
		return;
	}
	if (!inet_ntop(AF_INET6, &sin6->sin6_addr, host, sizeof(host)))
		snprintf(host, sizeof(host), "-");
	snprintf(text, ADDR_TEXT_SIZE, "[%s%%%s]:%u", host, zone,
		 ntohs(sin6->sin6_port));
}

void addr_format(const struct sockaddr *addr, char *text)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)addr;

	if (addr->sa_family == AF_INET)
		addr_format_bytes((const uint8_t *)&sin->sin_addr, 4,
				  ntohs(sin->sin_port), text);
	else if (addr->sa_family == AF_INET6)
		format_v6((const struct sockaddr_in6 *)addr, text);
	else
		snprintf(text, ADDR_TEXT_SIZE, "%s",
			 addr->sa_family == AF_UNIX ? "local" : "-");
}

struct in6_addr addr_source(const struct sockaddr *addr)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
	struct in6_addr source = { 0 };

	if (addr->sa_family == AF_INET)
		memcpy(&source.s6_addr[12], &in->sin_addr, 4);
	else if (addr->sa_family != AF_INET6)
		return source;
	else if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		memcpy(&source.s6_addr[12], &in6->sin6_addr.s6_addr[12], 4);
	else
		memcpy(&source, &in6->sin6_addr, 8);
	return source;
}
