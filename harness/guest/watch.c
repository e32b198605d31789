// SPDX-License-Identifier: GPL-2.0-or-later
/* The host's side of a sealed guest's life: it only looks. Of the stream it reads the first record, no more. */
#include "guest/watch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/wire.h"

#define HELLO_POLL_MS 10
#define POLL_MS 100
#define DISK_FREE_MIN (UINT64_C(1) << 20)
/* A hello has a dozen short fields. */
#define HELLO_SIZE_MAX 65536

void watch_init(struct watch *w, const struct life *life)
{
	*w = (struct watch){ .life = life };
	w->hello_deadline_ns = life->start_ns + life_hello_timeout_s(&life->cell) * NSEC_PER_SEC;
	w->deadline_ns = life->start_ns + life_timeout_s(&life->cell) * NSEC_PER_SEC;
	if (life_attended(life))
		w->deadline_ns = UINT64_MAX;
	if (life->options.gdb)
		w->hello_deadline_ns = UINT64_MAX;
}

static uint64_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* WIRE_TORN: not whole yet. */
static enum wire_status read_hello(const struct watch *w)
{
	_cleanup_close_ int fd = open(w->life->stream_path, O_RDONLY | O_CLOEXEC);
	static char buf[HELLO_SIZE_MAX];
	struct wire_record record;
	enum wire_status status;
	size_t offset = 0;
	ssize_t n = fd >= 0 ? read(fd, buf, sizeof(buf)) : 0;

	if (n <= 0)
		return WIRE_TORN;
	status = wire_next(buf, (size_t)n, &offset, 0, &record);
	if (status == WIRE_OK && record.type != WIRE_HELLO && record.type != WIRE_END && record.type != WIRE_NOTE)
		return WIRE_DAMAGED;
	return status == WIRE_TORN && n == sizeof(buf) ? WIRE_DAMAGED : status;
}

static bool end(struct watch *w, enum stop stop, enum stop *ret_stop, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static bool end(struct watch *w, enum stop stop, enum stop *ret_stop, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->message, sizeof(w->message), fmt, ap);
	va_end(ap);
	*ret_stop = stop;
	return true;
}

static bool check_hello(struct watch *w, uint64_t now, uint64_t stream, enum stop *ret_stop)
{
	enum wire_status status = stream ? read_hello(w) : WIRE_TORN;

	if (status == WIRE_OK) {
		w->hello = true;
		w->hello_s = (double)(now - w->life->start_ns) / (double)NSEC_PER_SEC;
		return false;
	}
	if (status == WIRE_DAMAGED)
		return end(w, STOP_NO_HELLO, ret_stop, "what the guest wrote first is no hello");
	if (now < w->hello_deadline_ns)
		return false;
	return end(w, STOP_NO_HELLO, ret_stop, "agent: no hello in %" PRIu64 " s",
		   life_hello_timeout_s(&w->life->cell));
}

bool watch_poll(struct watch *w, uint64_t now, enum stop *ret_stop)
{
	uint64_t stream = file_size(w->life->stream_path), console = file_size(w->life->console_path);
	uint64_t stream_max = stream_size_max(w->life->cell.job);
	char a[24];

	if (stream > stream_max)
		return end(w, STOP_STREAM_TOO_LARGE, ret_stop, "the guest wrote more than %s into its stream",
			   size_human((double)stream_max, a));
	if (console > CONSOLE_SIZE_MAX)
		return end(w, STOP_CONSOLE_TOO_LARGE, ret_stop, "the guest wrote more than %s to its console",
			   size_human((double)CONSOLE_SIZE_MAX, a));
	if (disk_free_bytes(w->life->dir) < DISK_FREE_MIN)
		return end(w, STOP_HOST_ERROR, ret_stop,
			   "%s: no space left on this file system; free some and run again with --resume",
			   w->life->dir);
	if (!w->hello && check_hello(w, now, stream, ret_stop))
		return true;
	if (now >= w->deadline_ns)
		return end(w, STOP_TIMEOUT, ret_stop, "timeout: the guest still ran after %" PRIu64 " s",
			   life_timeout_s(&w->life->cell));
	return false;
}

int watch_pause_ms(const struct watch *w)
{
	return w->hello ? POLL_MS : HELLO_POLL_MS;
}
