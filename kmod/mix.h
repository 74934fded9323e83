/* SPDX-License-Identifier: GPL-2.0-only */
/* What keyed hashes that nobody sees are made of. */
#ifndef SOCKGATE_MIX_H
#define SOCKGATE_MIX_H

#include <linux/types.h>

/**
 * sg_mix() - one word of two
 * @a: combined with a secret word
 * @b: combined with another
 *
 * Return: the two halves of the product, one over the other.
 */
static inline u64 sg_mix(u64 a, u64 b)
{
	const unsigned __int128 product = (unsigned __int128)a * b;

	return (u64)product ^ (u64)(product >> 64);
}

#endif
