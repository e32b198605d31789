// SPDX-License-Identifier: GPL-2.0-or-later
/* The run directory is the only truth: a state here is what reading last said, and is read again before it counts. */
#include "run/owed.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"

#define TRIES_MAX 3	    /* of one boot while one scheduler runs, whoever made them */
#define STARVED_TRIES_MAX 2 /* a starved host may have been busy once */
#define IMAGE_FAILURES 3
/* Others take boots in the same order, so what they have is near the front. */
#define LOOK_AHEAD 32

/* Boots of a cell go round the shards: cells differ in cost more than a cell's boots do. */
bool owed_in_shard(size_t cell_index, unsigned int boot, unsigned int shard, unsigned int n)
{
	return n < 2 || (cell_index + boot) % n == shard - 1;
}

/* ---- Images */

static size_t find_image(struct owed *o, const struct cell_record *cell)
{
	struct owed_image *image;

	for (size_t i = 0; i < o->n_images; i++)
		if (!strcmp(o->images[i].sha256, cell->kernel_sha256))
			return i;
	image = VEC_PUSH(o->images, o->n_images);
	*image = (struct owed_image){ .sha256 = cell->kernel_sha256, .release = cell->kernel_release };
	for (size_t i = 0; i < cell->n_axes; i++)
		if (!strcmp(cell->axes[i].axis, "kernels"))
			image->label = cell->axes[i].label;
	return o->n_images - 1;
}

static void give_up(struct owed *o, struct owed_image *image)
{
	_cleanup_free_ char *reason = xasprintf(
		"kernel %s (%s): %u boots failed before their job and none got to it, so its other boots were "
		"not tried",
		image->label ? image->label : "?", image->release ? image->release : "?", image->failed);

	image->given_up = true;
	/* a note for readers; without it they say "not run" */
	image_give_up(o->run, image->sha256, reason, NULL);
}

/* ---- States */

static unsigned int tries_max(const struct boot_result *result)
{
	if (result->starved)
		return STARVED_TRIES_MAX;
	/* what the guest did to itself it would do again */
	return result->closed && result->outcome == OUTCOME_INCOMPLETE ? 1 : TRIES_MAX;
}

static enum owed_state judge(const struct owed_boot *b, const struct boot_result *result)
{
	unsigned int tries = result->attempt - b->before;

	if (result->adoptable)
		return OWED_ADOPT;
	if (!outcome_owed(result->outcome))
		return OWED_PAID;
	if (result->running)
		return OWED_ELSEWHERE;
	return !tries || tries < tries_max(result) ? OWED_START : OWED_LEFT;
}

static void set_state(struct owed *o, size_t index, enum owed_state state)
{
	o->boots[index].state = state;
	if ((state == OWED_START || state == OWED_ADOPT) && index < o->first)
		o->first = index;
}

/* One that was under way got through after all. */
static void take_back(struct owed *o, size_t index)
{
	if (!o->images[index].given_up)
		return;
	o->images[index].given_up = false;
	image_take_back(o->run, o->images[index].sha256);
	for (size_t i = 0; i < o->n; i++)
		if (o->boots[i].image == index && o->boots[i].state == OWED_GIVEN_UP)
			set_state(o, i, OWED_START);
}

/* A finished boot says something of its Image. */
static void count_image(struct owed *o, const struct owed_boot *b, const struct boot_result *result)
{
	struct owed_image *image = &o->images[b->image];

	if (outcome_owed(result->outcome))
		return;
	if (result->outcome == OUTCOME_BOOT_FAILED || !result->hello)
		image->failed++;
	else if (!image->passed++)
		take_back(o, b->image);
	if (image->failed >= IMAGE_FAILURES && !image->passed && !image->given_up)
		give_up(o, image);
}

enum owed_state owed_settle(struct owed *o, size_t index, const struct boot_result *result)
{
	struct owed_boot *b = &o->boots[index];

	b->attempt = result->attempt;
	b->outcome = result->outcome;
	b->wall_s = result->wall_s;
	set_state(o, index, judge(b, result));
	if (b->state == OWED_PAID) {
		count_image(o, b, result);
		o->settled[b->cell - o->run->cells] = true;
	}
	return b->state;
}

/* Read it again. What cannot be read stays as it is. */
static enum owed_state look(struct owed *o, size_t index)
{
	struct owed_boot *b = &o->boots[index];
	struct boot_result result = { 0 };

	if (boot_read(o->run, b->cell, b->boot, &result, NULL) < 0)
		return b->state;
	owed_settle(o, index, &result);
	boot_result_free(&result);
	return b->state;
}

static void first_look(struct owed *o, size_t index)
{
	struct owed_boot *b = &o->boots[index];
	struct boot_result result = { 0 };

	/* what cannot be read has told nothing: it is tried again */
	if (boot_read(o->run, b->cell, b->boot, &result, NULL) < 0)
		return;
	/* an attempt that somebody is at counts among those of this time */
	b->before = result.attempt - (result.running && result.attempt ? 1 : 0);
	o->n_done_before += owed_settle(o, index, &result) == OWED_PAID;
	boot_result_free(&result);
}

static void add_boot(struct owed *o, const struct cell_record *cell, unsigned int boot)
{
	if (o->wanted(o->wanted_ctx, cell, boot))
		*VEC_PUSH(o->boots, o->n) = (struct owed_boot){ .cell = cell,
								.boot = boot,
								.image = find_image(o, cell),
								.outcome = OUTCOME_INCOMPLETE,
								.wall_s = -1 };
}

/* The boots of each cell, 0 of skipped ones; returns the most. */
static size_t count_boots(struct owed *o)
{
	size_t most = 0;

	for (size_t i = 0; i < o->run->n_cells; i++) {
		const struct cell_record *cell = &o->run->cells[i];

		o->n_of_cell[i] = cell->skip ? 0 : cell_boots(o->run, cell);
		most = o->n_of_cell[i] > most ? o->n_of_cell[i] : most;
	}
	return most;
}

/* The rounds that have become owed since. */
static void add_rounds(struct owed *o)
{
	for (size_t i = 0; i < o->run->n_cells; i++) {
		const struct cell_record *cell = &o->run->cells[i];
		size_t had = o->n_of_cell[i];

		if (!o->settled[i] || cell->skip || !cell->boots_most)
			continue;
		o->settled[i] = false;
		o->n_of_cell[i] = cell_boots(o->run, cell);
		for (size_t boot = had + 1, first = o->n; boot <= o->n_of_cell[i]; boot++, first = o->n) {
			add_boot(o, cell, (unsigned int)boot);
			if (o->n > first)
				first_look(o, first);
		}
	}
}

void owed_init(struct owed *o, const struct run *run,
	       bool (*wanted)(void *ctx, const struct cell_record *cell, unsigned int boot), void *ctx)
{
	size_t most;

	*o = (struct owed){ .run = run, .wanted = wanted, .wanted_ctx = ctx };
	o->n_of_cell = xcalloc(run->n_cells + 1, sizeof(*o->n_of_cell));
	o->settled = xcalloc(run->n_cells + 1, sizeof(*o->settled));
	most = count_boots(o);
	for (size_t boot = 1; boot <= most; boot++)
		for (size_t i = 0; i < run->n_cells; i++)
			if (boot <= o->n_of_cell[i])
				add_boot(o, &run->cells[i], (unsigned int)boot);
	for (size_t i = 0; i < o->n; i++)
		first_look(o, i);
	for (size_t i = 0; i < o->n_images; i++)
		if (o->images[i].passed)
			image_take_back(run, o->images[i].sha256);
}

void owed_free(struct owed *o)
{
	free(o->boots);
	free(o->images);
	free(o->n_of_cell);
	free(o->settled);
	*o = (struct owed){ 0 };
}

/* Has anybody begun an attempt that was not read yet? One stat() instead of a reading. */
static bool is_news(const struct owed *o, const struct owed_boot *b)
{
	_cleanup_free_ char *next = xasprintf("%s/cells/%s/%u/%u", o->run->dir, b->cell->id, b->boot, b->attempt + 1);

	return path_exists(next);
}

static bool is_to_start(const struct owed_boot *b)
{
	return b->state == OWED_START || b->state == OWED_ADOPT;
}

/* What another scheduler gave up counts too, as long as nothing here speaks against it. */
static bool is_given_up(struct owed *o, const struct owed_boot *b)
{
	struct owed_image *image = &o->images[b->image];
	_cleanup_free_ char *reason = NULL;

	if (image->passed)
		return false;
	if (!image->given_up) {
		reason = image_given_up(o->run, image->sha256);
		image->given_up = reason != NULL;
	}
	return image->given_up;
}

size_t owed_next(struct owed *o, size_t *ret_others)
{
	*ret_others = 0;
	add_rounds(o);
	for (; o->first < o->n; o->first++) {
		struct owed_boot *b = &o->boots[o->first];

		if (is_to_start(b) && is_news(o, b))
			*ret_others += look(o, o->first) == OWED_PAID;
		if (b->state == OWED_START && is_given_up(o, b))
			b->state = OWED_GIVEN_UP;
		if (is_to_start(b))
			return o->first;
	}
	return SIZE_MAX;
}

void owed_take(struct owed *o, size_t index)
{
	o->boots[index].state = OWED_HERE;
}

static bool is_over(const struct owed *o, const struct owed_boot *b)
{
	_cleanup_free_ char *dir = xasprintf("%s/cells/%s/%u/%u", o->run->dir, b->cell->id, b->boot, b->attempt);

	return attempt_state(dir) != ATTEMPT_CLAIMED;
}

size_t owed_poll(struct owed *o)
{
	size_t others = 0, ahead = 0;

	add_rounds(o);
	for (size_t i = 0; i < o->n; i++) {
		struct owed_boot *b = &o->boots[i];

		if (b->state == OWED_ELSEWHERE && is_over(o, b))
			others += look(o, i) == OWED_PAID;
		if (!is_to_start(b) || ahead >= LOOK_AHEAD)
			continue;
		if (is_news(o, b))
			others += look(o, i) == OWED_PAID;
		else
			ahead++;
	}
	return others;
}

size_t owed_count(const struct owed *o, enum owed_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n; i++)
		n += o->boots[i].state == state;
	return n;
}
