/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages of the family that are almost right, from a seed. */
#ifndef GUEST_FUZZ_H
#define GUEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <linux/netlink.h>
#include <linux/sockgate.h>

#define FUZZ_MESSAGE_MAX 32768U	/* bytes */
#define FUZZ_IDS 16U

/* What those that send at the same time know of each other: shared memory. */
struct fuzz_seen {
	_Atomic uint64_t id[FUZZ_IDS];	/* of questions that were asked lately */
	_Atomic uint32_t next, generation;
};

struct fuzz {
	struct fuzz_seen *seen;
	uint64_t random;	/* the generator's state, never 0 */
	uint16_t family;
};

/*
 * fuzz_begin - the messages of one sender
 * @who: another number is another sequence
 * The same seed and number make the same messages, but for ids and generations,
 * which are those of the moment.
 */
struct fuzz fuzz_begin(uint64_t seed, unsigned int who, uint16_t family,
		       struct fuzz_seen *seen);

/* fuzz_draw - a number below @n, which is not 0 */
uint32_t fuzz_draw(struct fuzz *f, uint32_t n);

/*
 * fuzz_message - one message, that wants an acknowledgement
 * @buf: aligned, with room for FUZZ_MESSAGE_MAX
 * Returns where the next begins: its length, which is what its header says, aligned.
 */
size_t fuzz_message(struct fuzz *f, void *buf, uint32_t seq);

/* fuzz_answer - a right answer to a question, in the same way */
size_t fuzz_answer(struct fuzz *f, void *buf, uint32_t seq, uint64_t id);

/* fuzz_lie - let the last message of a batch say a length that it has not */
void fuzz_lie(struct fuzz *f, struct nlmsghdr *nlh);

/* fuzz_note - there is such a question */
void fuzz_note(struct fuzz *f, uint64_t id);

#endif
