// SPDX-License-Identifier: GPL-2.0-or-later
/* ask: make topics, and wait until the broker leads all of their partitions. A guest program; it stands for a Java tool that
 * takes seconds to start.
 *
 *   ask PORT TIMEOUT_S PARTITIONS TOPIC...
 *
 * Exit 0 once they are there; 1 with the broker's last answer when the time is over. Kafka's protocol, versions before
 * its flexible ones (kafka.apache.org/protocol: CreateTopics 4, ListOffsets 4): a request is its length, key, version,
 * correlation id, client id; all big-endian, strings with a 16-bit length. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEY_LIST_OFFSETS 2
#define KEY_CREATE_TOPICS 19
#define VERSION 4
#define ANSWER_MAX (8u << 20)
#define TOPIC_ALREADY_EXISTS 36
#define RETRY_NS 20000000L

struct buffer {
	unsigned char *bytes;
	size_t len, size;
};

static char why[256] = "it did not listen";

static void put(struct buffer *b, const void *data, size_t len)
{
	if (b->len + len > b->size) {
		b->size = (b->len + len) * 2;
		b->bytes = realloc(b->bytes, b->size);
		if (!b->bytes)
			abort();
	}
	memcpy(b->bytes + b->len, data, len);
	b->len += len;
}

static void put16(struct buffer *b, int v)
{
	const uint16_t wire = htons((uint16_t)v);

	put(b, &wire, sizeof(wire));
}

static void put32(struct buffer *b, int64_t v)
{
	const uint32_t wire = htonl((uint32_t)v);

	put(b, &wire, sizeof(wire));
}

static void put_string(struct buffer *b, const char *s)
{
	put16(b, (int)strlen(s));
	put(b, s, strlen(s));
}

/* What has been read of an answer; past its end everything is 0 and it is bad. */
struct answer {
	const unsigned char *at, *end;
	bool bad;
};

static const unsigned char *take(struct answer *a, size_t len)
{
	static const unsigned char none[32];
	const unsigned char *at = a->at;

	if ((size_t)(a->end - a->at) < len) {
		a->bad = true;
		return none;
	}
	a->at += len;
	return at;
}

static int take16(struct answer *a)
{
	const unsigned char *p = take(a, 2);

	return (int16_t)(p[0] << 8 | p[1]);
}

static int32_t take32(struct answer *a)
{
	const unsigned char *p = take(a, 4);

	return (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

/* A string, or null; what it says, cut, into @buf. */
static void take_string(struct answer *a, char *buf, size_t size)
{
	const int len = take16(a);
	const char *s = len > 0 ? (const char *)take(a, (size_t)len) : "";

	if (buf)
		snprintf(buf, size, "%.*s", a->bad || len < 0 ? 0 : len, s);
}

static bool all(int fd, void *data, size_t len, bool writing)
{
	for (size_t done = 0; done < len;) {
		char *at = (char *)data + done;
		ssize_t n = writing ? write(fd, at, len - done) : read(fd, at, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* One request on one connection; the answer's body, owned by the caller. */
static unsigned char *call(unsigned int port, int key, const struct buffer *body, struct answer *ret)
{
	static int32_t correlation;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct buffer request = { 0 };
	unsigned char *bytes = NULL;
	uint32_t size = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	put32(&request, (int64_t)(2 + 2 + 4 + 2 + strlen("granule") + body->len));
	put16(&request, key);
	put16(&request, VERSION);
	put32(&request, ++correlation);
	put_string(&request, "granule");
	put(&request, body->bytes, body->len);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 &&
	    all(fd, request.bytes, request.len, true) && all(fd, &size, sizeof(size), false)) {
		size = ntohl(size);
		bytes = size >= 4 && size <= ANSWER_MAX ? malloc(size) : NULL;
		if (bytes && !all(fd, bytes, size, false)) {
			free(bytes);
			bytes = NULL;
		}
	}
	if (!bytes)
		snprintf(why, sizeof(why), "it did not answer: %s", errno ? strerror(errno) : "the connection ended");
	if (fd >= 0)
		close(fd);
	free(request.bytes);
	if (bytes)
		*ret = (struct answer){ bytes + 4, bytes + size, false };
	return bytes;
}

static bool create(unsigned int port, int32_t partitions, char *const topics[], int n)
{
	struct buffer body = { 0 };
	struct answer a;
	unsigned char *bytes;
	bool done = true;

	put32(&body, n);
	for (int i = 0; i < n; i++) {
		put_string(&body, topics[i]);
		put32(&body, partitions);
		put16(&body, 1); /* replicas */
		put32(&body, 0); /* no assignments */
		put32(&body, 0); /* no configs */
	}
	put32(&body, 30000); /* ms to wait */
	put(&body, "", 1);   /* not only to validate */
	bytes = call(port, KEY_CREATE_TOPICS, &body, &a);
	free(body.bytes);
	if (!bytes)
		return false;
	take32(&a); /* throttled for */
	for (int32_t left = take32(&a); left > 0 && !a.bad; left--) {
		char name[256], text[128];
		int error;

		take_string(&a, name, sizeof(name));
		error = take16(&a);
		take_string(&a, text, sizeof(text));
		if (error && error != TOPIC_ALREADY_EXISTS) {
			snprintf(why, sizeof(why), "topic %.60s: error %d %s", name, error, text);
			done = false;
		}
	}
	done = done && !a.bad;
	free(bytes);
	return done;
}

struct wanted {
	int32_t partitions;
	char *const *topics;
	int n;
	int64_t missing; /* the first partition that was not led when last asked, counted over all topics */
};

/* Where do the partitions from @first on, @count of them, end? Only a broker that leads one, and has its log, says so; metadata name
 * it sooner. */
static bool led(unsigned int port, struct wanted *w, int64_t first, int64_t count)
{
	struct buffer body = { 0 };
	struct answer a;
	unsigned char *bytes;
	int64_t there = 0, missing = INT64_MAX;
	int32_t topics = (int32_t)((first + count - 1) / w->partitions - first / w->partitions + 1);
	int last = 0;

	put32(&body, -1);  /* no replica */
	put(&body, "", 1); /* uncommitted too */
	put32(&body, topics);
	for (int64_t p = first; p < first + count; p++) {
		const int64_t number = p % w->partitions, left = first + count - p;

		if (p == first || !number) {
			put_string(&body, w->topics[p / w->partitions]);
			put32(&body, left < w->partitions - number ? left : w->partitions - number);
		}
		put32(&body, number);
		put32(&body, -1); /* any epoch */
		put32(&body, -1); /* 64 bits: the end */
		put32(&body, -1);
	}
	bytes = call(port, KEY_LIST_OFFSETS, &body, &a);
	free(body.bytes);
	if (!bytes)
		return false;
	take32(&a); /* throttled for */
	for (int32_t left = take32(&a); left > 0 && !a.bad; left--) {
		char name[256];
		int topic = 0;

		take_string(&a, name, sizeof(name));
		while (topic < w->n - 1 && strcmp(w->topics[topic], name) != 0)
			topic++;
		for (int32_t p = take32(&a); p > 0 && !a.bad; p--) {
			const int64_t at = (int64_t)topic * w->partitions + take32(&a);
			const int error = take16(&a);

			take(&a, 8 + 8 + 4); /* a time, the end, an epoch */
			there += !error && !a.bad;
			last = error ? error : last;
			missing = error && at < missing ? at : missing;
		}
	}
	free(bytes);
	snprintf(why, sizeof(why), "it leads %lld of %lld partitions that it was asked for; error %d", (long long)there,
		 (long long)count, last);
	if (missing < (int64_t)w->partitions * w->n)
		w->missing = missing;
	return !a.bad && there == count;
}

/* Until one that was missing is there the rest need not be asked for: each that is not costs the broker an exception. */
static bool all_led(unsigned int port, struct wanted *w)
{
	return led(port, w, w->missing, 1) && led(port, w, 0, (int64_t)w->partitions * w->n);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	const struct timespec pause = { 0, RETRY_NS };
	struct wanted wanted = { 0 };
	unsigned int port;
	uint64_t deadline;
	bool created = false;

	if (argc < 5) {
		fprintf(stderr, "usage: ask PORT TIMEOUT_S PARTITIONS TOPIC...\n");
		return 2;
	}
	port = (unsigned int)strtoul(argv[1], NULL, 10);
	deadline = now_ns() + strtoull(argv[2], NULL, 10) * UINT64_C(1000000000);
	wanted = (struct wanted){ (int32_t)strtol(argv[3], NULL, 10), argv + 4, argc - 4, 0 };
	for (;;) {
		errno = 0;
		created = created || create(port, wanted.partitions, argv + 4, argc - 4);
		if (created && all_led(port, &wanted))
			return 0;
		if (now_ns() >= deadline)
			break;
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "the broker at port %u is not ready: %s\n", port, why);
	return 1;
}
