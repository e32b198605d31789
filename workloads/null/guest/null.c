// SPDX-License-Identifier: GPL-2.0-or-later
/* What the null workload runs: prints the numbers it was told, and fails in the way it was told.
 *
 *   null [--value N]... [--cost N] [--touch BYTES] [--write BYTES] [--read BYTES] [--fail HOW] [--hold] */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a crashed kernel leaves on the console. Real crashes are for real kernels: this runs on hosts too, as root. A
 * fake guest says where its console is. */
static void oops(void)
{
	static const char text[] = "[    0.000000] Unable to handle kernel NULL pointer dereference at virtual address "
				   "0000000000000000 (null was told to say so)\n"
				   "[    0.000000] Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP\n";
	const char *console = getenv("GRANULE_CONSOLE");
	int fd = open(console ? console : "/dev/console", O_WRONLY | O_APPEND | O_NOCTTY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror("null: the console");
}

static void flood(void)
{
	char line[1024];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 1024; i++)
		puts(line);
}

/* "none" and "no-hello" are nothing to do here, "no-hold" is main()'s. */
static void fail(const char *how)
{
	if (strcmp(how, "exit") == 0) {
		puts("null was told to fail");
		exit(1);
	} else if (strcmp(how, "unsupported") == 0) {
		puts("null was told that this kernel will not do");
		exit(77);
	} else if (strcmp(how, "signal") == 0) {
		raise(SIGSEGV);
	} else if (strcmp(how, "garbage") == 0) {
		puts("value.0 many\n\x01\xff");
		exit(0);
	} else if (strcmp(how, "flood") == 0) {
		flood();
	} else if (strcmp(how, "oops") == 0) {
		oops();
	}
	while (strcmp(how, "hang") == 0)
		pause();
}

#define DIR "/tmp/prepared"
#define FILE_MODE 0640
#define FILE_OWNER 7

static unsigned char pattern(unsigned long long i)
{
	return (unsigned char)(i * 31 + (i >> 12));
}

static void die(const char *what)
{
	printf("null: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* What is prepared: a file of @bytes, and a link to it from a folder beside it. */
static void write_prepared(unsigned long long bytes)
{
	FILE *f;

	if (mkdir(DIR, 0755) < 0 || mkdir(DIR "/below", 0700) < 0 || symlink("../file", DIR "/below/link") < 0)
		die(DIR);
	f = fopen(DIR "/file", "w");
	for (unsigned long long i = 0; f && i < bytes; i++)
		putc_unlocked(pattern(i), f);
	if (!f || fclose(f) != 0 || chmod(DIR "/file", FILE_MODE) < 0 || chown(DIR "/file", FILE_OWNER, FILE_OWNER) < 0)
		die(DIR "/file");
}

static void read_prepared(unsigned long long bytes)
{
	FILE *f = fopen(DIR "/below/link", "r");
	struct stat st;

	if (!f || fstat(fileno(f), &st) < 0)
		die(DIR "/below/link");
	if ((unsigned long long)st.st_size != bytes || (st.st_mode & 07777) != FILE_MODE || st.st_uid != FILE_OWNER) {
		printf("null: what was prepared has %lld bytes, mode %o, owner %u\n", (long long)st.st_size,
		       (unsigned int)st.st_mode & 07777, (unsigned int)st.st_uid);
		exit(1);
	}
	for (unsigned long long i = 0; i < bytes; i++)
		if (getc_unlocked(f) != pattern(i)) {
			printf("null: what was prepared is another at byte %llu\n", i);
			exit(1);
		}
	fclose(f);
}

int main(int argc, char **argv)
{
	const char *how = "none";
	unsigned long long touch = 0, cost = 0;
	int hold = 0, n_values = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--hold") == 0) {
			hold = 1;
		} else if (i + 1 == argc) {
			fprintf(stderr, "null: %s needs a value\n", argv[i]);
			return 2;
		} else if (strcmp(argv[i], "--value") == 0) {
			printf("value.%d %llu\n", n_values++, strtoull(argv[++i], NULL, 10));
		} else if (strcmp(argv[i], "--cost") == 0) {
			cost = strtoull(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--touch") == 0) {
			touch = strtoull(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--write") == 0) {
			write_prepared(strtoull(argv[++i], NULL, 10));
		} else if (strcmp(argv[i], "--read") == 0) {
			read_prepared(strtoull(argv[++i], NULL, 10));
		} else if (strcmp(argv[i], "--fail") == 0) {
			how = argv[++i];
		} else {
			fprintf(stderr, "null: what is %s?\n", argv[i]);
			return 2;
		}
	}
	if (touch) {
		char *p = mmap(NULL, touch, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED) {
			perror("null: mmap");
			return 1;
		}
		memset(p, 1, touch);
	}
	printf("elapsed_ns %llu\n", cost);
	fflush(stdout);
	fail(how);
	if (hold && strcmp(how, "no-hold") != 0)
		raise(SIGSTOP);
	return 0;
}
