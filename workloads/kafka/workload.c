// SPDX-License-Identifier: GPL-2.0-or-later
/* kafka: a KRaft broker of its own, and Kafka's performance tools against it. Turns parameters into steps; what the
 * programs print, figures.c and printed.h read. */
#include "workloads/kafka/kafka.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "matrix/storage.h"

#define JAVA "/usr/lib/jvm/java-21-openjdk-arm64/bin/java"
#define JARS "/opt/kafka/*"
#define HOME "/data/kafka" /* in the root; JOB_ROOT_DIR is before it outside */
#define LOGS HOME "/logs"  /* the broker's topics */
#define PROPERTIES HOME "/server.properties"
#define ARCHIVES "/var/lib/kafka" /* the user's home, in the tmpfs above the image: no disk of the cell's has them */
#define RUN "/run/kafka"	  /* what the JVMs say of themselves; a tmpfs, so that no disk counts it */
#define BROKER "kafka"		  /* the service and its user */
#define PORT "9092"
#define CLUSTER "Z3JhbnVsZS1rYWZrYS0wMA" /* its id: 16 bytes in base64url */
#define ASK "/bin/kafka-ask"		 /* outside of the root */
#define LOOK "/bin/kafka-look"
#define CGROUPS "/sys/fs/cgroup/"
#define LISTS_MAX                                                                                                      \
	8 /* each of the three; a line of the job has at most JOB_WORDS_MAX words, and the broker's 31 of its own */
#define TOPICS_MAX 32
#define PREPARE_TIMEOUT_S 1200
#define SAMPLE_TIMEOUT_S 3000
#define READY_TIMEOUT_S "300"
#define STOP_S 120
#define TERM "15"
#define TOOL_HEAP "256m"
#define PREPARED_STEPS 100 /* from here on are the indices of the cell's own */
#define ARCHIVED_RECORDS 2000

const char *const kafka_tests[] = { "produce", "consume", "consume_cold", NULL };
static const char *const acks[] = { "0", "1", "all", NULL };
static const char *const compressions[] = { "none", "gzip", "snappy", "lz4", "zstd", NULL };
static const char *const collectors[] = { "serial", "g1", "parallel", NULL };
static const char *const collector_options[] = { "-XX:+UseSerialGC", "-XX:+UseG1GC", "-XX:+UseParallelGC" };

enum jit { TIERED, C1 };
static const char *const compilers[] = { [TIERED] = "tiered", [C1] = "c1", NULL };

#define FIELD(member) .offset = offsetof(struct kafka_params, member)
static const struct option_def kafka_options[] = {
	{ .key = "tests",
	  .type = OPT_CHOICES,
	  FIELD(tests),
	  .fallback = "produce",
	  .choices = kafka_tests,
	  .help = "phases: records are produced; consumed while the page cache has them; consumed after the broker was "
		  "stopped "
		  "and the page cache dropped. They run in this order" },
	{ .key = "records",
	  .type = OPT_U64,
	  FIELD(records),
	  .fallback = "50000",
	  .min = 1,
	  .max = 1000000000,
	  .help = "what a sample produces or consumes; fixed work" },
	{ .key = "record_size",
	  .type = OPT_SIZE,
	  FIELD(record_bytes),
	  .fallback = "1K",
	  .min = 1,
	  .max = 1u << 20,
	  .help = "bytes of a record" },
	{ .key = "acks",
	  .type = OPT_ENUM,
	  FIELD(acks),
	  .fallback = "1",
	  .choices = acks,
	  .help = "acknowledgements that the producer waits for; all is 1 and idempotence here, with one broker" },
	{ .key = "compression",
	  .type = OPT_ENUM,
	  FIELD(compression),
	  .fallback = "none",
	  .choices = compressions,
	  .help = "the producer's" },
	{ .key = "batch",
	  .type = OPT_SIZE,
	  FIELD(batch_bytes),
	  .fallback = "16K",
	  .max = 16u << 20,
	  .help = "the producer's batch.size; 0: each record by itself" },
	{ .key = "linger_ms",
	  .type = OPT_U64,
	  FIELD(linger_ms),
	  .fallback = "5",
	  .max = 60000,
	  .help = "how long the producer waits for a batch to fill" },
	{ .key = "partitions",
	  .type = OPT_U64,
	  FIELD(partitions),
	  .fallback = "1",
	  .min = 1,
	  .max = 10000,
	  .help = "of each topic" },
	{ .key = "topics",
	  .type = OPT_U64,
	  FIELD(topics),
	  .fallback = "1",
	  .min = 1,
	  .max = TOPICS_MAX,
	  .help = "topics; executions of a phase take them in turn" },
	{ .key = "segment",
	  .type = OPT_SIZE,
	  FIELD(segment_bytes),
	  .fallback = "64M",
	  .min = 1u << 20,
	  .max = UINT64_C(1) << 30,
	  .help = "segment.bytes: the size at which a file of the log is followed by the next" },
	{ .key = "index",
	  .type = OPT_SIZE,
	  FIELD(index_bytes),
	  .fallback = "10M",
	  .min = 4096,
	  .max = UINT64_C(1) << 30,
	  .help = "segment.index.bytes: what an index of the newest segment is extended to and mapped with, two a "
		  "partition" },
	{ .key = "heap",
	  .type = OPT_SIZE,
	  FIELD(heap_bytes),
	  .fallback = "256M",
	  .min = 64u << 20,
	  .max = UINT64_C(1) << 40,
	  .help = "the broker's heap, -Xms and -Xmx" },
	{ .key = "gc",
	  .type = OPT_ENUM,
	  FIELD(gc),
	  .fallback = "g1",
	  .choices = collectors,
	  .help = "the broker's collector; Kafka's own scripts take g1, a JVM that sees one CPU takes serial" },
	{ .key = "jit",
	  .type = OPT_ENUM,
	  FIELD(jit),
	  .fallback = "tiered",
	  .choices = compilers,
	  .help = "of broker and tools; c1: TieredStopAtLevel=1, which needs much less work before it is at its speed, "
		  "and stays "
		  "below that of tiered" },
	{ .key = "thp",
	  .type = OPT_BOOL,
	  FIELD(thp),
	  .fallback = "false",
	  .help = "the broker's UseTransparentHugePages: madvise() on its heap and code" },
	{ .key = "large_pages",
	  .type = OPT_BOOL,
	  FIELD(large_pages),
	  .fallback = "false",
	  .help = "the broker's UseLargePages, hugetlb; the kernel's reserve is to be on its command line" },
	{ .key = "code_cache",
	  .type = OPT_SIZE,
	  FIELD(code_cache_bytes),
	  .fallback = "0",
	  .max = UINT64_C(2) << 30,
	  .help = "the broker's ReservedCodeCacheSize; 0: the JVM's default" },
	{ .key = "cds",
	  .type = OPT_BOOL,
	  FIELD(cds),
	  .fallback = "true",
	  .help = "broker and tools start from dynamic CDS archives; a JVM that cannot use its archive does not "
		  "start" },
	{ .key = "jvm",
	  .type = OPT_STRINGS,
	  FIELD(jvm),
	  .max = LISTS_MAX,
	  .help = "more options of the broker's JVM, -X... or -D...; they override the workload's" },
	{ .key = "producer",
	  .type = OPT_STRINGS,
	  FIELD(producer),
	  .max = LISTS_MAX,
	  .help = "more of the producer's properties, NAME=VALUE; they override the workload's" },
	{ .key = "settings",
	  .type = OPT_STRINGS,
	  FIELD(settings),
	  .max = LISTS_MAX,
	  .help = "more of the broker's settings, NAME=VALUE; they override the workload's" },
	OPTIONS_END,
};
#undef FIELD

/* A word of the job. */
static bool is_word(const char *s)
{
	return strlen(s) <= 200 && !strpbrk(s, "\t\n");
}

static bool is_setting(const char *s)
{
	size_t name = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");

	return name && !isdigit((unsigned char)*s) && s[name] == '=' && s[name + 1] && is_word(s);
}

static bool has_test(const struct kafka_params *p, enum kafka_test test)
{
	for (size_t i = 0; i < p->tests.n; i++)
		if (!strcmp(p->tests.v[i], kafka_tests[test]))
			return true;
	return false;
}

static char *kafka_check(const void *params, const char **ret_key)
{
	const struct kafka_params *p = params;

	*ret_key = "tests";
	if (!has_test(p, KAFKA_PRODUCE))
		return xstrdup("tests: 'produce' must be among them, for what is consumed is produced first");
	*ret_key = "settings";
	for (size_t i = 0; i < p->settings.n; i++)
		if (!is_setting(p->settings.v[i]))
			return xasprintf("settings: '%.100s' is no NAME=VALUE of the broker, such as num.io.threads=4",
					 p->settings.v[i]);
	*ret_key = "producer";
	for (size_t i = 0; i < p->producer.n; i++)
		if (!is_setting(p->producer.v[i]))
			return xasprintf(
				"producer: '%.100s' is no NAME=VALUE of a producer, such as buffer.memory=67108864",
				p->producer.v[i]);
	*ret_key = "jvm";
	for (size_t i = 0; i < p->jvm.n; i++)
		if (p->jvm.v[i][0] != '-' || !is_word(p->jvm.v[i]))
			return xasprintf("jvm: '%.100s' is no option of a JVM, such as -XX:MaxGCPauseMillis=20",
					 p->jvm.v[i]);
	*ret_key = "thp";
	if (p->thp && p->large_pages)
		return xstrdup("thp: the JVM takes either transparent huge pages or large_pages, not both");
	return NULL;
}

/* A tmpfs is its page cache. */
static char *kafka_unfit(const void *params, const struct storage_profile *storage)
{
	if (!has_test(params, KAFKA_CONSUME_COLD) || (storage && storage_is_made(storage)))
		return NULL;
	return xstrdup(
		"consume_cold needs a storage profile with a file system on a disk ({ where: null_blk, fs: ext4 }), "
		"for what lies in a tmpfs cannot be cold");
}

static void kafka_programs(const void *params, struct programs *programs)
{
	(void)params;
	programs_add(programs, xstrdup(ASK + 1), xstrdup(WORKLOAD_NAME "/ask"));
	programs_add(programs, xstrdup(LOOK + 1), xstrdup(WORKLOAD_NAME "/look"));
}

/* One broker that is its own controller; as few threads as one CPU is worth, no work by the clock that the matrix did not ask for. */
static const char *const properties[] = {
	"process.roles=broker,controller",
	"node.id=1",
	"controller.quorum.voters=1@127.0.0.1:9093",
	"listeners=PLAINTEXT://127.0.0.1:" PORT ",CONTROLLER://127.0.0.1:9093",
	"advertised.listeners=PLAINTEXT://127.0.0.1:" PORT,
	"controller.listener.names=CONTROLLER",
	"inter.broker.listener.name=PLAINTEXT",
	"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
	"log.dirs=" LOGS,
	"num.network.threads=1",
	"num.io.threads=2",
	"num.recovery.threads.per.data.dir=1",
	"background.threads=2",
	"offsets.topic.replication.factor=1",
	"offsets.topic.num.partitions=1",
	"transaction.state.log.replication.factor=1",
	"transaction.state.log.min.isr=1",
	"transaction.state.log.num.partitions=1",
	"share.coordinator.state.topic.replication.factor=1",
	"share.coordinator.state.topic.min.isr=1",
	"log.cleaner.enable=false",
	"auto.create.topics.enable=false",
	"group.initial.rebalance.delay.ms=0",
	"group.coordinator.rebalance.protocols=classic",
	"group.coordinator.threads=1",
	"share.coordinator.threads=1",
	/* nobody reads them: ten MBeans a partition */
	"metrics.jmx.exclude=.*",
	/* nobody else writes meanwhile: what is to be written to the metadata is, not 25 ms later */
	"controller.quorum.append.linger.ms=0",
};

static void add_prepare(struct text *job, unsigned int *index, const char *words)
{
	text_add(job, "exec\tprepare\tprepare\t%u\t%d\t%s\n", (*index)++, PREPARE_TIMEOUT_S, words);
}

/* What all JVMs here have: no file of their own in /tmp, and Log4j's complaint that nobody uses it. */
static void add_java(struct text *job, const char *level, int jit)
{
	text_add(job,
		 "\t" JAVA "%s\t-XX:-UsePerfData\t-Dorg.slf4j.simpleLogger.defaultLogLevel=%s"
		 "\t-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn"
		 "\t-Dorg.slf4j.simpleLogger.showDateTime=true\t-Dlog4j2.StatusLogger.level=OFF"
		 "\t-Dslf4j.provider=org.slf4j.simple.SimpleServiceProvider\t-Dslf4j.internal.verbosity=WARN"
		 "\t-Xlog:jfr=off",
		 jit == C1 ? "\t-XX:TieredStopAtLevel=1" : "", level);
}

/* A JVM that cannot use its archive does not start; what it says then is the reason. */
#define USE_ARCHIVE "-Xshare:on\t-XX:SharedArchiveFile"
#define MAKE_ARCHIVE "-XX:ArchiveClassesAtExit"
static const char *const archives[] = {
	[KAFKA_PRODUCE] = "producer",
	[KAFKA_CONSUME] = "consumer",
	[KAFKA_CONSUME_COLD] = "consumer",
};

static void add_archive(struct text *job, const char *option, const char *name)
{
	text_add(job, "\t%s=" ARCHIVES "/%s.jsa", option, name);
}

/* A folder of the broker's user, who goes on. */
static void add_folder(struct text *job, unsigned int *index, const char *path)
{
	_cleanup_free_ char *words = xasprintf("/usr/bin/install\t-d\t-o\t" BROKER "\t-g\t" BROKER "\t%s", path);

	text_add(job, "as\troot\n");
	add_prepare(job, index, words);
	text_add(job, "as\t" BROKER "\n");
}

static void add_data(struct text *job, unsigned int *index)
{
	_cleanup_(text_free) struct text write = { 0 };

	add_folder(job, index, HOME);
	text_add(&write, "/usr/bin/bash\t-c\tprintf '%%s\\n' \"$@\" >" PROPERTIES "\tbash");
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++)
		text_add(&write, "\t%s", properties[i]);
	add_prepare(job, index, write.s);
	text_add(job, "exec\tprepare\tprepare\t%u\t%d", (*index)++, PREPARE_TIMEOUT_S);
	add_java(job, "warn", C1);
	text_add(job, "\t-cp\t" JARS "\tkafka.tools.StorageTool\tformat\t-t\t" CLUSTER "\t-c\t" PROPERTIES "\n");
}

/* ---- The broker */

/* It listens before it can do anything, so it is asked for topics. */
static void add_ready(uint64_t topics, uint64_t partitions, struct text *job)
{
	text_add(job,
		 "as\t-\nready\t" BROKER "\t" READY_TIMEOUT_S "\tport\t" PORT "\nready\t" BROKER "\t" READY_TIMEOUT_S
		 "\tcommand\t" ASK "\t" PORT "\t60\t%" PRIu64,
		 partitions);
	for (uint64_t i = 0; i < topics; i++)
		text_add(job, "\tt%" PRIu64, i);
	text_add(job, "\nas\t" BROKER "\n");
}

static void add_broker(const struct kafka_params *p, bool first, struct text *job)
{
	text_add(job, "service\t" BROKER "\t" TERM "\t%d", STOP_S);
	add_java(job, "info", p->jit);
	if (p->cds)
		add_archive(job, USE_ARCHIVE, "broker");
	text_add(job, "\t%s\t-Xms%" PRIu64 "k\t-Xmx%" PRIu64 "k", collector_options[p->gc], p->heap_bytes >> 10,
		 p->heap_bytes >> 10);
	if (p->thp)
		text_add(job, "\t-XX:+UseTransparentHugePages");
	if (p->large_pages)
		text_add(job, "\t-XX:+UseLargePages");
	if (p->code_cache_bytes)
		text_add(job, "\t-XX:ReservedCodeCacheSize=%" PRIu64 "k", p->code_cache_bytes >> 10);
	/* of the broker that lives longest */
	if (first)
		text_add(job, "\t-Xlog:gc:file=" RUN "/gc.log::filecount=0"
			      "\t-Xlog:pagesize:file=" RUN "/pagesize.log::filecount=0"
			      "\t-Xlog:cds:file=" RUN "/cds.log::filecount=0");
	for (size_t i = 0; i < p->jvm.n; i++)
		text_add(job, "\t%s", p->jvm.v[i]);
	text_add(job, "\t-cp\t" JARS "\tkafka.Kafka\t" PROPERTIES);
	text_add(job, "\t--override\tlog.segment.bytes=%" PRIu64 "\t--override\tlog.index.size.max.bytes=%" PRIu64,
		 p->segment_bytes, p->index_bytes);
	for (size_t i = 0; i < p->settings.n; i++)
		text_add(job, "\t--override\t%s", p->settings.v[i]);
	text_add(job, "\n");
	/* what it takes of the processor is told apart from the tool's */
	if (first)
		text_add(job, "watch\t" CGROUPS BROKER "/cpu.stat\tusage_usec\n");
	add_ready(p->topics, p->partitions, job);
}

/* A JVM that gets no large pages goes on without, and says so here. */
static void add_large(const struct kafka_params *p, unsigned int *index, struct text *job)
{
	if (p->thp || p->large_pages)
		add_prepare(job, index,
			    "/usr/bin/bash\t-c\twhile read -r l; do case $l in *Use*Pages' disabled'*) echo \"the JVM: "
			    "${l##*] }\"; exit 1; esac; done <" RUN "/pagesize.log");
}

/* ---- The tools */

/* Kafka's tools exit with 0 whatever became of the records, so the number in their last line, which @find puts into m, is compared
 * with what was asked for, and the end of what they print is kept. "$1" is that, "$2" its bytes; the rest is the tool. */
#define JUDGED(find)                                                                                                   \
	"n=$1 b=$2; shift 2; o=$(\"$@\" 2>&1); r=$?; a=$o; [ ${#o} -le 16000 ] || o=${o: -16000}; "                    \
	"printf '%s\\n' \"$o\"; [ $r = 0 ] || exit $r; l=${o##*$'\\n'}; " find                                         \
	"; [ \"${m:-0}\" -ge $n ] || { echo \"${m:-0} of $n records: $(printf '%s\\n' \"$a\" | grep -m1 -E "           \
	"'Exception|ERROR|WARNING')\"; exit 1; }; echo operations $n; echo bytes $b"
static const char *const judged[] = {
	[KAFKA_PRODUCE] = JUDGED("m=${l%% records sent*}"),
	/* "DATE TIME, DATE TIME, MB, MB/s, RECORDS, ..." */
	[KAFKA_CONSUME] = JUDGED("set -- ${l//,/}; m=$7"),
	[KAFKA_CONSUME_COLD] = JUDGED("set -- ${l//,/}; m=$7"),
};

/* @share: options about its archive. */
static void add_tool(const struct kafka_params *p, enum kafka_test test, uint64_t records, uint64_t topic,
		     const char *share, struct text *job)
{
	text_add(job, "\t/usr/bin/bash\t-c\t%s\tbash\t%" PRIu64 "\t%" PRIu64, judged[test], records,
		 records * p->record_bytes);
	add_java(job, "warn", p->jit);
	text_add(job, "%s\t-Xms" TOOL_HEAP "\t-Xmx" TOOL_HEAP "\t-XX:+UseSerialGC\t-cp\t" JARS, share);
	if (test == KAFKA_PRODUCE)
		text_add(job,
			 "\torg.apache.kafka.tools.ProducerPerformance\t--topic\tt%" PRIu64 "\t--num-records\t%" PRIu64
			 "\t--record-size\t%" PRIu64
			 "\t--throughput\t-1\t--producer-props\tbootstrap.servers=127.0.0.1:" PORT
			 "\tacks=%s\tcompression.type=%s\tbatch.size=%" PRIu64 "\tlinger.ms=%" PRIu64
			 "\tmetrics.jmx.exclude=.*\tenable.metrics.push=false",
			 topic, records, p->record_bytes, acks[p->acks], compressions[p->compression], p->batch_bytes,
			 p->linger_ms);
	else
		text_add(job,
			 "\torg.apache.kafka.tools.ConsumerPerformance\t--bootstrap-server\t127.0.0.1:" PORT
			 "\t--topic\tt%" PRIu64 "\t--messages\t%" PRIu64 "\t--timeout\t60000",
			 topic, records);
	for (size_t i = 0; test == KAFKA_PRODUCE && i < p->producer.n; i++)
		text_add(job, "\t%s", p->producer.v[i]);
	text_add(job, "\n");
}

static void add_exec(const struct kafka_params *p, enum kafka_test test, const char *kind, uint64_t index,
		     struct text *job)
{
	_cleanup_(text_free) struct text share = { 0 };

	if (p->cds)
		add_archive(&share, USE_ARCHIVE, archives[test]);
	text_add(job, "exec\t%s\t%s\t%" PRIu64 "\t%d", kafka_tests[test], kind, index, SAMPLE_TIMEOUT_S);
	add_tool(p, test, p->records, index % p->topics, share.s ? share.s : "", job);
}

/* ---- What is prepared: a formatted log directory, and archives of the classes that broker and tools load */

static void kafka_prepare_data(const void *params, const struct preparing *preparing, struct text *job)
{
	unsigned int index = 0;

	(void)params, (void)preparing;
	add_data(job, &index);
	text_add(job, "keep\tdata\t" JOB_DATA_DIR "\n");
}

/* With the settings of the workload and a little of everything; what users set is for the cells. */
static void kafka_prepare_cds(const void *params, const struct preparing *preparing, struct text *job)
{
	struct kafka_params plain = {
		.record_bytes = 1024, .batch_bytes = 16384, .linger_ms = 5, .acks = 1, .jit = C1
	};
	const struct kafka_params *p = params;
	unsigned int index = 0;

	(void)preparing;
	if (!p->cds)
		return;
	add_data(job, &index);
	text_add(job, "service\t" BROKER "\t" TERM "\t%d", STOP_S);
	add_java(job, "info", C1);
	add_archive(job, MAKE_ARCHIVE, "broker");
	text_add(job, "\t-cp\t" JARS "\tkafka.Kafka\t" PROPERTIES "\n");
	add_ready(1, 1, job);
	for (int test = KAFKA_PRODUCE; test <= KAFKA_CONSUME; test++) {
		_cleanup_(text_free) struct text share = { 0 };

		/* what it says of classes that cannot be archived would stand behind the tool's summary */
		text_add(&share, "\t-Xlog:disable");
		add_archive(&share, MAKE_ARCHIVE, archives[test]);
		text_add(job, "exec\tprepare\tprepare\t%u\t%d", index++, PREPARE_TIMEOUT_S);
		add_tool(&plain, test, ARCHIVED_RECORDS, 0, share.s, job);
	}
	text_add(job, "stop\t" BROKER "\nkeep\tcds\t" JOB_ROOT_DIR ARCHIVES "\n");
}

static const struct preparation kafka_preparations[] = {
	{ .name = "data", .steps = kafka_prepare_data },
	{ .name = "cds", .per_page = true, .steps = kafka_prepare_cds },
	{ .name = NULL },
};

/* ---- Looking */

static void add_look(struct text *job, unsigned int *index, const char *name)
{
	_cleanup_free_ char *words =
		xasprintf(LOOK "\t" JOB_ROOT_DIR RUN "/%s.look\t" JOB_ROOT_DIR LOGS "\t" CGROUPS BROKER, name);

	text_add(job, "as\t-\n");
	add_prepare(job, index, words);
	text_add(job, "as\t" BROKER "\nartifact\t%s.look\t" JOB_ROOT_DIR RUN "/%s.look\n", name, name);
}

static void add_warm(const struct kafka_params *p, const struct trials *trials, enum kafka_test test,
		     unsigned int *index, struct text *job)
{
	for (uint64_t i = 0; i < trials->warmups; i++)
		add_exec(p, test, "warmup", i, job);
	for (uint64_t i = 0; i < trials->samples; i++)
		add_exec(p, test, "sample", i, job);
	text_add(job, "inspect\t%s\t" BROKER "\n", kafka_tests[test]);
	add_look(job, index, kafka_tests[test]);
}

/* Each sample has a broker that has just started, above a file system that has just been mounted. */
static void add_cold(const struct kafka_params *p, const struct trials *trials, unsigned int *index, struct text *job)
{
	for (uint64_t i = 0; i < trials->samples; i++) {
		const bool last = i + 1 == trials->samples;

		text_add(job, "as\t-\n");
		add_prepare(job, index, LOOK "\t--cold\t" JOB_ROOT_DIR LOGS);
		text_add(job, "as\t" BROKER "\n");
		add_broker(p, false, job);
		/* what the start itself has brought into the page cache */
		if (last)
			add_look(job, index, "cold_start");
		add_exec(p, KAFKA_CONSUME_COLD, "sample", i, job);
		if (last) {
			text_add(job, "inspect\t%s\t" BROKER "\n", kafka_tests[KAFKA_CONSUME_COLD]);
			add_look(job, index, kafka_tests[KAFKA_CONSUME_COLD]);
		}
		text_add(job, "stop\t" BROKER "\n");
	}
}

static void kafka_steps(const void *params, const struct trials *trials, uint64_t page_bytes, struct text *job)
{
	static const char *const logs[] = { "gc", "pagesize", "cds" };
	const struct kafka_params *p = params;
	unsigned int index = PREPARED_STEPS;

	(void)page_bytes;
	add_folder(job, &index, RUN);
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++)
		text_add(job, "artifact\t%s.log\t" JOB_ROOT_DIR RUN "/%s.log\n", logs[i], logs[i]);
	add_broker(p, true, job);
	add_large(p, &index, job);
	add_look(job, &index, "started");
	add_warm(p, trials, KAFKA_PRODUCE, &index, job);
	if (has_test(p, KAFKA_CONSUME))
		add_warm(p, trials, KAFKA_CONSUME, &index, job);
	text_add(job, "stop\t" BROKER "\n");
	if (has_test(p, KAFKA_CONSUME_COLD))
		add_cold(p, trials, &index, job);
}

static uint64_t kafka_work_bytes(const void *params, uint64_t page_bytes)
{
	const struct kafka_params *p = params;

	(void)page_bytes;
	return p->records * p->record_bytes;
}

const struct workload this_workload = {
	.name = WORKLOAD_NAME,
	.help = "Kafka's performance tools against a KRaft broker: instructions per record, page cache, indexes, the "
		"JVM",
	.options = kafka_options,
	.params_size = sizeof(struct kafka_params),
	.check = kafka_check,
	.unfit = kafka_unfit,
	.programs = kafka_programs,
	.operation = "record",
	.rootfs = WORKLOAD_NAME,
	.preparations = kafka_preparations,
	.steps = kafka_steps,
	.work_bytes = kafka_work_bytes,
	.measure = kafka_measure,
	.brought = kafka_brought,
	.trouble = kafka_trouble,
	.metrics = kafka_metrics,
	.primary = { "insns_per_record", "ns_per_record", "cache.index.resident", "process.pss", "stacks.per_thread" },
};
