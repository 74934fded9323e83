/* SPDX-License-Identifier: GPL-2.0-only */
/* boot - from the initial ramdisk to a guest that looks like the machine outside. */
#ifndef LAB_BOOT_H
#define LAB_BOOT_H

#include <stddef.h>

/* Loads /modules/, puts a throw-away layer over the machine's own root and moves there. */
void boot_root(void);
/* The descriptor of the port to the hub. */
int boot_open_port(void);
/* Applies the hub's key=value strings; NULL or why it could not be done. */
const char *boot_setup(const char *body, size_t size);

#endif
