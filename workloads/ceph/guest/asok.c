// SPDX-License-Identifier: GPL-2.0-or-later
/* A client of Ceph's admin socket: sends a command to a daemon and prints its answer, or waits until the answer is the
 * one that is wanted. Static, so that a guest needs no Python. Speaks the protocol of
 * AdminSocket (src/common/admin_socket.cc): the command as JSON with a NUL behind it; back come four bytes of length,
 * big-endian, and the answer.
 *
 *   asok [-w SECONDS] [-a FILE LABEL] SOCKET COMMAND [KEY=VALUE]...
 *
 * COMMAND is JSON, or a plain word or words ("status"). With KEY=VALUE the answer must be JSON that has VALUE at KEY,
 * names and numbers of elements joined by dots ("quorum.0=0"; a name may itself hold dots: the longest one counts);
 * KEY~N: the number of elements there is N at least. -w: ask again until it is so, or until the time is over, also
 * while nobody listens yet. -a: add the answer to FILE, behind a line "== LABEL NS", NS the clock when it came; nothing
 * is printed then. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (8u << 20)
#define PAUSE_NS 100000000L /* between two questions */
#define NSEC UINT64_C(1000000000)
#define DEPTH_MAX 64

static char trouble[512]; /* why the last question has no answer that is wanted */

/* Says so, in one line: the agent quotes a step's last. Always false. */
static bool no(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool no(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(trouble, sizeof(trouble), fmt, ap);
	va_end(ap);
	for (char *c = trouble; *c; c++)
		if (*c == '\n')
			*c = ' ';
	return false;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

/* ---- The socket */

static bool read_all(int fd, char *buf, size_t len)
{
	size_t used = 0;
	ssize_t n;

	while (used < len) {
		n = read(fd, buf + used, len - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return no("it hung up after %zu of %zu bytes", used, len);
		used += (size_t)n;
	}
	return true;
}

static bool talk(int fd, const char *command, char **ret_answer)
{
	size_t len = strlen(command) + 1;
	uint32_t size;

	if (write(fd, command, len) != (ssize_t)len)
		return no("it does not take the command: %s", strerror(errno));
	if (!read_all(fd, (char *)&size, sizeof(size)))
		return false;
	size = ntohl(size);
	if (size > ANSWER_MAX)
		return no("its answer has %u bytes", size);
	*ret_answer = calloc(1, (size_t)size + 1);
	if (!*ret_answer)
		return no("no memory for its answer");
	return read_all(fd, *ret_answer, size);
}

/* *ret_answer: the caller's to free, if it is set, whatever is returned. */
static bool ask(const char *path, const char *command, char **ret_answer)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 120 };
	bool ok;
	int fd;

	if (strlen(path) >= sizeof(to.sun_path))
		return no("the path is too long for a socket's");
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		no("nobody listens: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ok = talk(fd, command, ret_answer);
	close(fd);
	return ok;
}

/* ---- JSON: as much as is needed to find a value. All functions move *p behind what they read; NULL: it is no JSON. */

static const char *skip_blanks(const char *p)
{
	while (p && isspace((unsigned char)*p))
		p++;
	return p;
}

/* Behind the string at @p; *ret_begin, *ret_len are what is between the quotation marks, escapes as they are. */
static const char *skip_string(const char *p, const char **ret_begin, size_t *ret_len)
{
	if (!p || *p != '"')
		return NULL;
	*ret_begin = ++p;
	while (*p && *p != '"')
		p += *p == '\\' && p[1] ? 2 : 1;
	*ret_len = (size_t)(p - *ret_begin);
	return *p == '"' ? p + 1 : NULL;
}

static const char *skip_value(const char *p, unsigned int depth);

/* Behind the next element of the object or array that begins at @p or goes on there; *ret_value is where its value is,
 * *ret_name its name or NULL. *ret_end: there was none, and the object or array ends. */
static const char *next_element(const char *p, bool object, bool first, unsigned int depth, const char **ret_name,
				size_t *ret_len, const char **ret_value, bool *ret_end)
{
	p = skip_blanks(p);
	*ret_name = NULL;
	*ret_end = *p == (object ? '}' : ']');
	if (*ret_end)
		return p + 1;
	if (!first) {
		if (*p != ',')
			return NULL;
		p = skip_blanks(p + 1);
	}
	if (object) {
		p = skip_blanks(skip_string(p, ret_name, ret_len));
		if (!p || *p != ':')
			return NULL;
		p = skip_blanks(p + 1);
	}
	*ret_value = p;
	return skip_value(p, depth + 1);
}

static const char *skip_value(const char *p, unsigned int depth)
{
	const char *name, *value;
	bool end = false;
	size_t len;

	if (!p || depth > DEPTH_MAX)
		return NULL;
	if (*p == '"')
		return skip_string(p, &name, &len);
	if (*p != '{' && *p != '[') {
		len = strcspn(p, ",]} \t\r\n");
		return len ? p + len : NULL;
	}
	for (bool object = *p++ == '{', first = true; p && !end; first = false)
		p = next_element(p, object, first, depth, &name, &len, &value, &end);
	return p;
}

/* Is @key, or its beginning up to a dot, this name or number? Returns what is left of it (behind the dot), or NULL. */
static const char *key_rest(const char *key, const char *name, size_t len, unsigned int index)
{
	char number[16];

	if (!name) {
		len = (size_t)snprintf(number, sizeof(number), "%u", index);
		name = number;
	}
	if (strncmp(key, name, len) != 0 || (key[len] && key[len] != '.'))
		return NULL;
	return key[len] ? key + len + 1 : key + len;
}

/* The value at @key of the value at @p, or NULL. */
static const char *find(const char *p, const char *key)
{
	const char *name, *value, *rest, *best = NULL, *best_rest = NULL;
	bool object = *p == '{', end = false;
	unsigned int index = 0;
	size_t len;

	if (!*key)
		return p;
	if (*p != '{' && *p != '[')
		return NULL;
	for (p++; p && !end; index++) {
		p = next_element(p, object, index == 0, 0, &name, &len, &value, &end);
		if (!p || end)
			break;
		rest = key_rest(key, name, len, index);
		if (rest && (!best || rest > best_rest)) {
			best = value;
			best_rest = rest;
		}
	}
	return best ? find(best, best_rest) : NULL;
}

static unsigned long count_elements(const char *p)
{
	bool object = *p == '{', end = false;
	const char *name, *value;
	unsigned int n = 0;
	size_t len;

	if (*p != '{' && *p != '[')
		return 0;
	for (p++; p; n++) {
		p = next_element(p, object, n == 0, 0, &name, &len, &value, &end);
		if (end)
			return n;
	}
	return 0;
}

/* ---- Conditions */

static bool holds(const char *answer, const char *condition)
{
	size_t len = strcspn(condition, "=~");
	const char *json = skip_blanks(answer), *value, *end, *want = condition + len + 1;
	char key[256];

	snprintf(key, sizeof(key), "%.*s", (int)len, condition);
	if (!skip_value(json, 0))
		return no("its answer is no JSON: %.200s", answer);
	value = find(json, key);
	if (!value)
		return no("its answer has no %s: %.200s", key, answer);
	if (condition[len] == '~') {
		if (count_elements(value) >= strtoul(want, NULL, 10))
			return true;
		return no("%s has %lu elements, not %s", key, count_elements(value), want);
	}
	end = skip_value(value, 0);
	if (*value == '"' && end) {
		value++;
		end--;
	}
	if (end && (size_t)(end - value) == strlen(want) && strncmp(value, want, strlen(want)) == 0)
		return true;
	return no("%s is %.*s, not %s", key, end ? (int)(end - value > 100 ? 100 : end - value) : 0, value, want);
}

static bool once(const char *path, const char *command, char *const conditions[], char **ret_answer)
{
	free(*ret_answer);
	*ret_answer = NULL;
	if (!ask(path, command, ret_answer))
		return false;
	for (; *conditions; conditions++)
		if (!holds(*ret_answer, *conditions))
			return false;
	return true;
}

static bool keep(const char *file, const char *label, const char *answer)
{
	FILE *f = fopen(file, "a");
	bool ok;

	if (!f)
		return no("%s: %s", file, strerror(errno));
	fprintf(f, "== %s %llu\n%s\n", label, (unsigned long long)now_ns(), answer);
	ok = !ferror(f);
	return (fclose(f) == 0 && ok) || no("%s: %s", file, strerror(errno));
}

static int usage(void)
{
	puts("usage: asok [-w SECONDS] [-a FILE LABEL] SOCKET COMMAND [KEY=VALUE | KEY~N]...");
	return 2;
}

/* "status" -> {"prefix": "status"} */
static void make_command(char *buf, size_t size, const char *words)
{
	if (*words == '{')
		snprintf(buf, size, "%s", words);
	else
		snprintf(buf, size, "{\"prefix\": \"%s\"}", words);
}

int main(int argc, char **argv)
{
	const struct timespec pause = { 0, PAUSE_NS };
	const char *file = NULL, *label = NULL;
	char command[4096], *answer = NULL;
	uint64_t begin = now_ns(), wait_s = 0;
	bool ok;
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at += 2) {
		if (strcmp(argv[at], "-w") == 0 && at + 1 < argc) {
			wait_s = strtoull(argv[at + 1], NULL, 10);
		} else if (strcmp(argv[at], "-a") == 0 && at + 2 < argc) {
			file = argv[at + 1];
			label = argv[++at + 1];
		} else {
			return usage();
		}
	}
	if (argc - at < 2)
		return usage();
	for (int i = at + 2; i < argc; i++)
		if (!strpbrk(argv[i], "=~"))
			return usage();
	make_command(command, sizeof(command), argv[at + 1]);
	while (!(ok = once(argv[at], command, argv + at + 2, &answer)) && now_ns() - begin < wait_s * NSEC)
		nanosleep(&pause, NULL);
	if (ok && file)
		ok = keep(file, label, answer);
	else if (ok)
		puts(answer);
	if (!ok && wait_s)
		printf("asok: %s, %s, after %llu s: %s\n", argv[at], argv[at + 1], (unsigned long long)wait_s, trouble);
	else if (!ok)
		printf("asok: %s, %s: %s\n", argv[at], argv[at + 1], trouble);
	free(answer);
	return ok ? 0 : 1;
}
