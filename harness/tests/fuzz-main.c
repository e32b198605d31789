// SPDX-License-Identifier: GPL-2.0-or-later
/* A fuzz target without clang: each input of its corpus, then mutations of them, the same ones every time (seed and
 * rounds: $FUZZ_SEED, $FUZZ_ROUNDS). Blind: what finds new paths is `make fuzz`; this keeps what it found fixed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "tests/fuzz.h"

struct input {
	char *data; /* owned */
	size_t len;
};

static struct input *inputs;
static size_t n_inputs;
static uint64_t random_state;

/* The input at hand, in a file that survives a crash: what then has to be looked at and kept. */
static char *at_hand_path, *at_hand;

static uint64_t random_below(uint64_t n)
{
	/* xorshift64*, Vigna 2016 */
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % n;
}

static int by_path(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void add_file(const char *path)
{
	struct err err = ERR_INIT;
	struct input in;

	if (file_read(path, FUZZ_INPUT_MAX, &in.data, &in.len, &err) < 0)
		fail_msg("%s", err.msg);
	*VEC_PUSH(inputs, n_inputs) = in;
}

static void add_folder(const char *folder)
{
	char *paths[] = { (char *)folder, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_path);
	FTSENT *e;

	assert_non_null(fts);
	while ((e = fts_read(fts)))
		if (e->fts_info == FTS_F)
			add_file(e->fts_path);
	fts_close(fts);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	(void)state;
	at_hand_path = xasprintf("%s/granule-fuzz-input-%d", tmp && *tmp ? tmp : "/tmp", (int)getpid());
	fd = open(at_hand_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(ftruncate(fd, FUZZ_INPUT_MAX), 0);
	at_hand = mmap(NULL, FUZZ_INPUT_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(at_hand, MAP_FAILED);
	close(fd);
	for (const char *const *folder = fuzz_corpus; *folder; folder++)
		add_folder(*folder);
	assert_true(n_inputs > 0);
	printf("%zu inputs in %s; the one at hand is in %s\n", n_inputs, fuzz_corpus[0], at_hand_path);
	fflush(stdout);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(at_hand_path);
	free(at_hand_path);
	munmap(at_hand, FUZZ_INPUT_MAX);
	for (size_t i = 0; i < n_inputs; i++)
		free(inputs[i].data);
	free(inputs);
	return 0;
}

/* In an allocation of the exact size, so that a sanitizer sees every read behind the end. */
static void run_one(const char *data, size_t len)
{
	char *exact = xcalloc(len ? len : 1, 1);

	memcpy(exact, data, len);
	memcpy(at_hand, data, len);
	memset(at_hand + len, 0, FUZZ_INPUT_MAX - len);
	LLVMFuzzerTestOneInput((const uint8_t *)exact, len);
	free(exact);
}

/* Put @n bytes of @from at @at, moving what is behind; nothing if they do not fit. */
static size_t insert(char *s, size_t len, size_t at, const char *from, size_t n)
{
	if (n > FUZZ_INPUT_MAX - len)
		return len;
	memmove(s + at + n, s + at, len - at);
	memcpy(s + at, from, n);
	return len + n;
}

static size_t edit(char *s, size_t len)
{
	static char piece[256];
	const struct input *other = &inputs[random_below(n_inputs)];
	size_t at = len ? random_below(len) : 0, room = len - at, from, n;

	switch (random_below(8)) {
	case 0:
		if (len)
			s[at] = (char)random_below(256);
		return len;
	case 1:
		if (len)
			s[at] ^= (char)(1 << random_below(8));
		return len;
	case 2: /* a small number where lengths and types are */
		if (len)
			s[at] = (char)random_below(8);
		return len;
	case 3:
		return random_below(8) ? len : at;
	case 4: /* a piece less */
		n = random_below(1 + (room > 40 ? 40 : room));
		memmove(s + at, s + at + n, room - n);
		return len - n;
	case 5: /* a piece twice */
		n = random_below(1 + (room > sizeof(piece) ? sizeof(piece) : room));
		memcpy(piece, s + at, n);
		return insert(s, len, at, piece, n);
	default: /* a piece of another input */
		if (!other->len)
			return len;
		from = random_below(other->len);
		n = other->len - from;
		n = random_below(1 + (n > sizeof(piece) ? sizeof(piece) : n));
		return insert(s, len, at, other->data + from, n);
	}
}

static void corpus(void **state)
{
	(void)state;
	run_one("", 0);
	for (size_t i = 0; i < n_inputs; i++)
		run_one(inputs[i].data, inputs[i].len);
}

static void mutations(void **state)
{
	static char input[FUZZ_INPUT_MAX];
	const char *rounds = getenv("FUZZ_ROUNDS"), *seed = getenv("FUZZ_SEED");

	(void)state;
	random_state = (seed ? strtoull(seed, NULL, 10) : 1) * 2 + 1;
	for (unsigned long left = rounds ? strtoul(rounds, NULL, 10) : fuzz_rounds; left; left--) {
		const struct input *in = &inputs[random_below(n_inputs)];
		size_t len = in->len;

		memcpy(input, in->data, len);
		for (uint64_t edits = 1 + random_below(6); edits; edits--)
			len = edit(input, len);
		run_one(input, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corpus),
		cmocka_unit_test(mutations),
	};

	return cmocka_run_group_tests_name("fuzz", tests, setup, teardown);
}
