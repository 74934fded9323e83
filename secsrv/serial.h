/* SPDX-License-Identifier: GPL-2.0-only */
/* Names for decisions: unique on a server, sortable by time, short. */
#ifndef SECSRV_SERIAL_H
#define SECSRV_SERIAL_H

#include <stdint.h>

#define SERIAL_TEXT_SIZE 17

/* Zero-initialised at start. */
struct serial {
	uint64_t last;
};

/*
 * serial_next - the next name, as 16 hexadecimal digits
 * @now_us: wall clock, microseconds since 1970
 *
 * The number is the time, or one more than the last if that is not later: a
 * clock that is set back repeats nothing while the server runs, and a restart
 * repeats nothing unless the clock was set back meanwhile.
 */
void serial_next(struct serial *serial, uint64_t now_us,
		 char text[SERIAL_TEXT_SIZE]);

/*
 * generation_next - the number of the next policy
 * @last:  of the policy before, 0 if there was none
 * @now_s: wall clock, seconds since 1970
 *
 * Made of the clock too, so that it does not go back when the database in which
 * the last one was stored is lost, or was full.  Fits 32 bits until 2106, as
 * the kernel's contract wants.
 */
uint64_t generation_next(uint64_t last, uint64_t now_s);

#endif
