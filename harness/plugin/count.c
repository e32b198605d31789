// SPDX-License-Identifier: GPL-2.0-or-later
/* A QEMU plugin: how often each instruction was executed between markers (wire/marker.h). It knows addresses, no symbols, and
 * changes nothing that the guest can see: counters are added to by translated code, and the guest's clock counts the
 * guest's own instructions only.
 *
 *   -plugin count-vN.so,out=FILE
 *
 * FILE is text: "granule-count 3", then for each sample "sample N work" (between work markers) or "sample N whole" (the
 * program had none), lines "ADDRESS COUNT" in hexadecimal and decimal, and "end SUM". User code has "ADDRESS COUNT
 * DIGEST": programs share addresses, so it is counted by the bytes that lie around it too (wire/code.h). Sorted by
 * address, then digest. Behind them "call SITE TARGET COUNT" for the kernel's branches that may be calls: BL and B by
 * their code, BLR and BR by where they went. A file without its last "end" is of a guest that did not come to its end.
 *
 * An instruction that faults is counted when it is tried and again when it is repeated; the guest's clock counts it
 * once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/qemu.h"
#include "wire/code.h"
#include "wire/marker.h"

PLUGIN_EXPORT int qemu_plugin_version = PLUGIN_API;
PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

#define CHUNK 65536u

/* Branches (Arm ARM C6.2): B and BL; BR and BLR, with pointer authentication or without. */
#define IS_DIRECT(code) (((code)&0x7c000000u) == 0x14000000u)
#define IS_INDIRECT(code) (((code)&0xfedf0000u) == 0xd61f0000u)

/* Counter i is slot i % CHUNK of chunk i / CHUNK; chunks never move, translated code has their addresses. */
#if PLUGIN_API == 1
struct chunk {
	uint64_t *counts;
};
#else
struct chunk {
	struct qemu_plugin_scoreboard *score;
};
#endif

static struct chunk *chunks;
struct place {
	uint64_t address, digest; /* digest: of user code's piece, else 0 */
	uint32_t code;		  /* of a direct branch of the kernel, else 0 */
};
static struct place *places; /* of counter i */
static size_t n_counters, n_chunks;
static uint32_t *table; /* open addressing: counter + 1 by place; 0: free */
static size_t table_size;

/* A branch through a register. Its calls since the sample began, and between work markers. */
static struct edge {
	uint64_t site, target, in_sample, in_work;
} * edges;
static size_t n_edges, edges_room, edge_table_size;
static uint32_t *edge_table; /* open addressing: edge + 1 */
static uint64_t branch_site; /* that was executed last; 0: none, or its target is known */

static uint64_t *sample_base, *work_base, *work_sum; /* by counter; what is behind their length was 0 */
static size_t n_sample_base, n_work_base, n_work_sum;
static unsigned int n_samples, work_depth;
static bool in_sample, work_seen;
static FILE *out;

static void *must_alloc(void *p)
{
	if (!p) {
		qemu_plugin_outs("granule-count: out of memory\n");
		abort();
	}
	return p;
}

static void add_chunk(void)
{
	struct chunk *c;

	chunks = must_alloc(realloc(chunks, (n_chunks + 1) * sizeof(*chunks)));
	places = must_alloc(realloc(places, (n_chunks + 1) * CHUNK * sizeof(*places)));
	c = &chunks[n_chunks++];
#if PLUGIN_API == 1
	c->counts = must_alloc(calloc(CHUNK, sizeof(uint64_t)));
#else
	c->score = must_alloc(qemu_plugin_scoreboard_new(CHUNK * sizeof(uint64_t)));
#endif
}

static uint64_t counter_value(size_t i)
{
	const struct chunk *c = &chunks[i / CHUNK];
#if PLUGIN_API == 1
	return c->counts[i % CHUNK];
#else
	uint64_t sum = 0;

	for (int vcpu = 0; vcpu < qemu_plugin_num_vcpus(); vcpu++)
		sum += ((uint64_t *)qemu_plugin_scoreboard_find(c->score, (unsigned int)vcpu))[i % CHUNK];
	return sum;
#endif
}

static bool same_place(const struct place *a, const struct place *b)
{
	return a->address == b->address && a->digest == b->digest;
}

static size_t table_slot(const struct place *place)
{
	size_t i =
		(size_t)((place->address >> 2 ^ place->digest) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (table_size - 1);

	while (table[i] && !same_place(&places[table[i] - 1], place))
		i = (i + 1) & (table_size - 1);
	return i;
}

static void grow_table(void)
{
	free(table);
	table_size = table_size ? table_size * 2 : 4 * CHUNK;
	table = must_alloc(calloc(table_size, sizeof(*table)));
	for (size_t i = 0; i < n_counters; i++)
		table[table_slot(&places[i])] = (uint32_t)i + 1;
}

/* The counter of @place: one for all translations of it, in whatever address space. */
static size_t counter_of(const struct place *place)
{
	size_t slot;

	if (n_counters * 2 >= table_size)
		grow_table();
	slot = table_slot(place);
	if (!table[slot]) {
		if (n_counters == n_chunks * CHUNK)
			add_chunk();
		places[n_counters] = *place;
		table[slot] = (uint32_t)++n_counters;
	}
	return table[slot] - 1;
}

/* Where @insn lies in QEMU's own memory the guest's page is around it. */
static struct place place_of(const struct qemu_plugin_insn *insn)
{
	struct place place = { .address = qemu_plugin_insn_vaddr(insn) };
	uintptr_t host = (uintptr_t)qemu_plugin_insn_haddr(insn) & ~(uintptr_t)(CODE_PIECE - 1);

	if (!code_is_kernel(place.address) && host && host != (UINTPTR_MAX & ~(uintptr_t)(CODE_PIECE - 1)))
		place.digest = code_digest((const unsigned char *)host);
	return place;
}

/* @code: a kernel that patches itself may turn a NOP into a branch (static keys): the last counts. */
static void count_insn(struct qemu_plugin_insn *insn, uint32_t code)
{
	const struct place place = place_of(insn);
	size_t i = counter_of(&place);

	if (code_is_kernel(place.address) && IS_DIRECT(code))
		places[i].code = code;
#if PLUGIN_API == 1
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
						   &chunks[i / CHUNK].counts[i % CHUNK], 1);
#else
	qemu_plugin_u64 entry = { chunks[i / CHUNK].score, i % CHUNK * sizeof(uint64_t) };

	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, entry, 1);
#endif
}

/* ---- Branches */

static uint64_t direct_target(const struct place *place)
{
	int64_t words = (int64_t)((uint64_t)place->code << 38) >> 38;

	return place->address + (uint64_t)(words * 4);
}

static uint32_t *edge_slot(uint64_t site, uint64_t target)
{
	size_t i = (size_t)((site * 31 ^ target) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (edge_table_size - 1);

	while (edge_table[i] && (edges[edge_table[i] - 1].site != site || edges[edge_table[i] - 1].target != target))
		i = (i + 1) & (edge_table_size - 1);
	return &edge_table[i];
}

static void grow_edges(void)
{
	edges_room = edges_room ? edges_room * 2 : 1024;
	edges = must_alloc(realloc(edges, edges_room * sizeof(*edges)));
	free(edge_table);
	edge_table_size = edges_room * 4;
	edge_table = must_alloc(calloc(edge_table_size, sizeof(*edge_table)));
	for (size_t i = 0; i < n_edges; i++)
		*edge_slot(edges[i].site, edges[i].target) = (uint32_t)i + 1;
}

static void branches(unsigned int vcpu, void *site)
{
	(void)vcpu;
	branch_site = in_sample ? (uint64_t)(uintptr_t)site : 0;
}

/* The block that begins at @target is executed. */
static void block_begins(unsigned int vcpu, void *target)
{
	uint32_t *slot;

	(void)vcpu;
	if (!branch_site)
		return;
	if (n_edges == edges_room)
		grow_edges();
	slot = edge_slot(branch_site, (uint64_t)(uintptr_t)target);
	if (!*slot) {
		edges[n_edges] = (struct edge){ .site = branch_site, .target = (uint64_t)(uintptr_t)target };
		*slot = (uint32_t)++n_edges;
	}
	edges[*slot - 1].in_sample++;
	edges[*slot - 1].in_work += work_depth > 0;
	branch_site = 0;
}

static int by_edge(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	if (x->site != y->site)
		return (x->site > y->site) - (x->site < y->site);
	return (x->target > y->target) - (x->target < y->target);
}

/* Sorted in place, so the table is of no use any more: for the end of a sample. */
static void write_edges(void)
{
	qsort(edges, n_edges, sizeof(*edges), by_edge);
	for (size_t i = 0; i < n_edges; i++) {
		uint64_t n = work_seen ? edges[i].in_work : edges[i].in_sample;

		if (n)
			fprintf(out, "call %llx %llx %llu\n", (unsigned long long)edges[i].site,
				(unsigned long long)edges[i].target, (unsigned long long)n);
	}
}

static void forget_edges(void)
{
	n_edges = 0;
	branch_site = 0;
	if (edge_table)
		memset(edge_table, 0, edge_table_size * sizeof(*edge_table));
}

static void keep(uint64_t **v, size_t *n)
{
	*v = must_alloc(realloc(*v, (n_counters + 1) * sizeof(**v)));
	for (size_t i = 0; i < n_counters; i++)
		(*v)[i] = counter_value(i);
	*n = n_counters;
}

static void add_work(void)
{
	work_sum = must_alloc(realloc(work_sum, (n_counters + 1) * sizeof(*work_sum)));
	memset(work_sum + n_work_sum, 0, (n_counters - n_work_sum) * sizeof(*work_sum));
	n_work_sum = n_counters;
	for (size_t i = 0; i < n_counters; i++)
		work_sum[i] += counter_value(i) - (i < n_work_base ? work_base[i] : 0);
}

static int by_place(const void *a, const void *b)
{
	const struct place *x = &places[*(const uint32_t *)a], *y = &places[*(const uint32_t *)b];

	if (x->address != y->address)
		return (x->address > y->address) - (x->address < y->address);
	return (x->digest > y->digest) - (x->digest < y->digest);
}

static void write_count(const struct place *place, uint64_t n)
{
	fprintf(out, "%llx %llu", (unsigned long long)place->address, (unsigned long long)n);
	if (place->digest)
		fprintf(out, " %llx", (unsigned long long)place->digest);
	fputc('\n', out);
}

static void write_sample(void)
{
	uint32_t *order = must_alloc(malloc((n_counters + 1) * sizeof(*order)));
	uint64_t *counted = must_alloc(malloc((n_counters + 1) * sizeof(*counted)));
	uint64_t sum = 0;

	for (size_t i = 0; i < n_counters; i++)
		order[i] = (uint32_t)i;
	qsort(order, n_counters, sizeof(*order), by_place);
	fprintf(out, "sample %u %s\n", n_samples++, work_seen ? "work" : "whole");
	for (size_t k = 0; k < n_counters; k++) {
		uint32_t i = order[k];
		uint64_t n = work_seen ? (i < n_work_sum ? work_sum[i] : 0)
				       : counter_value(i) - (i < n_sample_base ? sample_base[i] : 0);

		if (n)
			write_count(&places[i], n);
		counted[k] = n;
		sum += n;
	}
	for (size_t k = 0; k < n_counters; k++)
		if (counted[k] && places[order[k]].code)
			fprintf(out, "call %llx %llx %llu\n", (unsigned long long)places[order[k]].address,
				(unsigned long long)direct_target(&places[order[k]]), (unsigned long long)counted[k]);
	write_edges();
	fprintf(out, "end %llu\n", (unsigned long long)sum);
	free(order);
	free(counted);
}

static void marked(unsigned int vcpu, void *data)
{
	(void)vcpu;
	switch ((uintptr_t)data) {
	case MARKER_SAMPLE_BEGIN:
		in_sample = true;
		work_seen = false;
		work_depth = 0;
		n_work_sum = 0;
		forget_edges();
		keep(&sample_base, &n_sample_base);
		break;
	case MARKER_SAMPLE_END:
		if (in_sample)
			write_sample();
		in_sample = false;
		break;
	case MARKER_WORK_BEGIN:
		if (in_sample && work_depth++ == 0)
			keep(&work_base, &n_work_base);
		break;
	case MARKER_WORK_END:
		if (in_sample && work_depth && --work_depth == 0) {
			work_seen = true;
			add_work();
		}
		break;
	}
}

static uint32_t insn_code(const struct qemu_plugin_insn *insn)
{
	uint32_t code = 0;
#if PLUGIN_API == 1
	memcpy(&code, qemu_plugin_insn_data(insn), sizeof(code));
#else
	qemu_plugin_insn_data(insn, &code, sizeof(code));
#endif
	return code;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	if (code_is_kernel(qemu_plugin_tb_vaddr(tb)))
		qemu_plugin_register_vcpu_tb_exec_cb(tb, block_begins, QEMU_PLUGIN_CB_NO_REGS,
						     (void *)(uintptr_t)qemu_plugin_tb_vaddr(tb));
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t code = insn_code(insn);

		count_insn(insn, code);
		if (IS_INDIRECT(code) && code_is_kernel(qemu_plugin_insn_vaddr(insn)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, branches, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn));
		for (uintptr_t m = MARKER_SAMPLE_BEGIN; m <= MARKER_WORK_END; m++)
			if (code == MARKER_CODE(m))
				qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, QEMU_PLUGIN_CB_NO_REGS, (void *)m);
	}
}

static void ended(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	if (ferror(out) | fclose(out))
		qemu_plugin_outs("granule-count: cannot write its file\n");
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || !(out = fopen(argv[0] + 4, "we"))) {
		qemu_plugin_outs("granule-count: out=FILE, which can be written\n");
		return -1;
	}
	fputs("granule-count 3\n", out);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
