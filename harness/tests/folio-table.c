// SPDX-License-Identifier: GPL-2.0-or-later
/* folio-table RUN...: what folio knob exists where, as Markdown, from runs of matrices/folio-support.yaml (parts of it, each by --only, will do). Everything it says
 * of a kernel was read in a guest of that run; from the table of knobs come only the rows and their names. Kernels are
 * labelled RELEASE-PAGES and, for what its command line takes, RELEASE-PAGES-words. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "matrix/knobs.h"
#include "store/store.h"
#include "wire/wire.h"

static const char *const releases[] = { "6_1", "6_12", "7_2" };
static const uint64_t page_sizes[] = { 4096, 16384, 65536 };

struct setting {
	char path[256], requested[512], effective[512], status[128];
};

struct guest {
	struct setting *v; /* owned */
	size_t n;
	char *trouble; /* owned: why it is not ok, or NULL */
	bool there;
};

static void guest_free(struct guest *g)
{
	free(g->v);
	free(g->trouble);
}

static struct run **runs; /* owned */
static size_t n_runs;

/* The first boot of LABEL.@profile.nothing, in the first run that has it. */
static struct guest guest_read(const char *label, const char *profile)
{
	_cleanup_free_ char *id = xasprintf("%s.%s.nothing", label, profile);
	const struct cell_record *cell = NULL;
	const struct run *run = NULL;
	struct boot_result boot = { 0 };
	struct guest g = { 0 };
	struct wire_record r;
	size_t offset = 0;

	for (size_t i = 0; i < n_runs && !cell; i++) {
		run = runs[i];
		cell = run_find_cell(run, id);
	}
	if (!cell || boot_read(run, cell, 1, &boot, NULL) < 0)
		return g;
	g.there = boot.stream_len > 0;
	if (boot.outcome != OUTCOME_OK)
		g.trouble = xstrdup(boot.reason ? boot.reason : outcome_names[boot.outcome]);
	for (uint32_t n = 0; g.there && wire_next(boot.stream, boot.stream_len, &offset, n, &r) == WIRE_OK; n++) {
		struct setting *s;

		if (r.type != WIRE_SETTING)
			continue;
		s = VEC_PUSH(g.v, g.n);
		wire_text(&r, 0, s->path, sizeof(s->path));
		wire_text(&r, 1, s->requested, sizeof(s->requested));
		wire_text(&r, 2, s->effective, sizeof(s->effective));
		wire_text(&r, 3, s->status, sizeof(s->status));
	}
	boot_result_free(&boot);
	return g;
}

static const struct setting *find(const struct guest *g, const char *path, const char *status)
{
	for (size_t i = 0; i < g->n; i++)
		if (!strcmp(g->v[i].path, path) && !strcmp(g->v[i].status, status))
			return &g->v[i];
	return NULL;
}

static bool holds_word(const char *list, const char *word, size_t len)
{
	for (const char *p = list; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n == len && !strncmp(p, word, n))
			return true;
		p += n;
	}
	return false;
}

/* "takes a, b; not c" */
static void add_taken(struct text *t, const struct setting *probed)
{
	const char *between = "; takes ";

	for (int taken = 1; probed && taken >= 0; taken--) {
		for (const char *p = probed->requested; *p; p += strspn(p, " ")) {
			size_t n = strcspn(p, " ");

			if (holds_word(probed->effective, p, n) == taken) {
				text_add(t, "%s`%.*s`", between, (int)n, p);
				between = " ";
			}
			p += n;
		}
		between = "; not ";
	}
}

static void add_file(struct text *t, const struct guest *g, const char *path)
{
	const struct setting *is = find(g, path, "inherited");

	if (!is) {
		text_add(t, "absent");
		return;
	}
	text_add(t, "`%s`", is->effective);
	add_taken(t, find(g, path, "probed"));
}

/* All sizes of a base page: runs of equal ones together. */
static void add_sizes(struct text *t, const struct guest *g, const struct folio_knob *k, uint64_t page_bytes)
{
	_cleanup_free_ char *said = NULL;
	uint64_t from = 0, last = 0;
	char a[24], b[24];

	for (uint64_t size = page_bytes << 1; size <= folio_pmd_bytes(page_bytes) << 1; size <<= 1) {
		_cleanup_free_ char *path = xasprintf(THP "hugepages-%" PRIu64 "kB/%s", size / 1024, k->name);
		struct text one = { 0 };

		if (find(g, path, "inherited"))
			add_file(&one, g, path);
		if (said && (!one.s || strcmp(one.s, said))) {
			text_add(t, "%s%s%s%s: %s", t->len ? "; " : "", size_format(from, a),
				 from == last ? "" : " to ", from == last ? "" : size_format(last, b), said);
			free(steal_ptr(said));
		}
		if (one.s && !said) {
			said = xstrdup(one.s);
			from = size;
		}
		last = size;
		text_free(&one);
	}
	if (!t->len)
		text_add(t, "absent");
}

/* The words that the run gave by `append`, and what must show that they were taken. */
static const struct {
	const char *key, *shows, *value;
} given_words[] = {
	{ "transparent_hugepage", THP "enabled", "never" },
	{ "thp_anon", THP "hugepages-2048kB/enabled", "always" },
	{ "transparent_hugepage_shmem", THP "shmem_enabled", "advise" },
	{ "thp_shmem", THP "hugepages-2048kB/shmem_enabled", "within_size" },
	{ "transparent_hugepage_tmpfs", "mount/tmp/huge", "within_size" },
};

static void add_word(struct text *t, const struct guest *words, const struct folio_knob *k)
{
	for (size_t i = 0; i < ARRAY_SIZE(given_words); i++) {
		const struct setting *s;

		if (strcmp(given_words[i].key, k->key))
			continue;
		s = find(words, given_words[i].shows, "inherited");
		text_add(t, s && !strcmp(s->effective, given_words[i].value) ? "taken" : "not taken");
	}
}

static char *cell_text(const struct folio_knob *k, const char *release, uint64_t page_bytes)
{
	char page[24], label[64], words_label[80];
	struct guest probe, words, debugfs;
	struct text t = { 0 };

	size_format(page_bytes, page);
	snprintf(label, sizeof(label), "%s-%.*sk", release, (int)strcspn(page, "K"), page);
	snprintf(words_label, sizeof(words_label), "%s-words", label);
	probe = guest_read(label, "probe");
	words = guest_read(words_label, "probe");
	debugfs = guest_read(label, "fault-around");
	if (!probe.there)
		text_add(&t, "-");
	else if (probe.trouble)
		text_add(&t, "%s", probe.trouble);
	else if (k->kind == KNOB_WORD || k->kind == KNOB_WORD_SIZES)
		add_word(&t, &words, k);
	else if (k->kind == KNOB_MOUNT)
		add_file(&t, &probe, "mount/tmp/huge");
	else if (k->kind == KNOB_SIZES)
		add_sizes(&t, &probe, k, page_bytes);
	else if (k->domain == DOMAIN_PTE_MAP)
		text_add(&t, "%s", debugfs.trouble ? debugfs.trouble : "taken");
	else
		add_file(&t, &probe, k->name);
	guest_free(&probe);
	guest_free(&words);
	guest_free(&debugfs);
	return text_steal(&t);
}

static const char *kind_text(const struct folio_knob *k)
{
	static const char *const kinds[] = {
		[KNOB_WORD] = "a word of the command line",
		[KNOB_WORD_SIZES] = "a word of the command line",
		[KNOB_MOUNT] = "an option of a tmpfs, `huge=`",
		[KNOB_FILE] = NULL,
		[KNOB_SIZES] = "`" THP "hugepages-SIZE/` of each size",
	};

	return kinds[k->kind];
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	if (argc < 2) {
		fprintf(stderr, "usage: %s RUN... (of matrices/folio-support.yaml)\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		if (run_open(argv[i], VEC_PUSH(runs, n_runs), &err) < 0) {
			fprintf(stderr, "folio-table: %s\n", err.msg);
			return 2;
		}
	}
	puts("# Folio knobs: what is available where\n\n"
	     "Made by running it: `granule run matrices/folio-support.yaml`, then `build/folio-table RUN`. Do not "
	     "edit.\n\n"
	     "Each field: the default as found in the guest (configuration micro, one CPU, 1 GiB), the values that it "
	     "took when\n"
	     "they were written and read back, and those that it did not. `absent`: there is no such file. A "
	     "command-line word is\n"
	     "`taken` if the file or mount that it stands for then showed its value. `-`: that kernel was not run.");
	for (const struct folio_knob *k = folio_knobs; k->key; k++) {
		const char *kind = kind_text(k);

		if (kind)
			printf("\n## %s\n\n%s%s%s\n\n", k->key, kind, k->kind == KNOB_SIZES ? ", file " : "",
			       k->kind == KNOB_SIZES ? k->name : "");
		else
			printf("\n## %s\n\n`%s`\n\n", k->key, k->name);
		puts("| kernel | 4K | 16K | 64K |\n| --- | --- | --- | --- |");
		for (size_t r = 0; r < ARRAY_SIZE(releases); r++) {
			printf("| %.1s.%s |", releases[r], releases[r] + 2);
			for (size_t p = 0; p < ARRAY_SIZE(page_sizes); p++) {
				_cleanup_free_ char *text = cell_text(k, releases[r], page_sizes[p]);

				printf(" %s |", text);
			}
			putchar('\n');
		}
	}
	for (size_t i = 0; i < n_runs; i++)
		run_free(runs[i]);
	free(runs);
	return 0;
}
