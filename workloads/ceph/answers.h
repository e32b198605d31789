/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rados bench and the admin sockets of Ceph 18 print. Pure; trusts nothing in it, for it comes from a guest. */
#ifndef GRANULE_WORKLOADS_CEPH_ANSWERS_H
#define GRANULE_WORKLOADS_CEPH_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* `rados bench ... --format=json`. What a kind of run does not print is NAN. */
struct bench_report {
	bool write;
	double operations; /* done */
	double op_bytes;   /* of each */
	double seconds;	   /* from the first to the last */
	double iops, mib_per_s;
	double latency_avg_s, latency_min_s, latency_max_s, latency_stddev_s; /* the last of writes only */
};

/* @output is what the program printed, both streams. ERR_GUEST: there is no report, it lacks a value, or nothing was
 * done. */
int bench_parse(const char *output, struct bench_report *ret, struct err *err);

/* tcmalloc's statistics, by the command `heap stats`, in bytes. */
struct heap_stats {
	bool there;		 /* it is not in a build without tcmalloc, and the rest is 0 */
	uint64_t in_use;	 /* by the program */
	uint64_t page_heap_free; /* spans that nobody uses and that were not given back */
	uint64_t central_free, transfer_free, thread_free;
	uint64_t metadata;
	uint64_t used;	   /* all of these */
	uint64_t unmapped; /* given back */
	uint64_t page;	   /* tcmalloc's own */
};

/* ERR_GUEST: neither a table of tcmalloc's, all its lines, nor the word that there is none. */
int heap_parse(const char *text, struct heap_stats *ret, struct err *err);

struct mempool {
	char name[64];
	uint64_t items, bytes;
};

struct mempools {
	struct mempool *v; /* owned, in the daemon's order, the empty ones too */
	size_t n;
	uint64_t items, bytes; /* of all */
};

/* `dump_mempools`. */
int mempools_parse(const char *text, struct mempools *ret, struct err *err);
void mempools_free(struct mempools *mempools);

/* `perf dump bluestore-pricache`: what the cache may take and what it takes. */
struct pricache {
	bool there; /* it is not with bluestore_cache_autotune=false */
	double target, mapped, unmapped, heap, cache;
};

int pricache_parse(const char *text, struct pricache *ret, struct err *err);

/* A file of answers (guest/asok.c -a): sections behind "== LABEL NS". */
struct reading {
	const char *label, *text; /* borrowed from the file's text; both end with a NUL */
	uint64_t ns;		  /* the guest's clock when it came */
};

/* The next section of *@text (changed in place); false at the end. What is before the first line of that shape is
 * passed over. */
bool reading_next(char **text, struct reading *ret);

#endif
