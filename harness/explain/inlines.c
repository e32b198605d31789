// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/inlines.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <gelf.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define IMAGE_SIZE_MAX ((size_t)1 << 30)

struct inlines {
	Dwfl *dwfl;
	Dwfl_Module *module; /* of dwfl */
};

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
};

char *inlines_path(const char *image)
{
	static const char built[] = "/arch/arm64/boot/Image";
	_cleanup_free_ char *dir = xstrdup(image);
	char *slash = strrchr(dir, '/');

	if (ends_with(image, built))
		return xasprintf("%.*s/vmlinux", (int)(strlen(image) - strlen(built)), image);
	if (slash)
		*slash = '\0';
	return xasprintf("%s/vmlinux", slash ? dir : ".");
}

/* The Image is the vmlinux's sections one behind the other, from its first loaded byte on (objcopy -O binary). */
static bool text_is_equal(Elf *elf, const char *image, size_t len)
{
	uint64_t begin = UINT64_MAX;
	Elf_Scn *section = NULL;
	size_t n = 0, names = 0;

	elf_getphdrnum(elf, &n);
	elf_getshdrstrndx(elf, &names);
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (gelf_getphdr(elf, (int)i, &p) && p.p_type == PT_LOAD && p.p_vaddr < begin)
			begin = p.p_vaddr;
	}
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr head;
		const char *name;
		Elf_Data *data;

		if (!gelf_getshdr(section, &head) || !(name = elf_strptr(elf, names, head.sh_name)) ||
		    strcmp(name, ".text") != 0)
			continue;
		data = elf_rawdata(section, NULL);
		return data && data->d_size && head.sh_addr >= begin && head.sh_addr - begin <= len &&
		       data->d_size <= len - (head.sh_addr - begin) &&
		       !memcmp(data->d_buf, image + (head.sh_addr - begin), data->d_size);
	}
	return false;
}

static int load(struct inlines *in, const char *vmlinux, const char *image, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	Dwarf_Addr bias;
	size_t len;
	Elf *elf;

	if (file_read(image, IMAGE_SIZE_MAX, &data, &len, err) < 0)
		return -1;
	in->module = dwfl_report_elf(in->dwfl, "vmlinux", vmlinux, -1, 0, true);
	elf = in->module ? dwfl_module_getelf(in->module, &bias) : NULL;
	if (!elf)
		return err_set(err, ERR_CONFIG, "%s: %s", vmlinux, dwfl_errmsg(-1));
	dwfl_report_end(in->dwfl, NULL, NULL);
	if (!text_is_equal(elf, data, len))
		return err_set(err, ERR_CONFIG, "%s is not what %s was made of: their code differs", vmlinux, image);
	if (!dwfl_module_getdwarf(in->module, &bias))
		return err_set(err, ERR_CONFIG, "%s has no debug information: build it with CONFIG_DEBUG_INFO_DWARF5",
			       vmlinux);
	return 0;
}

int inlines_open(const char *vmlinux, const char *image, struct inlines **ret, struct err *err)
{
	struct inlines *in;

	if (!path_exists(vmlinux))
		return err_set(err, ERR_CONFIG,
			       "inlined functions need %s with debug information, which is not there; the kernels that "
			       "granule builds have none",
			       vmlinux);
	in = xcalloc(1, sizeof(*in));
	in->dwfl = dwfl_begin(&callbacks);
	if (!in->dwfl || load(in, vmlinux, image, err) < 0) {
		inlines_free(in);
		return -1;
	}
	*ret = in;
	return 0;
}

const char *inlines_find(const struct inlines *in, uint64_t address)
{
	const char *name = NULL;
	Dwarf_Die *scopes = NULL;
	Dwarf_Addr bias = 0;
	Dwarf_Die *unit = dwfl_module_addrdie(in->module, address, &bias);
	int n = unit ? dwarf_getscopes(unit, address - bias, &scopes) : 0;

	for (int i = 0; i < n && !name; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag == DW_TAG_subprogram)
			break;
		if (tag == DW_TAG_inlined_subroutine)
			name = dwarf_diename(&scopes[i]);
	}
	free(scopes);
	return name;
}

void inlines_free(struct inlines *in)
{
	if (!in)
		return;
	if (in->dwfl)
		dwfl_end(in->dwfl);
	free(in);
}
