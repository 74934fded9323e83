/* SPDX-License-Identifier: GPL-2.0-only */
/* A page of memory that whoever touches it waits for. */
#ifndef GUEST_PAGE_H
#define GUEST_PAGE_H

#define PAGE_BYTES 4096

/*
 * page_missing - one that is not there
 * @page: where it would be
 * Returns the userfaultfd, or -1.
 */
int page_missing(char **page);

/* page_give - let it be there, all zeros.  Returns 0, or -1. */
int page_give(int fd, const char *page);

#endif
