/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What observe.sh brings out of a guest beside pgbench's own output: the server's counters and the device's before and after a run,
 * settings, double buffering. Of PostgreSQL 15 to 18. Pure; trusts nothing in it. */
#ifndef GRANULE_WORKLOADS_POSTGRESQL_OBSERVED_H
#define GRANULE_WORKLOADS_POSTGRESQL_OBSERVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* By how much they grew. NAN: this version has no such counter, or there is no device. */
struct io_counts {
	double wal_records, wal_full_pages; /* number; the latter are whole pages in records */
	double wal_bytes;		    /* of records */
	double wal_written; /* what was written to WAL files, the last page again and again; from 18 on */
	double data_written; /* bytes of relations' blocks, checkpoints' and everyone's, and what files were extended by */
	double device_read, device_written; /* bytes */
};

/* @text is an OUT.io. @block_bytes: of the server. ERR_GUEST: a part is missing, a counter that every version has is missing, or
 * one went back. */
int io_counts_parse(const char *text, double block_bytes, struct io_counts *ret, struct err *err);

/* The setting @name of an OUT.settings, without its unit, cut at @size; false: it has none. */
bool pg_setting(const char *text, const char *name, char *buf, size_t size);
/* The same as a number, NAN if it is none. */
double pg_setting_number(const char *text, const char *name);

/* Bytes, as guest/buffered.c defines them. */
struct buffered {
	bool in_memory; /* the data lie in a tmpfs: nothing else is known */
	double shared, files, cached, behind, both, wal_cached;
};

/* @text is an OUT.buffers. ERR_GUEST: a number is missing, they contradict each other, or buffers belong to no file. */
int buffered_parse(const char *text, struct buffered *ret, struct err *err);

#endif
