// SPDX-License-Identifier: GPL-2.0-or-later
/* The front of the room: text or file -> matrix, by the table of sections. What a section may hold is in sections.c,
 * what its entries mean in entries.c. */
#include "matrix/matrix.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "matrix/sections.h"
#include "workloads/workload.h"

static int check_root(const struct parsing *p, struct err *err)
{
	const char *names[16];
	size_t n = 0;

	if (p->root->kind != NODE_MAP)
		return source_error(p->src, err, p->root->at,
				    "a matrix is a mapping that begins with `matrix: NAME`, not %s",
				    node_describe(p->root, (char[QUOTE_SIZE]){ 0 }));
	for (const struct section *s = sections; s->key; s++)
		names[n++] = s->key;
	NODE_EACH_KEY(key, p->root)
	{
		size_t i = 0;

		while (i < n && strcmp(names[i], key->value))
			i++;
		if (i == n)
			return unknown_name_error(p->src, key, "unknown section", names, n, "the sections are", err);
	}
	return 0;
}

static int parse_section(struct parsing *p, const struct section *s, struct err *err)
{
	const struct node *key = node_key(p->root, s->key), *value = key ? key->next : NULL;

	if (!key && s->required)
		return source_error(p->src, err, p->root->at, "section '%s' is missing; add `%s%s`", s->key, s->key,
				    section_shape_help(s->shape));
	if (!key)
		return s->parse(p, s, NULL, NULL, err);
	if (node_empty(value) || (value->kind != NODE_SCALAR && !value->n))
		return source_error(p->src, err, key->at, "section '%s' is empty; write `%s%s`%s", s->key, s->key,
				    section_shape_help(s->shape), s->required ? "" : " or leave it out");
	if (s->shape == SECTION_LABELS || s->shape == SECTION_WORKLOAD) {
		if (value->kind != NODE_MAP)
			return source_error(p->src, err, value->at, "section '%s' must be a mapping of labels, not %s",
					    s->key, node_describe(value, (char[QUOTE_SIZE]){ 0 }));
	} else if ((s->shape == SECTION_RULES || s->shape == SECTION_LIST) && value->kind != NODE_LIST) {
		return source_error(p->src, err, value->at, "section '%s' must be a list%s, not %s", s->key,
				    s->shape == SECTION_RULES ? " of rules" : "",
				    node_describe(value, (char[QUOTE_SIZE]){ 0 }));
	}
	return s->parse(p, s, key, value, err);
}

static int check_cells(const struct parsing *p, struct err *err)
{
	const struct matrix *m = p->matrix;
	size_t n = 0;

	if (!__builtin_mul_overflow(m->n_kernels, m->n_folios, &n) && !__builtin_mul_overflow(n, m->n_workloads, &n) &&
	    !__builtin_mul_overflow(n, m->n_storages ? m->n_storages : 1, &n) &&
	    !__builtin_mul_overflow(n, m->n_limits ? m->n_limits : 1, &n) && n <= MATRIX_CELLS_MAX)
		return 0;
	return source_error(
		p->src, err, node_key(p->root, "workloads")->at,
		"%zu kernels x %zu folio profiles x %zu workloads%s%s are more than %d cells; split the matrix",
		m->n_kernels, m->n_folios, m->n_workloads, m->n_storages ? " x storages" : "",
		m->n_limits ? " x limits" : "", MATRIX_CELLS_MAX);
}

int matrix_parse_bytes(const char *text, size_t len, const char *path, struct matrix **ret_matrix, struct err *err)
{
	_cleanup_(matrix_free_p) struct matrix *matrix = xcalloc(1, sizeof(*matrix));
	_cleanup_(tree_free_p) struct node *root = NULL;
	struct source src = { .path = path, .text = text, .len = len };
	struct parsing p = { .src = &src, .matrix = matrix };

	if (len > MATRIX_BYTES_MAX)
		return source_error(&src, err, (struct place){ 0 }, "larger than 1 MiB, the limit for a matrix");
	matrix->path = xstrdup(path);
	matrix->text = xstrndup(text, len);
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		src.text += 3;
		src.len -= 3;
	}
	if (tree_parse(&src, &root, err) < 0)
		return -1;
	p.root = root;
	if (check_root(&p, err) < 0)
		return -1;
	for (const struct section *s = sections; s->key; s++)
		if (parse_section(&p, s, err) < 0)
			return -1;
	if (check_cells(&p, err) < 0)
		return -1;
	*ret_matrix = steal_ptr(matrix);
	return 0;
}

int matrix_parse(const char *text, const char *path, struct matrix **ret_matrix, struct err *err)
{
	return matrix_parse_bytes(text, strlen(text), path, ret_matrix, err);
}

int matrix_load(const char *path, struct matrix **ret_matrix, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	/* one byte more than allowed, so that a file that is too large gets this room's own message */
	if (file_read(path, MATRIX_BYTES_MAX + 1, &text, &len, err) < 0) {
		if (err)
			err->kind = ERR_CONFIG; /* the user named the file */
		return -1;
	}
	return matrix_parse_bytes(text, len, path, ret_matrix, err);
}

void matrix_free(struct matrix *m)
{
	if (!m)
		return;
	options_free(guest_options, &m->guest);
	options_free(trials_options, &m->trials);
	for (size_t i = 0; i < m->n_kernels; i++) {
		options_free(kernel_options, &m->kernels[i]);
		free(m->kernels[i].label);
	}
	for (size_t i = 0; i < m->n_folios; i++) {
		options_free(folio_options, &m->folios[i]);
		free(m->folios[i].label);
	}
	for (size_t i = 0; i < m->n_workloads; i++) {
		if (m->workloads[i].params)
			options_free(m->workloads[i].type->options, m->workloads[i].params);
		free(m->workloads[i].params);
		free(m->workloads[i].label);
	}
	for (size_t i = 0; i < m->n_skips; i++)
		options_free(skip_options, &m->skips[i]);
	for (size_t i = 0; i < m->n_gates; i++)
		options_free(gate_options, &m->gates[i]);
	free(m->gates);
	for (size_t i = 0; i < m->n_storages; i++) {
		options_free(storage_options, &m->storages[i]);
		free(m->storages[i].label);
	}
	free(m->storages);
	for (size_t i = 0; i < m->n_limits; i++)
		free(m->limits[i].label);
	free(m->limits);
	free(m->kernels);
	free(m->folios);
	free(m->workloads);
	free(m->skips);
	free(m->name);
	free(m->path);
	free(m->text);
	free(m);
}
