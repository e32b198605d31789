// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims: who may try a boot, and whether whoever claimed it is still at it. Several processes, on one machine or on
 * many that share a file system, use one run directory; mkdir decides. */
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"

#define ATTEMPTS_MAX 10000u
/* Between mkdir and the rename of claim.json a claimant writes a few hundred bytes. */
#define CLAIM_GRACE_S 10

char *boot_dir(const char *run_dir, const char *cell, unsigned int boot)
{
	return xasprintf("%s/cells/%s/%u", run_dir, cell, boot);
}

struct identity {
	char name[HOST_NAME_MAX + 1], boot_id[64];
};

static struct identity this_host(void)
{
	struct identity here = { .name = "unknown" };
	_cleanup_free_ char *id = NULL;

	if (gethostname(here.name, sizeof(here.name)) < 0)
		strcpy(here.name, "unknown");
	here.name[HOST_NAME_MAX] = '\0';
	if (file_read("/proc/sys/kernel/random/boot_id", sizeof(here.boot_id), &id, NULL, NULL) == 0)
		snprintf(here.boot_id, sizeof(here.boot_id), "%.*s", (int)strcspn(id, "\n"), id);
	return here;
}

static int write_claim(const char *dir, uint64_t deadline_s, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, "claim.json"), *text = NULL;
	struct identity here = this_host();
	json_t *o;

	o = json_pack("{ss,ss,sI,sI,sI,sI}", "host", here.name, "boot_id", here.boot_id, "pid", (json_int_t)getpid(),
		      "pid_start_time", (json_int_t)proc_start_time(getpid()), "claimed_s", (json_int_t)time(NULL),
		      "deadline_s", (json_int_t)deadline_s);
	text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(o);
	if (!text)
		return err_set(err, ERR_HOST, "%s: this host's name is not UTF-8", path);
	return file_write_atomic(path, text, strlen(text), err);
}

int attempt_claim(const char *run_dir, const char *cell, unsigned int boot, uint64_t deadline_s, char **ret_dir,
		  unsigned int *ret_attempt, struct err *err)
{
	_cleanup_free_ char *absolute = path_absolute(run_dir), *parent = boot_dir(absolute, cell, boot);

	if (!cell_id_valid(cell) || boot < 1)
		return err_set(err, ERR_CONFIG, "'%s' boot %u: no such cell or boot", cell, boot);
	if (make_dirs(parent, err) < 0)
		return -1;
	for (unsigned int n = 1; n <= ATTEMPTS_MAX; n++) {
		_cleanup_free_ char *dir = xasprintf("%s/%u", parent, n);

		if (mkdir(dir, 0755) == 0) {
			if (write_claim(dir, deadline_s, err) < 0 || fsync_dir(parent, err) < 0)
				return -1;
			*ret_dir = steal_ptr(dir);
			*ret_attempt = n;
			return 0;
		}
		if (errno != EEXIST)
			return err_set_errno(err, ERR_HOST, "cannot make directory %s", dir);
	}
	return err_set(err, ERR_HOST, "%s: %u attempts are enough", parent, ATTEMPTS_MAX);
}

/* A zombie has finished; proc_start_time() still knows it. */
static bool process_is_zombie(json_int_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%lld/stat", (long long)pid), *data = NULL;
	const char *p;

	if (file_read(path, 65536, &data, NULL, NULL) < 0)
		return true;
	p = strrchr(data, ')');
	return p && starts_with(p, ") Z");
}

bool attempt_running(const char *dir)
{
	_cleanup_free_ char *path = path_join(dir, "claim.json"), *done = path_join(dir, "done.json");
	struct identity here = this_host();
	bool same_host, same_boot, rebooted;
	const char *host, *id;
	json_int_t pid, start, deadline;
	struct stat st;
	json_t *o = NULL;

	if (path_exists(done))
		return false;
	if (json_file_read(path, &o, NULL) <= 0)
		return stat(dir, &st) == 0 && time(NULL) - st.st_mtime < CLAIM_GRACE_S;
	host = json_string_value(json_object_get(o, "host"));
	id = json_string_value(json_object_get(o, "boot_id"));
	pid = json_integer_value(json_object_get(o, "pid"));
	start = json_integer_value(json_object_get(o, "pid_start_time"));
	deadline = json_integer_value(json_object_get(o, "deadline_s"));
	same_host = host && !strcmp(host, here.name);
	same_boot = id && !strcmp(id, here.boot_id);
	rebooted = same_host && id && *id && *here.boot_id && !same_boot;
	json_decref(o);
	/* a pid means something on the kernel that gave it only, and the boot id names the kernel */
	if (same_host && same_boot)
		return pid > 0 && (uint64_t)start == proc_start_time((pid_t)pid) && !process_is_zombie(pid);
	if (rebooted)
		return false;
	return time(NULL) < deadline;
}

static int by_number(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

int attempt_list(const struct run *run, const char *cell, unsigned int boot, unsigned int **ret, size_t *ret_n,
		 struct err *err)
{
	_cleanup_free_ char *parent = boot_dir(run->dir, cell, boot);
	unsigned int *v = NULL;
	struct dirent *e;
	size_t n = 0;
	DIR *d = opendir(parent);

	if (!d && errno != ENOENT)
		return err_set_errno(err, ERR_HOST, "%s", parent);
	while (d && (e = readdir(d))) {
		unsigned long number = strtoul(e->d_name, NULL, 10);
		char canonical[24];

		snprintf(canonical, sizeof(canonical), "%lu", number);
		if (number < 1 || number > ATTEMPTS_MAX || strcmp(canonical, e->d_name))
			continue;
		*VEC_PUSH(v, n) = (unsigned int)number;
	}
	if (d)
		closedir(d);
	if (n)
		qsort(v, n, sizeof(*v), by_number);
	*ret = v;
	*ret_n = n;
	return 0;
}
