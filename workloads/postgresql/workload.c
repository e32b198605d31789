// SPDX-License-Identifier: GPL-2.0-or-later
/* postgresql: pgbench against a server of its own, whose cluster is made once for all boots. Turns parameters into steps; what the
 * programs print, figures.c and pgbench.h read. */
#include "postgresql.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define BIN "/usr/lib/postgresql/17/bin/"
#define DATA "/data/postgres" /* in the root: below JOB_DATA_DIR */
#define SOCKETS "/tmp"
#define SERVER "postgres" /* the service */
#define SETTINGS_MAX 16
#define PREPARE_TIMEOUT_S 3000
#define SAMPLE_TIMEOUT_S 3000
#define READY_TIMEOUT_S 120
#define STOP_S 60
#define OTHER_CONNECTIONS 10 /* beside those of the clients */
#define PREPARED_STEPS 100   /* from here on are the indices of the cell's own */
#define INSPECTED_RATE 100   /* transactions a second of each connection that is looked at */
#define PAUSE "0.3"	     /* s of guest time: who asked whether they have done one is gone then */

#define OBSERVE_DIR "/mnt" /* where the workload's files are in the root file system */
#define SCRIPTS_MAX 8
#define SCRIPT_NAME_MAX 40

static const char *const tests[] = { "select-only", "simple-update", "tpcb-like", NULL };
static const char *const protocols[] = { "simple", "extended", "prepared", NULL };
static const char *const huge_choices[] = { "off", "try", "on", NULL };

#define FIELD(member) .offset = offsetof(struct pg_params, member)
static const struct option_def pg_options[] = {
	{ .key = "tests",
	  .type = OPT_CHOICES,
	  FIELD(tests),
	  .choices = tests,
	  .help = "pgbench's built-in scripts, each a phase, in this order; default: select-only, or none where "
		  "`script` is "
		  "given" },
	{ .key = "script",
	  .type = OPT_PATHS,
	  FIELD(scripts),
	  .max = SCRIPTS_MAX,
	  .help = "scripts of your own for pgbench, each a phase that is called like its file without .sql, behind "
		  "those of "
		  "`tests`" },
	{ .key = "transactions",
	  .type = OPT_U64,
	  FIELD(transactions),
	  .fallback = "2000",
	  .min = 1,
	  .max = 1000000000,
	  .help = "what each client does in a sample; fixed work" },
	{ .key = "seconds",
	  .type = OPT_U64,
	  FIELD(seconds),
	  .fallback = "0",
	  .max = 3600,
	  .help = "instead of transactions: how long a sample is, in s; memory is not judged then" },
	{ .key = "rate",
	  .type = OPT_U64,
	  FIELD(rate),
	  .fallback = "0",
	  .max = 10000000,
	  .help = "transactions that begin in a second, of all clients; 0: as fast as it goes" },
	{ .key = "latency_limit",
	  .type = OPT_U64,
	  FIELD(latency_limit_ms),
	  .fallback = "0",
	  .max = 3600000,
	  .help = "with a rate: a transaction later than this many ms is skipped; 0: none is" },
	{ .key = "clients",
	  .type = OPT_U64,
	  FIELD(clients),
	  .fallback = "2",
	  .min = 1,
	  .max = 1000,
	  .help = "connections" },
	{ .key = "scale",
	  .type = OPT_U64,
	  FIELD(scale),
	  .fallback = "2",
	  .min = 1,
	  .max = 10000,
	  .help = "pgbench's scale: 100,000 accounts each, about 15 MiB" },
	{ .key = "protocol",
	  .type = OPT_ENUM,
	  FIELD(protocol),
	  .fallback = "prepared",
	  .choices = protocols,
	  .help = "how queries are sent" },
	{ .key = "shared_buffers",
	  .type = OPT_SIZE,
	  FIELD(shared_buffers),
	  .fallback = "128M",
	  .min = 1u << 20,
	  .max = UINT64_C(1) << 40,
	  .help = "the server's own cache" },
	{ .key = "huge_pages",
	  .type = OPT_ENUM,
	  FIELD(huge_pages),
	  .fallback = "off",
	  .choices = huge_choices,
	  .help = "hugetlb pages for it; the kernel's reserve is to be on its command line (`append: hugepages=...`)" },
	{ .key = "huge_page_size",
	  .type = OPT_SIZE,
	  FIELD(huge_page_size),
	  .fallback = "0",
	  .max = UINT64_C(16) << 30,
	  .help = "the size of those; 0: the kernel's default, which is 512M at 64K pages" },
	{ .key = "settings",
	  .type = OPT_STRINGS,
	  FIELD(settings),
	  .max = SETTINGS_MAX,
	  .help = "more of the server's settings, NAME=VALUE; they override the workload's" },
	OPTIONS_END,
};
#undef FIELD

/* A user's setting becomes a word of the job: "work_mem=4MB". */
static bool is_setting(const char *s)
{
	size_t name = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.");

	return name && !isdigit((unsigned char)*s) && s[name] == '=' && s[name + 1] && strlen(s) <= 200 &&
	       !strpbrk(s, "\t\n\\'");
}

/* "/home/me/hot-rows.sql": "hot-rows". Owned by the caller. */
static char *script_phase(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');

	return xstrndup(name, dot ? (size_t)(dot - name) : strlen(name));
}

static bool one_of(const char *s, const char *const *list)
{
	while (*list && strcmp(s, *list) != 0)
		list++;
	return *list;
}

/* A phase is a cgroup, a part of metrics' names and of artifacts'. */
static char *check_scripts(const struct pg_params *p)
{
	static const char *const taken[] = { "prepare", "ready", "make",       "sampler", "fragment",
					     "guest",	SERVER,	 SERVER_PHASE, NULL };

	for (size_t i = 0; i < p->scripts.n; i++) {
		_cleanup_free_ char *name = script_phase(p->scripts.v[i]);

		if (!label_valid(name) || strlen(name) > SCRIPT_NAME_MAX)
			return xasprintf(
				"script: a phase is called like its file: letters, digits, _ and -, at most %d, not "
				"'%.100s'",
				SCRIPT_NAME_MAX, name);
		if (one_of(name, taken) || one_of(name, tests))
			return xasprintf("script: '%s' is the name of something else; call the file otherwise", name);
		for (size_t k = 0; k < i; k++) {
			_cleanup_free_ char *other = script_phase(p->scripts.v[k]);

			if (!strcmp(name, other))
				return xasprintf("script: two files are called '%s'", name);
		}
	}
	return NULL;
}

static char *pg_check(const void *params, const char **ret_key)
{
	const struct pg_params *p = params;
	char *why;

	*ret_key = "script";
	why = check_scripts(p);
	if (why)
		return why;
	*ret_key = "settings";
	for (size_t i = 0; i < p->settings.n; i++)
		if (!is_setting(p->settings.v[i]))
			return xasprintf("settings: '%.100s' is no NAME=VALUE of the server, such as work_mem=4MB",
					 p->settings.v[i]);
	*ret_key = "latency_limit";
	if (p->latency_limit_ms && !p->rate)
		return xstrdup("latency_limit: only with a `rate` is a transaction late");
	*ret_key = "huge_page_size";
	if (p->huge_page_size && (p->huge_page_size & (p->huge_page_size - 1)))
		return xstrdup("huge_page_size: must be a power of two, such as 2M");
	if (p->huge_page_size && !p->huge_pages)
		return xstrdup("huge_page_size: needs `huge_pages: try` or `on`");
	return NULL;
}

/* What goes in beside the root file system: a folder of the initramfs that is bound into it. */
static void pg_programs(const void *params, struct programs *programs)
{
	static const char *const own[] = { "observe.sh",   "buffered",	  "settings.sql", "refused.sql",
					   "counters.sql", "settled.sql", "buffers.sql" };
	const struct pg_params *p = params;

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		programs_add(programs, xasprintf(WORKLOAD_NAME "/%s", own[i]), xasprintf(WORKLOAD_NAME "/%s", own[i]));
	for (size_t i = 0; i < p->scripts.n; i++) {
		_cleanup_free_ char *name = script_phase(p->scripts.v[i]);

		programs_add_file(programs, xasprintf(WORKLOAD_NAME "/files/%s.sql", name), xstrdup(p->scripts.v[i]));
	}
}

/* What makes boots comparable: no background work by the clock that the matrix did not ask for, and the prefix that
 * server_log_parse() reads. reference/workloads.md of the design has the reasons. */
static const char *const server_settings[] = {
	"listen_addresses=",
	"unix_socket_directories=" SOCKETS,
	"wal_level=minimal",
	"max_wal_senders=0",
	"max_wal_size=64MB",
	"min_wal_size=32MB",
	"checkpoint_timeout=30s",
	"checkpoint_completion_target=0.5",
	"log_checkpoints=on",
	"log_line_prefix=%n [%p] ",
	"autovacuum=off",
	"jit=off",
	"max_parallel_workers_per_gather=0",
	/* a backend that dies is the server's end, and the workload's */
	"restart_after_crash=off",
};

/* The line is not ended: more settings may follow. */
static void begin_server(struct text *job)
{
	text_add(job, "service\t" SERVER "\t2\t%d\t" BIN "postgres\t-D\t" DATA, STOP_S); /* SIGINT: a fast shutdown */
	for (size_t i = 0; i < ARRAY_SIZE(server_settings); i++)
		text_add(job, "\t--%s", server_settings[i]);
}

static void end_server(struct text *job)
{
	text_add(job, "\nready\t" SERVER "\t%d\tcommand\t" BIN "pg_isready\t-q\t-h\t" SOCKETS "\n", READY_TIMEOUT_S);
}

static void add_server(const struct pg_params *p, struct text *job)
{
	begin_server(job);
	/* no more than are used: each has its place in shared memory */
	text_add(job, "\t--max_connections=%" PRIu64 "\t--shared_buffers=%" PRIu64 "kB\t--huge_pages=%s",
		 p->clients + OTHER_CONNECTIONS, p->shared_buffers >> 10, huge_choices[p->huge_pages]);
	if (p->huge_page_size)
		text_add(job, "\t--huge_page_size=%" PRIu64 "kB", p->huge_page_size >> 10);
	for (size_t i = 0; i < p->settings.n; i++)
		text_add(job, "\t--%s", p->settings.v[i]);
	end_server(job);
}

static void add_prepare(struct text *job, unsigned int *index, const char *words)
{
	text_add(job, "exec\tprepare\tprepare\t%u\t%d\t%s\n", (*index)++, PREPARE_TIMEOUT_S, words);
}

/* What pgbench runs: a test of its own, or a script of the user's. */
struct phase {
	char *name; /* owned */
	bool script;
};

/* The words of a pgbench that measures. */
static void add_pgbench(const struct pg_params *p, const struct phase *phase, struct text *job)
{
	text_add(job, BIN "pgbench\t-n\t-h\t" SOCKETS "\t-M\t%s", protocols[p->protocol]);
	if (phase->script)
		text_add(job, "\t-f\t" OBSERVE_DIR "/files/%s.sql", phase->name);
	else
		text_add(job, "\t-b\t%s", phase->name);
	text_add(job, "\t-c\t%" PRIu64 "\t-j\t1\t--random-seed=42", p->clients);
}

static void add_work(const struct pg_params *p, struct text *job)
{
	if (p->seconds)
		text_add(job, "\t-T\t%" PRIu64, p->seconds);
	else
		text_add(job, "\t-t\t%" PRIu64, p->transactions);
	if (p->rate)
		text_add(job, "\t-R\t%" PRIu64, p->rate);
	if (p->latency_limit_ms)
		text_add(job, "\t-L\t%" PRIu64, p->latency_limit_ms);
}

static void add_exec(const struct pg_params *p, const struct phase *phase, const char *kind, uint64_t index,
		     struct text *job)
{
	text_add(job, "exec\t%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t", phase->name, kind, index,
		 SAMPLE_TIMEOUT_S + p->seconds);
	add_pgbench(p, phase, job);
	add_work(p, job);
	text_add(job, "\n");
}

/* observe.sh @what, which writes /tmp/@out.*; more words and the end of the line are the caller's. */
static void add_observed(struct text *job, unsigned int *index, uint64_t timeout_s, const char *what, const char *out)
{
	text_add(job, "exec\tprepare\tprepare\t%u\t%" PRIu64 "\t/usr/bin/bash\t" OBSERVE_DIR "/observe.sh\t%s\t/tmp/%s",
		 (*index)++, timeout_s, what, out);
}

static void add_artifact(struct text *job, const char *out, const char *what)
{
	text_add(job, "artifact\t%s.%s\t" JOB_ROOT_DIR "/tmp/%s.%s\n", out, what, out, what);
}

/* Once more with a line a transaction, which a sample has not: writing it would be measured. */
static void add_logged(const struct pg_params *p, const struct phase *phase, struct text *job, unsigned int *index)
{
	static const char *const brought[] = { "transactions", "report", "io" };

	add_observed(job, index, SAMPLE_TIMEOUT_S + p->seconds, "logged", phase->name);
	text_add(job, "\t");
	add_pgbench(p, phase, job);
	add_work(p, job);
	text_add(job, "\n");
	for (size_t i = 0; i < ARRAY_SIZE(brought); i++)
		add_artifact(job, phase->name, brought[i]);
}

/* The server's memory with all connections open and each at work now and then. */
static void add_inspection(const struct pg_params *p, const struct phase *phase, struct text *job, unsigned int *index)
{
	text_add(job, "service\tclients-%s\t15\t10\t", phase->name);
	add_pgbench(p, phase, job);
	text_add(job, "\t-T\t%d\t-R\t%" PRIu64 "\n", SAMPLE_TIMEOUT_S, p->clients * INSPECTED_RATE);
	add_observed(job, index, SAMPLE_TIMEOUT_S, "settled", "-");
	text_add(job, "\t%" PRIu64 "\n", p->clients);
	add_prepare(job, index, "/usr/bin/sleep\t" PAUSE);
	text_add(job, "inspect\t%s\t" SERVER "\n", phase->name);
	add_observed(job, index, PREPARE_TIMEOUT_S, "buffers", phase->name);
	text_add(job, "\n");
	add_artifact(job, phase->name, "buffers");
	text_add(job, "stop\tclients-%s\n", phase->name);
}

/* The names of all that the command line of the server says, as observe.sh wants them. */
static void add_asked(const struct pg_params *p, struct text *job)
{
	for (size_t i = 0; i < ARRAY_SIZE(server_settings); i++)
		text_add(job, "%.*s,", (int)strcspn(server_settings[i], "="), server_settings[i]);
	for (size_t i = 0; i < p->settings.n; i++)
		text_add(job, "%.*s,", (int)strcspn(p->settings.v[i], "="), p->settings.v[i]);
	text_add(job, "max_connections,shared_buffers,huge_pages%s", p->huge_page_size ? ",huge_page_size" : "");
}

/* What the server says that it is; it fails where that is not what was asked for. */
static void add_settings(const struct pg_params *p, struct text *job, unsigned int *index)
{
	add_observed(job, index, PREPARE_TIMEOUT_S, "settings", SERVER_PHASE);
	text_add(job, "\t");
	add_asked(p, job);
	text_add(job, "\n");
	add_artifact(job, SERVER_PHASE, "settings");
}

/* Before the server: its workload's files, and what else is to be read at the inspections. */
static void add_files(const struct pg_params *p, struct text *job)
{
	static const char *const reserves[] = { "nr_hugepages", "free_hugepages", "resv_hugepages" };

	text_add(job, "bind\t/" WORKLOAD_NAME "\t" JOB_ROOT_DIR OBSERVE_DIR "\n");
	for (size_t i = 0; p->huge_pages && i < ARRAY_SIZE(reserves); i++)
		text_add(job, "look\t/sys/kernel/mm/hugepages/hugepages-*/%s\n", reserves[i]);
}

static void add_phase(const struct pg_params *p, const struct phase *phase, const struct trials *trials,
		      struct text *job, unsigned int *index)
{
	for (uint64_t i = 0; i < trials->warmups; i++)
		add_exec(p, phase, "warmup", i, job);
	for (uint64_t i = 0; i < trials->samples; i++)
		add_exec(p, phase, "sample", i, job);
	add_inspection(p, phase, job, index);
	add_logged(p, phase, job, index);
}

static void add_phases(const struct pg_params *p, const struct trials *trials, struct text *job, unsigned int *index)
{
	for (size_t i = 0; i < p->tests.n + p->scripts.n; i++) {
		bool script = i >= p->tests.n;
		struct phase phase = { script ? script_phase(p->scripts.v[i - p->tests.n]) : xstrdup(p->tests.v[i]),
				       script };

		add_phase(p, &phase, trials, job, index);
		free(phase.name);
	}
	if (!p->tests.n && !p->scripts.n)
		add_phase(p, &(struct phase){ (char *)(uintptr_t)tests[0], false }, trials, job, index);
}

/* A cluster that was shut down, with the tables of pgbench. Its shared_buffers are the server's own default: what a
 * user sets is for the cells. */
static void pg_prepare(const void *params, const struct preparing *preparing, struct text *job)
{
	const struct pg_params *p = params;
	_cleanup_free_ char *load =
		xasprintf(BIN "pgbench\t-h\t" SOCKETS "\t-i\t-I\tdtGvp\t-q\t-s\t%" PRIu64, p->scale);
	unsigned int index = 0;

	(void)preparing;
	text_add(job, "as\troot\n");
	add_prepare(job, &index, "/usr/bin/install\t-d\t-o\tpostgres\t-g\tpostgres\t-m\t700\t" DATA);
	text_add(job, "as\tpostgres\n");
	add_prepare(job, &index,
		    BIN "initdb\t-D\t" DATA "\t-U\tpostgres\t-A\ttrust\t--no-locale\t-E\tUTF8\t-N\t--no-instructions");
	begin_server(job);
	end_server(job);
	add_prepare(job, &index, load);
	/* what observe.sh would make otherwise, at the first inspection */
	add_prepare(job, &index, BIN "psql\t-q\t-h\t" SOCKETS "\t-c\tCREATE EXTENSION pg_buffercache");
	text_add(job, "stop\t" SERVER "\n");
	text_add(job, "keep\tdata\t" JOB_DATA_DIR "\n");
}

static const struct preparation pg_preparations[] = {
	{ .name = "data", .steps = pg_prepare },
	{ .name = NULL },
};

static void pg_steps(const void *params, const struct trials *trials, uint64_t page_bytes, struct text *job)
{
	const struct pg_params *p = params;
	unsigned int index = PREPARED_STEPS;

	(void)page_bytes;
	add_files(p, job);
	text_add(job, "as\tpostgres\n");
	add_server(p, job);
	add_settings(p, job, &index);
	add_phases(p, trials, job, &index);
	text_add(job, "stop\t" SERVER "\n");
}

static uint64_t pg_work_bytes(const void *params, uint64_t page_bytes)
{
	const struct pg_params *p = params;

	(void)page_bytes;
	return p->seconds ? 0 : p->transactions * p->clients;
}

const struct workload this_workload = {
	.name = WORKLOAD_NAME,
	.help = "pgbench against a PostgreSQL server: instructions per transaction, latency, the server's memory",
	.options = pg_options,
	.params_size = sizeof(struct pg_params),
	.check = pg_check,
	.programs = pg_programs,
	.rootfs = WORKLOAD_NAME,
	.preparations = pg_preparations,
	.steps = pg_steps,
	.work_bytes = pg_work_bytes,
	.operation = "txn",
	.work = pg_work,
	.measure = pg_measure,
	.brought = pg_brought,
	.series = pg_series,
	.derive = pg_derive,
	.metrics = pg_metrics,
	.primary = { "insns_per_txn", "ns_per_txn", "latency.p99", "process.pss", "process.vmpte" },
};
