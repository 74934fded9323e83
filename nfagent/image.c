// SPDX-License-Identifier: GPL-2.0-only
#include "image.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (8L << 20)
#define ID_LENGTH 64

static bool is_id(const char *id)
{
	for (size_t i = 0; i < ID_LENGTH; i++)
		if (!isxdigit((unsigned char)id[i]))
			return false;
	return !id[ID_LENGTH];
}

static json_t *load(int fd)
{
	struct stat st;
	json_t *json = NULL;
	char *text;
	ssize_t n;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return NULL;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return NULL;
	do
		n = pread(fd, text, (size_t)st.st_size, 0);
	while (n < 0 && errno == EINTR);
	if (n == st.st_size)
		json = json_loadb(text, (size_t)n, 0, NULL);
	free(text);
	return json;
}

static json_t *load_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	json_t *json;

	if (fd < 0)
		return NULL;
	json = load(fd);
	close(fd);
	return json;
}

static bool take(const json_t *value, char *buf, size_t size)
{
	const char *text = json_string_value(value);

	return text && *text && (size_t)snprintf(buf, size, "%s", text) < size;
}

static bool by_docker(const char *root, const char *id, char *buf, size_t size)
{
	char path[PATH_MAX];
	json_t *json;
	bool found;

	snprintf(path, sizeof(path), "%s/var/lib/docker/containers/%s/config.v2.json", root,
		 id);
	json = load_file(path);
	found = take(json_object_get(json_object_get(json, "Config"), "Image"), buf, size);
	json_decref(json);
	return found;
}

/* The configuration that the OCI runtime was given, with the annotations of CRI. */
static bool by_annotation(const char *path, char *buf, size_t size)
{
	static const char *const keys[] = {
		"io.kubernetes.cri-o.ImageName", "io.kubernetes.cri.image-name",
	};
	json_t *json = load_file(path), *notes = json_object_get(json, "annotations");
	bool found = false;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !found; i++)
		found = take(json_object_get(notes, keys[i]), buf, size);
	json_decref(json);
	return found;
}

static bool by_containerd(const char *root, const char *id, char *buf, size_t size)
{
	char path[PATH_MAX];
	bool found = false;
	glob_t g;

	/* One directory for each of its namespaces. */
	snprintf(path, sizeof(path),
		 "%s/run/containerd/io.containerd.runtime.v2.task/*/%s/config.json", root, id);
	if (glob(path, GLOB_NOSORT, NULL, &g))
		return false;
	for (size_t i = 0; i < g.gl_pathc && !found; i++)
		found = by_annotation(g.gl_pathv[i], buf, size);
	globfree(&g);
	return found;
}

/* In its list of containers the name stands in a text that is JSON itself. */
static bool named_by_podman(const json_t *entry, char *buf, size_t size)
{
	const char *text = json_string_value(json_object_get(entry, "metadata"));
	json_t *metadata = text ? json_loads(text, 0, NULL) : NULL;
	bool found = take(json_object_get(metadata, "image-name"), buf, size);

	json_decref(metadata);
	return found;
}

static bool by_podman(const char *root, const char *id, char *buf, size_t size)
{
	char path[PATH_MAX];
	json_t *list, *entry;
	bool found = false;
	size_t i;

	snprintf(path, sizeof(path),
		 "%s/var/lib/containers/storage/overlay-containers/containers.json", root);
	list = load_file(path);
	json_array_foreach(list, i, entry) {
		const char *is = json_string_value(json_object_get(entry, "id"));

		if (is && !strcmp(is, id)) {
			found = named_by_podman(entry, buf, size);
			break;
		}
	}
	json_decref(list);
	return found;
}

static bool by_crio(const char *root, const char *id, char *buf, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/run/containers/storage/overlay-containers/%s/"
		 "userdata/config.json", root, id);
	return by_annotation(path, buf, size);
}

bool image_of_container(const char *root, const char *id, char *buf, size_t size)
{
	return is_id(id) &&
	       (by_docker(root, id, buf, size) || by_containerd(root, id, buf, size) ||
		by_podman(root, id, buf, size) || by_crio(root, id, buf, size));
}
