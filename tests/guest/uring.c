// SPDX-License-Identifier: GPL-2.0-only
/* By the bare system calls, io_uring(7): one ring, one entry, one completion. */
#include "uring.h"

#include <errno.h>
#include <linux/io_uring.h>
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

static void *map(const struct ring *r, size_t size, off_t what)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    r->fd, what);
}

/* The mappings go with the process; a worker makes few rings. */
static int ring_open(struct ring *r)
{
	*r = (struct ring){ 0 };
	r->fd = (int)syscall(SYS_io_uring_setup, 1, &r->p);
	if (r->fd < 0)
		return errno;
	r->sq = map(r, r->p.sq_off.array + r->p.sq_entries * sizeof(uint32_t),
		    IORING_OFF_SQ_RING);
	r->cq = map(r, r->p.cq_off.cqes + r->p.cq_entries *
			sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	r->sqe = map(r, r->p.sq_entries * sizeof(*r->sqe), IORING_OFF_SQES);
	if (r->sq != MAP_FAILED && r->cq != MAP_FAILED && r->sqe != MAP_FAILED)
		return 0;
	close(r->fd);
	return ENOMEM;
}

static uint32_t *at(char *ring, uint32_t offset)
{
	return (uint32_t *)(void *)(ring + offset);
}

static int submit_and_wait(struct ring *r)
{
	uint32_t *tail = at(r->sq, r->p.sq_off.tail);
	uint32_t *done = at(r->cq, r->p.cq_off.tail);
	const struct io_uring_cqe *cqe = (void *)(r->cq + r->p.cq_off.cqes);
	uint32_t submit = 1;

	at(r->sq, r->p.sq_off.array)[0] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(done, __ATOMIC_ACQUIRE)) {
		long n = syscall(SYS_io_uring_enter, r->fd, submit, 1,
				 IORING_ENTER_GETEVENTS, NULL, 0);

		if (n < 0 && errno != EINTR)
			return errno;
		submit = 0;
	}
	return -cqe[0].res;
}

int uring_connect(int fd, const struct sockaddr *addr, socklen_t len, bool async)
{
	struct ring r;
	int err = ring_open(&r);

	if (err)
		return err;
	*r.sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_CONNECT,
		.flags = async ? IOSQE_ASYNC : 0,
		.fd = fd,
		.addr = (uintptr_t)addr,
		.off = len,
	};
	err = submit_and_wait(&r);
	close(r.fd);
	return err;
}
