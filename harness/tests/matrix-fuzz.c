// SPDX-License-Identifier: GPL-2.0-or-later
/* libFuzzer entry: any bytes are refused with a sentence, or become a matrix that expands. Not built by default.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined CPPFLAGS harness/tests/matrix-fuzz.c
 *     build/libgranule.a -lyaml -ljansson -lnettle -o fuzz && ./fuzz harness/tests/bad-matrices
 *
 * Without clang: gcc -DFUZZ_MAIN -fsanitize=address,undefined and the same; then ./fuzz ROUNDS SEED FILE... mutates the
 * files itself, blindly but repeatably. */
#include <stdint.h>

#include "base/clock.h"
#include "base/fs.h"
#include "matrix/folio.h"
#include "tests/matrix-registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct matrix *m)
{
	static const uint64_t pages[] = { 4096, 16384, 65536 };
	struct folio_setting *settings;
	struct cell *cells;
	size_t n;

	matrix_expand(m, &cells, &n);
	cells_free(cells, n);
	for (size_t f = 0; f < m->n_folios && f < 8; f++)
		for (size_t p = 0; p < ARRAY_SIZE(pages); p++) {
			free(folio_unsupported(&m->folios[f], pages[p], (struct kernel_version){ 6, 12 }));
			folio_settings(&m->folios[f], pages[p], (struct kernel_version){ 6, 12 }, &settings, &n);
			folio_settings_free(settings, n);
		}
	for (size_t k = 0; k < m->n_kernels && k < 8; k++)
		json_decref(options_json(kernel_options, &m->kernels[k]));
	for (size_t w = 0; w < m->n_workloads && w < 8; w++)
		json_decref(options_json(m->workloads[w].type->options, m->workloads[w].params));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct matrix *m = NULL;
	struct err err = ERR_INIT;

	if (matrix_parse_bytes((const char *)data, size, "fuzz.yaml", &m, &err) == 0) {
		use(m);
		matrix_free(m);
	} else if (m || err.kind != ERR_CONFIG || strncmp(err.msg, "fuzz.yaml:", 10)) {
		abort();
	}
	return 0;
}

#ifdef FUZZ_MAIN

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
	/* xorshift64*, Vigna 2016 */
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % n;
}

/* A few edits of @s: a byte, a piece of syntax, a cut, a piece doubled. */
static size_t mutate(char *s, size_t len, size_t cap)
{
	static const char *const pieces[] = { "{",	 "}",
					      "[",	 "]",
					      ": ",	 "- ",
					      "\n",	 "\t",
					      "\"",	 "'",
					      "#",	 ", ",
					      "|\n",	 "&a ",
					      "*a",	 "!!x ",
					      "? ",	 "%YAML 1.1\n",
					      "---\n",	 "...\n",
					      "\xff",	 "\xc3\xa9",
					      "\\u0000", "64K",
					      "-1",	 "99999999999999999999",
					      "null",	 "~",
					      "\r\n",	 "\xef\xbb\xbf" };

	for (uint64_t edits = 1 + random_below(6); edits; edits--) {
		size_t at = len ? random_below(len) : 0, n;
		const char *piece = pieces[random_below(ARRAY_SIZE(pieces))];

		switch (random_below(4)) {
		case 0:
			if (len)
				s[at] = (char)random_below(256);
			break;
		case 1:
			n = strlen(piece);
			if (len + n > cap)
				break;
			memmove(s + at + n, s + at, len - at);
			memcpy(s + at, piece, n);
			len += n;
			break;
		case 2:
			n = random_below(1 + (len - at > 40 ? 40 : len - at));
			memmove(s + at, s + at + n, len - at - n);
			len -= n;
			break;
		default:
			n = random_below(1 + (len - at > 200 ? 200 : len - at));
			if (len + n > cap)
				break;
			memmove(s + at + n, s + at, len - at);
			len += n;
		}
	}
	return len;
}

int main(int argc, char **argv)
{
	uint64_t slowest = 0;

	if (argc < 4) {
		fprintf(stderr, "usage: %s ROUNDS SEED FILE...\n", argv[0]);
		return 2;
	}
	random_state = strtoull(argv[2], NULL, 0) * 2 + 1;
	for (long rounds = atol(argv[1]); rounds > 0; rounds--) {
		const char *path = argv[3 + random_below((uint64_t)argc - 3)];
		char buffer[8192], *exact;
		_cleanup_free_ char *text = NULL;
		struct err err = ERR_INIT;
		uint64_t start;
		size_t len;

		if (file_read(path, 4096, &text, &len, &err) < 0) {
			fprintf(stderr, "%s\n", err.msg);
			return 2;
		}
		memcpy(buffer, text, len);
		len = mutate(buffer, len, sizeof(buffer));
		/* an allocation of the exact size, so that a sanitizer sees every read behind the end */
		exact = malloc(len ? len : 1);
		memcpy(exact, buffer, len);
		start = now_ns();
		LLVMFuzzerTestOneInput((const uint8_t *)exact, len);
		free(exact);
		if (now_ns() - start > slowest)
			slowest = now_ns() - start;
	}
	printf("slowest input: %.1f ms\n", (double)slowest / 1e6);
	return 0;
}

#endif
