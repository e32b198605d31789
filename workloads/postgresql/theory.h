/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a base page costs a server by arithmetic alone: page tables and the ends of files. Pure. What was measured beside it is in
 * README.md. */
#ifndef GRANULE_WORKLOADS_POSTGRESQL_THEORY_H
#define GRANULE_WORKLOADS_POSTGRESQL_THEORY_H

#include <stdint.h>

/* What one table of the lowest level maps. It is a base page of 8-byte entries, each of which maps a base page: 2 MiB at 4K, 32 MiB at
 * 16K, 512 MiB at 64K (Documentation/arch/arm64/memory.rst). */
uint64_t table_reach(uint64_t page_bytes);

/* Page tables of the lowest level of @processes that have each touched all of a mapping of @bytes: each has tables of its own, also
 * where they share the memory. The mapping begins where a table does; one that does not takes one table more. */
uint64_t table_bytes(uint64_t page_bytes, uint64_t bytes, uint64_t processes);

/* The largest mapping for which tables of @small pages take no more than those of @large ones. Up to it the one whole page that a table
 * is at least decides, above it their number. 32 MiB for 4K and 64K, 128 MiB for 16K and 64K, 8 MiB for 4K and 16K. */
uint64_t table_crossover(uint64_t small, uint64_t large);

/* What the page cache holds behind the end of a file of @bytes that is all in it. */
uint64_t file_rounding(uint64_t page_bytes, uint64_t bytes);

#endif
