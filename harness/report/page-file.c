// SPDX-License-Identifier: GPL-2.0-or-later
/* The page as a file: the bundle that tools/page made, with the data in its place. */
#include "report/page.h"

#include <nettle/base64.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pack.h"
#include "guest/programs.h"

#define TEMPLATE_SIZE_MAX (16 << 20)
#define MARK "@DATA@"
/* A higher level costs more time than it saves bytes: 9 makes two per cent less of it than 6. */
#define LEVEL 6

int page_template(char **ret, struct err *err)
{
	_cleanup_free_ char *path = built_file_path("page/report.html"), *text = NULL;
	const char *mark;

	if (!path_exists(path))
		return err_set(
			err, ERR_CONFIG,
			"%s is not there: the page's scripts were not bundled when this granule was built; `make "
			"page` does it (with Debian's nodejs and npm, and npm's registry unless the cache has "
			"them). --format json needs no page",
			path);
	if (file_read(path, TEMPLATE_SIZE_MAX, &text, NULL, err) < 0)
		return -1;
	mark = strstr(text, MARK);
	if (!mark || strstr(mark + 1, MARK))
		return err_set(err, ERR_CONFIG,
			       "%s does not hold the place of its data once; `make page` makes it anew", path);
	*ret = steal_ptr(text);
	return 0;
}

int page_fill(const char *template, const char *json, struct text *ret, struct err *err)
{
	const char *mark = strstr(template, MARK);
	_cleanup_free_ char *bytes = NULL, *text = NULL;
	size_t packed, coded;

	if (pack(json, strlen(json), LEVEL, &bytes, &packed, err) < 0)
		return err_wrap(err, "the page's data");
	coded = BASE64_ENCODE_RAW_LENGTH(packed);
	text = xcalloc(coded + 1, 1);
	base64_encode_raw(text, packed, (const uint8_t *)bytes);
	text_add_bytes(ret, template, (size_t)(mark - template));
	text_add_bytes(ret, text, coded);
	text_add(ret, "%s", mark + strlen(MARK));
	return 0;
}
