/* SPDX-License-Identifier: GPL-2.0-only */
/* Which Flatpak a process is in, by the file that flatpak puts into its root. */
#ifndef NFAGENT_FLATPAK_H
#define NFAGENT_FLATPAK_H

#include <stdbool.h>
#include <stddef.h>

#define FLATPAK_INFO "/.flatpak-info"
#define FLATPAK_INFO_MAX (64U << 10)

/*
 * flatpak_id - "flatpak:ID" out of the text of that file
 * Returns false if it names no application.
 */
bool flatpak_id(const char *text, char *buf, size_t size);

#endif
