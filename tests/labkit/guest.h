/* SPDX-License-Identifier: GPL-2.0-only */
/* guest - what the programs inside a guest agree on. */
#ifndef LAB_GUEST_H
#define LAB_GUEST_H

#define GUEST_SOCKET "/run/lab.sock" /* init listens, `on` dials */

#endif
