// SPDX-License-Identifier: GPL-2.0-only
/* By the bare system calls, io_uring(7): one ring, one entry, one completion. */
#include "uring.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
	int fd;
	struct io_uring_params p;
	char *sq, *cq;
	struct io_uring_sqe *sqe;
};

static size_t sq_size(const struct ring *r)
{
	return r->p.sq_off.array + r->p.sq_entries * sizeof(uint32_t);
}

static size_t cq_size(const struct ring *r)
{
	return r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
}

static size_t sqe_size(const struct ring *r)
{
	return r->p.sq_entries * sizeof(*r->sqe);
}

static void *map(const struct ring *r, size_t size, off_t what)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    r->fd, what);
}

/* A mapping would keep the ring, and its polling thread. */
static void unmap(void *at, size_t size)
{
	if (at != MAP_FAILED)
		munmap(at, size);
}

static void ring_close(struct ring *r)
{
	unmap(r->sq, sq_size(r));
	unmap(r->cq, cq_size(r));
	unmap(r->sqe, sqe_size(r));
	close(r->fd);
}

static int ring_open(struct ring *r, enum uring_by by)
{
	*r = (struct ring){ 0 };
	if (by == URING_POLLER)
		r->p.flags = IORING_SETUP_SQPOLL;
	r->fd = (int)syscall(SYS_io_uring_setup, 1, &r->p);
	if (r->fd < 0)
		return errno;
	r->sq = map(r, sq_size(r), IORING_OFF_SQ_RING);
	r->cq = map(r, cq_size(r), IORING_OFF_CQ_RING);
	r->sqe = map(r, sqe_size(r), IORING_OFF_SQES);
	if (r->sq != MAP_FAILED && r->cq != MAP_FAILED && r->sqe != MAP_FAILED)
		return 0;
	ring_close(r);
	return ENOMEM;
}

static uint32_t *at(char *ring, uint32_t offset)
{
	return (uint32_t *)(void *)(ring + offset);
}

static int submit_and_wait(struct ring *r, int *res)
{
	uint32_t *tail = at(r->sq, r->p.sq_off.tail);
	uint32_t *done = at(r->cq, r->p.cq_off.tail);
	const struct io_uring_cqe *cqe = (void *)(r->cq + r->p.cq_off.cqes);
	unsigned int flags = IORING_ENTER_GETEVENTS;
	uint32_t submit = 1;

	if (r->p.flags & IORING_SETUP_SQPOLL)
		flags |= IORING_ENTER_SQ_WAKEUP;
	at(r->sq, r->p.sq_off.array)[0] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(done, __ATOMIC_ACQUIRE)) {
		long n = syscall(SYS_io_uring_enter, r->fd, submit, 1, flags,
				 NULL, 0);

		if (n < 0 && errno != EINTR)
			return errno;
		submit = 0;
	}
	*res = cqe[0].res;
	return 0;
}

int uring_do(const struct io_uring_sqe *sqe, enum uring_by by, int *res)
{
	struct ring r;
	int err = ring_open(&r, by);

	if (err)
		return err;
	*r.sqe = *sqe;
	if (by == URING_WORKER)
		r.sqe->flags |= IOSQE_ASYNC;
	err = submit_and_wait(&r, res);
	ring_close(&r);
	return err;
}

int uring_connect(int fd, const struct sockaddr *addr, socklen_t len,
		  enum uring_by by)
{
	const struct io_uring_sqe sqe = {
		.opcode = IORING_OP_CONNECT,
		.fd = fd,
		.addr = (uintptr_t)addr,
		.off = len,
	};
	int res = 0, err = uring_do(&sqe, by, &res);

	return err ?: -res;
}

int uring_accept(int fd, enum uring_by by)
{
	const struct io_uring_sqe sqe = { .opcode = IORING_OP_ACCEPT, .fd = fd };
	int res = 0, err = uring_do(&sqe, by, &res);

	return err ? -err : res;
}
