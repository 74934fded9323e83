/* SPDX-License-Identifier: GPL-2.0-only */
/* What the name of a systemd unit says that is the same at each start. */
#ifndef NFAGENT_UNIT_H
#define NFAGENT_UNIT_H

#include <stdbool.h>
#include <stddef.h>

#define UNIT_SIZE 256

/*
 * unit_stable - the name without what is different at each start
 * "session-5.scope" -> "session.scope"; "run-u17.service" -> "run.service";
 * "app-gnome-org.gnome.Maps-1234.scope" -> "app-gnome-org.gnome.Maps.scope".
 * Of a service nothing else is left out: an instance ("getty@tty1.service") is chosen
 * by whoever writes the configuration.
 */
void unit_stable(const char *unit, char *buf, size_t size);

/*
 * unit_bundle - the application that it was made for
 * @unit: as unit_stable() gives it
 * "snap:NAME.APP", "flatpak:ID", or "desktop:ID" for what a desktop has started.
 * Returns false if it is none.
 */
bool unit_bundle(const char *unit, char *buf, size_t size);

#endif
