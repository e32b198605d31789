// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims: who may try a boot, whether whoever claimed it is still at it, and whether its guest lives on without him.
 * Several processes, on one machine or on many that share a file system, use one run directory; mkdir decides. */
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"

#define ATTEMPTS_MAX 10000u
/* Between mkdir and the rename of claim.json a claimant writes a few hundred bytes. */
#define CLAIM_GRACE_S 10
/* By how much the clocks of two hosts that share a file system may differ. */
#define SKEW_S 60

char *boot_dir(const char *run_dir, const char *cell, unsigned int boot)
{
	return xasprintf("%s/cells/%s/%u", run_dir, cell, boot);
}

/* ---- Processes by name: host, kernel, pid namespace, pid, start time */

struct identity {
	char name[HOST_NAME_MAX + 1], boot_id[64];
	json_int_t pid_ns;
};

static struct identity this_host(void)
{
	struct identity here = { .name = "unknown" };
	_cleanup_free_ char *id = NULL;
	struct stat st;

	if (gethostname(here.name, sizeof(here.name)) < 0)
		strcpy(here.name, "unknown");
	here.name[HOST_NAME_MAX] = '\0';
	if (file_read("/proc/sys/kernel/random/boot_id", sizeof(here.boot_id), &id, NULL, NULL) == 0)
		snprintf(here.boot_id, sizeof(here.boot_id), "%.*s", (int)strcspn(id, "\n"), id);
	if (stat("/proc/self/ns/pid", &st) == 0)
		here.pid_ns = (json_int_t)st.st_ino;
	return here;
}

static json_t *process_json(pid_t pid)
{
	struct identity here = this_host();

	return json_pack("{ss,ss,sI,sI,sI}", "host", here.name, "boot_id", here.boot_id, "pid_ns", here.pid_ns, "pid",
			 (json_int_t)pid, "pid_start_time", (json_int_t)proc_start_time(pid));
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

enum process_look { PROCESS_GONE, PROCESS_ALIVE, PROCESS_FOREIGN };

/* A pid means something in the namespace that gave it, on the kernel that the boot id names, and there the start time
 * tells it from a later owner of the number. Containers share host name and boot id, but not pids. A host that has our
 * name and another boot id is this one before its last start only if the claim is older than that start: machines made
 * from one image share their names too. */
static enum process_look process_look(const json_t *o)
{
	const char *host = json_string_value(json_object_get(o, "host"));
	const char *id = json_string_value(json_object_get(o, "boot_id"));
	json_int_t pid = json_integer_value(json_object_get(o, "pid")), start, since;
	const json_t *ns = json_object_get(o, "pid_ns");
	struct identity here = this_host();
	bool same_host = host && !strcmp(host, here.name);

	if (!id || !*id || !*here.boot_id)
		return PROCESS_FOREIGN;
	if (strcmp(id, here.boot_id) != 0) {
		since = (json_int_t)((clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME)) / NSEC_PER_SEC);
		return same_host && json_integer_value(json_object_get(o, "claimed_s")) < since ? PROCESS_GONE
												: PROCESS_FOREIGN;
	}
	if (ns ? json_integer_value(ns) != here.pid_ns : !same_host)
		return PROCESS_FOREIGN;
	start = json_integer_value(json_object_get(o, "pid_start_time"));
	return pid > 0 && pid <= INT_MAX && start > 0 && (uint64_t)start == proc_start_time((pid_t)pid) &&
			       !process_is_zombie(pid)
		       ? PROCESS_ALIVE
		       : PROCESS_GONE;
}

/* ---- Claims: claim.json, then claim-2.json and so on of those who adopted */

static char *claim_path(const char *dir, unsigned int n)
{
	return n == 1 ? path_join(dir, "claim.json") : xasprintf("%s/claim-%u.json", dir, n);
}

/* The number of the newest claim; 1 also if there is none. */
static unsigned int newest_claim(const char *dir)
{
	for (unsigned int n = 2; n <= ATTEMPTS_MAX; n++) {
		_cleanup_free_ char *path = claim_path(dir, n);

		if (!path_exists(path))
			return n - 1;
	}
	return ATTEMPTS_MAX;
}

static int write_claim(const char *path, uint64_t deadline_s, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	json_t *o = process_json(getpid());

	if (o) {
		json_object_set_new(o, "claimed_s", json_integer((json_int_t)time(NULL)));
		json_object_set_new(o, "deadline_s", json_integer((json_int_t)deadline_s));
	}
	text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(o);
	if (!text)
		return err_set(err, ERR_HOST, "%s: this host's name is not UTF-8", path);
	return file_write_atomic(path, text, strlen(text), err);
}

/* A claimant that cannot be looked at is believed until its deadline. One whose claim is of our future has a clock
 * that is wrong by more than SKEW_S; then the time in which it wanted to be done counts from the file's own. */
static bool deadline_is_ahead(const json_t *claim, const char *path)
{
	json_int_t claimed = json_integer_value(json_object_get(claim, "claimed_s"));
	json_int_t deadline = json_integer_value(json_object_get(claim, "deadline_s"));
	time_t now = time(NULL);
	struct stat st;

	if (claimed > now + SKEW_S && stat(path, &st) == 0)
		deadline = st.st_mtime + (deadline - claimed);
	return now < deadline + SKEW_S;
}

static bool claimant_alive(const char *dir)
{
	_cleanup_free_ char *path = claim_path(dir, newest_claim(dir));
	enum process_look look;
	json_t *o = NULL;
	struct stat st;
	bool alive;

	if (json_file_read(path, &o, NULL) <= 0)
		return stat(dir, &st) == 0 && labs(time(NULL) - st.st_mtime) < CLAIM_GRACE_S;
	look = process_look(o);
	alive = look == PROCESS_ALIVE || (look == PROCESS_FOREIGN && deadline_is_ahead(o, path));
	json_decref(o);
	return alive;
}

enum attempt_state attempt_state(const char *dir)
{
	_cleanup_free_ char *done = path_join(dir, "done.json");
	struct attempt_guest guest;

	if (path_exists(done))
		return ATTEMPT_OVER;
	if (claimant_alive(dir))
		return ATTEMPT_CLAIMED;
	return attempt_guest_read(dir, &guest) ? ATTEMPT_ORPHAN : ATTEMPT_OVER;
}

static int list_attempts(const char *parent, unsigned int **ret, size_t *ret_n, struct err *err);

/* The next number, once the newest attempt is over; 0: it is not. */
static int next_attempt(const char *parent, unsigned int *ret, struct err *err)
{
	_cleanup_free_ unsigned int *attempts = NULL;
	_cleanup_free_ char *newest = NULL;
	size_t n;

	*ret = 1;
	if (list_attempts(parent, &attempts, &n, err) < 0)
		return -1;
	if (!n)
		return 0;
	newest = xasprintf("%s/%u", parent, attempts[n - 1]);
	*ret = attempt_state(newest) == ATTEMPT_OVER ? attempts[n - 1] + 1 : 0;
	return 0;
}

static int taken(struct err *err, const char *what)
{
	err_set(err, ERR_HOST, "%s: another process is at it", what);
	return -2;
}

int attempt_claim(const char *run_dir, const char *cell, unsigned int boot, unsigned int number, uint64_t deadline_s,
		  char **ret_dir, unsigned int *ret_attempt, struct err *err)
{
	_cleanup_free_ char *absolute = path_absolute(run_dir), *parent = boot_dir(absolute, cell, boot);
	_cleanup_free_ char *dir = NULL, *claim = NULL;

	if (!cell_id_valid(cell) || boot < 1)
		return err_set(err, ERR_CONFIG, "'%s' boot %u: no such cell or boot", cell, boot);
	if (make_dirs(parent, err) < 0 || (!number && next_attempt(parent, &number, err) < 0))
		return -1;
	if (!number)
		return taken(err, parent);
	if (number > ATTEMPTS_MAX)
		return err_set(err, ERR_HOST, "%s: %u attempts are enough", parent, ATTEMPTS_MAX);
	dir = xasprintf("%s/%u", parent, number);
	claim = claim_path(dir, 1);
	if (mkdir(dir, 0755) < 0)
		return errno == EEXIST ? taken(err, dir)
				       : err_set_errno(err, ERR_HOST, "cannot make directory %s", dir);
	if (write_claim(claim, deadline_s, err) < 0 || fsync_dir(parent, err) < 0)
		return -1;
	*ret_dir = steal_ptr(dir);
	*ret_attempt = number;
	return 0;
}

int attempt_adopt(const char *dir, uint64_t deadline_s, struct err *err)
{
	_cleanup_free_ char *done = path_join(dir, "done.json"), *path = claim_path(dir, newest_claim(dir) + 1);
	_cleanup_free_ char *mine = xasprintf("%s/claim.tmp.%d", dir, (int)getpid());
	int failed = 0;

	if (path_exists(done) || claimant_alive(dir))
		return taken(err, dir);
	if (write_claim(mine, deadline_s, err) < 0)
		return -1;
	/* unlike rename(), link() never takes a name from somebody else */
	if (link(mine, path) < 0)
		failed = errno;
	unlink(mine);
	errno = failed;
	if (failed)
		return failed == EEXIST ? taken(err, dir) : err_set_errno(err, ERR_HOST, "cannot make %s", path);
	return fsync_dir(dir, err);
}

/* ---- guest.json: the process in which the guest lives */

int attempt_guest_write(const char *dir, const struct attempt_guest *guest, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, "guest.json"), *text = NULL;
	json_t *o = process_json(guest->pid);

	if (o) {
		json_object_set_new(o, "started_s", json_real(guest->started_s));
		json_object_set_new(o, "deadline_s", json_integer((json_int_t)guest->deadline_s));
	}
	text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(13)) : NULL;
	json_decref(o);
	if (!text)
		return err_set(err, ERR_HOST, "%s: this host's name is not UTF-8", path);
	return file_write(path, text, strlen(text), err);
}

bool attempt_guest_read(const char *dir, struct attempt_guest *ret)
{
	_cleanup_free_ char *path = path_join(dir, "guest.json");
	json_t *o = NULL;
	bool alive;

	*ret = (struct attempt_guest){ 0 };
	if (json_file_read(path, &o, NULL) <= 0)
		return false;
	alive = process_look(o) == PROCESS_ALIVE;
	ret->pid = (pid_t)json_integer_value(json_object_get(o, "pid"));
	ret->started_s = json_number_value(json_object_get(o, "started_s"));
	ret->deadline_s = (uint64_t)json_integer_value(json_object_get(o, "deadline_s"));
	json_decref(o);
	return alive;
}

/* ---- Listing */

static int by_number(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

static int list_attempts(const char *parent, unsigned int **ret, size_t *ret_n, struct err *err)
{
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

int attempt_list(const struct run *run, const char *cell, unsigned int boot, unsigned int **ret, size_t *ret_n,
		 struct err *err)
{
	_cleanup_free_ char *parent = boot_dir(run->dir, cell, boot);

	return list_attempts(parent, ret, ret_n, err);
}
