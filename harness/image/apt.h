/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One Debian package of one suite and architecture, through the machine's own mirror: apt runs on a private configuration
 * below CACHE/apt, so it needs no root and leaves the host's apt alone. Its signed index is where trust comes from. */
#ifndef GRANULE_IMAGE_APT_H
#define GRANULE_IMAGE_APT_H

#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

/* What every function here needs on PATH; NULL-terminated, for tools_missing(). */
extern const char *const apt_tools[];

/* VERSION_CODENAME of this host, "" if it has none; owned by the caller. */
char *apt_host_suite(void);

/* Write the private configuration; @ret_conf is its path, owned by the caller. @arch: Debian's name, NULL for this host's.
 * ERR_HOST: no mirror of this host's suite is known, or the disk. */
int apt_prepare(const char *cache, const char *suite, const char *arch, char **ret_conf, struct err *err);

/* Fetch the package index. Output goes to @log. ERR_CONFIG: the mirror has no such suite. */
int apt_update(const char *conf, const char *suite, const char *log, struct err *err);

/* What the index says of one package. */
struct apt_package {
	char *version, *depends; /* owned; depends is NULL where it needs nothing */
	char sha256[SHA256_HEX_SIZE];
	uint64_t bytes, unpacked_bytes; /* 0: not said */
};

void apt_package_clear(struct apt_package *package);
/* @version NULL: the newest. ERR_CONFIG: the suite has none. */
int apt_show(const char *conf, const char *suite, const char *package, const char *version,
	     struct apt_package *ret_package, struct err *err);
/* Version (owned by the caller) and SHA256 of the newest @package. ERR_CONFIG: the suite has none. */
int apt_candidate(const char *conf, const char *suite, const char *package, char **ret_version,
		  char ret_sha256[SHA256_HEX_SIZE], struct err *err);

/* Download @package=@version into the folder @work, which holds no other, and compare it with @sha256; @ret_deb is its path,
 * owned by the caller. */
int apt_download(const char *conf, const char *package, const char *version, const char *sha256, const char *work,
		 const char *log, char **ret_deb, struct err *err);
/* The same, and unpack it there. */
int apt_unpack(const char *conf, const char *package, const char *version, const char *sha256, const char *work,
	       const char *log, struct err *err);

/* The value of "@name: " in @text, which begins with a newline; owned by the caller, NULL if absent. */
char *apt_field(const char *text, const char *name);

/* ERR_HOST unless @path has the digest @hex. */
int sha256_expect(const char *path, const char *hex, struct err *err);

#endif
