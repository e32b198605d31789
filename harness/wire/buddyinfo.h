/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /proc/buddyinfo (frag_show_print() in mm/vmstat.c), which the agent and the host both read: a line a zone, behind its
 * name the free blocks of each order from 0. Blocks on the per-CPU lists are in none of them. libc only. */
#ifndef GRANULE_WIRE_BUDDYINFO_H
#define GRANULE_WIRE_BUDDYINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUDDY_ORDERS_MAX 24

struct buddy_zone {
	char zone[16]; /* "DMA", "Normal"; letters and digits */
	unsigned int node, n_orders;
	uint64_t blocks[BUDDY_ORDERS_MAX]; /* by order */
};

/* The zone of the line at *@offset of @text (need not end with NUL); moves *@offset behind it. Lines that do not parse
 * are passed over. False at the end. */
bool buddy_next(const char *text, size_t len, size_t *offset, struct buddy_zone *ret);
/* The free pages of blocks of @order or more; all of them with 0. */
uint64_t buddy_pages(const struct buddy_zone *zone, unsigned int order);

#endif
