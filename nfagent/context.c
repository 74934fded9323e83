// SPDX-License-Identifier: GPL-2.0-only
#include "context.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

struct mark {
	const char *text;
	const char *name;
};

static const struct mark signatures[] = {
	{ "KVMKVMKVM", "kvm" },
	{ "TCGTCGTCGTCG", "qemu" },
	{ "VMwareVMware", "vmware" },
	{ "Microsoft Hv", "hyperv" },
	{ "XenVMMXenVMM", "xen" },
	{ "VBoxVBoxVBox", "virtualbox" },
	{ "bhyve bhyve ", "bhyve" },
	{ "ACRNACRNACRN", "acrn" },
};

static const struct mark vendors[] = {
	{ "QEMU", "qemu" },
	{ "VMware", "vmware" },
	{ "innotek", "virtualbox" },
	{ "Xen", "xen" },
	{ "Microsoft Corporation Virtual", "hyperv" },
	{ "Amazon EC2", "kvm" },
	{ "Google Compute Engine", "kvm" },
	{ "OpenStack", "kvm" },
	{ "KVM", "kvm" },
	{ "BHYVE", "bhyve" },
};

void context_cpu(char *signature)
{
#if defined(__x86_64__) || defined(__i386__)
	unsigned int eax, ebx, ecx, edx;

	signature[0] = '\0';
	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & 1U << 31))
		return;
	__cpuid(0x40000000, eax, ebx, ecx, edx);
	memcpy(signature, &ebx, 4);
	memcpy(signature + 4, &ecx, 4);
	memcpy(signature + 8, &edx, 4);
	signature[12] = '\0';
#else
	signature[0] = '\0';
#endif
}

static void read_word(const char *root, const char *file, char *buf,
		      size_t size)
{
	char path[PATH_MAX];
	FILE *f;

	buf[0] = '\0';
	snprintf(path, sizeof(path), "%s%s", root, file);
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(buf, (int)size, f))
		buf[0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	fclose(f);
}

static const char *from_dmi(const char *root)
{
	char vendor[128], product[128], both[300];

	read_word(root, "/sys/class/dmi/id/sys_vendor", vendor, sizeof(vendor));
	read_word(root, "/sys/class/dmi/id/product_name", product,
		  sizeof(product));
	snprintf(both, sizeof(both), "%s %s", vendor, product);
	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
		if (strstr(both, vendors[i].text))
			return vendors[i].name;
	return NULL;
}

static const char *machine(const char *root, const char *cpu)
{
	const char *name;
	char word[64];

	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (!strcmp(cpu, signatures[i].text))
			return signatures[i].name;
	name = from_dmi(root);
	if (name)
		return name;
	read_word(root, "/sys/hypervisor/type", word, sizeof(word));
	if (!strcmp(word, "xen"))
		return "xen";
	return cpu[0] ? "vm" : "physical";
}

static bool runs_containers(const char *root)
{
	static const char *const signs[] = {
		"/run/docker.sock", "/run/containerd/containerd.sock",
		"/run/crio/crio.sock", "/run/podman", "/run/lxc",
		"/var/lib/kubelet/config.yaml",
	};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, signs[i]);
		if (!access(path, F_OK))
			return true;
	}
	return false;
}

void context_detect(const char *root, const char *cpu, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", machine(root, cpu),
		 runs_containers(root) ? ",container-host" : "");
}
