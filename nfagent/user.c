// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local users come straight from the passwd file.  All others are the name
 * service's, asked in threads; answers are kept and used while they are
 * refreshed, so that a directory that goes away takes nobody's name with it.
 */
#include "user.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define FRESH_MS (5 * 60 * 1000)	/* then it is asked again */
#define KEEP_MS (24 * 3600 * 1000)	/* then it is no longer used */
#define NEGATIVE_MS (10 * 1000)
#define MAX_LOCAL 65536
#define NSS_BUFFER 16384

struct local {
	uint32_t uid;
	char name[USER_NAME_MAX];
	UT_hash_handle hh;
};

struct waiter {
	user_fn fn;
	void *arg;
	struct waiter *next;
};

struct entry {
	uint32_t uid;
	struct user user;
	uint64_t learned_ms;
	bool known;		/* the service has answered before */
	bool asking;
	struct waiter *waiters;
	UT_hash_handle hh;
	struct entry *prev, *next;	/* oldest use first */
};

struct users {
	const struct user_conf *conf;
	struct pool *pool;
	struct stat passwd;
	struct local *local;
	struct entry *entries;
	struct entry *lru;
	struct user_counts counts;
};

struct lookup {
	struct job job;
	struct users *users;
	uint32_t uid;
	uint64_t asked_ms;
	struct user user;
	int error;		/* of name_of() */
};

/* ---- the system's name service ---- */

static int system_name_of(uint32_t uid, char *name, size_t size)
{
	struct passwd pw, *found = NULL;
	char buf[NSS_BUFFER];
	int rc;

	rc = getpwuid_r(uid, &pw, buf, sizeof(buf), &found);
	if (!found)
		return rc && rc != ESRCH && rc != EBADF && rc != EPERM ?
			       rc : ENOENT;
	if ((size_t)snprintf(name, size, "%s", pw.pw_name) >= size)
		return ENAMETOOLONG;
	return 0;
}

static int system_uid_of(const char *name, uint32_t *uid)
{
	struct passwd pw, *found = NULL;
	char buf[NSS_BUFFER];
	int rc;

	rc = getpwnam_r(name, &pw, buf, sizeof(buf), &found);
	if (!found)
		return rc && rc != ESRCH && rc != EBADF && rc != EPERM ?
			       rc : ENOENT;
	*uid = pw.pw_uid;
	return 0;
}

const struct user_nss user_nss_system = { system_name_of, system_uid_of };

/* ---- local users ---- */

static void local_forget(struct users *u)
{
	struct local *l, *next;

	HASH_ITER(hh, u->local, l, next) {
		HASH_DELETE(hh, u->local, l);
		free(l);
	}
}

/* Of several names for an id the first counts, as it does for getpwuid(3). */
static void local_add(struct users *u, const struct passwd *pw)
{
	struct local *l;
	uint32_t uid = pw->pw_uid;

	HASH_FIND(hh, u->local, &uid, sizeof(uid), l);
	if (l || HASH_COUNT(u->local) >= MAX_LOCAL)
		return;
	l = calloc(1, sizeof(*l));
	if (!l)
		return;
	l->uid = uid;
	snprintf(l->name, sizeof(l->name), "%s", pw->pw_name);
	HASH_ADD(hh, u->local, uid, sizeof(l->uid), l);
	if (!l->hh.tbl)
		free(l);
}

static bool passwd_changed(const struct stat *a, const struct stat *b)
{
	return a->st_dev != b->st_dev || a->st_ino != b->st_ino ||
	       a->st_size != b->st_size ||
	       a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
	       a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static void local_refresh(struct users *u)
{
	struct passwd pw, *found;
	char buf[NSS_BUFFER];
	struct stat st;
	FILE *f;

	if (stat(u->conf->passwd, &st)) {
		local_forget(u);
		memset(&u->passwd, 0, sizeof(u->passwd));
		return;
	}
	if (!passwd_changed(&st, &u->passwd))
		return;
	f = fopen(u->conf->passwd, "re");
	if (!f)
		return;
	local_forget(u);
	while (!fgetpwent_r(f, &pw, buf, sizeof(buf), &found))
		local_add(u, &pw);
	fclose(f);
	u->passwd = st;
}

static const struct local *local_find(struct users *u, uint32_t uid)
{
	struct local *l;

	local_refresh(u);
	HASH_FIND(hh, u->local, &uid, sizeof(uid), l);
	return l;
}

/* ---- users of directories ---- */

static void set_text(char *to, const char *from, size_t len)
{
	if (len >= USER_NAME_MAX)
		len = USER_NAME_MAX - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

/* "name@domain" and "DOMAIN\name"; returns false if it is neither. */
static bool split_name(const char *full, struct user *user)
{
	const char *p;

	p = strrchr(full, '@');
	if (p && p != full && p[1]) {
		set_text(user->name, full, (size_t)(p - full));
		set_text(user->domain, p + 1, strlen(p + 1));
		return true;
	}
	p = strchr(full, '\\');
	if (p && p != full && p[1]) {
		set_text(user->domain, full, (size_t)(p - full));
		set_text(user->name, p + 1, strlen(p + 1));
		return true;
	}
	return false;
}

/*
 * A short name says nothing of its domain: the directories are asked for
 * name@domain.  Only when all of them said no is it the host's user; if one
 * could not say, or we do not know which there are, the domain is not learned.
 */
static void find_domain(const struct user_conf *conf, uint32_t uid,
			struct user *user)
{
	char full[2 * USER_NAME_MAX + 2];
	bool certain = conf->directories && conf->directories[0];
	uint32_t found;
	int rc;

	for (size_t i = 0; conf->directories && conf->directories[i]; i++) {
		snprintf(full, sizeof(full), "%s@%s", user->name,
			 conf->directories[i]);
		rc = conf->nss->uid_of(full, &found);
		if (!rc && found == uid) {
			set_text(user->domain, conf->directories[i],
				 strlen(conf->directories[i]));
			return;
		}
		if (rc && rc != ENOENT)
			certain = false;
	}
	if (certain)
		set_text(user->domain, conf->host_domain,
			 strlen(conf->host_domain));
}

static void lookup_run(struct job *job)
{
	struct lookup *l = (struct lookup *)job;
	const struct user_conf *conf = l->users->conf;
	char full[USER_NAME_MAX] = "";

	l->error = conf->nss->name_of(l->uid, full, sizeof(full));
	if (l->error || !full[0])
		return;
	if (split_name(full, &l->user))
		return;
	set_text(l->user.name, full, strlen(full));
	find_domain(conf, l->uid, &l->user);
}

static void entry_drop(struct users *u, struct entry *e)
{
	HASH_DELETE(hh, u->entries, e);
	DL_DELETE(u->lru, e);
	free(e);
}

static void tell(struct entry *e)
{
	struct waiter *w = e->waiters, *next;

	e->waiters = NULL;
	for (; w; w = next) {
		next = w->next;
		w->fn(&e->user, w->arg);
		free(w);
	}
}

static void lookup_done(struct job *job)
{
	struct lookup *l = (struct lookup *)job;
	struct users *u = l->users;
	struct entry *e;

	HASH_FIND(hh, u->entries, &l->uid, sizeof(l->uid), e);
	if (!e)
		goto out;
	e->asking = false;
	if (!job->ran || (l->error && l->error != ENOENT)) {
		/* What was known stays; try again when next asked for. */
		u->counts.failed++;
		if (l->asked_ms - e->learned_ms >= KEEP_MS) {
			e->known = false;
			memset(&e->user, 0, sizeof(e->user));
		}
	} else {
		u->counts.unknown += l->error == ENOENT;
		e->user = l->user;
		e->known = true;
		e->learned_ms = l->asked_ms;
	}
	tell(e);
out:
	free(l);
}

static int ask(struct users *u, struct entry *e, uint64_t now_ms)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (!l)
		return -1;
	l->job.run = lookup_run;
	l->job.done = lookup_done;
	l->users = u;
	l->uid = e->uid;
	l->asked_ms = now_ms;
	if (pool_submit(u->pool, &l->job)) {
		u->counts.refused++;
		free(l);
		return -1;
	}
	e->asking = true;
	u->counts.asked++;
	return 0;
}

/* The oldest that nobody waits for; a bounded look. */
static bool make_room(struct users *u)
{
	struct entry *e;
	int looks = 64;

	if (HASH_COUNT(u->entries) < u->conf->max_cached)
		return true;
	DL_FOREACH(u->lru, e) {
		if (!e->asking) {
			entry_drop(u, e);
			u->counts.evicted++;
			return true;
		}
		if (!--looks)
			break;
	}
	return false;
}

static struct entry *entry_of(struct users *u, uint32_t uid)
{
	struct entry *e;

	HASH_FIND(hh, u->entries, &uid, sizeof(uid), e);
	if (e) {
		DL_DELETE(u->lru, e);
		DL_APPEND(u->lru, e);
		return e;
	}
	if (!make_room(u))
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->uid = uid;
	HASH_ADD(hh, u->entries, uid, sizeof(e->uid), e);
	if (!e->hh.tbl) {
		free(e);
		return NULL;
	}
	DL_APPEND(u->lru, e);
	return e;
}

static int wait_for(struct entry *e, user_fn fn, void *arg)
{
	struct waiter *w = malloc(sizeof(*w));

	if (!w)
		return -1;
	*w = (struct waiter){ fn, arg, e->waiters };
	e->waiters = w;
	return 0;
}

/* Returns true if @e can answer now. */
static bool usable(struct users *u, struct entry *e, uint64_t now_ms)
{
	uint64_t age = now_ms - e->learned_ms;

	if (!e->known || age >= KEEP_MS)
		return false;
	if (!e->user.name[0] && age >= NEGATIVE_MS)
		return false;
	if (age < FRESH_MS) {
		u->counts.cached++;
		return true;
	}
	u->counts.stale++;
	if (!e->asking)
		(void)ask(u, e, now_ms);
	return true;
}

void users_get(struct users *u, uint32_t uid, uint64_t now_ms, user_fn fn,
	       void *arg)
{
	const struct local *local = local_find(u, uid);
	struct user user = { 0 };
	struct entry *e;

	if (local) {
		u->counts.local++;
		set_text(user.name, local->name, strlen(local->name));
		set_text(user.domain, u->conf->host_domain,
			 strlen(u->conf->host_domain));
		fn(&user, arg);
		return;
	}
	e = entry_of(u, uid);
	if (!e) {
		u->counts.refused++;
		fn(&user, arg);
		return;
	}
	if (usable(u, e, now_ms)) {
		user = e->user;
		fn(&user, arg);
		return;
	}
	if ((!e->asking && ask(u, e, now_ms)) || wait_for(e, fn, arg))
		fn(&user, arg);
}

struct users *users_new(struct pool *pool, const struct user_conf *conf)
{
	struct users *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->conf = conf;
	u->pool = pool;
	return u;
}

void users_free(struct users *u)
{
	if (!u)
		return;
	local_forget(u);
	while (u->lru) {
		tell(u->lru);
		entry_drop(u, u->lru);
	}
	free(u);
}

const struct user_counts *users_counts(const struct users *u)
{
	return &u->counts;
}

const char *user_host_domain(const char *hostname)
{
	const char *dot = strchr(hostname, '.');

	return dot && dot[1] ? dot + 1 : hostname;
}
