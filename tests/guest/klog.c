// SPDX-License-Identifier: GPL-2.0-only
#include "klog.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "complaints.h"

/* /proc/sys/kernel/tainted: bad page, died, warned, locked up. */
#define TAINTS (1UL << 5 | 1UL << 7 | 1UL << 9 | 1UL << 14)

static unsigned long taint_now(void)
{
	unsigned long taint = TAINTS;
	FILE *f = fopen("/proc/sys/kernel/tainted", "re");

	if (!f)
		return taint;
	if (fscanf(f, "%lu", &taint) != 1)
		taint = TAINTS;
	fclose(f);
	return taint;
}

int klog_begin(struct klog *log)
{
	log->taint = taint_now();
	log->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log->fd < 0)
		return -1;
	return lseek(log->fd, 0, SEEK_END) < 0 ? -1 : 0;
}

static bool is_complaint(const char *line)
{
	static regex_t bad, harmless;
	static bool ready;

	if (!ready) {
		if (regcomp(&bad, COMPLAINTS, REG_EXTENDED | REG_NOSUB) ||
		    regcomp(&harmless, HARMLESS, REG_EXTENDED | REG_NOSUB))
			return true;
		ready = true;
	}
	return !regexec(&bad, line, 0, NULL, 0) &&
	       regexec(&harmless, line, 0, NULL, 0);
}

int klog_end(struct klog *log)
{
	unsigned long taint = taint_now() & TAINTS & ~log->taint;
	char line[8192];
	int complaints = 0;
	ssize_t n;

	while ((n = read(log->fd, line, sizeof(line) - 1)) > 0 ||
	       (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (!is_complaint(line))
			continue;
		fprintf(stderr, "# kernel: %s\n", line);
		complaints++;
	}
	close(log->fd);
	if (taint)
		fprintf(stderr, "# kernel: tainted anew: 0x%lx\n", taint);
	return complaints + !!taint;
}
