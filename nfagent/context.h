/* SPDX-License-Identifier: GPL-2.0-only */
/* What this machine is: hardware, a guest of which hypervisor, a container host. */
#ifndef NFAGENT_CONTEXT_H
#define NFAGENT_CONTEXT_H

#include <stddef.h>

/*
 * context_detect - describe the machine
 * @root: "" or where another machine's /proc, /sys and /run are (tests)
 * @cpu:  the hypervisor's signature from the processor ("KVMKVMKVM"), ""
 * @buf:  "physical", "kvm", "qemu", "vmware", "hyperv", "xen", "virtualbox",
 *        "vm" (some other); with ",container-host" where containers are run
 * A label for people: nothing depends on it.
 */
void context_detect(const char *root, const char *cpu, char *buf, size_t size);

/*
 * context_cpu - the hypervisor's signature (x86: CPUID leaf 0x40000000)
 * @signature: at least 13 bytes; "" if there is none
 */
void context_cpu(char *signature);

#endif
