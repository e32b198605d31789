// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/progress.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "wire/wire.h"

#define REDRAW_NS (250 * NSEC_PER_MSEC)

void progress_init(struct progress *p, const struct run *run, size_t n_guests, bool plain, bool quiet)
{
	*p = (struct progress){ .run = run, .n_guests = n_guests, .plain = plain, .quiet = quiet };
	p->guests = xcalloc(n_guests, sizeof(*p->guests));
	p->began_ns = now_ns();
}

void progress_free(struct progress *p)
{
	for (size_t i = 0; i < p->n_guests; i++)
		free(p->guests[i].stream_path);
	free(p->guests);
}

void progress_start(struct progress *p, size_t slot, const struct cell_record *cell, unsigned int boot)
{
	struct progress_guest *g = &p->guests[slot];

	free(g->stream_path);
	*g = (struct progress_guest){ .cell = cell, .boot = boot, .began_ns = now_ns() };
	snprintf(g->step, sizeof(g->step), "starting");
}

static double seconds_since(uint64_t ns)
{
	return (double)(now_ns() - ns) / (double)NSEC_PER_SEC;
}

void progress_finish(struct progress *p, size_t slot, enum outcome outcome, const char *reason)
{
	struct progress_guest *g = &p->guests[slot];

	p->n_done++;
	if (!p->quiet && (p->plain || outcome != OUTCOME_OK)) {
		progress_clear(p);
		fprintf(stderr, "[%zu/%zu] %s boot %u: %s%s%s (%.1f s)\n", p->n_done_before + p->n_done, p->n_total,
			g->cell->id, g->boot, outcome_names[outcome], reason ? ": " : "", reason ? reason : "",
			seconds_since(g->began_ns));
	}
	progress_drop(p, slot);
}

void progress_drop(struct progress *p, size_t slot)
{
	free(p->guests[slot].stream_path);
	p->guests[slot] = (struct progress_guest){ 0 };
}

void progress_clear(struct progress *p)
{
	while (p->lines_drawn) {
		fputs("\033[1A\033[2K", stderr);
		p->lines_drawn--;
	}
}

/* The stream of the newest attempt, if there is one yet. */
static void find_stream(const struct progress *p, struct progress_guest *g)
{
	struct stat st;

	for (unsigned int attempt = 1; attempt < 1000; attempt++) {
		_cleanup_free_ char *path =
			xasprintf("%s/cells/%s/%u/%u/stream", p->run->dir, g->cell->id, g->boot, attempt);
		_cleanup_free_ char *dir = xstrndup(path, strlen(path) - strlen("/stream"));

		if (stat(dir, &st) < 0)
			break;
		if (stat(path, &st) == 0) {
			free(g->stream_path);
			g->stream_path = steal_ptr(path);
		}
	}
}

/* Follow the STEP records that came since the last look. What does not parse is left to the reader of the run. */
static void follow(const struct progress *p, struct progress_guest *g)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *data = NULL;
	const size_t cap = 4u << 20;
	struct wire_record record;
	size_t at = 0;
	ssize_t n;

	if (!g->stream_path)
		find_stream(p, g);
	if (!g->stream_path)
		return;
	fd = open(g->stream_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	data = xcalloc(cap, 1);
	n = pread(fd, data, cap, (off_t)g->offset);
	if (n <= 0)
		return;
	while (wire_next(data, (size_t)n, &at, g->sequence, &record) == WIRE_OK) {
		char kind[24], phase[40], index[12];

		g->sequence++;
		if (record.type == WIRE_STEP)
			snprintf(g->step, sizeof(g->step), "%s %s %s", wire_text(&record, 1, phase, sizeof(phase)),
				 wire_text(&record, 0, kind, sizeof(kind)),
				 wire_text(&record, 2, index, sizeof(index)));
	}
	g->offset += at;
}

static void draw_overall(struct progress *p, double elapsed)
{
	size_t done = p->n_done_before + p->n_done;
	char eta[48] = "";
	char bar[21];

	if (p->n_done) {
		double left = elapsed / (double)p->n_done * (double)(p->n_total - done);

		snprintf(eta, sizeof(eta), ", about %d:%02d left", (int)left / 60, (int)left % 60);
	}
	for (size_t i = 0; i < sizeof(bar) - 1; i++)
		bar[i] = p->n_total && i * p->n_total < done * (sizeof(bar) - 1) ? '#' : '.';
	bar[sizeof(bar) - 1] = '\0';
	fprintf(stderr, "[%s] %zu of %zu boots, %d:%02d%s\n", bar, done, p->n_total, (int)elapsed / 60,
		(int)elapsed % 60, eta);
}

void progress_tick(struct progress *p)
{
	uint64_t now = now_ns();

	if (p->plain || p->quiet || now - p->drawn_ns < REDRAW_NS)
		return;
	p->drawn_ns = now;
	for (size_t i = 0; i < p->n_guests; i++)
		if (p->guests[i].cell)
			follow(p, &p->guests[i]);
	progress_clear(p);
	for (size_t i = 0; i < p->n_guests; i++) {
		struct progress_guest *g = &p->guests[i];

		if (!g->cell)
			continue;
		fprintf(stderr, "  %-32.32s boot %-3u %-26.26s %5.1f s\n", g->cell->id, g->boot, g->step,
			seconds_since(g->began_ns));
		p->lines_drawn++;
	}
	draw_overall(p, seconds_since(p->began_ns));
	p->lines_drawn++;
}
