// SPDX-License-Identifier: GPL-2.0-or-later
/* What the agent says: records into the port, sentences on the console, and the end. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

static char pending[WIRE_HEAD_SIZE + WIRE_PAYLOAD_MAX];
static size_t pending_used;

/* A fake guest's clock is a counter, so that its stream repeats byte for byte too. */
uint64_t agent_now(struct agent *agent)
{
	struct timespec ts;

	if (agent->fake)
		return agent->fake_ns += 1000;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

const char *agent_path(const struct agent *agent, const char *path, char buf[PATH_SIZE])
{
	snprintf(buf, PATH_SIZE, "%s%s", agent->root, path);
	return buf;
}

void console_say(const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int fd;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fd = getpid() == 1 ? open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC) : -1;
	dprintf(fd >= 0 ? fd : STDERR_FILENO, "granule-agent: %s\n", text);
	if (fd >= 0)
		close(fd);
}

static void finish(struct agent *agent) __attribute__((noreturn));
static void finish(struct agent *agent)
{
	if (agent->port >= 0)
		close(agent->port);
	if (agent->fake)
		exit(0);
	sync();
	reboot(RB_POWER_OFF);
	console_say("power-off failed: %s", strerror(errno));
	for (;;)
		pause();
}

void emit_flush(struct agent *agent)
{
	size_t done = 0;

	while (done < pending_used) {
		ssize_t n = write(agent->port, pending + done, pending_used - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			console_say("cannot write to the port: %s", n ? strerror(errno) : "nothing was taken");
			finish(agent);
		}
		done += (size_t)n;
	}
	pending_used = 0;
}

void emit(struct agent *agent, enum wire_type type, const struct wire_field *fields, unsigned int n_fields)
{
	uint64_t now = agent_now(agent);
	size_t n = wire_put(pending + pending_used, sizeof(pending) - pending_used, type, agent->sequence, now, fields,
			    n_fields);

	if (!n) {
		emit_flush(agent);
		n = wire_put(pending, sizeof(pending), type, agent->sequence, now, fields, n_fields);
	}
	if (!n) {
		static const char sentence[] = "a record is larger than the stream allows";
		const struct wire_field end[] = { text_field("agent-failed"), text_field(sentence) };

		console_say("%s (type %d)", sentence, type);
		n = wire_put(pending, sizeof(pending), WIRE_END, agent->sequence, now, end, 2);
		pending_used = n;
		emit_flush(agent);
		finish(agent);
	}
	agent->sequence++;
	pending_used += n;
}

void agent_note(struct agent *agent, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	emit(agent, WIRE_NOTE, &(struct wire_field){ text, strlen(text) }, 1);
}

void agent_end(struct agent *agent, const char *outcome, const char *reason)
{
	const struct wire_field fields[] = { text_field(outcome), text_field(reason) };

	if (*reason)
		console_say("%s: %s", outcome, reason);
	if (agent->port >= 0)
		services_end(agent);
	if (agent->port >= 0) {
		emit(agent, WIRE_END, fields, 2);
		emit_flush(agent);
	}
	finish(agent);
}

void agent_fail(struct agent *agent, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	agent_end(agent, "agent-failed", text);
}
