// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>

#include "serial.h"

void serial_next(struct serial *serial, uint64_t now_us,
		 char text[SERIAL_TEXT_SIZE])
{
	serial->last = now_us > serial->last ? now_us : serial->last + 1;
	snprintf(text, SERIAL_TEXT_SIZE, "%016" PRIx64, serial->last);
}

uint64_t generation_next(uint64_t last, uint64_t now_s)
{
	return now_s > last ? now_s : last + 1;
}
