/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory on the host: running out aborts with a message (results are already on disk). Cleanup attributes and
 * one growing-array macro. Not for the agent, which allocates nothing while it measures. */
#ifndef GRANULE_BASE_MEM_H
#define GRANULE_BASE_MEM_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline void cleanup_free_p(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_p(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose_p(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(cleanup_free_p)
#define _cleanup_close_ _cleanup_(cleanup_close_p)   /* int, -1 = none */
#define _cleanup_fclose_ _cleanup_(cleanup_fclose_p) /* FILE *, NULL = none */

/* Hand over what a cleanup attribute would free. */
#define steal_ptr(p)                                                                                                   \
	({                                                                                                             \
		__typeof__(p) p_ = (p);                                                                                \
		(p) = NULL;                                                                                            \
		p_;                                                                                                    \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A growing array is a pair of fields `T *name; size_t n_name;` in its owner. VEC_PUSH returns a pointer to the new,
 * zeroed last element; capacity doubles at powers of two, so no third field is kept. */
#define VEC_PUSH(v, n)                                                                                                 \
	({                                                                                                             \
		if (((n) & ((n)-1)) == 0)                                                                              \
			(v) = xrealloc((v), (n) ? (n)*2 : 1, sizeof(*(v)));                                            \
		__typeof__(v) slot_ = &(v)[(n)++];                                                                     \
		*slot_ = (__typeof__(*slot_)){ 0 };                                                                    \
		slot_;                                                                                                 \
	})

#endif
