// SPDX-License-Identifier: GPL-2.0-only
#include "ca_dir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "why.h"

static bool make_path(char *path, const char *dir, const char *name,
		      const struct why *why)
{
	if ((size_t)snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
		return true;
	errno = ENAMETOOLONG;
	why_set(why, "the path of %s in %s is too long", name, dir);
	return false;
}

/* As mkdir -p; only the last one is made private. */
static int make_directories(const char *dir, const struct why *why)
{
	char path[PATH_MAX];

	if (!*dir || (size_t)snprintf(path, sizeof(path), "%s", dir) >= sizeof(path))
		return why_set(why, "`%s' is no name for a directory", dir);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return why_set(why, "cannot make directory %s: %s", path,
				       strerror(errno));
		*slash = '/';
	}
	if (mkdir(path, 0700) && errno != EEXIST)
		return why_set(why, "cannot make directory %s: %s", path,
			       strerror(errno));
	return 0;
}

static int write_ca(const struct pki_pair *ca, const char *key, const char *cert,
		    const struct why *why)
{
	if (pki_write_key(key, ca->key, false, why->text, why->size))
		return -1;
	if (!pki_write_cert(cert, ca->cert, false, why->text, why->size))
		return 0;
	unlink(key);	/* ours, made a moment ago */
	return -1;
}

int ca_dir_init(const char *dir, const char *name, time_t from, time_t to,
		char *text, size_t text_size)
{
	struct why why = { text, text_size };
	char key[PATH_MAX] = "", cert[PATH_MAX] = "";
	struct pki_pair ca;
	int rc;

	if (!make_path(key, dir, "ca-key.pem", &why) ||
	    !make_path(cert, dir, "ca.pem", &why))
		return -1;
	if (!access(key, F_OK) || !access(cert, F_OK))
		return why_set(&why, "there is a CA in %s already; without its key no "
			       "certificate of it can be renewed: remove it yourself "
			       "if that is what you want", dir);
	if (make_directories(dir, &why) ||
	    pki_make_ca(name, from, to, &ca, text, text_size))
		return -1;
	rc = write_ca(&ca, key, cert, &why);
	pki_free(&ca);
	return rc;
}

static int prepare(const char *dir, const char *host, bool force,
		   struct ca_files *files, const struct why *why)
{
	if (!make_path(files->dir, dir, host, why) ||
	    !make_path(files->key, files->dir, "key.pem", why) ||
	    !make_path(files->cert, files->dir, "cert.pem", why) ||
	    !make_path(files->ca, files->dir, "ca.pem", why))
		return -1;
	if (mkdir(files->dir, 0700) && errno != EEXIST)
		return why_set(why, "cannot make directory %s: %s", files->dir,
			       strerror(errno));
	if (!force && (!access(files->key, F_OK) || !access(files->cert, F_OK)))
		return why_set(why, "%s has a certificate in %s already; --force makes "
			       "another, and the one there goes on being valid", host,
			       files->dir);
	return 0;
}

/*
 * The old certificate goes first: a key is never beside a certificate that it
 * does not belong to.
 */
static int write_leaf(const struct pki_pair *leaf, X509 *ca,
		      const struct ca_files *files, bool force, const struct why *why)
{
	if (force && unlink(files->cert) && errno != ENOENT)
		return why_set(why, "cannot replace %s: %s", files->cert,
			       strerror(errno));
	if (pki_write_key(files->key, leaf->key, force, why->text, why->size) ||
	    pki_write_cert(files->ca, ca, true, why->text, why->size))
		return -1;
	return pki_write_cert(files->cert, leaf->cert, force, why->text, why->size);
}

static int read_ca(const char *dir, struct pki_pair *ca, const struct why *why)
{
	char key[PATH_MAX] = "", cert[PATH_MAX] = "";

	if (!make_path(key, dir, "ca-key.pem", why) ||
	    !make_path(cert, dir, "ca.pem", why))
		return -1;
	if (access(cert, F_OK) && errno == ENOENT)
		return why_set(why, "there is no CA in %s; make one with "
			       "`sockgate ca init'", dir);
	return pki_read(key, cert, ca, why->text, why->size);
}

int ca_dir_enroll(const char *dir, const struct tls_peer *subject, time_t from,
		  time_t to, bool force, struct ca_files *files, char *text,
		  size_t text_size)
{
	struct why why = { text, text_size };
	struct pki_pair ca = { 0 }, leaf;
	int rc = -1;

	/* The host becomes a directory: checked before anything is made of it. */
	if (!tls_host_valid(subject->host))
		return why_set(&why, "`%s' is not a host name (letters, digits, \".\", "
			       "\"-\", \"_\")", subject->host);
	if (read_ca(dir, &ca, &why))
		return -1;
	if (!prepare(dir, subject->host, force, files, &why) &&
	    !pki_issue(&ca, subject, from, to, &leaf, text, text_size)) {
		files->until = tls_cert_end(leaf.cert);
		files->cut = files->until < to;
		rc = write_leaf(&leaf, ca.cert, files, force, &why);
		pki_free(&leaf);
	}
	pki_free(&ca);
	return rc;
}
