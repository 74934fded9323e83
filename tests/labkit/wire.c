// SPDX-License-Identifier: GPL-2.0-only
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const wire_machine_names[WIRE_MACHINES] = { "workload", "gateway", "server" };

int wire_machine_by_name(const char *name)
{
	for (int i = 0; i < WIRE_MACHINES; i++)
		if (!strcmp(name, wire_machine_names[i]))
			return i;
	return -1;
}

static void *no_memory(void)
{
	static const char text[] = "lab: out of memory\n";

	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(124);
	_exit(125);
}

/* Room for n more bytes at the end. */
static char *buf_reserve(struct wire_buf *b, size_t n)
{
	if (b->start == b->end)
		b->start = b->end = 0;
	if (b->room - b->end < n && b->start) {
		memmove(b->data, b->data + b->start, b->end - b->start);
		b->end -= b->start;
		b->start = 0;
	}
	if (b->room - b->end < n) {
		b->room = b->end + n + b->room / 2;
		b->data = realloc(b->data, b->room);
		if (!b->data)
			return no_memory();
	}
	return b->data + b->end;
}

static void buf_add(struct wire_buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	memcpy(buf_reserve(b, n), p, n);
	b->end += n;
}

void wire_init(struct wire *w, int fd)
{
	memset(w, 0, sizeof(*w));
	w->fd = fd;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void wire_close(struct wire *w)
{
	close(w->fd);
	w->fd = -1;
	free(w->in.data);
	free(w->out.data);
	memset(&w->in, 0, sizeof(w->in));
	memset(&w->out, 0, sizeof(w->out));
}

bool wire_read(struct wire *w)
{
	ssize_t n = read(w->fd, buf_reserve(&w->in, 2 * WIRE_CHUNK), 2 * WIRE_CHUNK);

	if (n > 0)
		w->in.end += n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

bool wire_next(struct wire *w, struct wire_head *head, const char **body)
{
	size_t have = w->in.end - w->in.start;

	if (have < sizeof(*head))
		return false;
	memcpy(head, w->in.data + w->in.start, sizeof(*head));
	if (have - sizeof(*head) < head->size)
		return false;
	*body = w->in.data + w->in.start + sizeof(*head);
	w->in.start += sizeof(*head) + head->size;
	return true;
}

void wire_put(struct wire *w, struct wire_head head, const void *body, size_t size)
{
	head.size = size;
	buf_add(&w->out, &head, sizeof(head));
	buf_add(&w->out, body, size);
	wire_flush(w);
}

void wire_puts(struct wire *w, struct wire_head head, const char *text)
{
	wire_put(w, head, text, strlen(text) + 1);
}

bool wire_flush(struct wire *w)
{
	struct wire_buf *b = &w->out;

	while (b->start < b->end) {
		ssize_t n = write(w->fd, b->data + b->start, b->end - b->start);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		b->start += n;
	}
	return true;
}

bool wire_unsent(const struct wire *w)
{
	return w->out.start < w->out.end;
}

struct pollfd wire_pollfd(const struct wire *w)
{
	return (struct pollfd){ .fd = w->fd, .events = POLLIN | (wire_unsent(w) ? POLLOUT : 0) };
}

static void add_number(struct wire_buf *b, long n)
{
	char text[24];

	buf_add(b, text, snprintf(text, sizeof(text), "%ld", n) + 1);
}

static void add_strings(struct wire_buf *b, char **strings)
{
	long n = 0;

	while (strings[n])
		n++;
	add_number(b, n);
	for (; *strings; strings++)
		buf_add(b, *strings, strlen(*strings) + 1);
}

char *wire_pack_exec(const struct wire_exec *e, size_t *size)
{
	struct wire_buf b = { 0 };

	add_number(&b, e->terminal);
	add_number(&b, e->internet);
	add_number(&b, e->rows);
	add_number(&b, e->cols);
	buf_add(&b, e->cwd, strlen(e->cwd) + 1);
	add_strings(&b, e->argv);
	add_strings(&b, e->envp);
	*size = b.end;
	return b.data;
}

struct reader {
	const char *at, *end;
	bool bad;
};

static const char *take_string(struct reader *r)
{
	const char *s = r->at, *nul = s < r->end ? memchr(s, 0, r->end - s) : NULL;

	if (!nul) {
		r->bad = true;
		return "";
	}
	r->at = nul + 1;
	return s;
}

static long take_number(struct reader *r)
{
	return strtol(take_string(r), NULL, 10);
}

/* Appends to vec, which has room for as many strings as there are bytes left. */
static char **take_strings(struct reader *r, char **vec)
{
	for (long n = take_number(r); n > 0 && !r->bad; n--)
		*vec++ = (char *)take_string(r);
	*vec++ = NULL;
	return vec;
}

bool wire_unpack_exec(struct wire_exec *e, const char *body, size_t size)
{
	struct reader r = { body, body + size, false };

	e->terminal = take_number(&r);
	e->internet = take_number(&r);
	e->rows = take_number(&r);
	e->cols = take_number(&r);
	e->cwd = take_string(&r);
	e->argv = calloc(size + 4, sizeof(char *));
	if (!e->argv)
		no_memory();
	e->envp = take_strings(&r, e->argv);
	take_strings(&r, e->envp);
	if (!r.bad && e->argv[0])
		return true;
	free(e->argv);
	return false;
}
