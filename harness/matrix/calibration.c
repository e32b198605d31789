// SPDX-License-Identifier: GPL-2.0-or-later
/* A matrix's kernels -> those of its calibration. Builds nothing. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "matrix/matrix.h"

static void copy_list(const struct string_list *from, struct string_list *to)
{
	*to = (struct string_list){ 0 };
	for (size_t i = 0; i < from->n; i++)
		*VEC_PUSH(to->v, to->n) = xstrdup(from->v[i]);
}

/* What is skipped of @base is skipped of its variant too. */
static void skip_like(struct matrix *m, const char *base, const char *label)
{
	for (size_t i = 0; i < m->n_skips; i++) {
		struct string_list *kernels = &m->skips[i].kernels;

		for (size_t k = 0, n = kernels->n; k < n; k++)
			if (!strcmp(kernels->v[k], base))
				*VEC_PUSH(kernels->v, kernels->n) = xstrdup(label);
	}
}

/* @k once more, as LABEL-SUFFIX. */
static struct kernel_spec copy_kernel(const struct kernel_spec *k, char *label)
{
	struct kernel_spec copy = *k;

	copy.label = label;
	for (const struct option_def *o = kernel_options; o->key; o++) {
		const void *from = (const char *)k + o->offset;
		void *to = (char *)&copy + o->offset;

		if (o->type == OPT_STRING || o->type == OPT_PATH)
			*(char **)to = xstrdup(*(char *const *)from);
		else if (o->type == OPT_STRINGS || o->type == OPT_PATHS)
			copy_list(from, to);
	}
	return copy;
}

/* What layout can be varied of: a kernel that is built, and is no variant of that kind itself. */
static bool is_base(const struct matrix *m, size_t i, const char *only)
{
	const struct kernel_spec *k = &m->kernels[i];

	if ((!k->source && !k->git) || k->layout || k->timers || (only && strcmp(k->label, only) != 0))
		return false;
	for (size_t j = 0; j < i; j++)
		if (m->kernels[j].page_bytes == k->page_bytes && is_base(m, j, only))
			return false;
	return true;
}

static void add_variants(struct matrix *m, const struct kernel_spec *base, uint64_t n, struct kernel_spec **kernels,
			 size_t *n_kernels, json_t *calibration)
{
	json_t *layouts = json_array(), *one = json_object();
	struct kernel_spec copy;

	*VEC_PUSH(*kernels, *n_kernels) = copy_kernel(base, xstrdup(base->label));
	for (uint64_t i = 1; i <= n; i++) {
		copy = copy_kernel(base, xasprintf("%s-layout-%" PRIu64, base->label, i));
		copy.layout = i;
		json_array_append_new(layouts, json_string(copy.label));
		*VEC_PUSH(*kernels, *n_kernels) = copy;
	}
	copy = copy_kernel(base, xasprintf("%s-timers-%d", base->label, CALIBRATION_TIMERS));
	copy.timers = CALIBRATION_TIMERS;
	json_object_set_new(one, "base", json_string(base->label));
	json_object_set_new(one, "layouts", layouts);
	json_object_set_new(one, "slow", json_string(copy.label));
	*VEC_PUSH(*kernels, *n_kernels) = copy;
	json_array_append_new(calibration, one);
	for (size_t i = *n_kernels - n - 1; i < *n_kernels; i++)
		skip_like(m, base->label, (*kernels)[i].label);
}

int matrix_calibrate(struct matrix *m, const char *kernel, uint64_t n, json_t **ret_calibration, struct err *err)
{
	struct kernel_spec *kernels = NULL;
	json_t *calibration = json_array();
	size_t n_kernels = 0;

	for (size_t i = 0; i < m->n_kernels; i++)
		if (is_base(m, i, kernel))
			add_variants(m, &m->kernels[i], n, &kernels, &n_kernels, calibration);
	if (!n_kernels) {
		json_decref(calibration);
		return kernel ? err_set(err, ERR_CONFIG,
					"%s: no kernel '%s' that is built from source or git without layout and timers",
					m->path, kernel)
			      : err_set(err, ERR_CONFIG,
					"%s: no kernel is built from source or git, so none can be built in another "
					"layout",
					m->path);
	}
	for (size_t i = 0; i < m->n_kernels; i++) {
		options_free(kernel_options, &m->kernels[i]);
		free(m->kernels[i].label);
	}
	free(m->kernels);
	m->kernels = kernels;
	m->n_kernels = n_kernels;
	*ret_calibration = calibration;
	return 0;
}
