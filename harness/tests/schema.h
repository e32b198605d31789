/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON against docs/schema, by Debian's python3-jsonschema. */
#ifndef GRANULE_TESTS_SCHEMA_H
#define GRANULE_TESTS_SCHEMA_H

#include <jansson.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"

#define SCHEMA_INVALID 65
#define SCHEMA_MISSING 77

/* schema.py's exit code for the file @path; what it said in @ret_said, owned by the caller. */
static inline int schema_check_file(const char *path, char **ret_said)
{
	/* Debian's own python has Debian's modules */
	const char *python = access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
	const char *argv[] = { python, "harness/tests/schema.py", "docs/schema", path, NULL };
	struct err err = ERR_INIT;
	int rc = proc_capture((char *const *)argv, now_ns() + 60 * NSEC_PER_SEC, 1 << 20, ret_said, &err);

	if (rc < 0) {
		*ret_said = xstrdup(err.msg);
		return SCHEMA_MISSING;
	}
	return rc;
}

static inline int schema_check(const char *dir, const json_t *document, char **ret_said)
{
	_cleanup_free_ char *path = path_join(dir, "document.json");

	json_dump_file(document, path, 0);
	return schema_check_file(path, ret_said);
}

/* The document valid, or the test failed; nothing where the validator is missing. */
#define ASSERT_SCHEMA_FILE(path)                                                                                       \
	do {                                                                                                           \
		_cleanup_free_ char *said_ = NULL;                                                                     \
		if (schema_check_file(path, &said_) % SCHEMA_MISSING)                                                  \
			fail_msg("%s", said_);                                                                         \
	} while (0)

#endif
