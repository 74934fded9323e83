/* SPDX-License-Identifier: GPL-2.0-only */
/* One of these per file of the same name. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "options.h"

extern const struct command command_status;
extern const struct command command_events;
extern const struct command command_explain;
extern const struct command command_policy;
extern const struct command command_ca;
extern const struct command command_enroll;
extern const struct command command_failure;
extern const struct command command_config;

#endif
