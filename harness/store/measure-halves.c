// SPDX-License-Identifier: GPL-2.0-or-later
/* User and kernel instructions of each sample, from what the plugin left beside the stream. Adds up halves of the address space;
 * functions are explain's. */
#include <stdio.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/counts.h"
#include "store/reader.h"
#include "wire/code.h"
#include "workloads/workload.h"

int halves_load(const char *attempt_dir, struct halves_list *ret, struct err *err)
{
	_cleanup_free_ char *path = path_join(attempt_dir, "count");
	struct counts counts;

	if (!path_exists(path))
		return 0;
	if (counts_load(path, &counts, err) < 0)
		return -1;
	for (size_t i = 0; i < counts.n; i++) {
		const struct sample_counts *s = &counts.samples[i];
		struct halves *halves = VEC_PUSH(ret->v, ret->n);

		for (size_t k = 0; k < s->n; k++)
			*(code_is_kernel(s->v[k].address) ? &halves->kernel : &halves->user) += (double)s->v[k].n;
	}
	counts_free(&counts);
	return 0;
}

void halves_free(struct halves_list *list)
{
	free(list->v);
	*list = (struct halves_list){ 0 };
}

/* The n-th sample of the stream is the n-th of the plugin's. */
int halves_measure(struct reader *r, struct err *err)
{
	const struct halves_list *list = &r->halves;
	size_t at = r->halves_at++;
	double n = r->operations > 0 ? r->operations : 1;
	const char *per = r->operations > 0 ? workload_operation(r->workload) : "sample";
	char name[80];

	if (!list->n)
		return 0;
	if (at >= list->n)
		return err_set(err, ERR_GUEST, "the plugin saw %zu samples, the stream has more", list->n);
	snprintf(name, sizeof(name), "insns_user_per_%.40s", per);
	reader_add(r, r->step.phase, name, list->v[at].user / n);
	snprintf(name, sizeof(name), "insns_kernel_per_%.40s", per);
	reader_add(r, r->step.phase, name, list->v[at].kernel / n);
	return 0;
}
