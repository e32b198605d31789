// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/memory.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "explain/recorded.h"

static const struct {
	const char *name, *label;
} parts[] = {
	{ "anon", "anonymous" },
	{ "file", "page cache" },
	{ "shmem", "tmpfs, shared anonymous" },
	{ "pagetables", "page tables" },
	{ "slab", "slab" },
	{ "stacks", "kernel stacks" },
	{ "vmalloc", "vmalloc" },
	{ "percpu", "per-CPU areas" },
	{ "memmap", "struct pages" },
	{ "image", "kernel text and data" },
	{ "boot", "other, reserved at boot" },
	{ "kernel", "other kernel memory" },
	{ "sock", "sockets" },
	{ "pcp", "free, on per-CPU lists" },
	{ "unfolded", "free, not yet in MemFree" },
	{ "rest", "rest: no counter names it" },
};

static double last_value(const struct measures *m, const char *phase, const char *kind, const char *part,
			 bool *ret_found)
{
	_cleanup_free_ char *name = xasprintf("%s.%s.%s", phase, kind, part);
	const struct measure *one = measures_find(m, name);

	*ret_found = one && one->n_values;
	return *ret_found ? one->values[one->n_values - 1] : 0;
}

static void add_split(struct memory_splits *out, const char *phase, const char *kind, const struct measures *base,
		      const struct measures *other)
{
	struct memory_split s = { .charged = !strcmp(kind, "charged") };
	bool in_base, in_other;

	s.base = last_value(base, phase, kind, "total", &in_base);
	s.other = last_value(other, phase, kind, "total", &in_other);
	if (!in_base || !in_other)
		return;
	s.phase = xstrdup(phase);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct memory_part p = { .name = parts[i].name, .label = parts[i].label };

		p.base = last_value(base, phase, kind, p.name, &in_base);
		p.other = last_value(other, phase, kind, p.name, &in_other);
		if (p.base || p.other)
			*VEC_PUSH(s.parts, s.n_parts) = p;
	}
	*VEC_PUSH(out->v, out->n) = s;
}

int memory_explain(const struct run *base_run, const struct cell_record *base, const struct run *other_run,
		   const struct cell_record *other, unsigned int boot, struct memory_splits *ret, struct err *err)
{
	static const char total[] = ".split.total";
	struct measures a = { 0 }, b = { 0 };
	struct memory_splits out = { 0 };
	int rc = recorded_measures(base_run, base, boot, &a, err);

	if (rc == 0)
		rc = recorded_measures(other_run, other, boot, &b, err);
	for (size_t i = 0; rc == 0 && i < a.n; i++) {
		_cleanup_free_ char *phase = NULL;

		if (!ends_with(a.v[i].name, total))
			continue;
		phase = xstrndup(a.v[i].name, strlen(a.v[i].name) - strlen(total));
		add_split(&out, phase, "split", &a, &b);
		add_split(&out, phase, "charged", &a, &b);
	}
	measures_free(&a);
	measures_free(&b);
	*ret = out;
	return rc;
}

void memory_splits_free(struct memory_splits *splits)
{
	for (size_t i = 0; i < splits->n; i++) {
		free(splits->v[i].phase);
		free(splits->v[i].parts);
	}
	free(splits->v);
	*splits = (struct memory_splits){ 0 };
}
