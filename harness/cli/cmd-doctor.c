// SPDX-License-Identifier: GPL-2.0-or-later
/* What this host can do. Each check tries the thing itself where that is cheap. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "cli/cli.h"
#include "guest/programs.h"

#define BUILD_DISK_BYTES (UINT64_C(3) << 30)
#define DEFAULT_GUEST_BYTES (UINT64_C(3) << 30)

enum verdict { FINE, LIMITED, MISSING };

struct finding {
	enum verdict verdict;
	char *detail, *fix; /* owned; fix NULL: nothing to be done */
};

static struct finding finding(enum verdict verdict, char *detail, const char *fix)
{
	return (struct finding){ verdict, detail, xstrdup(fix) };
}

static struct finding check_qemu(const struct host_caps *caps)
{
	if (!caps->qemu)
		return finding(MISSING, xstrdup("qemu-system-aarch64 is not on PATH"), "make deps");
	return finding(FINE, xasprintf("%s, %s", caps->qemu, caps->qemu_version), NULL);
}

static struct finding check_kvm(const struct host_caps *caps)
{
	if (caps->kvm)
		return finding(FINE, xstrdup("an arm64 guest starts under KVM: basis hardware"), NULL);
	return finding(LIMITED,
		       xasprintf("%s: basis simulated (instructions and memory, no time)",
				 caps->kvm_reason ? caps->kvm_reason : "no QEMU to try it with"),
		       NULL);
}

static struct finding check_libvirt(const struct host_caps *caps)
{
	_cleanup_free_ char *program = granule_program_path("granule-boot"), *out = NULL;
	char *argv[] = { program, (char *)"--check", NULL };
	struct err err = ERR_INIT;
	int rc;

	(void)caps;
	rc = proc_capture(argv, now_ns() + 30 * NSEC_PER_SEC, 4096, &out, &err);
	if (rc < 0)
		return finding(MISSING, xstrdup(err.msg), "make");
	if (out && *out)
		out[strcspn(out, "\n")] = '\0';
	if (rc)
		return finding(MISSING, steal_ptr(out), "make deps");
	return finding(FINE, steal_ptr(out), NULL);
}

static struct finding check_compiler(const struct host_caps *caps)
{
	static const char *const tools[] = { "make", "flex", "bison", "bc", "xz", "tar", "apt-get", "dpkg-deb" };
#ifdef __aarch64__
	const char *cc = "gcc";
#else
	const char *cc = "aarch64-linux-gnu-gcc";
#endif
	_cleanup_free_ char *path = proc_find(cc);

	(void)caps;
	if (!path)
		return finding(MISSING, xasprintf("%s is not on PATH: kernels cannot be built", cc), "make deps");
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		_cleanup_free_ char *tool = proc_find(tools[i]);

		if (!tool)
			return finding(MISSING, xasprintf("%s is not on PATH: kernels cannot be built", tools[i]),
				       "make deps");
	}
	return finding(FINE, steal_ptr(path), NULL);
}

static struct finding check_guest_programs(const struct host_caps *caps)
{
	_cleanup_free_ char *agent = guest_program_path("agent");

	(void)caps;
	if (!path_exists(agent))
		return finding(MISSING, xasprintf("%s is not there", agent), "make");
	return finding(FINE, steal_ptr(agent), NULL);
}

static struct finding check_cache(const struct host_caps *caps)
{
	_cleanup_free_ char *dir = cache_dir();
	struct err err = ERR_INIT;
	uint64_t free_bytes;
	char size[24];

	(void)caps;
	if (make_dirs(dir, &err) < 0)
		return finding(MISSING, xstrdup(err.msg), "set GRANULE_CACHE to a folder you can write");
	if (access(dir, W_OK) < 0)
		return finding(MISSING, xasprintf("%s: %s", dir, strerror(errno)),
			       "set GRANULE_CACHE to a folder you can write");
	free_bytes = disk_free_bytes(dir);
	size_human((double)free_bytes, size);
	if (free_bytes < BUILD_DISK_BYTES)
		return finding(LIMITED, xasprintf("%s: %s free, a kernel build wants 3 GiB", dir, size),
			       "granule images gc");
	return finding(FINE, xasprintf("%s, %s free", dir, size), NULL);
}

static struct finding check_memory(const struct host_caps *caps)
{
	char size[24];

	size_human((double)caps->memory_bytes, size);
	if (caps->memory_bytes < DEFAULT_GUEST_BYTES)
		return finding(LIMITED, xasprintf("%s available; a guest has 3 GiB unless the matrix says less", size),
			       "guest: { memory: 1GiB }");
	return finding(FINE,
		       xasprintf("%s available, %llu cpus: %llu guests of 3 GiB at a time", size,
				 (unsigned long long)caps->cpus,
				 (unsigned long long)(caps->memory_bytes / DEFAULT_GUEST_BYTES < caps->cpus
							      ? caps->memory_bytes / DEFAULT_GUEST_BYTES
							      : caps->cpus)),
		       NULL);
}

static const struct {
	const char *name;
	struct finding (*check)(const struct host_caps *caps);
} checks[] = {
	{ "qemu", check_qemu },
	{ "kvm", check_kvm },
	{ "libvirt", check_libvirt },
	{ "compiler", check_compiler },
	{ "guest", check_guest_programs },
	{ "cache", check_cache },
	{ "memory", check_memory },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	(void)state;
	return key == ARGP_KEY_ARG ? ARGP_ERR_UNKNOWN : 0;
}

static const struct argp argp = { NULL,
				  parse,
				  "",
				  "Print what this host can do, what is missing, and the command that fixes it.\vExit "
				  "code 0: granule can run here; 3: something is missing.",
				  NULL,
				  NULL,
				  NULL };

int cmd_doctor(int argc, char **argv)
{
	static const char *const words[] = { "ok", "limited", "missing" };
	struct host_caps caps = { 0 };
	struct err err = ERR_INIT;
	bool missing = false;

	if (!cli_parse(&argp, argc, argv, NULL))
		return 2;
	if (host_probe(&caps, &err) < 0)
		return cli_fail(&err);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		struct finding f = checks[i].check(&caps);

		printf("%-9s %-8s %s\n", checks[i].name, words[f.verdict], f.detail);
		if (f.fix)
			printf("%18s fix: %s\n", "", f.fix);
		missing = missing || f.verdict == MISSING;
		free(f.detail);
		free(f.fix);
	}
	host_caps_free(&caps);
	return missing ? 3 : 0;
}
