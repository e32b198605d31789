// SPDX-License-Identifier: GPL-2.0-or-later
/* For explain-inlines-test.c: built for arm64 with debug information. add_one() is inlined into add_two(), which is
 * inlined into outer(). */
__attribute__((noinline)) int outer(volatile int *p);
__attribute__((noinline)) int alone(volatile int *p);

static inline __attribute__((always_inline)) void add_one(volatile int *p)
{
	*p += 1;
}

static inline __attribute__((always_inline)) void add_two(volatile int *p)
{
	add_one(p);
	*p += 2;
}

int outer(volatile int *p)
{
	add_two(p);
	return *p * 3;
}

int alone(volatile int *p)
{
	return *p + 7;
}

int main(void)
{
	volatile int v = 0;

	return outer(&v) + alone(&v);
}
