// SPDX-License-Identifier: GPL-2.0-or-later
/* Sends commands to Ceph's monitors, as the program `ceph` does, without Python: through the librados of the root file
 * system, found when it runs (dlopen), so nothing of Ceph is needed to build it. It runs in the root only.
 *
 *   mon-dynamic COMMAND...      each is JSON: {"prefix": "osd new", "uuid": "..."}
 *
 * Prints what the monitors answer, one answer a line; ends with 1 at the first that is refused. ceph.conf is where Ceph
 * looks for it. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As rados/librados.h declares them. */
typedef void *rados_t;

static struct librados {
	int (*create)(rados_t *cluster, const char *id);
	int (*conf_read_file)(rados_t cluster, const char *path);
	int (*connect)(rados_t cluster);
	int (*mon_command)(rados_t cluster, const char **commands, size_t n, const char *in, size_t in_len, char **out,
			   size_t *out_len, char **status, size_t *status_len);
	void (*buffer_free)(char *buffer);
	void (*shutdown)(rados_t cluster);
} rados;

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
	{ "rados_create", offsetof(struct librados, create) },
	{ "rados_conf_read_file", offsetof(struct librados, conf_read_file) },
	{ "rados_connect", offsetof(struct librados, connect) },
	{ "rados_mon_command", offsetof(struct librados, mon_command) },
	{ "rados_buffer_free", offsetof(struct librados, buffer_free) },
	{ "rados_shutdown", offsetof(struct librados, shutdown) },
};

static int load(void)
{
	void *library = dlopen("librados.so.2", RTLD_NOW);

	for (size_t i = 0; library && i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *f = dlsym(library, functions[i].name);

		if (!f)
			library = NULL;
		else
			memcpy((char *)&rados + functions[i].offset, &f, sizeof(f));
	}
	if (!library)
		printf("mon-dynamic: %s\n", dlerror());
	return library ? 0 : -1;
}

static int failed(const char *what, int rc)
{
	printf("mon-dynamic: %s: %s\n", what, strerror(-rc));
	return 1;
}

static int send_command(rados_t cluster, const char *command)
{
	char *out = NULL, *status = NULL;
	size_t out_len = 0, status_len = 0;
	int rc = rados.mon_command(cluster, &command, 1, "", 0, &out, &out_len, &status, &status_len);

	if (rc < 0)
		printf("mon-dynamic: %s: %s: %.*s\n", command, strerror(-rc), (int)status_len, status ? status : "");
	else
		printf("%.*s\n", (int)out_len, out ? out : "");
	rados.buffer_free(out);
	rados.buffer_free(status);
	return rc < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	rados_t cluster;
	int rc;

	if (argc < 2) {
		puts("usage: mon-dynamic COMMAND...");
		return 2;
	}
	if (load() < 0)
		return 1;
	rc = rados.create(&cluster, "admin");
	if (rc < 0)
		return failed("rados_create()", rc);
	rc = rados.conf_read_file(cluster, NULL);
	if (rc < 0)
		return failed("ceph.conf", rc);
	rc = rados.connect(cluster);
	if (rc < 0)
		return failed("no monitor answers", rc);
	for (int i = 1; i < argc; i++)
		if (send_command(cluster, argv[i]))
			return 1;
	rados.shutdown(cluster);
	return 0;
}
