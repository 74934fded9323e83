/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a kernel must have been built with.  The headers of this folder have all that
 * differs between kernels, and nothing else: one name for each thing, which works on
 * 5.10 and whatever came since.  Features are tested for, not versions, because
 * stable kernels and distributions take changes back: by the kernel's own macros, or
 * by Kbuild, which looks into its headers (SG_HAVE_*).
 */
#ifndef SOCKGATE_COMPAT_CONFIG_H
#define SOCKGATE_COMPAT_CONFIG_H

#ifndef CONFIG_X86_64
#error "sockgate enters functions past their fentry site, known for x86-64 only"
#endif
#if !defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS) && \
	!defined(CONFIG_DYNAMIC_FTRACE_WITH_REGS)
#error "sockgate needs CONFIG_DYNAMIC_FTRACE_WITH_ARGS or _WITH_REGS"
#endif
#ifndef CONFIG_KPROBES
#error "sockgate needs CONFIG_KPROBES"
#endif
#ifndef CONFIG_SECURITY_NETWORK
#error "sockgate needs CONFIG_SECURITY_NETWORK"
#endif
#ifndef CONFIG_SOCK_CGROUP_DATA
#error "sockgate needs CONFIG_SOCK_CGROUP_DATA"
#endif

#endif
