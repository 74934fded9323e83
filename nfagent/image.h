/* SPDX-License-Identifier: GPL-2.0-only */
/* The image of a container, by what its runtime keeps in root's files. */
#ifndef NFAGENT_IMAGE_H
#define NFAGENT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#define IMAGE_SIZE 512

/*
 * image_of_container - what it was made of
 * @root: "" or where another machine's files are (tests)
 * @id:   64 hex digits, as the runtime prints it
 * Looks where docker, podman, CRI-O and containerd with CRI keep their state by
 * default; no runtime is asked.  Returns false if none of them knows it.
 */
bool image_of_container(const char *root, const char *id, char *buf, size_t size);

#endif
