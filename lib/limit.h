/* SPDX-License-Identifier: GPL-2.0-only */
/* How many files this process may have open. */
#ifndef SOCKGATE_LIMIT_H
#define SOCKGATE_LIMIT_H

/*
 * limit_raise_files - as many descriptors as the system allows us
 * Returns how many that is.
 */
unsigned long limit_raise_files(void);

#endif
