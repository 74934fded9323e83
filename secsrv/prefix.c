// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "prefix.h"

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes))
		return false;
	return !rest || !((a[bytes] ^ b[bytes]) >> (8 - rest));
}

static bool host_bits_set(const struct prefix *p)
{
	for (unsigned int bit = p->bits; bit < p->size * 8U; bit++) {
		if (p->addr[bit / 8] & (0x80U >> (bit % 8)))
			return true;
	}
	return false;
}

static const char *parse_bits(const char *text, struct prefix *p)
{
	unsigned long bits;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return "the prefix length is not a number";
	errno = 0;
	bits = strtoul(text, &end, 10);
	if (errno || *end)
		return "the prefix length is not a number";
	if (bits > p->size * 8UL)
		return "the prefix is longer than the address";
	p->bits = (uint8_t)bits;
	if (host_bits_set(p))
		return "the address has bits set outside its prefix";
	return NULL;
}

static const char *parse(const char *text, struct prefix *p)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);

	memset(p, 0, sizeof(*p));
	if (len >= sizeof(addr))
		return "not an IPv4 or IPv6 address";
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (inet_pton(AF_INET, addr, p->addr) == 1)
		p->size = 4;
	else if (inet_pton(AF_INET6, addr, p->addr) == 1)
		p->size = 16;
	else
		return "not an IPv4 or IPv6 address";
	if (slash)
		return parse_bits(slash + 1, p);
	p->bits = (uint8_t)(p->size * 8);
	return NULL;
}

const char *prefix_add(struct prefix_list *list, const char *text)
{
	struct prefix *more, p;
	const char *why;

	if (!strcasecmp(text, "loopback")) {
		why = prefix_add(list, "127.0.0.0/8");
		return why ? why : prefix_add(list, "::1");
	}
	why = parse(text, &p);
	if (why)
		return why;
	more = reallocarray(list->elem, list->count + 1U, sizeof(*more));
	if (!more)
		return "out of memory";
	list->elem = more;
	more[list->count++] = p;
	return NULL;
}

void prefix_free(struct prefix_list *list)
{
	free(list->elem);
	list->elem = NULL;
	list->count = 0;
}

/* How many bits two addresses begin with alike, up to @max. */
static unsigned int common_bits(const uint8_t *a, const uint8_t *b, unsigned int max)
{
	unsigned int n = 0;

	while (n < max && a[n / 8] == b[n / 8])
		n += 8;
	if (n < max)
		n += (unsigned int)__builtin_clz((uint32_t)(a[n / 8] ^ b[n / 8]) << 24);
	return n < max ? n : max;
}

static void note(struct prefix_look *look, const struct prefix *p, const uint8_t *addr)
{
	unsigned int needed = common_bits(p->addr, addr, p->bits) + 1;

	if (needed > p->bits)
		needed = p->bits;
	if (look->needed < needed)
		look->needed = needed;
	if (look->longest < p->bits)
		look->longest = p->bits;
}

bool prefix_match(const struct prefix_list *list, const uint8_t *addr,
		  size_t size, struct prefix_look *look)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct prefix *p = &list->elem[i];

		if (p->size != size)
			continue;
		if (look)
			note(look, p, addr);
		if (same_bits(p->addr, addr, p->bits))
			return true;
	}
	return false;
}

static bool covers_one(const struct prefix_list *outer, const struct prefix *p)
{
	for (uint32_t i = 0; i < outer->count; i++) {
		const struct prefix *o = &outer->elem[i];

		if (o->size == p->size && o->bits <= p->bits &&
		    same_bits(o->addr, p->addr, o->bits))
			return true;
	}
	return false;
}

bool prefix_covers(const struct prefix_list *outer,
		   const struct prefix_list *inner)
{
	for (uint32_t i = 0; i < inner->count; i++) {
		if (!covers_one(outer, &inner->elem[i]))
			return false;
	}
	return true;
}
