// SPDX-License-Identifier: GPL-2.0-or-later
#include "theory.h"

#define ENTRY_BYTES 8

uint64_t table_reach(uint64_t page_bytes)
{
	return page_bytes / ENTRY_BYTES * page_bytes;
}

uint64_t table_bytes(uint64_t page_bytes, uint64_t bytes, uint64_t processes)
{
	uint64_t reach = table_reach(page_bytes);

	return (bytes + reach - 1) / reach * page_bytes * processes;
}

uint64_t table_crossover(uint64_t small, uint64_t large)
{
	return large / small * table_reach(small);
}

uint64_t file_rounding(uint64_t page_bytes, uint64_t bytes)
{
	uint64_t rest = bytes % page_bytes;

	return rest ? page_bytes - rest : 0;
}
