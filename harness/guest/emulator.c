// SPDX-License-Identifier: GPL-2.0-or-later
/* Names an emulator by its files. Does not look into libraries: a package that is built again changes its files' times,
 * and a result repeated for nothing costs seconds. */
#include "guest/emulator.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "guest/probe.h"

#define LDD_DEADLINE_NS (10 * NSEC_PER_SEC)
#define LDD_OUTPUT_MAX (1 << 20)
#define VERSION_MAX 8192

static int add_file(struct emulator *e, const char *path, struct text *all, struct err *err)
{
	struct emulator_file *f;
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set_errno(err, ERR_HOST, "%s", path);
	f = VEC_PUSH(e->files, e->n_files);
	*f = (struct emulator_file){ xstrdup(path), st.st_size, st.st_mtim };
	text_add(all, "%s %" PRId64 " %" PRId64 ".%09ld\n", path, (int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec,
		 st.st_mtim.tv_nsec);
	return 0;
}

/* The libraries that the loader would give @program, those with @only in their path (NULL: all). ldd's lines are
 * "NAME => PATH (ADDRESS)" or "PATH (ADDRESS)". */
static int add_libraries(struct emulator *e, const char *program, const char *only, struct text *all, struct err *err)
{
	char *argv[] = { (char *)"ldd", (char *)program, NULL };
	_cleanup_free_ char *out = NULL;
	char *save = NULL;
	int rc = proc_capture(argv, now_ns() + LDD_DEADLINE_NS, LDD_OUTPUT_MAX, &out, err);

	if (rc < 0)
		return -1;
	/* nothing for the loader to do: a static program is all in its own bytes */
	if (rc > 0)
		return 0;
	for (char *line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *path = strchr(line, '/');

		if (!path)
			continue;
		path[strcspn(path, " ")] = '\0';
		if ((!only || strstr(path, only)) && add_file(e, path, all, err) < 0)
			return -1;
	}
	return 0;
}

static int check_program(const char *program, struct err *err)
{
	_cleanup_fclose_ FILE *f = fopen(program, "re");
	char magic[4];

	if (!f)
		return err_set_errno(err, ERR_HOST, "%s", program);
	if (fread(magic, 1, sizeof(magic), f) != sizeof(magic) || memcmp(magic, "\177ELF", sizeof(magic)) != 0)
		return err_set(err, ERR_HOST, "%s is a script, and what it runs is not known", program);
	return 0;
}

int emulator_read(const char *program, const char *version, const char *boot, struct emulator *ret, struct err *err)
{
	struct emulator e = { 0 };
	struct text all = { 0 };
	int rc = check_program(program, err);

	if (rc == 0)
		rc = sha256_file(program, e.sha256, err);
	if (rc == 0)
		text_add(&all, "%s %s\n", version ? version : "", e.sha256);
	if (rc == 0)
		rc = add_file(&e, program, &all, err);
	if (rc == 0)
		rc = add_libraries(&e, program, NULL, &all, err);
	if (rc == 0 && boot)
		rc = add_libraries(&e, boot, "libvirt", &all, err);
	if (rc == 0) {
		sha256_bytes(all.s, all.len, e.sha256);
		*ret = e;
	} else {
		emulator_free(&e);
	}
	text_free(&all);
	return rc;
}

char *emulator_version(const char *program, const char *dir)
{
	_cleanup_free_ char *path = path_join(dir, "qemu-version"), *text = NULL;
	_cleanup_(text_free) struct text known = { 0 };
	struct emulator e = { 0 };
	char *version = NULL;

	if (check_program(program, NULL) == 0 && add_file(&e, program, &known, NULL) == 0 &&
	    file_read(path, VERSION_MAX, &text, NULL, NULL) == 0 && starts_with(text, known.s))
		version = xstrdup(text + known.len);
	if (!version) {
		version = qemu_version(program);
		if (version && known.len) {
			text_add(&known, "%s", version);
			file_write_atomic(path, known.s, known.len, NULL);
		}
	}
	emulator_free(&e);
	return version;
}

bool emulator_unchanged(const struct emulator *e)
{
	for (size_t i = 0; i < e->n_files; i++) {
		const struct emulator_file *f = &e->files[i];
		struct stat st;

		if (stat(f->path, &st) < 0 || st.st_size != f->size || st.st_mtim.tv_sec != f->mtime.tv_sec ||
		    st.st_mtim.tv_nsec != f->mtime.tv_nsec)
			return false;
	}
	return true;
}

void emulator_free(struct emulator *e)
{
	for (size_t i = 0; i < e->n_files; i++)
		free(e->files[i].path);
	free(e->files);
	*e = (struct emulator){ 0 };
}
