// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/repeat.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "wire/wire.h"

void repeats_free(struct repeat *repeats, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(repeats[i].difference);
	free(repeats);
}

int repeat_choose(const struct run *run, unsigned int sample, struct repeat **ret_repeats, size_t *ret_n,
		  struct err *err)
{
	struct repeat *all = NULL;
	size_t n = 0, keep;

	for (size_t i = 0; i < run->n_cells; i++) {
		const struct cell_record *cell = &run->cells[i];

		for (size_t boot = 1, n_boots = cell_boots(run, cell); boot <= n_boots; boot++) {
			struct repeat *r;

			if (cell->basis != BASIS_SIMULATED || boot_outcome(run, cell, (unsigned int)boot) != OUTCOME_OK)
				continue;
			r = VEC_PUSH(all, n);
			r->cell = cell;
			r->boot = (unsigned int)boot;
		}
	}
	if (!n)
		return err_set(
			err, ERR_CONFIG,
			"%s: nothing to repeat: no boot is ok on the simulated basis, and no other basis is sealed",
			run->dir);
	keep = sample && sample < n ? sample : n;
	for (size_t i = 0; i < keep; i++)
		all[i] = all[i * n / keep];
	*ret_repeats = all;
	*ret_n = keep;
	return 0;
}

int repeat_scratch(const struct run *of, const struct cell_record *cells, size_t n, char **ret_dir,
		   struct run **ret_run, struct err *err)
{
	_cleanup_free_ char *dir = scratch_dir(err);

	if (!dir)
		return -1;
	if (run_create(dir, NULL, of->header, cells, n, err) < 0 || run_open(dir, ret_run, err) < 0) {
		remove_tree(dir, NULL);
		return -1;
	}
	*ret_dir = steal_ptr(dir);
	return 0;
}

struct wanted {
	const struct repeat *repeats;
	size_t n;
};

static bool is_chosen(void *ctx, const struct cell_record *cell, unsigned int boot)
{
	const struct wanted *w = ctx;

	for (size_t i = 0; i < w->n; i++)
		if (w->repeats[i].boot == boot && !strcmp(w->repeats[i].cell->id, cell->id))
			return true;
	return false;
}

static int compare_one(const struct run *run, const struct run *again, struct repeat *r, struct err *err)
{
	struct boot_result before = { 0 }, after = { 0 };
	const struct cell_record *cell = run_find_cell(again, r->cell->id);
	int rc = -1;

	if (boot_read(run, r->cell, r->boot, &before, err) == 0 && boot_read(again, cell, r->boot, &after, err) == 0) {
		rc = 0;
		free(r->difference);
		r->difference = NULL;
		if (after.outcome != OUTCOME_OK)
			r->difference = xasprintf("was ok, is now %s: %s", outcome_names[after.outcome],
						  after.reason ? after.reason : "");
		else
			r->difference =
				stream_difference(before.stream, before.stream_len, after.stream, after.stream_len);
		r->identical = !r->difference;
	}
	boot_result_free(&before);
	boot_result_free(&after);
	return rc;
}

int repeat_run(const struct run *run, struct repeat *repeats, size_t n, const struct schedule_options *options,
	       char **ret_dir, struct err *err)
{
	struct schedule_options chosen = *options;
	struct wanted wanted = { repeats, n };
	struct schedule_result result;
	_cleanup_(run_free_p) struct run *again = NULL;
	_cleanup_free_ char *dir = NULL;
	bool identical = true;

	if (repeat_scratch(run, run->cells, run->n_cells, &dir, &again, err) < 0)
		return -1;
	chosen.wanted = is_chosen;
	chosen.wanted_ctx = &wanted;
	/* what is in the cache proves nothing: repeating is booting */
	chosen.reuse = NULL;
	if (schedule_run(again, &chosen, &result, err) < 0) {
		remove_tree(dir, NULL);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (compare_one(run, again, &repeats[i], err) < 0)
			return -1;
		identical = identical && repeats[i].identical;
	}
	if (identical && !options->count)
		remove_tree(dir, NULL);
	else
		*ret_dir = steal_ptr(dir);
	return 0;
}

static const char *type_name(uint16_t type)
{
	static const char *const names[] = { "?",    "HELLO", "STEP", "SETTING", "FILE",
					     "EXEC", "NOTE",  "END",  "SERIES",	 "FILES" };

	return type < ARRAY_SIZE(names) ? names[type] : "?";
}

char *stream_difference(const char *a, size_t a_len, const char *b, size_t b_len)
{
	struct wire_record ra, rb;
	size_t at_a = 0, at_b = 0;

	if (a_len == b_len && !memcmp(a, b, a_len))
		return NULL;
	for (uint32_t seq = 0;; seq++) {
		size_t from_a = at_a, from_b = at_b;
		enum wire_status sa = wire_next(a, a_len, &at_a, seq, &ra);
		enum wire_status sb = wire_next(b, b_len, &at_b, seq, &rb);
		char what[120] = "";

		if (sa != WIRE_OK || sb != WIRE_OK)
			return xasprintf("record %u: one stream ends here", seq);
		if (at_a - from_a == at_b - from_b && !memcmp(a + from_a, b + from_b, at_a - from_a))
			continue;
		if (ra.type == WIRE_FILE || ra.type == WIRE_FILES)
			wire_text(&ra, 4, what, sizeof(what));
		else
			wire_text(&ra, 0, what, sizeof(what));
		return xasprintf("record %u, %s %s, at %.9f s against %.9f s of guest time", seq, type_name(ra.type),
				 what, (double)ra.time_ns / 1e9, (double)rb.time_ns / 1e9);
	}
}
