// SPDX-License-Identifier: GPL-2.0-only
#include "progress.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH 40

static struct {
	const char *unit;
	uint64_t total;
	unsigned int shown;	/* thousandths on a terminal, tenths elsewhere */
	bool terminal;
	bool drawn;
} bar;

static volatile sig_atomic_t stop;

void progress_begin(const char *unit, uint64_t total)
{
	memset(&bar, 0, sizeof(bar));
	bar.unit = unit;
	bar.total = total;
	bar.terminal = isatty(STDERR_FILENO) == 1;
}

static void draw(uint64_t done, unsigned int thousandths)
{
	char filled[BAR_WIDTH + 1];

	memset(filled, '.', BAR_WIDTH);
	memset(filled, '#', thousandths * BAR_WIDTH / 1000);
	filled[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r\033[K[%s] %3u%%  %llu of %llu %s", filled, thousandths / 10,
		(unsigned long long)done, (unsigned long long)bar.total, bar.unit);
	fflush(stderr);
	bar.drawn = true;
}

void progress_set(uint64_t done)
{
	unsigned int steps = bar.terminal ? 1000 : 10;
	unsigned int now;

	if (!bar.total)
		return;
	if (done > bar.total)
		done = bar.total;
	now = (unsigned int)(done * steps / bar.total);
	if (now == bar.shown && (bar.drawn || !bar.terminal))
		return;
	bar.shown = now;
	if (bar.terminal)
		draw(done, now);
	else
		fprintf(stderr, "%llu of %llu %s\n", (unsigned long long)done,
			(unsigned long long)bar.total, bar.unit);
}

static void clear(void)
{
	if (!bar.drawn)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	bar.drawn = false;
}

void progress_end(void)
{
	clear();
	memset(&bar, 0, sizeof(bar));
}

void progress_note(const char *fmt, ...)
{
	va_list args;

	clear();
	fputs("sigdb: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

void interrupt_catch(void)
{
	struct sigaction action = {
		.sa_handler = on_signal,
		.sa_flags = (int)SA_RESETHAND,
	};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool interrupted(void)
{
	return stop;
}
