// SPDX-License-Identifier: GPL-2.0-only
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define BLOCK_SIZE ((size_t)64 << 10)
#define ALIGN 8U

struct arena_block {
	struct arena_block *next;
	size_t size;
	uint8_t data[];
};

/* What is too large for a common block gets one of its own, behind the newest. */
static void *own_block(struct arena *a, size_t size)
{
	struct arena_block *b = calloc(1, sizeof(*b) + size);

	if (!b)
		return NULL;
	b->size = size;
	if (!a->block) {
		a->block = b;
		a->used = size;
		return b->data;
	}
	b->next = a->block->next;
	a->block->next = b;
	return b->data;
}

static void *take(struct arena *a, size_t size, size_t align)
{
	size_t at = a->block ? (a->used + align - 1) & ~(align - 1) : 0;
	struct arena_block *b;

	if (!a->block || at > a->block->size || size > a->block->size - at) {
		if (size > BLOCK_SIZE / 4)
			return own_block(a, size);
		b = calloc(1, sizeof(*b) + BLOCK_SIZE);
		if (!b)
			return NULL;
		b->size = BLOCK_SIZE;
		b->next = a->block;
		a->block = b;
		at = 0;
	}
	a->used = at + size;
	return a->block->data + at;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	return take(arena, size, ALIGN);
}

void *arena_bytes(struct arena *arena, const void *data, size_t size)
{
	void *copy = take(arena, size, 1);

	return copy ? memcpy(copy, data, size) : NULL;
}

char *arena_string(struct arena *arena, const char *text)
{
	return arena_bytes(arena, text, strlen(text) + 1);
}

void arena_free(struct arena *arena)
{
	while (arena->block) {
		struct arena_block *next = arena->block->next;

		free(arena->block);
		arena->block = next;
	}
	arena->used = 0;
}
