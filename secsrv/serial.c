// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>

#include "serial.h"
#include "sha256.h"

void serial_next(struct serial *serial, uint64_t now_us,
		 char text[SERIAL_TEXT_SIZE])
{
	uint64_t last;

	serial->last = now_us > serial->last ? now_us : serial->last + 1;
	last = htobe64(serial->last);
	hex_encode((const uint8_t *)&last, sizeof(last), text);
}

uint64_t generation_next(uint64_t last, uint64_t now_s)
{
	return now_s > last ? now_s : last + 1;
}
