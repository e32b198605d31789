// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes are a stream that is read within its bounds; what reads as records writes back as the same bytes; whatever
 * measures it (the generic metrics, each workload's) gives numbers or a sentence. */
#include "run/repeat.h"
#include "tests/fuzz.h"

const char *const fuzz_corpus[] = { "harness/tests/corpus/stream", NULL };
const unsigned int fuzz_rounds = 10000;

static void use(const struct wire_record *record, const char *bytes, size_t size)
{
	char *again = malloc(size), text[64];
	uint64_t number;

	for (unsigned int i = 0; i < record->n_fields + 2; i++) {
		wire_text(record, i, text, sizeof(text));
		wire_is(record, i, "ok");
		wire_number(record, i, &number);
	}
	if (wire_put(again, size, record->type, record->sequence, record->time_ns, record->fields, record->n_fields) !=
		    size ||
	    memcmp(again, bytes, size) != 0)
		abort();
	free(again);
}

static void read_records(const char *data, size_t size)
{
	struct wire_record record;
	size_t offset = 0, start = 0;
	uint32_t n = 0;

	while (wire_next(data, size, &offset, n++, &record) == WIRE_OK) {
		if (offset <= start || offset > size)
			abort();
		use(&record, data + start, offset - start);
		start = offset;
	}
	if (offset != start)
		abort();
}

static void measure(char *data, size_t size)
{
	static const char *const workloads[] = { "null", "will-it-scale" };

	for (size_t i = 0; i < 2; i++) {
		struct cell_record cell = { .workload = (char *)workloads[i],
					    .page_bytes = i ? 4096 : 65536,
					    .cpus = 1 + i,
					    .memory_bytes = UINT64_C(1) << 30,
					    .basis = i ? BASIS_HARDWARE : BASIS_SIMULATED };
		struct boot_result boot = { .stream = data, .stream_len = size };
		struct measures measures = { 0 };
		struct err err = ERR_INIT;

		if (boot_measure(&cell, &boot, &measures, &err) < 0 && !*err.msg)
			abort();
		measures_free(&measures);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1), *repaired = malloc(size ? size : 1), *difference;

	memcpy(copy, data, size);
	memcpy(repaired, data, size);
	fuzz_repair_stream(repaired, size);
	read_records(copy, size);
	read_records(repaired, size);
	difference = stream_difference(copy, size, repaired, size);
	if (!difference != !memcmp(copy, repaired, size))
		abort();
	measure(repaired, size);
	free(difference);
	free(copy);
	free(repaired);
	return 0;
}
