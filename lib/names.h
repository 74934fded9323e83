/* SPDX-License-Identifier: GPL-2.0-only */
/* The words for the numbers of the contracts, in one place for all programs. */
#ifndef SOCKGATE_NAMES_H
#define SOCKGATE_NAMES_H

#include <stddef.h>
#include <stdint.h>

/*
 * Each pair turns a number into its word and back.  name_*() returns a static
 * string, "?" for a number it does not know.  *_from_name() returns -1 for a
 * word it does not know; letter case does not matter.
 *
 * event:    enum sockgate_event -> "connect", "listen", "send", ...; back as a
 *           set of bits (1 << event), since "syn_sent" is the first thing that
 *           goes out, which is a connect, or a send of a datagram that nobody
 *           connected for.  (The kernel reports a send for no stream.)
 *           name_event_state() gives the state that follows for TCP,
 *           "SYN_SENT", "ESTABLISHED" or "CLOSE", and the plain word for the
 *           rest; the last two are words for the same events.
 * protocol: IPPROTO_* <-> "tcp", "udp", "udplite", "icmp", "icmpv6", "sctp",
 *           "raw", and SOCKGATE_PROTOCOL_* <-> "packet", "other"; other numbers
 *           in decimal.
 * reason:   enum sockgate_reason <-> "no_agent", "deadline", ...
 * failure:  enum sockgate_action as a row of the failure table <->
 *           "allow", "deny", "failsafe".
 * error:    the three errnos that a verdict may carry <-> "EACCES",
 *           "ECONNREFUSED", "EPERM".
 * evidence: enum of the wire <-> "content", "unreadable", ...
 * source:   enum of the wire: what led to an identity: "none", "hash",
 *           "file_name", "hash_only" (known as safe or unsafe, without a name)
 * class:    bits of the wire's enum Class <-> "binary", "script", ...; -1: no such
 * counter, hook: of the kernel's status.
 */
const char *name_event(unsigned int event);
const char *name_event_state(unsigned int event, unsigned int protocol);
int events_from_name(const char *name);
const char *name_protocol(unsigned int protocol);
int protocol_from_name(const char *name);
const char *name_reason(unsigned int reason);
int reason_from_name(const char *name);
const char *name_failure(unsigned int action);
int failure_from_name(const char *name);
const char *name_error(unsigned int error);
int error_from_name(const char *name);
const char *name_evidence(unsigned int evidence);
int class_from_name(const char *name);
const char *name_source(unsigned int source);
const char *name_counter(unsigned int counter);
const char *name_hook(unsigned int hook);

/*
 * name_events - the words of a set of events, in the order of their numbers
 * @between: what stands between two of them
 * @size:    of @text; NAME_EVENTS_SIZE is enough for all, with up to 2 bytes between
 * Returns @text; it is empty if the set is.
 */
#define NAME_EVENTS_SIZE 128
char *name_events(uint32_t set, const char *between, char *text, size_t size);

/* name_classes - the words of a set of classes, as name_events() */
#define NAME_CLASSES_SIZE 128
char *name_classes(uint32_t set, const char *between, char *text, size_t size);

#endif
