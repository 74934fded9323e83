/* SPDX-License-Identifier: GPL-2.0-only */
/* What a callback of ftrace is given, and what it may do with it. */
#ifndef SOCKGATE_COMPAT_FTRACE_H
#define SOCKGATE_COMPAT_FTRACE_H

#include <linux/ftrace.h>
#include <linux/ptrace.h>

#include "config.h"

/*
 * Until 5.11 a callback got all registers, if it had asked for them, in a struct
 * pt_regs.  Saving only those of the arguments, in a struct ftrace_regs, came then;
 * 6.2 gave its accessors their names.
 */
#ifndef SG_HAVE_FTRACE_REGS
#define ftrace_regs pt_regs
#define ftrace_regs_set_instruction_pointer(regs, to) ((regs)->ip = (to))
#define ftrace_regs_get_argument(regs, n) regs_get_kernel_argument(regs, n)
#elif !defined(ftrace_regs_set_instruction_pointer)
#define ftrace_regs_set_instruction_pointer(fregs, to) \
	ftrace_instruction_pointer_set(fregs, to)
#define ftrace_regs_get_argument(fregs, n) \
	regs_get_kernel_argument(&(fregs)->regs, n)
#endif

/* Without CONFIG_DYNAMIC_FTRACE_WITH_ARGS only all registers can be changed. */
#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
#define SG_FTRACE_REGS 0
#else
#define SG_FTRACE_REGS FTRACE_OPS_FL_SAVE_REGS
#endif

/*
 * Until 5.11 a callback was left out where another one was running, unless it said
 * that it calls nothing that is traced; since then it is, if it says that it might.
 */
#ifdef SG_HAVE_RECURSION_SAFE
#define SG_FTRACE_SAFE FTRACE_OPS_FL_RECURSION_SAFE
#else
#define SG_FTRACE_SAFE 0
#endif

#define SG_FTRACE_FLAGS (SG_FTRACE_REGS | SG_FTRACE_SAFE)

#endif
