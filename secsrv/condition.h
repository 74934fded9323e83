/* SPDX-License-Identifier: GPL-2.0-only */
/* The conditions that a rule can have. */
#ifndef SECSRV_CONDITION_H
#define SECSRV_CONDITION_H

/*
 * In the order in which they are looked at.  The order decides nothing but the
 * mask: what most rules ask for comes first (the content of the executable), what
 * differs most between two connections of one application comes last, so that one
 * verdict serves many connections.
 */
enum condition {
	COND_TIME,		/* no field, but an end of what is remembered */
	COND_HOST,		/* no field: constant for the agent that asks */
	COND_HOST_GROUP,
	COND_KNOWN,		/* what the content leads to */
	COND_HASH,
	COND_APPLICATION,
	COND_VENDOR,
	COND_CATEGORY,
	COND_VERSION,
	COND_TRUST,
	COND_THREAT,
	COND_EVENT,
	COND_PROTOCOL,
	COND_USER,
	COND_DOMAIN,
	COND_UNIT,
	COND_IMAGE,
	COND_FILE,		/* from here on, of the process */
	COND_APP,
	COND_CLASS,
	COND_SCRIPT,
	COND_SCRIPT_HASH,
	COND_PORT,
	COND_REMOTE,
	COND_COUNT,
};

/* The key of a condition in the policy language. */
const char *condition_name(enum condition c);

#endif
