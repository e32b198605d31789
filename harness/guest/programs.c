// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds programs relative to the one that runs. Does not look into them. */
#include "guest/programs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"

/* The folder of /proc/self/exe, owned by the caller. A test in build/tests/ counts as being in build/. */
static char *own_dir(void)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n <= 0)
		return xstrdup(".");
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return xstrdup(".");
	*slash = '\0';
	slash = strrchr(exe, '/');
	if (slash && strcmp(slash, "/tests") == 0)
		*slash = '\0';
	return xstrdup(exe);
}

char *guest_program_path(const char *built)
{
	const char *libdir = getenv("GRANULE_LIBDIR");
	_cleanup_free_ char *dir = own_dir();
	_cleanup_free_ char *beside = xasprintf("%s/guest/%s", dir, built);
	_cleanup_free_ char *installed = xasprintf("%s/../lib/granule/guest/%s", dir, built);

	if (libdir && *libdir)
		return path_join(libdir, built);
	if (!path_exists(beside) && path_exists(installed))
		return steal_ptr(installed);
	return steal_ptr(beside);
}

char *granule_program_path(const char *name)
{
	_cleanup_free_ char *dir = own_dir();
	_cleanup_free_ char *beside = path_join(dir, name);
	_cleanup_free_ char *installed = xasprintf("%s/../lib/granule/%s", dir, name);
	char *found;

	if (access(beside, X_OK) == 0)
		return steal_ptr(beside);
	if (access(installed, X_OK) == 0)
		return steal_ptr(installed);
	found = proc_find(name);
	return found ? found : steal_ptr(beside);
}

/* Which interface a QEMU has: plugin/qemu.h. */
static int plugin_api(const char *qemu_version)
{
	int major = 0, minor = 0;

	if (!qemu_version || sscanf(qemu_version, "%d.%d", &major, &minor) != 2)
		return 3;
	return major > 9 || (major == 9 && minor >= 1) ? 3 : 1;
}

char *built_file_path(const char *file)
{
	_cleanup_free_ char *dir = own_dir();
	_cleanup_free_ char *beside = path_join(dir, file);
	_cleanup_free_ char *installed = xasprintf("%s/../lib/granule/%s", dir, file);

	return path_exists(installed) && !path_exists(beside) ? steal_ptr(installed) : steal_ptr(beside);
}

char *plugin_path(const char *name, const char *qemu_version)
{
	_cleanup_free_ char *file = xasprintf("plugin/%s-v%d.so", name, plugin_api(qemu_version));

	return built_file_path(file);
}
