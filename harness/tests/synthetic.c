// SPDX-License-Identifier: GPL-2.0-or-later
/* Run directories of any size. The same numbers each time: nothing here asks a clock or the host. */
#include "tests/synthetic.h"

#include "tests/scenarios/pairs.h"

#define LABELS 10
#define WORK_BYTES (128ull << 20)
#define OPERATIONS (WORK_BYTES / 65536)

/* splitmix64: the state's course depends on the seed alone. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* @value, give or take @part of it. */
static double jitter(double value, double part, uint64_t *state)
{
	return value * (1 + part * (2 * (double)(next(state) >> 11) * 0x1p-53 - 1));
}

struct guest_state {
	const struct synthetic *s;
	uint64_t noise;
	double factor;
	double *rates;		  /* owned: of each counter, events a sample */
	unsigned long long *sums; /* owned */
	struct stream out;
};

static void put_vmstat(struct guest_state *g, const char *index, const char *when)
{
	struct text t = { 0 };

	for (unsigned int i = 0; i < g->s->counters; i++)
		text_add(&t, "%s_%03u %llu\n", i % 2 ? "pswpin" : "thp_event", i, g->sums[i]);
	stream_put(&g->out, WIRE_FILE, "page_fault1", "sample", index, when, "/proc/vmstat", t.s ? t.s : "", NULL);
	text_free(&t);
}

static void put_sample(struct guest_state *g, unsigned int i)
{
	unsigned long long insns = (unsigned long long)jitter(8300 * g->factor, 0.003, &g->noise);
	_cleanup_free_ char *output = xasprintf(wis_pattern, OPERATIONS, 65536ull, WORK_BYTES, 2 * insns * OPERATIONS,
						OPERATIONS, OPERATIONS);
	char index[12];

	snprintf(index, sizeof(index), "%u", i);
	stream_put(&g->out, WIRE_STEP, "sample", "page_fault1", index, NULL);
	put_vmstat(g, index, "before");
	stream_put(&g->out, WIRE_EXEC, "page_fault1", "sample", index, "1000000", "30000000", "exit 0", "2048", "0",
		   "1", "2", "300", "400", output, NULL);
	for (unsigned int k = 0; k < g->s->counters; k++)
		g->sums[k] += (unsigned long long)jitter(g->rates[k], 0.05, &g->noise);
	put_vmstat(g, index, "after");
}

static void put_hold(struct guest_state *g)
{
	double mib = jitter(128 * g->factor, 0.01, &g->noise);
	struct story story = { .workload = "page_fault1", .n_samples = 1, .vmpte_kib = 64, .faults = 2048 };

	story.peak = (unsigned long long)(mib * 16) << 16;
	story.idle_free_kib = 2970000;
	story_hold(&g->out, &story);
}

/* Like story_stream(), with the counters and a number of samples of its own. */
static void put_boot(const char *dir, const struct cell_record *cell, const struct synthetic *s, unsigned int nr,
		     unsigned int boot)
{
	uint64_t rates = s->seed * 1000003 + nr;
	struct guest_state g = { .s = s, .noise = (rates << 16) + boot, .factor = 1 };

	g.rates = xcalloc(s->counters + 1, sizeof(*g.rates));
	g.sums = xcalloc(s->counters + 1, sizeof(*g.sums));
	if (s->shift > 0 && nr % LABELS % 3 == 1)
		g.factor = s->shift;
	for (unsigned int i = 0; i < s->counters; i++)
		g.rates[i] = (double)(20000 + next(&rates) % 1000000) * (i % 3 ? 1 : g.factor);
	stream_put(&g.out, WIRE_HELLO, "page_size", "65536", "release", "6.12.57", "machine", "aarch64", "cpus", "1",
		   "memory_kib", "3075840", "thp_sizes", "128K 512M", "agent", "1", NULL);
	stream_put(&g.out, WIRE_SETTING, "/sys/kernel/mm/transparent_hugepage/enabled", "never", "never", "ok", NULL);
	for (unsigned int i = 0; i < s->samples; i++)
		put_sample(&g, i);
	put_hold(&g);
	stream_put(&g.out, WIRE_END, "ok", "", NULL);
	free(attempt_build(dir, cell->id, boot, 1, &g.out, "[    0.000000] Booting Linux\r\n",
			   "{\"stop\":\"poweroff\",\"wall_s\":0.84}"));
	text_free(&g.out.bytes);
	free(g.rates);
	free(g.sums);
}

static struct cell_record synthetic_cell(const struct synthetic *s, unsigned int nr)
{
	_cleanup_free_ char *kernel = xasprintf("k%u", nr % LABELS), *folio = xasprintf("f%u", nr / LABELS % LABELS);
	_cleanup_free_ char *workload = xasprintf("w%u", nr / LABELS / LABELS);
	struct cell_record c = cell_build(kernel, folio, workload, 65536);

	free(c.workload);
	c.workload = xstrdup("will-it-scale");
	c.boots = s->boots;
	c.work_bytes = WORK_BYTES;
	return c;
}

void synthetic_run(const char *dir, const struct synthetic *s)
{
	struct cell_record *cells = xcalloc(s->cells + 1, sizeof(*cells));

	for (unsigned int i = 0; i < s->cells; i++)
		cells[i] = synthetic_cell(s, i);
	run_build(dir, cells, s->cells);
	for (unsigned int i = 0; i < s->cells; i++) {
		for (unsigned int boot = 1; boot <= s->boots; boot++)
			put_boot(dir, &cells[i], s, i, boot);
		cell_record_free(&cells[i]);
	}
	free(cells);
}
