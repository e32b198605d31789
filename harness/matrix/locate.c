// SPDX-License-Identifier: GPL-2.0-or-later
/* An error that only looking at the disk could find, put back at its place in the matrix. Reads the kept text again; that
 * happens once, and the run ends. */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "matrix/matrix.h"
#include "matrix/tree.h"

/* Where @sentence, "KEY: ...", belongs in the kernel's @map: the value of KEY, of a list the item that it speaks of. */
static const struct node *find_value(const struct node *map, const char *sentence)
{
	_cleanup_free_ char *name = xstrndup(sentence, strcspn(sentence, ":"));
	const struct node *key = map && map->kind == NODE_MAP ? node_key(map, name) : NULL;

	if (!key)
		return NULL;
	if (key->next->kind == NODE_LIST) {
		NODE_EACH_ITEM(item, key->next)
		{
			const char *base = item->value ? strrchr(item->value, '/') : NULL;

			if (item->value && strstr(sentence, base ? base : item->value))
				return item;
		}
	}
	return key->next;
}

int matrix_kernel_error(const struct matrix *matrix, const struct kernel_spec *kernel, struct err *err)
{
	_cleanup_free_ char *context = xasprintf("kernels.%s: ", kernel->label), *message = NULL;
	struct source src = { .path = matrix->path, .text = matrix->text, .len = strlen(matrix->text) };
	_cleanup_(tree_free_p) struct node *root = NULL;
	const struct node *kernels, *label, *value = NULL;

	if (err && err->kind == ERR_CONFIG && starts_with(err->msg, context) && tree_parse(&src, &root, NULL) == 0) {
		kernels = node_key(root, "kernels");
		label = kernels ? node_key(kernels->next, kernel->label) : NULL;
		value = label ? find_value(label->next, err->msg + strlen(context)) : NULL;
	}
	if (!value)
		return err_wrap(err, "%s:%d", matrix->path, kernel->line);
	message = xstrdup(err->msg);
	return source_error(&src, err, value->at, "%s", message);
}

int matrix_trials_error(const struct matrix *matrix, const char *key, const char *sentence, struct err *err)
{
	struct source src = { .path = matrix->path, .text = matrix->text, .len = strlen(matrix->text) };
	_cleanup_(tree_free_p) struct node *root = NULL;
	const struct node *trials, *at;

	if (tree_parse(&src, &root, NULL) < 0)
		return err_set(err, ERR_CONFIG, "%s: %s", matrix->path, sentence);
	trials = node_key(root, "trials");
	at = trials && trials->next->kind == NODE_MAP ? node_key(trials->next, key) : NULL;
	at = at ? at->next : trials ? trials : node_key(root, "gates");
	return source_error(&src, err, at ? at->at : root->at, "%s", sentence);
}
