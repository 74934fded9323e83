// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a policy of many rules costs beside one of few: no guest, no kernel.
 *
 *	policy [--rounds N] [--rules N]
 *
 * Rules are over applications, categories, prefixes and ports, mixed; half of the
 * questions are made to match a rule, wherever it stands, half are random.  The two
 * policies are measured in turns, in one process, and medians compared: with a few
 * questions asked again and again, and with so many that most of what each one needs
 * of the large policy is in no cache of the processor (`spread`).
 *
 * Prints NAME VALUE UNIT, a row a line.
 */
#include <err.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/sockgate.h>

#include "secsrv/decide.h"

#define FEW 10
#define SOME 1000		/* of whose load that of the many is a multiple */
#define QUESTIONS 4096
#define CLOSE 64		/* of these, asked again and again */

static uint64_t state = 0x9e3779b97f4a7c15;

static uint32_t any(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % n;
}

/* What a rule is about, so that a question can be made that it matches. */
struct about {
	unsigned int kind, application, category, port, bits;
	uint32_t addr;
};

#define KINDS 5
#define CATEGORIES 40

static struct about about(unsigned int n)
{
	static const unsigned int bits[] = { 8, 16, 24, 24, 24, 32, 32 };
	uint32_t hash = (n + 1) * 2654435761U;
	struct about a = {
		.kind = n % KINDS,
		.application = n / 2,
		.category = hash % CATEGORIES,
		.port = 1 + (hash >> 7) % 65000,
		.bits = bits[hash / 64 % 7],
	};

	a.addr = (hash ^ n * 40503U) & ~0U << (32 - a.bits);
	return a;
}

static void print_rule(FILE *f, unsigned int n)
{
	struct about a = about(n);
	char remote[64];

	snprintf(remote, sizeof(remote), "remote = \"%u.%u.%u.%u/%u\";", a.addr >> 24,
		 a.addr >> 16 & 255, a.addr >> 8 & 255, a.addr & 255, a.bits);
	fprintf(f, "{ name = \"rule-%u\"; ", n);
	if (a.kind == 0)
		fprintf(f, "application = \"app-%u\"; port = \"%u-%u\";", a.application,
			a.port, a.port + 20);
	else if (a.kind == 1)
		fprintf(f, "application = \"app-%u\"; %s", a.application, remote);
	else if (a.kind == 2)
		fprintf(f, "category = \"cat-%u\"; %s port = %u;", a.category, remote,
			a.port);
	else if (a.kind == 3)
		fprintf(f, "protocol = \"tcp\"; %s port = %u;", remote, a.port);
	else
		fprintf(f, "category = \"cat-%u\"; port = %u;", a.category, a.port);
	fprintf(f, " action = \"%s\"; },\n", n % 3 ? "allow" : "deny");
}

static char *make_text(unsigned int rules, size_t *size)
{
	char *text;
	FILE *f = open_memstream(&text, size);

	if (!f)
		err(1, "memory");
	fputs("rules = (\n", f);
	for (unsigned int n = 0; n < rules; n++)
		print_rule(f, n);
	fputs("{ name = \"last\"; user = 7; action = \"allow\"; } );\n", f);
	if (fclose(f))
		err(1, "memory");
	return text;
}

struct question {
	Sockgate__Event event;
	Sockgate__Process process;
	Sockgate__User user;
	Sockgate__Place place;
	Sockgate__Identity identity;
	struct subject subject;
	uint8_t addr[4], hash[32];
	char name[32], category[32];
};

static void ask(struct question *q, unsigned int rules, bool to_match)
{
	static char word[] = "word";
	struct about a = about(any(rules));
	uint32_t addr;

	if (!to_match) {
		a.addr = any(1U << 31) * 2;
		a.bits = 32;
		a.port = 1 + any(65535);
	}
	sockgate__event__init(&q->event);
	sockgate__process__init(&q->process);
	sockgate__user__init(&q->user);
	sockgate__place__init(&q->place);
	sockgate__identity__init(&q->identity);
	snprintf(q->name, sizeof(q->name), "app-%u", a.application);
	snprintf(q->category, sizeof(q->category), "cat-%u", a.category);
	addr = htonl(a.addr | (a.bits < 32 ? any(1U << (31 - a.bits)) : 0));
	memcpy(q->addr, &addr, sizeof(addr));
	q->event.kind = SOCKGATE__EVENT_KIND__EVENT_CONNECT;
	q->event.protocol = IPPROTO_TCP;
	q->event.remote_address.data = q->addr;
	q->event.remote_address.len = sizeof(q->addr);
	q->event.remote_port = a.port;
	q->process.evidence = SOCKGATE__EVIDENCE__EVIDENCE_CONTENT;
	q->process.sha256.data = q->hash;
	q->process.sha256.len = sizeof(q->hash);
	q->process.path = q->process.name = q->user.name = q->user.domain = word;
	q->identity.name = q->name;
	q->identity.category = q->category;
	q->identity.vendor = q->identity.version = word;
	q->identity.source = SOCKGATE__IDENTITY__SOURCE__HASH;
	q->subject = (struct subject){ word, &q->event, &q->process, &q->user,
				       &q->place, &q->identity, { 0 } };
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double median(double *value, unsigned int n)
{
	for (unsigned int i = 1; i < n; i++) {
		for (unsigned int j = i; j && value[j - 1] > value[j]; j--) {
			double t = value[j];

			value[j] = value[j - 1];
			value[j - 1] = t;
		}
	}
	return n % 2 ? value[n / 2] : (value[n / 2 - 1] + value[n / 2]) / 2;
}

/* As secsrv does it: read, indexed, and looked through for what can hardly be meant. */
static struct policy *load(const char *text, size_t size, uint64_t *ns)
{
	struct policy_error why;
	uint64_t begin = now_ns();
	struct policy *p = policy_parse(text, size, "bench", &why);

	if (!p || policy_warn(p, &why))
		errx(1, "line %u: %s", why.line, why.reason);
	*ns = now_ns() - begin;
	return p;
}

static double load_ms(const char *text, size_t size)
{
	uint64_t ns;

	policy_free(load(text, size, &ns));
	return (double)ns / 1e6;
}

static size_t in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

struct subject_of {
	struct policy *policy;
	struct question *question;
	unsigned int hits;
};

/* Nanoseconds a decision; of so many questions, in turn. */
static double decide_all(struct subject_of *of, unsigned int questions)
{
	uint64_t begin = now_ns();

	of->hits = 0;
	for (unsigned int i = 0; i < QUESTIONS; i++) {
		struct decision d;

		decide(of->policy, &of->question[i % questions].subject, &d);
		of->hits += d.rule != &of->policy->otherwise;
	}
	return (double)(now_ns() - begin) / QUESTIONS;
}

static struct question *questions(unsigned int rules)
{
	struct question *q = calloc(QUESTIONS, sizeof(*q));

	if (!q)
		err(1, "memory");
	for (unsigned int i = 0; i < QUESTIONS; i++)
		ask(&q[i], rules, i % 2);
	return q;
}

static void row(const char *name, double value, const char *unit)
{
	printf("%s %.3f %s\n", name, value, unit);
}

/* Medians of a few and of many rules, by turns. */
static void measure(struct subject_of of[2], unsigned int questions, unsigned int rounds,
		    double m[2])
{
	double *ns[2];

	for (int k = 0; k < 2; k++) {
		ns[k] = calloc(rounds, sizeof(double));
		if (!ns[k])
			err(1, "memory");
		decide_all(&of[k], questions);
	}
	for (unsigned int i = 0; i < 2 * rounds; i++)
		ns[i % 2][i / 2] = decide_all(&of[i % 2], questions);
	for (int k = 0; k < 2; k++) {
		m[k] = median(ns[k], rounds);
		free(ns[k]);
	}
}

static void measure_decisions(struct subject_of of[2], unsigned int rounds)
{
	double m[2];

	measure(of, CLOSE, rounds, m);
	row("policy.decide.few", m[0], "ns");
	row("policy.decide.many", m[1], "ns");
	row("policy.decide.ratio", m[1] / m[0], "of policy.decide.few");
	measure(of, QUESTIONS, rounds, m);
	row("policy.decide.spread.few", m[0], "ns");
	row("policy.decide.spread.many", m[1], "ns");
	row("policy.decide.spread.ratio", m[1] / m[0], "of policy.decide.spread.few");
	row("policy.decide.matched", of[1].hits * 100.0 / QUESTIONS, "%");
}

static void measure_load(const char *many, size_t many_size, unsigned int rules,
			 unsigned int rounds)
{
	double *few_ms = calloc(rounds, sizeof(double));
	double *many_ms = calloc(rounds, sizeof(double)), m, f;
	size_t size;
	char *some = make_text(SOME, &size);

	if (!few_ms || !many_ms)
		err(1, "memory");
	for (unsigned int i = 0; i < rounds; i++) {
		few_ms[i] = load_ms(some, size);
		many_ms[i] = load_ms(many, many_size);
	}
	f = median(few_ms, rounds);
	m = median(many_ms, rounds);
	row("policy.load.many", m, "ms");
	row("policy.load.ratio", m / rules / (f / SOME), "a rule, of one in 1000");
	free(few_ms);
	free(many_ms);
	free(some);
}

static unsigned int number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !n || n > 10000000)
		errx(2, "%s: give a number", text);
	return (unsigned int)n;
}

int main(int argc, char **argv)
{
	unsigned int rounds = 51, rules = 100000;
	struct subject_of of[2];
	size_t before, size, few_size;
	char *many, *few;
	uint64_t ns;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 < argc && !strcmp(argv[i], "--rounds"))
			rounds = number(argv[i + 1]);
		else if (i + 1 < argc && !strcmp(argv[i], "--rules"))
			rules = number(argv[i + 1]);
		else
			errx(2, "usage: policy [--rounds N] [--rules N]");
	}
	many = make_text(rules, &size);
	few = make_text(FEW, &few_size);
	before = in_use();
	of[1].policy = load(many, size, &ns);
	row("policy.memory", (double)(in_use() - before) / rules, "bytes a rule");
	row("policy.text", (double)size / rules, "bytes a rule, of these");
	of[0].policy = load(few, few_size, &ns);
	of[0].question = questions(FEW);
	of[1].question = questions(rules);
	measure_decisions(of, rounds);
	for (int k = 0; k < 2; k++) {
		policy_free(of[k].policy);
		free(of[k].question);
	}
	measure_load(many, size, rules, rounds < 5 ? rounds : 5);
	free(many);
	free(few);
	return 0;
}
