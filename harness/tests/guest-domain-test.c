// SPDX-License-Identifier: GPL-2.0-or-later
/* Domain XML against goldens in domain-xml/ (REGENERATE=1 rewrites them). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "guest/domain.h"

static struct domain example(void)
{
	return (struct domain){
		.name = "g0123456789abcdef",
		.qemu = "/usr/bin/qemu-system-aarch64",
		.kernel = "/cache/kernels/Image",
		.initrd = "/run/cells/c/1/1/initramfs",
		.command_line = "console=ttyAMA0 panic=-1",
		.cpu_model = "neoverse-n1",
		.stream_path = "/run/cells/c/1/1/stream",
		.console_path = "/run/cells/c/1/1/console.log",
		.memory_bytes = UINT64_C(3) << 30,
		.cpus = 1,
		.seed = 7,
		.basis = BASIS_SIMULATED,
	};
}

static void check_golden(const char *name, const struct domain *domain)
{
	_cleanup_free_ char *path = xasprintf("harness/tests/domain-xml/%s.xml", name);
	_cleanup_free_ char *xml = domain_xml(domain);
	_cleanup_free_ char *want = NULL;

	if (getenv("REGENERATE"))
		assert_int_equal(file_write_atomic(path, xml, strlen(xml), NULL), 0);
	assert_int_equal(file_read(path, 1 << 20, &want, NULL, NULL), 0);
	assert_string_equal(xml, want);
}

static void simulated(void **state)
{
	struct domain d = example();

	(void)state;
	check_golden("simulated", &d);
}

static void emulated(void **state)
{
	struct domain d = example();

	(void)state;
	d.basis = BASIS_EMULATED;
	d.cpus = 4;
	check_golden("emulated", &d);
}

/* Two disks of the host's, on bus 0 behind the stream's controller. */
static void disks(void **state)
{
	static const struct domain_disk two[] = { { "/run/cells/c/1/1/storage.disk", "storage", "none", false },
						  { "/run/cells/c/1/1/swap.disk", "swap", "writeback", false } };
	struct domain d = example();

	(void)state;
	d.basis = BASIS_EMULATED;
	d.disks = two;
	d.n_disks = 2;
	check_golden("disks", &d);
}

static void hardware(void **state)
{
	struct domain d = example();

	(void)state;
	d.basis = BASIS_HARDWARE;
	d.cpu_model = "host";
	d.uuid = "8d5c2a39-4b8e-4d3f-9f0a-3a1f5a9c0e11";
	check_golden("hardware", &d);
}

static void gdb(void **state)
{
	struct domain d = example();

	(void)state;
	d.gdb_path = "/run/gdb";
	check_golden("gdb", &d);
}

static void pty(void **state)
{
	struct domain d = example();

	(void)state;
	d.console_path = NULL;
	check_golden("pty", &d);
}

/* What a path or a command line holds stays what it is: no markup of ours can be made of it. */
static void text_is_escaped(void **state)
{
	static const char evil[] = "a='b' c=\"d\" <!-- & ]]> </cmdline><x/>";
	struct domain d = example();
	_cleanup_free_ char *xml = NULL;
	xmlChar *back = NULL;
	xmlDoc *doc;

	(void)state;
	d.command_line = d.stream_path = evil;
	xml = domain_xml(&d);
	doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NONET);
	assert_non_null(doc);
	for (xmlNode *os = xmlDocGetRootElement(doc)->children; os; os = os->next)
		for (xmlNode *n = strcmp((const char *)os->name, "os") == 0 ? os->children : NULL; n; n = n->next)
			if (strcmp((const char *)n->name, "cmdline") == 0)
				back = xmlNodeGetContent(n);
	assert_string_equal((const char *)back, evil);
	xmlFree(back);
	xmlFreeDoc(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(simulated),	   cmocka_unit_test(emulated), cmocka_unit_test(disks),
		cmocka_unit_test(hardware),	   cmocka_unit_test(gdb),      cmocka_unit_test(pty),
		cmocka_unit_test(text_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
