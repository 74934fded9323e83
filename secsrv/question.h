/* SPDX-License-Identifier: GPL-2.0-only */
/* What an agent may send: questions and records, checked before use. */
#ifndef SECSRV_QUESTION_H
#define SECSRV_QUESTION_H

#include <stdbool.h>

#include "sockgate.pb-c.h"

/* Bytes of a text in a question or a record. */
#define TEXT_PATH_MAX 4096
#define TEXT_NAME_MAX 255

/* Bytes of a whole question: it may be kept while a service is asked. */
#define QUESTION_MAX (64U << 10)

/*
 * question_check - is it complete, and are all numbers and lengths possible?
 * Returns NULL, or what is wrong as a static sentence.
 */
const char *question_check(const Sockgate__Question *q);

/*
 * question_is_late - has the agent given it up?
 * @waited_us: since it came, as far as is known
 */
bool question_is_late(const Sockgate__Question *q, int64_t waited_us);

/*
 * records_check - are these records in order?
 * Sequences count up from 1.  Returns NULL, or a static sentence.
 */
const char *records_check(const Sockgate__Records *records);

/*
 * records_clean - make records fit for the audit log
 * @host: whose they are, from the certificate
 * Texts are cut to their limits and impossible addresses emptied: a record is
 * never refused for what it says.  Returns 0, or -1 if out of memory.
 */
int records_clean(Sockgate__Records *records, const char *host);

#endif
