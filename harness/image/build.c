// SPDX-License-Identifier: GPL-2.0-or-later
/* Configures and compiles one kernel in a directory of its own. Knows no cache and no lock. */
#include "image/build.h"

#include <sched.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/kconfig.h"
#include "image/same.h"
#include "image/tool.h"

#define MICRO_STEPS 1130 /* steps of micro: 1103 for 6.12, 1166 for 7.2 */
#define FULL_STEPS 1670	 /* of 6.12's full */
#define MAX_ARGS 40

/* One make command line. */
struct command {
	const char *argv[MAX_ARGS];
	size_t n;
	char *owned[12];
	size_t n_owned;
};

static void command_clear(struct command *c)
{
	for (size_t i = 0; i < c->n_owned; i++)
		free(c->owned[i]);
}

static void arg(struct command *c, const char *s)
{
	c->argv[c->n++] = s;
}

static void arg_owned(struct command *c, char *s)
{
	c->owned[c->n_owned++] = s;
	arg(c, s);
}

/* env -i: CFLAGS, KCFLAGS, MAKEFLAGS (with a parent make's job server) and LOCALVERSION of the caller stay out. */
static void make_command(struct command *c, const struct recipe *r, const char *tree, const char *obj)
{
	const char *path = getenv("PATH"), *tmp = getenv("TMPDIR");

	arg(c, "env");
	arg(c, "-i");
	arg_owned(c, xasprintf("PATH=%s", path ? path : "/usr/bin:/bin"));
	arg(c, "LC_ALL=C");
	arg(c, "HOME=/");
	if (tmp)
		arg_owned(c, xasprintf("TMPDIR=%s", tmp));
	arg(c, "make");
	arg(c, "-C");
	arg(c, tree);
	arg_owned(c, xasprintf("O=%s", obj));
	arg_owned(c, xasprintf("CROSS_COMPILE=%s", r->cross));
	for (const char *const *v = recipe_make_vars; *v; v++)
		arg(c, *v);
	/* Paths of this machine must not reach the Image; only the paths' names differ, so they stay out of the digest. */
	arg_owned(c, xasprintf("KCFLAGS=-ffile-prefix-map=%s=/linux -ffile-prefix-map=%s=/obj", tree, obj));
	arg_owned(c, xasprintf("KAFLAGS=-ffile-prefix-map=%s=/linux -ffile-prefix-map=%s=/obj", tree, obj));
}

static int check_tools(struct err *err)
{
	static const char *const tools[] = { "make", "gcc", "ld", "flex", "bison", "bc", "awk", "env", NULL };
	_cleanup_free_ char *missing = tools_missing(tools);

	if (missing)
		return err_set(err, ERR_HOST, "missing: %s, needed to build a kernel; `make deps` installs them",
			       missing);
	return 0;
}

/* make alldefconfig from @text into @obj/@dot. */
static int alldefconfig(const struct recipe *r, const char *tree, const char *obj, const char *dot, const char *text,
			char **ret_config, struct err *err)
{
	_cleanup_free_ char *wanted = path_join(obj, "granule.config"), *log = path_join(obj, "config.log"),
			    *path = path_join(obj, dot);
	_cleanup_(command_clear) struct command c = { 0 };

	if (file_write_atomic(wanted, text, strlen(text), err) < 0)
		return -1;
	make_command(&c, r, tree, obj);
	arg_owned(&c, xasprintf("KCONFIG_CONFIG=%s", dot));
	arg_owned(&c, xasprintf("KCONFIG_ALLCONFIG=%s", wanted));
	arg(&c, "-s");
	arg(&c, "alldefconfig");
	if (tool_run(c.argv, log, NULL, NULL, err) < 0)
		return err_wrap(err, "configuring Linux %s", r->version);
	return file_read(path, 4 << 20, ret_config, NULL, err);
}

/* Compare with every text that it was made of, and with what must hold. */
static int check_resolved(const struct recipe *r, const char *config, struct err *err)
{
	_cleanup_free_ struct kconfig_text *wants = xcalloc(r->n_configs + 3, sizeof(*wants));
	size_t n = 0;

	for (; n < r->n_configs; n++)
		wants[n] = (struct kconfig_text){ r->configs[n].name, r->configs[n].text };
	wants[n++] = (struct kconfig_text){ r->pages_name, r->pages };
	wants[n++] = (struct kconfig_text){ "must-hold.config", r->must };
	wants[n++] = (struct kconfig_text){ "set", r->set };
	return kconfig_check(config, wants, n, r->absent, r->absent_name, err);
}

static int build_resolve(const struct recipe *r, const char *tree, const char *obj, char **ret_config, struct err *err)
{
	_cleanup_free_ char *text = recipe_config(r, r->n_configs), *config = NULL, *before = NULL, *base = NULL;

	if (check_tools(err) < 0 || alldefconfig(r, tree, obj, ".config", text, &config, err) < 0)
		return -1;
	if (check_resolved(r, config, err) < 0)
		return err_wrap(err, "Linux %s at %u KiB pages", r->version, (unsigned)(r->spec->page_bytes >> 10));
	if (r->differs) {
		before = recipe_config(r, r->n_configs - 1);
		if (alldefconfig(r, tree, obj, "base.config", before, &base, err) < 0)
			return -1;
		if (same_check(tree, base, config, r->differs, r->differs_name, err) < 0)
			return err_wrap(err, "%s of Linux %s at %u KiB pages", r->config_name, r->version,
					(unsigned)(r->spec->page_bytes >> 10));
	}
	*ret_config = steal_ptr(config);
	return 0;
}

struct compiling {
	image_progress *progress;
	void *ctx;
	char *what; /* owned */
	unsigned steps, expected;
	uint64_t begin_ns;
};

/* make says "  CC      mm/memory.o" for every step. Its quick steps (WRAP, GEN) do not count: they all come first. */
static bool is_step(const char *line)
{
	static const char *const steps[] = { "  CC  ", "  AS  ", "  LD  ", "  AR  ", "  HOSTCC  " };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (starts_with(line, steps[i]))
			return true;
	}
	return false;
}

static void count_step(void *ctx, const char *line)
{
	struct compiling *c = ctx;
	double elapsed = (double)(now_ns() - c->begin_ns) / 1e9, fraction;

	if (line) {
		c->steps += is_step(line);
		return;
	}
	fraction = c->expected != BUILD_STEPS_UNKNOWN ? (double)c->steps / c->expected : -1;
	if (fraction > 0.99)
		fraction = 0.99;
	c->progress(c->ctx, c->what, fraction, fraction > 0.03 ? (int)(elapsed / fraction * (1 - fraction) + 0.5) : -1);
}

static unsigned cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* make ended by itself, and what it says is not that the host has no room left: then it is the source's fault. */
static bool source_is_wrong(const struct err *err)
{
	static const char *const host[] = { "No space left on device", "Killed",	"killed by signal",
					    "Cannot allocate memory",  "out of memory", "Input/output error" };

	for (size_t i = 0; i < ARRAY_SIZE(host); i++)
		if (strstr(err->msg, host[i]))
			return false;
	return err->kind == ERR_HOST && starts_with(err->msg, "make: exit status");
}

static int build_compile(const struct recipe *r, const char *name, const char *tree, const char *obj, const char *log,
			 unsigned expected_steps, image_progress *progress, void *ctx, unsigned *ret_steps,
			 struct err *err)
{
	_cleanup_(command_clear) struct command c = { 0 };
	_cleanup_free_ char *what = xasprintf("%s: compiling", name);
	struct err why = ERR_INIT;
	struct compiling count = { .progress = progress,
				   .ctx = ctx,
				   .what = what,
				   .begin_ns = now_ns(),
				   .expected = expected_steps	  ? expected_steps
					       : r->n_configs > 1 ? FULL_STEPS
								  : MICRO_STEPS };

	make_command(&c, r, tree, obj);
	arg_owned(&c, xasprintf("-j%u", cpus()));
	arg(&c, "Image");
	if (tool_run(c.argv, log, count_step, &count, &why) < 0)
		return err_set(err, source_is_wrong(&why) ? ERR_BUILD : why.kind, "building %s: %s", name, why.msg);
	*ret_steps = count.steps;
	return 0;
}

const struct kernel_builder kernel_builder_real = {
	.toolchain = recipe_toolchain_host,
	.fetch = source_fetch,
	.extract = source_extract,
	.resolve = build_resolve,
	.compile = build_compile,
};
