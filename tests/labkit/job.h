/* SPDX-License-Identifier: GPL-2.0-only */
/* job - a command that runs in this guest for somebody on a channel. */
#ifndef LAB_JOB_H
#define LAB_JOB_H

#include "wire.h"

#include <poll.h>
#include <sys/types.h>

/* What a job has to say; the receiver sends it on to job->origin. */
typedef void job_say(uint32_t chan, uint8_t origin, enum wire_type type, const void *body,
		     size_t size);

void job_start(uint32_t chan, uint8_t origin, const char *body, size_t size, job_say *say);
/* ACK, IN, SIZE and KILL for a job; unknown channels are ignored: the command may just have ended. */
void job_frame(uint32_t chan, enum wire_type type, const char *body, size_t size);
/* A child of init has ended; other people's children are none of a job's concern. */
void job_ended(pid_t pid, int status, job_say *say);
/* Fills p with what the jobs wait for, at most n entries; returns how many. */
int job_poll(struct pollfd *p, int n);
void job_ready(const struct pollfd *p, job_say *say);

#endif
