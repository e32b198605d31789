// SPDX-License-Identifier: GPL-2.0-or-later
/* Configurations compared with what was asked, and the machine's mirror found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "image/kconfig.h"
#include "image/source.h"

#define RESOLVED                                                                                                       \
	"#\n# Automatically generated file; DO NOT EDIT.\n#\n"                                                         \
	"CONFIG_SWAP=y\n# CONFIG_KSM is not set\nCONFIG_HZ=250\nCONFIG_LOCALVERSION=\"-granule\"\n"                    \
	"CONFIG_ARM64_64K_PAGES=y\nCONFIG_DEBUG_VM=y\n"

static const char absent_list[] = "# a comment\nCONFIG_ARM64_CONTPTE\n";

static void agrees(void **state)
{
	const struct kconfig_text wants[] = {
		{ "micro.config", "# words about CONFIG_SWAP=n\nCONFIG_SWAP=y\n# CONFIG_KSM is not set\n"
				  "# CONFIG_NEVER_HEARD_OF is not set\nCONFIG_ARM64_CONTPTE=y\nCONFIG_HZ=100\n" },
		{ "pages-64k.config", "CONFIG_ARM64_64K_PAGES=y\nCONFIG_HZ=250\nCONFIG_LOCALVERSION=\"-granule\"\n" },
	};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(kconfig_check(RESOLVED, wants, 2, absent_list, "absent-6.1.list", &err), 0);
	assert_int_equal(err.kind, ERR_NONE);
}

/* Every option that did not stick is named at once, and where it was asked for. */
static void did_not_stick(void **state)
{
	const struct kconfig_text wants[] = {
		{ "micro.config", "CONFIG_KSM=y\nCONFIG_EROFS_FS=y\nCONFIG_HZ=100\n" },
		{ "must-hold.config", "# CONFIG_DEBUG_VM is not set\n" },
	};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(kconfig_check(RESOLVED, wants, 2, "", "absent-6.12.list", &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_string_equal(
		err.msg,
		"the configuration did not resolve as asked:"
		"\n  # CONFIG_DEBUG_VM is not set (must-hold.config): it is y"
		"\n  CONFIG_EROFS_FS=y (micro.config): it is not in the resolved .config: a dependency is missing, or "
		"this kernel does not have it"
		"\n  CONFIG_HZ=100 (micro.config): it is 250"
		"\n  CONFIG_KSM=y (micro.config): it is not set");
}

static void stale_absent(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(kconfig_check(RESOLVED, NULL, 0, "CONFIG_KSM\n", "absent-6.12.list", &err), -1);
	assert_string_equal(err.msg,
			    "the configuration did not resolve as asked:\n  CONFIG_KSM: absent-6.12.list says that "
			    "this kernel does not have it, but it does");
}

static void check_mirror(const char *text, bool deb822, const char *codename, const char *uri, const char *keyring)
{
	_cleanup_free_ char *got = NULL, *key = NULL;

	assert_int_equal(source_mirror_parse(text, deb822, codename, &got, &key), uri != NULL);
	if (uri)
		assert_string_equal(got, uri);
	if (keyring)
		assert_string_equal(key, keyring);
	else
		assert_null(key);
}

static void mirrors(void **state)
{
	static const char stanzas[] =
		"Types: deb-src\nURIs: http://src.example/d\nSuites: trixie\nComponents: main\n\n"
		"Types: deb\nURIs: http://security.example/s\nSuites: trixie-security\nComponents: main\n\n"
		"# words\nEnabled: no\nTypes: deb\nURIs: http://off.example/\nSuites: trixie\nComponents: main\n"
		"\t\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: trixie trixie-updates\n"
		"Components: main non-free\nSigned-By: /usr/share/keyrings/k.gpg";

	(void)state;
	check_mirror(stanzas, true, "trixie", "http://mirror.example/debian", "/usr/share/keyrings/k.gpg");
	check_mirror(stanzas, true, "bookworm", NULL, NULL);
	check_mirror("deb http://mirror.example/debian bookworm main\n", false, "bookworm",
		     "http://mirror.example/debian", NULL);
	check_mirror("# deb http://no.example bookworm main\ndeb-src http://no.example bookworm main\n"
		     "deb cdrom:[Debian]/ bookworm main\n"
		     "deb [arch=amd64 signed-by=/k.gpg] https://m.example/d bookworm contrib main\n",
		     false, "bookworm", "https://m.example/d", "/k.gpg");
	check_mirror("deb http://third.example bookworm stable\n", false, "bookworm", NULL, NULL);
}

static void package_names(void **state)
{
	(void)state;
	assert_string_equal(source_kernel_version("linux-source-6.12"), "6.12");
	assert_null(source_kernel_version("linux-source-"));
	assert_null(source_kernel_version("linux-source-6.12/../x"));
	assert_null(source_kernel_version("linux-image-6.12"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees),  cmocka_unit_test(did_not_stick), cmocka_unit_test(stale_absent),
		cmocka_unit_test(mirrors), cmocka_unit_test(package_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
