// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes are refused with a sentence that names the file, or become a matrix that expands. */
#include "matrix/folio.h"
#include "matrix/storage.h"
#include "tests/fuzz.h"
#include "tests/matrix-registry.h"

const char *const fuzz_corpus[] = { "harness/tests/corpus/matrix", "harness/tests/bad-matrices", "matrices", NULL };
const unsigned int fuzz_rounds = 20000;

static void use(const struct matrix *m)
{
	static const uint64_t pages[] = { 4096, 16384, 65536 };
	struct folio_step *steps;
	struct cell *cells;
	size_t n;

	matrix_expand(m, &cells, &n);
	cells_free(cells, n);
	for (size_t f = 0; f < m->n_folios && f < 8; f++)
		for (size_t p = 0; p < ARRAY_SIZE(pages); p++) {
			free(folio_unsupported(&m->folios[f], pages[p], (struct kernel_version){ 6, 12 }));
			folio_steps(&m->folios[f], pages[p], &steps, &n);
			folio_steps_free(steps, n);
			free(folio_command_line(&m->folios[f]));
		}
	for (size_t i = 0; i < m->n_storages && i < 8; i++) {
		for (size_t p = 0; p < ARRAY_SIZE(pages); p++)
			free(storage_unsupported(&m->storages[i], &m->folios[0], pages[p],
						 (struct kernel_version){ 6, 12 }));
		json_decref(options_json(storage_options, &m->storages[i]));
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
