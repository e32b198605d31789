// SPDX-License-Identifier: GPL-2.0-or-later
/* postgresql: pgbench against a server of its own, whose cluster is made once for all boots. Turns parameters into steps; what the
 * programs print, figures.c and pgbench.h read. */
#include "postgresql.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"

#define BIN "/usr/lib/postgresql/17/bin/"
#define DATA "/data/postgres" /* in the root: below JOB_DATA_DIR */
#define SOCKETS "/tmp"
#define LOG_PREFIX "/tmp/transactions"
#define SETTINGS_MAX 16
#define PREPARE_TIMEOUT_S 3000
#define SAMPLE_TIMEOUT_S 3000
#define READY_TIMEOUT_S 120
#define STOP_S 60
#define OTHER_CONNECTIONS 10 /* beside those of the clients */
#define PREPARED_STEPS 100   /* from here on are the indices of the cell's own */
#define INSPECTED_RATE 100   /* transactions a second of each connection that is looked at */
#define PAUSE "0.3"	     /* s of guest time: they have done some then */

static const char *const tests[] = { "select-only", "simple-update", "tpcb-like", NULL };
static const char *const protocols[] = { "simple", "extended", "prepared", NULL };
static const char *const huge_choices[] = { "off", "try", "on", NULL };

#define FIELD(member) .offset = offsetof(struct pg_params, member)
static const struct option_def pg_options[] = {
	{ .key = "tests",
	  .type = OPT_CHOICES,
	  FIELD(tests),
	  .fallback = "select-only",
	  .choices = tests,
	  .help = "pgbench's built-in scripts, each a phase, in this order" },
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

static char *pg_check(const void *params, const char **ret_key)
{
	const struct pg_params *p = params;

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

static void pg_programs(const void *params, struct programs *programs)
{
	(void)params;
	(void)programs; /* all are in the root file system */
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
	text_add(job, "service\tpostgres\t2\t%d\t" BIN "postgres\t-D\t" DATA, STOP_S); /* SIGINT: a fast shutdown */
	for (size_t i = 0; i < ARRAY_SIZE(server_settings); i++)
		text_add(job, "\t--%s", server_settings[i]);
}

static void end_server(struct text *job)
{
	text_add(job, "\nready\tpostgres\t%d\tcommand\t" BIN "pg_isready\t-q\t-h\t" SOCKETS "\n", READY_TIMEOUT_S);
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

/* The words of a pgbench that measures. */
static void add_pgbench(const struct pg_params *p, const char *test, struct text *job)
{
	text_add(job, BIN "pgbench\t-n\t-h\t" SOCKETS "\t-M\t%s\t-b\t%s\t-c\t%" PRIu64 "\t-j\t1\t--random-seed=42",
		 protocols[p->protocol], test, p->clients);
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

static void add_exec(const struct pg_params *p, const char *test, const char *kind, uint64_t index, struct text *job)
{
	text_add(job, "exec\t%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t", test, kind, index, SAMPLE_TIMEOUT_S + p->seconds);
	add_pgbench(p, test, job);
	add_work(p, job);
	text_add(job, "\n");
}

/* Once more with a line a transaction, which a sample has not: writing it would be measured. pgbench puts its pid
 * into the file's name, so the file is renamed. */
static void add_logged(const struct pg_params *p, const char *test, struct text *job, unsigned int *index)
{
	_cleanup_free_ char *move = xasprintf("/usr/bin/bash\t-c\tmv " LOG_PREFIX ".* /tmp/%s.transactions", test);

	text_add(job, "exec\tprepare\tprepare\t%u\t%" PRIu64 "\t", (*index)++, SAMPLE_TIMEOUT_S + p->seconds);
	add_pgbench(p, test, job);
	add_work(p, job);
	text_add(job, "\t--log\t--log-prefix=" LOG_PREFIX "\n");
	add_prepare(job, index, move);
	text_add(job, "artifact\t%s.transactions\t" JOB_ROOT_DIR "/tmp/%s.transactions\n", test, test);
}

/* The server's memory with all connections open and each at work now and then. */
static void add_inspection(const struct pg_params *p, const char *test, struct text *job, unsigned int *index)
{
	text_add(job, "service\tclients-%s\t15\t10\t", test);
	add_pgbench(p, test, job);
	text_add(job, "\t-T\t%d\t-R\t%" PRIu64 "\n", SAMPLE_TIMEOUT_S, p->clients * INSPECTED_RATE);
	add_prepare(job, index, "/usr/bin/sleep\t" PAUSE);
	text_add(job, "inspect\t%s\tpostgres\nstop\tclients-%s\n", test, test);
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
	text_add(job, "stop\tpostgres\n");
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
	text_add(job, "as\tpostgres\n");
	add_server(p, job);
	for (size_t t = 0; t < p->tests.n; t++) {
		for (uint64_t i = 0; i < trials->warmups; i++)
			add_exec(p, p->tests.v[t], "warmup", i, job);
		for (uint64_t i = 0; i < trials->samples; i++)
			add_exec(p, p->tests.v[t], "sample", i, job);
		add_inspection(p, p->tests.v[t], job, &index);
		add_logged(p, p->tests.v[t], job, &index);
	}
	text_add(job, "stop\tpostgres\n");
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
	.measure = pg_measure,
	.brought = pg_brought,
	.metrics = pg_metrics,
	.primary = { "insns_per_txn", "ns_per_txn", "latency.p99", "process.pss", "process.vmpte" },
};
