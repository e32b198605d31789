/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A make that "builds" kernels for whole-program tests: the file `kernel` of a tree says what its kernel does
 * (guest/fake.c); "broken" does not compile. */
#ifndef GRANULE_TESTS_KERNEL_MAKE_H
#define GRANULE_TESTS_KERNEL_MAKE_H

#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "tests/pipeline.h"

/* What granule asks of make: alldefconfig and Image. $0's folder has a file `full` while the host's disk is, and
 * `slow` while it takes half a minute to build; then it leaves `seen`. */
static const char kernel_make_text[] =
	"#!/bin/sh\n"
	"for a in \"$@\"; do\n"
	"	case $a in O=*) obj=${a#O=};; KCONFIG_ALLCONFIG=*) all=${a#*=};; KCONFIG_CONFIG=*) dot=${a#*=};; esac\n"
	"	[ \"$last\" = -C ] && tree=$a\n"
	"	last=$a\n"
	"done\n"
	"[ \"$last\" = alldefconfig ] && exec cp \"$all\" \"$obj/$dot\"\n"
	"[ -e \"${0%/*}/full\" ] && { echo 'cc1: error: No space left on device'; exit 2; }\n"
	"[ -e \"${0%/*}/slow\" ] && touch \"${0%/*}/seen\" && sleep 30\n"
	"how=$(cat \"$tree/kernel\")\n"
	"[ \"$how\" = broken ] && { echo 'mm/memory.c:1:1: error: broken'; exit 2; }\n"
	"mkdir -p \"$obj/arch/arm64/boot\"\n"
	"{ head -c 24 /dev/zero; printf '\\016'; head -c 31 /dev/zero; printf 'ARM\\144'; head -c 196 /dev/zero\n"
	"  printf 'Linux version 6.12.0+%s (granule@granule)' \"$how\"; head -c 700 /dev/zero\n"
	"} >\"$obj/arch/arm64/boot/Image\"\n"
	"echo map >\"$obj/System.map\"\n";

/* Put it before PATH, with recipes that it can follow, a cache and a fake guest; all under @dir. Returns the folder
 * of make, owned by the caller. */
static inline char *kernel_make_install(const char *dir)
{
	static const char *const recipes[][2] = { { "micro.config", "CONFIG_SWAP=y\n" },
						  { "pages-64k.config", "CONFIG_ARM64_64K_PAGES=y\n" },
						  { "must-hold.config", "" } };
	_cleanup_free_ char *images = path_join(dir, "images"), *kernels = path_join(images, "kernels"),
			    *cache = path_join(dir, "cache"), *make = NULL, *path = NULL;
	char *bin = path_join(dir, "bin");

	assert_int_equal(make_dirs(bin, NULL) + make_dirs(kernels, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(recipes); i++)
		free(scratch_write(kernels, recipes[i][0], recipes[i][1], strlen(recipes[i][1])));
	make = scratch_write(bin, "make", kernel_make_text, strlen(kernel_make_text));
	assert_int_equal(chmod(make, 0755), 0);
	path = xasprintf("%s:%s", bin, getenv("PATH"));
	setenv("PATH", path, 1);
	setenv("GRANULE_CACHE", cache, 1);
	setenv("GRANULE_IMAGES", images, 1);
	setenv("GRANULE_FAKE", "1", 1);
	setenv("CI", "1", 1);
	return bin;
}

#endif
