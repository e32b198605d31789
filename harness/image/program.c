// SPDX-License-Identifier: GPL-2.0-or-later
/* Two runs of the compiler: what it would read is the key, then the program. Knows no workload. */
#include "image/program.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/sha256.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/recipe.h"

#define COMPILE_S 120
#define OUTPUT_CAP (16u << 20) /* a preprocessed file is a hundred KiB */
#define LINES_SHOWN 4

/* As the Makefile builds granule's own. Upstream's sources are not held to its warnings. */
static const char *const flags[] = {
	"-std=gnu11", "-O2", "-g0", "-w", "-fno-diagnostics-show-caret", "-fdiagnostics-color=never", "-pthread", NULL
};
static const char *const link_flags[] = { "-static", "-s", "-Wl,--build-id=none", "-Wl,--wrap=socketpair", NULL };

struct compiler {
	char *program, *version; /* owned */
	char libc[SHA256_HEX_SIZE];
};

static void compiler_clear(struct compiler *c)
{
	free(c->program);
	free(c->version);
}

struct command {
	const char **argv; /* owned, the words are borrowed */
	size_t n;
};

static void command_clear(struct command *c)
{
	free(c->argv);
}

static void add(struct command *c, const char *word)
{
	*VEC_PUSH(c->argv, c->n) = word;
}

static void add_all(struct command *c, const char *const *words)
{
	for (; *words; words++)
		add(c, *words);
}

/* Runs @c; *ret_status is its exit status. */
static int run(struct command *c, char **ret_output, int *ret_status, struct err *err)
{
	add(c, NULL);
	*ret_status =
		proc_capture((char *const *)c->argv, now_ns() + COMPILE_S * NSEC_PER_SEC, OUTPUT_CAP, ret_output, err);
	return *ret_status < 0 ? -1 : 0;
}

/* The first lines of @output that speak of an error, else its first. Owned by the caller. */
static char *complaint(const char *output)
{
	struct text lines = { 0 };
	size_t n = 0;

	for (int any = 0; any < 2 && !n; any++) {
		for (const char *p = output; *p && n < LINES_SHOWN;) {
			size_t len = strcspn(p, "\n");
			_cleanup_free_ char *line = xstrndup(p, len);

			if (any || strstr(line, "error") || strstr(line, "undefined reference")) {
				text_add(&lines, "\n  %s", line);
				n++;
			}
			p += len + (p[len] == '\n');
		}
	}
	return text_steal(&lines);
}

static int find_compiler(struct compiler *c, struct err *err)
{
	_cleanup_(command_clear) struct command ask = { 0 };
	_cleanup_free_ char *cross = NULL, *out = NULL;
	int status;

	if (recipe_toolchain_host(&cross, &c->version, err) < 0)
		return -1;
	c->program = xasprintf("%sgcc", cross);
	add(&ask, c->program);
	add(&ask, "-print-file-name=libc.a");
	if (run(&ask, &out, &status, err) < 0)
		return -1;
	out[strcspn(out, "\n")] = '\0';
	if (sha256_file(out, c->libc, NULL) < 0)
		return err_set(err, ERR_HOST,
			       "%s has no static C library for arm64; `make deps` installs it "
			       "(Debian's package libc6-dev-arm64-cross)",
			       c->program);
	return 0;
}

/* gcc, flags, @source's folder for what it includes, and no trace of where that folder is. */
static void begin_command(struct command *c, const struct compiler *cc, const char *include, const char *map)
{
	add(c, cc->program);
	add_all(c, flags);
	add(c, include);
	add(c, map);
}

static int failed(const struct compiler *cc, const char *source, const char *output, struct err *err)
{
	_cleanup_free_ char *lines = complaint(output);

	return err_set(err, ERR_CONFIG, "%s does not build with %s:%s", source, cc->program, lines);
}

static int digest_inputs(const struct compiler *cc, const char *source, const char *object, const char *include,
			 const char *map, char ret[SHA256_HEX_SIZE], struct err *err)
{
	_cleanup_(command_clear) struct command c = { 0 };
	_cleanup_free_ char *text = NULL;
	char source_hex[SHA256_HEX_SIZE], object_hex[SHA256_HEX_SIZE];
	struct text all = { 0 };
	int status;

	begin_command(&c, cc, include, map);
	add(&c, "-E");
	add(&c, "-P");
	add(&c, source);
	if (run(&c, &text, &status, err) < 0)
		return -1;
	if (status != 0)
		return failed(cc, source, text, err);
	if (sha256_file(object, object_hex, err) < 0)
		return err_wrap(err, "a program for the guest is missing (run `make`)");
	sha256_bytes(text, strlen(text), source_hex);
	text_add(&all, "%s\n%s\n%s\n%s\n", source_hex, object_hex, cc->libc, cc->version);
	for (size_t i = 0; flags[i]; i++)
		text_add(&all, "%s\n", flags[i]);
	for (size_t i = 0; link_flags[i]; i++)
		text_add(&all, "%s\n", link_flags[i]);
	sha256_bytes(all.s, all.len, ret);
	text_free(&all);
	return 0;
}

/* To a name of this process's own first: two runs may build the same. */
static int build(const struct compiler *cc, const char *source, const char *object, const char *include,
		 const char *map, const char *path, struct err *err)
{
	_cleanup_free_ char *fresh = xasprintf("%s.new.%d", path, (int)getpid()), *output = NULL;
	_cleanup_(command_clear) struct command c = { 0 };
	int status;

	begin_command(&c, cc, include, map);
	add_all(&c, link_flags);
	add(&c, source);
	add(&c, object);
	add(&c, "-lrt");
	add(&c, "-o");
	add(&c, fresh);
	if (run(&c, &output, &status, err) < 0)
		return -1;
	if (status != 0) {
		unlink(fresh);
		return failed(cc, source, output, err);
	}
	if (rename(fresh, path) < 0)
		return err_set_errno(err, ERR_HOST, "%s", path);
	return cache_record_file(path, err);
}

int program_ensure_in(const char *cache, const char *source, const char *object, char **ret_path, struct err *err)
{
	const char *slash = strrchr(source, '/'), *name = slash ? slash + 1 : source;
	_cleanup_free_ char *dir = slash ? xstrndup(source, (size_t)(slash - source)) : xstrdup(".");
	_cleanup_free_ char *include = xasprintf("-I%s", dir), *map = xasprintf("-ffile-prefix-map=%s/=", dir);
	_cleanup_free_ char *programs = path_join(cache, "programs"), *path = NULL;
	_cleanup_(compiler_clear) struct compiler cc = { 0 };
	char digest[SHA256_HEX_SIZE];

	if (!path_exists(source))
		return err_set(err, ERR_CONFIG, "%s: no such file", source);
	if (find_compiler(&cc, err) < 0 || digest_inputs(&cc, source, object, include, map, digest, err) < 0)
		return -1;
	path = xasprintf("%s/%.24s-%.*s", programs, digest, (int)strcspn(name, "."), name);
	if (!cache_file_intact(path) &&
	    (make_dirs(programs, err) < 0 || build(&cc, source, object, include, map, path, err) < 0))
		return -1;
	*ret_path = steal_ptr(path);
	return 0;
}

int program_ensure(const char *source, const char *object, char **ret_path, struct err *err)
{
	_cleanup_free_ char *cache = cache_dir();

	return program_ensure_in(cache, source, object, ret_path, err);
}
