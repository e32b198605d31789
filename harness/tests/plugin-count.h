/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plugin against a QEMU of a few functions: blocks are translated once and then executed, block callbacks first,
 * then each instruction's counter and callbacks. Taken in by one test for each of QEMU's plugin interfaces, which sets
 * PLUGIN_API. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plugin/count.c"

#include "base/fs.h"
#include "base/mem.h"
#include "store/counts.h"
#include "tests/pipeline.h"

#define INSNS 4
#define CALLBACKS 4
#define NOP 0xd503201fu
#define RET 0xd65f03c0u
#define BL(words) (0x94000000u | ((uint32_t)(words)&0x3ffffffu))
#define B(words) (0x14000000u | ((uint32_t)(words)&0x3ffffffu))
#define BLR_X1 0xd63f0020u
#define BR_X1 0xd61f0020u
#define BLRAA_X1_SP 0xd73f083fu

struct callback {
	qemu_plugin_vcpu_udata_cb_t run;
	void *data;
};

struct qemu_plugin_insn {
	uint64_t address;
	uint32_t code;
	const unsigned char *host;
	struct callback callbacks[CALLBACKS];
	size_t n_callbacks;
#if PLUGIN_API == 1
	uint64_t *counter;
#else
	qemu_plugin_u64 counter;
#endif
};

struct qemu_plugin_tb {
	struct qemu_plugin_insn insns[INSNS];
	size_t n;
	struct callback callbacks[CALLBACKS];
	size_t n_callbacks;
};

static qemu_plugin_vcpu_tb_trans_cb_t on_translation;
static qemu_plugin_udata_cb_t on_exit_cb;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb)
{
	(void)id;
	on_translation = cb;
}

void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *data)
{
	(void)id;
	(void)data;
	on_exit_cb = cb;
}

void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_udata_cb_t cb, int flags,
					    void *data)
{
	(void)flags;
	insn->callbacks[insn->n_callbacks++] = (struct callback){ cb, data };
}

void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, qemu_plugin_vcpu_udata_cb_t cb, int flags,
					  void *data)
{
	(void)flags;
	tb->callbacks[tb->n_callbacks++] = (struct callback){ cb, data };
}

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb)
{
	return tb->n;
}

uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb)
{
	return tb->insns[0].address;
}

struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i)
{
	return (struct qemu_plugin_insn *)(uintptr_t)&tb->insns[i];
}

uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn)
{
	return insn->address;
}

void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn)
{
	return (void *)(uintptr_t)insn->host;
}

void qemu_plugin_outs(const char *text)
{
	fputs(text, stderr);
}

#if PLUGIN_API == 1
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn)
{
	return &insn->code;
}

void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *ptr, uint64_t imm)
{
	assert_int_equal(op, QEMU_PLUGIN_INLINE_ADD_U64);
	assert_int_equal(imm, 1);
	insn->counter = ptr;
}

static void add_one(struct qemu_plugin_insn *insn)
{
	++*insn->counter;
}
#else
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest, size_t len)
{
	memcpy(dest, &insn->code, len);
	return len;
}

struct qemu_plugin_scoreboard {
	char *bytes;
};
static struct qemu_plugin_scoreboard *boards[8];
static size_t n_boards;

struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size)
{
	struct qemu_plugin_scoreboard *s = boards[n_boards++] = xcalloc(1, sizeof(*s));

	s->bytes = xcalloc(element_size, 1);
	return s;
}

void *qemu_plugin_scoreboard_find(struct qemu_plugin_scoreboard *score, unsigned int vcpu)
{
	assert_int_equal(vcpu, 0);
	return score->bytes;
}

int qemu_plugin_num_vcpus(void)
{
	return 1;
}

void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_plugin_insn *insn, int op, qemu_plugin_u64 entry,
							 uint64_t imm)
{
	assert_int_equal(op, QEMU_PLUGIN_INLINE_ADD_U64);
	assert_int_equal(imm, 1);
	insn->counter = entry;
}

static void add_one(struct qemu_plugin_insn *insn)
{
	++*(uint64_t *)(void *)(insn->counter.score->bytes + insn->counter.offset);
}
#endif

/* ---- A machine */

static void translate(struct qemu_plugin_tb *tb, uint64_t address, const unsigned char *host, const uint32_t *codes,
		      size_t n)
{
	*tb = (struct qemu_plugin_tb){ .n = n };
	for (size_t i = 0; i < n; i++)
		tb->insns[i] = (struct qemu_plugin_insn){ .address = address + 4 * i,
							  .code = codes[i],
							  .host = host ? host + 4 * i : NULL };
	on_translation(0, tb);
}
#define TRANSLATE(tb, address, host, ...)                                                                              \
	translate(tb, address, host, (const uint32_t[]){ __VA_ARGS__ },                                                \
		  sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void run(struct qemu_plugin_tb *tb)
{
	for (size_t i = 0; i < tb->n_callbacks; i++)
		tb->callbacks[i].run(0, tb->callbacks[i].data);
	for (size_t i = 0; i < tb->n; i++) {
		struct qemu_plugin_insn *insn = &tb->insns[i];

		add_one(insn);
		for (size_t k = 0; k < insn->n_callbacks; k++)
			insn->callbacks[k].run(0, insn->callbacks[k].data);
	}
}

#define KERNEL UINT64_C(0xffff800080010000)

static uint64_t count_at(const struct sample_counts *s, uint64_t address, uint64_t digest)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].address == address && s->v[i].digest == digest)
			return s->v[i].n;
	return 0;
}

static uint64_t taken(const struct sample_counts *s, uint64_t site, uint64_t target)
{
	for (size_t i = 0; i < s->n_branches; i++)
		if (s->branches[i].site == site && s->branches[i].target == target)
			return s->branches[i].n;
	return 0;
}

static void check_work(const struct sample_counts *s, const unsigned char *pages)
{
	assert_true(s->work);
	/* two programs at one address */
	assert_int_equal(count_at(s, 0x400000, code_digest(pages)), 2);
	assert_int_equal(count_at(s, 0x400000, code_digest(pages + CODE_PIECE)), 1);
	assert_int_equal(count_at(s, KERNEL, 0), 4);
	/* forward and backward, by their code */
	assert_int_equal(taken(s, KERNEL + 4, KERNEL + 0x104), 4);
	assert_int_equal(taken(s, KERNEL + 0x104, KERNEL), 4);
	/* by where they went: a call, one with pointer authentication, a jump */
	assert_int_equal(taken(s, KERNEL + 0x200, KERNEL + 0x100), 2);
	assert_int_equal(taken(s, KERNEL + 0x200, KERNEL), 0);
	assert_int_equal(taken(s, KERNEL + 0x300, KERNEL + 0x100), 1);
	assert_int_equal(taken(s, KERNEL + 0x400, KERNEL + 0x100), 1);
	/* and no other: no return, no block that comes later */
	assert_int_equal(s->n_branches, 5);
}

/* Caught: programs of one address added up, the sign or the unit of a branch, a return taken for a call, a target that
 * is a block too late, what lies outside of the markers, what a former sample left. */
static void counts_and_branches(void **state)
{
	static unsigned char pages[2 * CODE_PIECE] __attribute__((aligned(4096)));
	struct qemu_plugin_tb sample_begin, sample_end, work_begin, work_end, user[2], direct, back, blr, blraa, br;
	char *dir = scratch_make();
	_cleanup_free_ char *path = path_join(dir, "count"), *arg = xasprintf("out=%s", path);
	char *argv[] = { arg };
	struct err err = ERR_INIT;
	struct counts c;

	(void)state;
	assert_int_equal(qemu_plugin_install(0, NULL, 1, argv), 0);
	pages[CODE_PIECE + 8] = 1;
	TRANSLATE(&sample_begin, 0x500000, pages, MARKER_CODE(MARKER_SAMPLE_BEGIN));
	TRANSLATE(&sample_end, 0x500010, pages, MARKER_CODE(MARKER_SAMPLE_END));
	TRANSLATE(&work_begin, 0x400100, pages, MARKER_CODE(MARKER_WORK_BEGIN));
	TRANSLATE(&work_end, 0x400110, pages, MARKER_CODE(MARKER_WORK_END));
	TRANSLATE(&user[0], 0x400000, pages, NOP, NOP);
	TRANSLATE(&user[1], 0x400000, pages + CODE_PIECE, NOP, NOP);
	TRANSLATE(&direct, KERNEL, NULL, NOP, BL(0x40));
	TRANSLATE(&back, KERNEL + 0x100, NULL, RET, B(-0x41));
	TRANSLATE(&blr, KERNEL + 0x200, NULL, BLR_X1);
	TRANSLATE(&blraa, KERNEL + 0x300, NULL, BLRAA_X1_SP);
	TRANSLATE(&br, KERNEL + 0x400, NULL, BR_X1);

	run(&direct);
	run(&blr);
	run(&sample_begin);
	run(&back); /* of the branch before the sample nothing is left */
	run(&work_begin);
	run(&user[0]);
	run(&user[0]);
	run(&user[1]);
	for (int i = 0; i < 3; i++)
		run(&direct);
	run(&blr);
	run(&back);
	run(&blr);
	run(&back);
	run(&blraa);
	run(&back);
	run(&br);
	run(&back);
	run(&direct);
	run(&work_end);
	run(&blr);
	run(&direct);
	run(&sample_end);
	/* the same again, without work */
	run(&sample_begin);
	run(&blr);
	run(&direct);
	run(&sample_end);
	on_exit_cb(0, NULL);

	if (counts_load(path, &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(c.n, 2);
	check_work(&c.samples[0], pages);
	assert_false(c.samples[1].work);
	assert_int_equal(taken(&c.samples[1], KERNEL + 0x200, KERNEL), 1);
	assert_int_equal(taken(&c.samples[1], KERNEL + 0x200, KERNEL + 0x100), 0);
	assert_int_equal(count_at(&c.samples[1], KERNEL, 0), 1);
	assert_int_equal(c.samples[1].n_branches, 2);
	counts_free(&c);
	scratch_remove(dir);
}

/* What the plugin keeps until QEMU ends. */
static void forget_all(void)
{
#if PLUGIN_API == 1
	for (size_t i = 0; i < n_chunks; i++)
		free(chunks[i].counts);
#else
	for (size_t i = 0; i < n_boards; i++) {
		free(boards[i]->bytes);
		free(boards[i]);
	}
#endif
	free(chunks);
	free(places);
	free(table);
	free(edges);
	free(edge_table);
	free(sample_base);
	free(work_base);
	free(work_sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(counts_and_branches) };
	int rc = cmocka_run_group_tests_name("plugin-count", tests, NULL, NULL);

	forget_all();
	return rc;
}
