/* SPDX-License-Identifier: GPL-2.0-only */
/* What sockgate can be told to do; one of these per file of the same name. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "options.h"

extern const struct command command_status;
extern const struct command command_events;
extern const struct command command_explain;
extern const struct command command_policy;
extern const struct command command_cache;
extern const struct command command_ca;
extern const struct command command_enroll;
extern const struct command command_failure;
extern const struct command command_config;

/* Returns NULL if there is none of this name. */
const struct command *command_find(const char *name);

/*
 * command_help - print the help of a command
 * @name: NULL: the overview of all
 * Returns RESULT_OK, or as command_unknown().
 */
int command_help(const char *name);

/*
 * command_unknown - say that there is no such command, and which there are
 * @name: may be "", if none was given
 * Returns RESULT_USAGE.
 */
int command_unknown(const char *name);

#endif
