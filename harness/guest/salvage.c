// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls granule-image, which alone knows libguestfs. */
#include "guest/salvage.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "guest/programs.h"
#include "image/tool.h"
#include "store/artifact.h"
#include "wire/job.h"
#include "wire/wire.h"

bool salvage_needed(const char *job, const char *stream, size_t len)
{
	struct wire_record r = { 0 };
	size_t offset = 0;
	bool ended = false;

	if (!job || !strstr(job, "\nbind\t" JOB_DISK_LOGS "\t"))
		return false;
	for (uint32_t n = 0; wire_next(stream, len, &offset, n, &r) == WIRE_OK; n++)
		ended = r.type == WIRE_END;
	return !ended;
}

/* What has a name that the job knows. */
static int take_files(const char *job, const char *from, const char *to, struct err *err)
{
	DIR *d = opendir(from);
	int rc = 0;

	for (struct dirent *e; d && rc == 0 && (e = readdir(d));) {
		_cleanup_free_ char *is = path_join(from, e->d_name), *becomes = path_join(to, e->d_name);

		if (artifact_expected(job, e->d_name) && rename(is, becomes) < 0)
			rc = err_set_errno(err, ERR_HOST, "%s", becomes);
	}
	if (d)
		closedir(d);
	return rc;
}

int salvage_logs(const char *job, const char *disk, const char *dir, struct err *err)
{
	_cleanup_free_ char *program = granule_program_path("granule-image"), *to = path_join(dir, "artifacts"),
			    *from = path_join(dir, "artifacts.disk");
	/* on the disk, the folder that JOB_DISK_LOGS is in the guest */
	const char *glob = JOB_DISK_LOGS "/*.log" + strlen(JOB_STORAGE_DIR);
	const char *argv[] = { program, "logs", disk, from, glob, NULL };
	int rc;

	if (make_dirs(to, err) < 0)
		return -1;
	rc = tool_run(argv, NULL, NULL, NULL, err);
	if (rc == 0)
		rc = take_files(job, from, to, err);
	remove_tree(from, NULL);
	return rc;
}
