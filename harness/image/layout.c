// SPDX-License-Identifier: GPL-2.0-or-later
/* From a number to edits, and from edits to files. Knows that kbuild links obj-y in its order and that a later
 * -falign-functions overrides an earlier one. */
#include "image/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define SOURCE_CAP (16 << 20)
#define PAD_MOST 4096 /* instructions at one place: 16 KiB */

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 14 with the
 * constants of its mix64variant13. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static unsigned int up_to(uint64_t *state, unsigned int most)
{
	return 1 + (unsigned int)(next_random(state) % most);
}

/* Files that every kernel from 6.1 to 7.2 has, from the front of the Image to its end. */
static void add_padding(uint64_t *state, struct text *out)
{
	static const char *const places[] = { "arch/arm64/mm/fault.c", "kernel/fork.c",	  "mm/memory.c",
					      "mm/page_alloc.c",       "fs/read_write.c", "lib/maple_tree.c" };
	/* never none of them */
	unsigned int which = up_to(state, (1u << ARRAY_SIZE(places)) - 1);

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (which & 1u << i)
			text_add(out, "pad %s %u\n", places[i], up_to(state, PAD_MOST));
}

/* There are few orders and alignments: with this no two numbers are one kernel. */
static void add_front(uint64_t *state, struct text *out)
{
	text_add(out, "pad arch/arm64/mm/fault.c %u\n", up_to(state, PAD_MOST));
}

static void add_order(uint64_t *state, struct text *out)
{
	/* fewer than either has objects in any configuration, so that each number is another order */
	text_add(out, "rotate mm/Makefile %u\n", up_to(state, 24));
	text_add(out, "rotate fs/Makefile %u\n", up_to(state, 12));
	add_front(state, out);
}

static void add_alignment(uint64_t *state, struct text *out)
{
	unsigned int bytes = 16u << up_to(state, 3);

	text_add(out, "align mm/Makefile %u\n", bytes);
	if (next_random(state) & 1)
		text_add(out, "align fs/Makefile %u\n", bytes);
	add_front(state, out);
}

char *layout_edits(uint64_t number)
{
	static void (*const kinds[])(uint64_t * state, struct text * out) = { add_padding, add_order, add_alignment };
	struct text out = { 0 };
	uint64_t state = number;

	kinds[(number - 1) % ARRAY_SIZE(kinds)](&state, &out);
	return text_steal(&out);
}

static char *pad_before(const char *text, unsigned int n)
{
	return xasprintf("asm(\".pushsection .text\\n\\t.rept %u\\n\\tnop\\n\\t.endr\\n\\t.popsection\");\n%s", n,
			 text);
}

static char *rotate_behind(const char *text, unsigned int n)
{
	return xasprintf("%s\nobj-y := $(wordlist %u,9999,$(obj-y)) $(wordlist 1,%u,$(obj-y))\n", text, n + 1, n);
}

static char *align_behind(const char *text, unsigned int n)
{
	return xasprintf("%s\nsubdir-ccflags-y += -falign-functions=%u\n", text, n);
}

static const struct edit {
	const char *verb;
	char *(*make)(const char *text, unsigned int n);
} edits_known[] = { { "pad", pad_before }, { "rotate", rotate_behind }, { "align", align_behind } };

static int apply_one(const char *verb, const char *file, unsigned int n, const char *tree, struct err *err)
{
	_cleanup_free_ char *path = path_join(tree, file), *text = NULL, *edited = NULL;

	if (!path_exists(path))
		return err_set(err, ERR_CONFIG, "layout: this source has no %s to move", file);
	if (file_read(path, SOURCE_CAP, &text, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(edits_known); i++)
		if (!strcmp(edits_known[i].verb, verb))
			edited = edits_known[i].make(text, n);
	if (!edited)
		return err_set(err, ERR_CONFIG, "layout: no edit '%s'", verb);
	return file_write(path, edited, strlen(edited), err);
}

int layout_apply(const char *edits, const char *tree, struct err *err)
{
	for (const char *line = edits; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char verb[16], file[64];
		unsigned int n;

		if (sscanf(line, "%15s %63s %u", verb, file, &n) != 3)
			return err_set(err, ERR_CONFIG, "layout: '%.*s' is no edit", (int)strcspn(line, "\n"), line);
		if (apply_one(verb, file, n, tree, err) < 0)
			return -1;
	}
	return 0;
}
