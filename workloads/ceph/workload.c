// SPDX-License-Identifier: GPL-2.0-or-later
/* ceph: a monitor, an OSD (BlueStore), a manager if asked for, and rados bench in one guest. Turns parameters into steps; what the
 * programs print, figures.c and answers.h read. The command `ceph`, which is Python, is not used: the OSD is entered into
 * its map and the pool is made by guest/mon-dynamic.c, all else is asked at the daemons' admin sockets by guest/asok.c. */
#include "workloads/ceph/ceph.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "matrix/storage.h"

#define HOME "/data/ceph"
#define ASOK "/granule/ceph-asok"
#define MON "/granule/ceph-mon-dynamic"
#define MON_SOCKET HOME "/run/mon.a.asok"
#define OSD_SOCKET HOME "/run/osd.0.asok"
#define MGR_SOCKET HOME "/run/mgr.a.asok"
#define READINGS HOME "/readings"
#define CONF "/etc/ceph/ceph.conf"
#define DEVICE "/dev/" JOB_STORAGE_DISK
#define PREPARED_STEPS 100 /* from here on are the indices of the cell's own */
#define FSID "6772616e-756c-4567-8004-000000000001"
#define OSD_UUID "6772616e-756c-4567-8005-000000000001"
#define ADDRESS "[v2:127.0.0.1:3300/0,v1:127.0.0.1:6789/0]"
#define POOL "bench"
#define PGS 8

#define SETTINGS_MAX 24
#define PREPARE_TIMEOUT_S 3000
#define SAMPLE_TIMEOUT_S 3000
#define READY_S 300
#define STOP_S 120
#define FOREVER "1000000" /* s: rados bench ends by its number of objects */

static const char *const tests[] = { "write", "seq", "rand", NULL };

#define FIELD(member) .offset = offsetof(struct ceph_params, member)
static const struct option_def ceph_options[] = {
	{ .key = "tests",
	  .type = OPT_CHOICES,
	  FIELD(tests),
	  .fallback = "[write, seq]",
	  .choices = tests,
	  .help = "of rados bench, each a phase, in this order; seq and rand read what write wrote last" },
	{ .key = "objects",
	  .type = OPT_U64,
	  FIELD(objects),
	  .fallback = "1000",
	  .min = 1,
	  .max = 100000000,
	  .help = "what a sample of write makes, and one of seq reads; fixed work" },
	{ .key = "object_size",
	  .type = OPT_SIZE,
	  FIELD(object_size),
	  .fallback = "4K",
	  .min = 1,
	  .max = 64u << 20,
	  .help = "of each of them" },
	{ .key = "block_size",
	  .type = OPT_SIZE,
	  FIELD(block_size),
	  .fallback = "0",
	  .max = 64u << 20,
	  .help = "of an operation; 0: an object at once" },
	{ .key = "threads",
	  .type = OPT_U64,
	  FIELD(threads),
	  .fallback = "4",
	  .min = 1,
	  .max = 1024,
	  .help = "operations under way at a time" },
	{ .key = "rand_seconds",
	  .type = OPT_U64,
	  FIELD(rand_seconds),
	  .fallback = "1",
	  .min = 1,
	  .max = 3600,
	  .help = "how long a sample of rand is, in s of the guest's clock: rados bench knows no number of reads" },
	{ .key = "memory_objects",
	  .type = OPT_U64,
	  FIELD(memory_objects),
	  .fallback = "1000",
	  .max = 100000000,
	  .help = "N: before the tests the daemons' memory is read with N and with 4N objects, and again after their "
		  "caches were dropped and their heaps released; 0: none of that" },
	{ .key = "memory_object_size",
	  .type = OPT_SIZE,
	  FIELD(memory_object_size),
	  .fallback = "4K",
	  .min = 1,
	  .max = 64u << 20,
	  .help = "of each of those" },
	{ .key = "rounds",
	  .type = OPT_U64,
	  FIELD(rounds),
	  .fallback = "0",
	  .max = 1000,
	  .help = "how often, after that, `objects` objects are written and deleted, and the OSD's memory is read each "
		  "time" },
	{ .key = "manager",
	  .type = OPT_BOOL,
	  FIELD(manager),
	  .fallback = "no",
	  .help = "whether there is a manager, too: its Python takes longer to start than all else" },
	{ .key = "osd_memory_target",
	  .type = OPT_SIZE,
	  FIELD(osd_memory_target),
	  .fallback = "896M",
	  .min = 896u << 20,
	  .max = UINT64_C(1) << 44,
	  .help = "what the OSD sizes its caches for; Ceph takes no less than 896M" },
	{ .key = "bluefs_buffered_io",
	  .type = OPT_BOOL,
	  FIELD(bluefs_buffered_io),
	  .fallback = "yes",
	  .help = "whether RocksDB's files are read through the page cache" },
	{ .key = "tcmalloc_page",
	  .type = OPT_SIZE,
	  FIELD(tcmalloc_page),
	  .fallback = "0",
	  .max = 1u << 20,
	  .help = "TCMALLOC_OVERRIDE_PAGESIZE of the daemons; 0: not set" },
	{ .key = "tcmalloc_release_rate",
	  .type = OPT_STRING,
	  FIELD(tcmalloc_release_rate),
	  .help = "TCMALLOC_RELEASE_RATE of the daemons, 0 to 1000; not given: not set" },
	{ .key = "settings",
	  .type = OPT_STRINGS,
	  FIELD(settings),
	  .max = SETTINGS_MAX,
	  .help = "more of Ceph's options for both daemons, NAME=VALUE; they override the workload's" },
	OPTIONS_END,
};
#undef FIELD

/* A user's option becomes a word of the daemons' command lines. */
static bool is_setting(const char *s)
{
	size_t name = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return name && isalpha((unsigned char)*s) && s[name] == '=' && s[name + 1] && strlen(s) <= 200 &&
	       !strpbrk(s, "\t\n");
}

static bool is_rate(const char *s)
{
	size_t len = strspn(s, "0123456789"), more;

	more = s[len] == '.' ? 1 + strspn(s + len + 1, "0123456789") : 0;
	return len && len <= 4 && more != 1 && len + more <= 12 && !s[len + more];
}

static char *ceph_check(const void *params, const char **ret_key)
{
	const struct ceph_params *p = params;

	*ret_key = "settings";
	for (size_t i = 0; i < p->settings.n; i++)
		if (!is_setting(p->settings.v[i]))
			return xasprintf(
				"settings: '%.100s' is no NAME=VALUE of Ceph, such as bluestore_cache_autotune=false",
				p->settings.v[i]);
	*ret_key = "tcmalloc_release_rate";
	if (p->tcmalloc_release_rate && !is_rate(p->tcmalloc_release_rate))
		return xasprintf("tcmalloc_release_rate: '%.100s' is no number such as 1.0", p->tcmalloc_release_rate);
	*ret_key = "tcmalloc_page";
	if (p->tcmalloc_page & (p->tcmalloc_page - 1))
		return xstrdup("tcmalloc_page: must be a power of two, such as 8K");
	*ret_key = "block_size";
	if (p->block_size && p->object_size % p->block_size)
		return xstrdup("block_size: an object is to be a whole number of blocks");
	*ret_key = "tests";
	for (size_t i = 0; i < p->tests.n && strcmp(p->tests.v[i], "write"); i++)
		if (i + 1 == p->tests.n)
			return xstrdup("tests: seq and rand read what write wrote, so write must be one of them");
	if (strcmp(p->tests.v[0], "write"))
		return xstrdup("tests: seq and rand read what write wrote, so write comes first");
	return NULL;
}

static char *ceph_unfit(const void *params, const struct storage_profile *storage)
{
	(void)params;
	return storage_device_bytes(storage)
		       ? NULL
		       : xstrdup(WORKLOAD_NAME " needs a storage profile that is a device without a "
					       "file system ({ where: null_blk, fs: raw })");
}

static void ceph_programs(const void *params, struct programs *programs)
{
	(void)params;
	programs_add(programs, xstrdup("bin/ceph-asok"), xstrdup(WORKLOAD_NAME "/asok"));
	programs_add(programs, xstrdup("bin/ceph-mon-dynamic"), xstrdup(WORKLOAD_NAME "/mon-dynamic"));
}

/* ---- The cluster */

/* ceph.conf. One node without authentication and without replicas; no background work by the clock that nobody asked
 * for; no benchmark of the device at the OSD's start; what the monitor decides takes no second; logs where the agent finds them. debug_rocksdb as it is by
 * default but for the lines that would go into the log. */
static const char *const conf[] = {
	"[global]",
	"fsid = " FSID,
	"mon_host = " ADDRESS,
	"auth_cluster_required = none",
	"auth_service_required = none",
	"auth_client_required = none",
	"osd_pool_default_size = 1",
	"osd_pool_default_min_size = 1",
	"osd_pool_default_pg_autoscale_mode = off",
	"osd_crush_chooseleaf_type = 0",
	"mon_allow_pool_size_one = true",
	"mon_data_avail_crit = 1",
	"mon_mgr_mkfs_grace = 1000000000", /* no manager is no error */
	"mon_osd_report_timeout = 3600",
	"mon_osd_down_out_interval = 0",
	"paxos_propose_interval = 0.05",
	"osd_objectstore = bluestore",
	"bluestore_fsck_on_mkfs = false",
	"osd_mclock_skip_benchmark = true",
	"osd_class_update_on_start = false",
	"osd_crush_update_on_start = false",
	"osd_op_num_shards = 2",
	"osd_op_num_threads_per_shard = 1",
	"osd_heartbeat_grace = 600",
	"mon_data = " HOME "/mon",
	"osd_data = " HOME "/osd",
	"mgr_data = " HOME "/mgr",
	"run_dir = " HOME "/run",
	"admin_socket = " HOME "/run/$name.asok",
	"log_file =",
	"log_to_stderr = true",
	"err_to_stderr = true",
	"mon_cluster_log_to_file = false",
	"debug_rocksdb = 1/5",
};

static void add_prepare(struct text *job, unsigned int *index, const char *words)
{
	text_add(job, "exec\tprepare\tprepare\t%u\t%d\t%s\n", (*index)++, PREPARE_TIMEOUT_S, words);
}

/* What is not in the root file system and not kept: where the programs are, ceph.conf, whose the device is. */
static void add_place(struct text *job, unsigned int *index)
{
	text_add(job, "bind\t/bin\t" JOB_ROOT_DIR "/granule\nas\troot\n");
	text_add(job,
		 "exec\tprepare\tprepare\t%u\t%d\t/usr/bin/bash\t-c\tmkdir -p /etc/ceph && printf '%%s\\n' \"$@\" "
		 "> " CONF "\tceph.conf",
		 (*index)++, PREPARE_TIMEOUT_S);
	for (size_t i = 0; i < ARRAY_SIZE(conf); i++)
		text_add(job, "\t%s", conf[i]);
	text_add(job, "\n");
	add_prepare(job, index, "/usr/bin/chown\tceph\t" DEVICE);
}

/* Wait at an admin socket; with @label the moment is noted. */
static void add_wait(struct text *job, unsigned int *index, const char *label, const char *words)
{
	_cleanup_free_ char *line = NULL;

	if (label)
		line = xasprintf(ASOK "\t-w\t%d\t-a\t" READINGS "\t" CEPH_START "/%s\t%s", READY_S, label, words);
	else
		line = xasprintf(ASOK "\t-w\t%d\t%s", READY_S, words);
	add_prepare(job, index, line);
}

static void add_wait_clean(struct text *job, unsigned int *index, const char *label)
{
	struct text words = { 0 };
	_cleanup_free_ char *line = NULL;

	text_add(&words, OSD_SOCKET "\tdump_pgstate_history\tpgs~%d", PGS);
	for (int i = 0; i < PGS; i++)
		text_add(&words, "\tpgs.%d.currently=Started/Primary/Active/Clean", i);
	line = text_steal(&words);
	add_wait(job, index, label, line);
}

static void add_environment(const struct ceph_params *p, struct text *job)
{
	if (!p->tcmalloc_page && !p->tcmalloc_release_rate)
		return;
	text_add(job, "\t/usr/bin/env");
	if (p->tcmalloc_page)
		text_add(job, "\tTCMALLOC_OVERRIDE_PAGESIZE=%" PRIu64, p->tcmalloc_page);
	if (p->tcmalloc_release_rate)
		text_add(job, "\tTCMALLOC_RELEASE_RATE=%s", p->tcmalloc_release_rate);
}

/* Debian's packages bring no compiled Python; what the manager imports is compiled once, while the cluster is prepared. */
#define MANAGER "/usr/bin/env\tPYTHONPYCACHEPREFIX=" HOME "/pycache\t/usr/bin/ceph-mgr\t-f\t-i\ta"

static void add_wait_manager(struct text *job, unsigned int *index, const char *label)
{
	add_wait(job, index, label, MGR_SOCKET "\tmgr_status\tinitialized=true");
}

static void add_settings(const struct ceph_params *p, struct text *job)
{
	for (size_t i = 0; i < p->settings.n; i++)
		text_add(job, "\t--%s", p->settings.v[i]);
	text_add(job, "\n");
}

static void add_daemons(const struct ceph_params *p, struct text *job, unsigned int *index)
{
	text_add(job, "service\tmon\t15\t%d", STOP_S);
	add_environment(p, job);
	text_add(job, "\t/usr/bin/ceph-mon\t-f\t-i\ta");
	add_settings(p, job);
	text_add(job, "service\tosd\t15\t%d", STOP_S);
	add_environment(p, job);
	text_add(job,
		 "\t/usr/bin/ceph-osd\t-f\t-i\t0\t--no-mon-config\t--osd_memory_target=%" PRIu64
		 "\t--bluefs_buffered_io=%s",
		 p->osd_memory_target, p->bluefs_buffered_io ? "true" : "false");
	add_settings(p, job);
	add_wait(job, index, "mon", MON_SOCKET "\tmon_status\tstate=leader");
	add_wait(job, index, "osd", OSD_SOCKET "\tstatus\tstate=active");
	add_wait_clean(job, index, "clean");
	if (!p->manager)
		return;
	text_add(job, "service\tmgr\t15\t%d", STOP_S);
	add_environment(p, job);
	text_add(job, "\t" MANAGER);
	add_settings(p, job);
	add_wait_manager(job, index, "mgr");
}

/* What is the same in every boot: the monitor's store, the OSD in its map, the pool, the OSD's store with its placement
 * groups. What a user sets is for the cells. */
static void ceph_prepare(const void *params, const struct preparing *preparing, struct text *job)
{
	static const char commands[] =
		MON "\t{\"prefix\": \"osd new\", \"uuid\": \"" OSD_UUID "\"}"
		    "\t{\"prefix\": \"osd crush add\", \"id\": 0, \"weight\": 1.0, \"args\": [\"root=default\", "
		    "\"host=granule\"]}"
		    "\t{\"prefix\": \"osd pool create\", \"pool\": \"" POOL
		    "\", \"pg_num\": 8, \"pgp_num\": 8, \"pool_type\": \"replicated\"}"
		    "\t{\"prefix\": \"osd pool application enable\", \"pool\": \"" POOL "\", \"app\": \"rados\"}";
	const struct ceph_params *p = params;
	unsigned int index = 0;

	(void)preparing;
	text_add(job, "artifact\tmkfs.log\t" JOB_ROOT_DIR HOME "/mkfs.log\n");
	add_place(job, &index);
	add_prepare(job, &index,
		    "/usr/bin/install\t-d\t-o\tceph\t-g\tceph\t" HOME "\t" HOME "/mon\t" HOME "/osd\t" HOME
		    "/mgr\t" HOME "/run");
	text_add(job, "as\tceph\n");
	add_prepare(job, &index, "/usr/bin/ln\t-s\t" DEVICE "\t" HOME "/osd/block");
	add_prepare(job, &index,
		    "/usr/bin/monmaptool\t--create\t--clobber\t--fsid\t" FSID "\t--addv\ta\t" ADDRESS "\t" HOME
		    "/monmap");
	add_prepare(job, &index, "/usr/bin/ceph-mon\t-i\ta\t--mkfs\t--monmap\t" HOME "/monmap");
	text_add(job, "service\tnew-mon\t15\t%d\t/usr/bin/ceph-mon\t-f\t-i\ta\n", STOP_S);
	add_wait(job, &index, NULL, MON_SOCKET "\tmon_status\tstate=leader");
	add_prepare(job, &index, commands);
	add_prepare(job, &index,
		    "/usr/bin/ceph-osd\t-i\t0\t--no-mon-config\t--mkfs\t--osd-uuid\t" OSD_UUID
		    "\t--log_to_stderr=false\t--log_file=" HOME "/mkfs.log");
	text_add(job, "service\tnew-osd\t15\t%d\t/usr/bin/ceph-osd\t-f\t-i\t0\t--no-mon-config\n", STOP_S);
	add_wait_clean(job, &index, NULL);
	if (p->manager) {
		text_add(job, "service\tnew-mgr\t15\t%d\t" MANAGER "\n", STOP_S);
		add_wait_manager(job, &index, NULL);
		text_add(job, "stop\tnew-mgr\n");
	}
	text_add(job, "stop\tnew-osd\nstop\tnew-mon\n");
	text_add(job, "keep\tcluster\t" JOB_DATA_DIR "\nkeep\tosd\t" DEVICE "\n");
}

static const struct preparation ceph_preparations[] = {
	{ .name = "cluster", .steps = ceph_prepare },
	{ .name = NULL },
};

/* ---- Memory */

static void add_answer(struct text *job, unsigned int *index, const char *socket, const char *phase, const char *what,
		       const char *command)
{
	_cleanup_free_ char *words = xasprintf(ASOK "\t-a\t" READINGS "\t%s/%s\t%s\t%s", phase, what, socket, command);

	add_prepare(job, index, words);
}

/* The daemons as they are now. A manager's admin socket knows no heap. */
static void add_point(const struct ceph_params *p, struct text *job, unsigned int *index, const char *point)
{
	static const struct {
		const char *name, *socket;
		bool heap, cache;
	} daemons[] = {
		{ "osd", OSD_SOCKET, true, true },
		{ "mon", MON_SOCKET, true, false },
		{ "mgr", MGR_SOCKET, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(daemons) - (p->manager ? 0 : 1); i++) {
		_cleanup_free_ char *phase = xasprintf("%s-%s", point, daemons[i].name);

		text_add(job, "inspect\t%s\t%s\n", phase, daemons[i].name);
		add_answer(job, index, daemons[i].socket, phase, CEPH_MEMPOOLS, "dump_mempools");
		if (daemons[i].heap)
			add_answer(job, index, daemons[i].socket, phase, CEPH_HEAP,
				   "{\"prefix\": \"heap\", \"heapcmd\": \"stats\"}");
		if (daemons[i].cache)
			add_answer(job, index, daemons[i].socket, phase, CEPH_PRICACHE,
				   "{\"prefix\": \"perf dump\", \"logger\": \"bluestore-pricache\"}");
	}
}

/* The words of rados bench that writes; each run makes objects of its own. */
static void add_write(const struct ceph_params *p, uint64_t objects, uint64_t object_size, uint64_t block_size,
		      bool keep, struct text *job)
{
	text_add(job, "/usr/bin/rados\t-p\t" POOL "\tbench\t" FOREVER "\twrite\t-t\t%" PRIu64 "\t-b\t%" PRIu64,
		 p->threads, block_size ? block_size : object_size);
	if (block_size && block_size != object_size)
		text_add(job, "\t-O\t%" PRIu64, object_size);
	text_add(job, "\t--max-objects\t%" PRIu64 "%s\t--format=json\n", objects, keep ? "\t--no-cleanup" : "");
}

static void add_fill(const struct ceph_params *p, uint64_t objects, struct text *job, unsigned int *index)
{
	text_add(job, "exec\tprepare\tprepare\t%u\t%d\t", (*index)++, PREPARE_TIMEOUT_S);
	add_write(p, objects, p->memory_object_size, 0, true, job);
}

static void add_memory(const struct ceph_params *p, struct text *job, unsigned int *index)
{
	static const char release[] = "{\"prefix\": \"heap\", \"heapcmd\": \"release\"}";

	add_fill(p, p->memory_objects, job, index);
	add_point(p, job, index, "n");
	add_fill(p, 3 * p->memory_objects, job, index);
	add_point(p, job, index, "4n");
	add_prepare(job, index, ASOK "\t" OSD_SOCKET "\tcache drop");
	add_answer(job, index, OSD_SOCKET, "released-osd", "release", release);
	add_answer(job, index, MON_SOCKET, "released-mon", "release", release);
	add_point(p, job, index, "released");
}

static void add_rounds(const struct ceph_params *p, struct text *job, unsigned int *index)
{
	for (uint64_t i = 0; i < p->rounds; i++) {
		_cleanup_free_ char *phase = xasprintf(CEPH_ROUND "%" PRIu64, i);

		text_add(job, "exec\tprepare\tprepare\t%u\t%d\t", (*index)++, PREPARE_TIMEOUT_S);
		add_write(p, p->objects, p->object_size, p->block_size, false, job);
		add_answer(job, index, OSD_SOCKET, phase, CEPH_MEMPOOLS, "dump_mempools");
		add_answer(job, index, OSD_SOCKET, phase, CEPH_HEAP, "{\"prefix\": \"heap\", \"heapcmd\": \"stats\"}");
	}
}

/* ---- The tests */

static void add_exec(const struct ceph_params *p, const char *test, const char *kind, uint64_t index, struct text *job)
{
	text_add(job, "exec\t%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t", test, kind, index,
		 SAMPLE_TIMEOUT_S + p->rand_seconds);
	if (!strcmp(test, "write")) {
		add_write(p, p->objects, p->object_size, p->block_size, true, job);
		return;
	}
	text_add(job, "/usr/bin/rados\t-p\t" POOL "\tbench\t");
	if (!strcmp(test, "rand"))
		text_add(job, "%" PRIu64, p->rand_seconds);
	else
		text_add(job, FOREVER);
	text_add(job, "\t%s\t-t\t%" PRIu64 "\t--format=json\n", test, p->threads);
}

static void ceph_steps(const void *params, const struct trials *trials, uint64_t page_bytes, struct text *job)
{
	const struct ceph_params *p = params;
	unsigned int index = PREPARED_STEPS;

	(void)page_bytes;
	add_place(job, &index);
	text_add(job, "as\tceph\n");
	text_add(job, "artifact\t" CEPH_READINGS "\t" JOB_ROOT_DIR READINGS "\n");
	add_daemons(p, job, &index);
	/* what the daemons use while a client is at work */
	text_add(job, "watch\t/sys/fs/cgroup/mon/cpu.stat\tusage_usec\n"
		      "watch\t/sys/fs/cgroup/osd/cpu.stat\tusage_usec\n");
	if (p->manager)
		text_add(job, "watch\t/sys/fs/cgroup/mgr/cpu.stat\tusage_usec\n");
	if (p->memory_objects)
		add_memory(p, job, &index);
	add_rounds(p, job, &index);
	for (size_t t = 0; t < p->tests.n; t++) {
		for (uint64_t i = 0; i < trials->warmups; i++)
			add_exec(p, p->tests.v[t], "warmup", i, job);
		for (uint64_t i = 0; i < trials->samples; i++)
			add_exec(p, p->tests.v[t], "sample", i, job);
	}
	text_add(job, "%sstop\tosd\nstop\tmon\n", p->manager ? "stop\tmgr\n" : "");
}

/* Operations that are fixed. Those of rand are not, but it changes nothing that memory is read of. */
static uint64_t ceph_work_bytes(const void *params, uint64_t page_bytes)
{
	const struct ceph_params *p = params;

	(void)page_bytes;
	return 4 * p->memory_objects * p->memory_object_size + (1 + p->rounds) * p->objects * p->object_size;
}

const struct workload this_workload = {
	.name = WORKLOAD_NAME,
	.help = "rados bench against a monitor and an OSD: instructions per operation, memory against what Ceph "
		"believes",
	.options = ceph_options,
	.params_size = sizeof(struct ceph_params),
	.check = ceph_check,
	.unfit = ceph_unfit,
	.programs = ceph_programs,
	.rootfs = WORKLOAD_NAME,
	.preparations = ceph_preparations,
	.steps = ceph_steps,
	.work_bytes = ceph_work_bytes,
	.work = ceph_work,
	.measure = ceph_measure,
	.brought = ceph_brought,
	.series = ceph_series,
	.derive = ceph_derive,
	.trouble = ceph_trouble,
	.raw_storage = true,
	.metrics = ceph_metrics,
	.primary = { "insns_per_op", "ns_per_op", "rss_per_mempool_byte", "process.pss", "heap.page_heap_free" },
};
