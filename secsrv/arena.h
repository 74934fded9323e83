/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that is freed as a whole: many small things without an overhead for each. */
#ifndef SECSRV_ARENA_H
#define SECSRV_ARENA_H

#include <stddef.h>

struct arena_block;

/* Zeroed, it is empty. */
struct arena {
	struct arena_block *block;
	size_t used;		/* of the newest block */
};

/* Zeroed memory, aligned for anything but long double; NULL if there is none. */
void *arena_alloc(struct arena *arena, size_t size);

/* Copies of @size bytes, without any alignment, and of a string. */
void *arena_bytes(struct arena *arena, const void *data, size_t size);
char *arena_string(struct arena *arena, const char *text);

/* It is empty afterwards. */
void arena_free(struct arena *arena);

#endif
