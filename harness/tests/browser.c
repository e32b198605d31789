// SPDX-License-Identifier: GPL-2.0-or-later
/* Chromium's --remote-debugging-pipe: JSON messages ended by NUL, in on descriptor 3, out on 4. */
#include "tests/browser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <nettle/base64.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"

#define ANSWER_S 60

struct browser {
	pid_t pid;
	int to, from;
	json_int_t last_id;
	char *session, *target; /* owned, or NULL */
	struct text in, complaints;
	bool loaded;
};

static void run_chromium(const char *program, const char *dir, int in, int out)
{
	_cleanup_free_ char *profile = xasprintf("--user-data-dir=%s/chromium", dir);
	const char *argv[] = { program,
			       "--headless=new",
			       "--remote-debugging-pipe",
			       "--disable-gpu",
			       "--disable-dev-shm-usage",
			       "--no-first-run",
			       "--disable-background-networking",
			       "--disable-component-update",
			       profile,
			       geteuid() == 0 ? "--no-sandbox" : NULL, /* its sandbox refuses root */
			       NULL };
	int null = open("/dev/null", O_RDWR);

	/* away from 3 and 4 first: either may be the other's place */
	in = fcntl(in, F_DUPFD, 10);
	out = fcntl(out, F_DUPFD, 10);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	dup2(in, 3);
	dup2(out, 4);
	execv(program, (char **)argv);
	_exit(127);
}

struct browser *browser_start(const char *dir, char **ret_why_not)
{
	_cleanup_free_ char *program = proc_find("chromium");
	struct browser *b;
	int to[2], from[2];

	if (!program) {
		*ret_why_not = xstrdup("there is no chromium; tools/deps tools/report.list installs it");
		if (getenv("GRANULE_REQUIRE_PAGE"))
			fail_msg("%s", *ret_why_not);
		return NULL;
	}
	b = xcalloc(1, sizeof(*b));
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	b->pid = fork();
	if (b->pid == 0) {
		setpgid(0, 0);
		run_chromium(program, dir, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	b->to = to[1];
	b->from = from[0];
	return b;
}

void browser_stop(struct browser *b)
{
	if (!b)
		return;
	/* its own group: the processes that it started go with it */
	kill(-b->pid, SIGKILL);
	waitpid(b->pid, NULL, 0);
	close(b->to);
	close(b->from);
	free(b->session);
	free(b->target);
	text_free(&b->in);
	text_free(&b->complaints);
	free(b);
}

/* The next message, owned by the caller. */
static json_t *receive(struct browser *b, uint64_t deadline)
{
	for (;;) {
		char *end = b->in.len ? memchr(b->in.s, '\0', b->in.len) : NULL;
		struct pollfd p = { .fd = b->from, .events = POLLIN };
		static char buf[1 << 16];
		uint64_t now = now_ns();
		ssize_t n;

		if (end) {
			size_t len = (size_t)(end - b->in.s) + 1;
			json_t *message = json_loads(b->in.s, 0, NULL);

			memmove(b->in.s, b->in.s + len, b->in.len - len);
			b->in.len -= len;
			return message;
		}
		if (now >= deadline || poll(&p, 1, (int)((deadline - now) / 1000000) + 1) <= 0)
			fail_msg("chromium did not answer within %d s", ANSWER_S);
		n = read(b->from, buf, sizeof(buf));
		if (n <= 0)
			fail_msg("chromium ended");
		text_add_bytes(&b->in, buf, (size_t)n);
	}
}

static void complain(struct browser *b, const char *what, const json_t *details)
{
	char *text = json_dumps(details, JSON_COMPACT | JSON_ENCODE_ANY);

	text_add(&b->complaints, "%s: %.400s\n", what, text ? text : "");
	free(text);
}

static bool method_is(const json_t *message, const char *method)
{
	const char *is = json_string_value(json_object_get(message, "method"));

	return is && !strcmp(is, method);
}

static void take_event(struct browser *b, const json_t *message)
{
	json_t *params = json_object_get(message, "params"), *entry = json_object_get(params, "entry");
	const char *type = json_string_value(json_object_get(params, "type"));
	const char *level = json_string_value(json_object_get(entry, "level"));

	b->loaded |= method_is(message, "Page.loadEventFired");
	if (method_is(message, "Runtime.exceptionThrown"))
		complain(b, "exception", json_object_get(params, "exceptionDetails"));
	else if (method_is(message, "Runtime.consoleAPICalled") && type &&
		 (!strcmp(type, "error") || !strcmp(type, "warning")))
		complain(b, type, json_object_get(params, "args"));
	else if (method_is(message, "Log.entryAdded") && level && strcmp(level, "verbose") && strcmp(level, "info"))
		complain(b, level, json_object_get(entry, "text"));
	else if (method_is(message, "Page.javascriptDialogOpening"))
		complain(b, "dialog", params);
}

/* Call @method with @params (stolen); the result, owned by the caller. */
static json_t *call(struct browser *b, const char *method, json_t *params)
{
	uint64_t deadline = now_ns() + ANSWER_S * NSEC_PER_SEC;
	json_t *o = json_pack("{s:I, s:s, s:o}", "id", ++b->last_id, "method", method, "params", params),
	       *result = NULL;
	char *text;

	if (b->session)
		json_object_set_new(o, "sessionId", json_string(b->session));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	for (size_t done = 0, len = strlen(text) + 1; done < len;) {
		ssize_t n = write(b->to, text + done, len - done);

		if (n <= 0)
			fail_msg("chromium does not take %s", method);
		done += (size_t)n;
	}
	free(text);
	while (!result) {
		json_t *message = receive(b, deadline);

		if (json_integer_value(json_object_get(message, "id")) != b->last_id) {
			take_event(b, message);
		} else {
			result = json_incref(json_object_get(message, "result"));
			if (!result) {
				char *why = json_dumps(message, 0);

				fail_msg("%s: %s", method, why);
			}
		}
		json_decref(message);
	}
	return result;
}

static void tell(struct browser *b, const char *method, json_t *params)
{
	json_decref(call(b, method, params));
}

static char *call_for(struct browser *b, const char *method, json_t *params, const char *key)
{
	json_t *result = call(b, method, params);
	char *value = xstrdup(json_string_value(json_object_get(result, key)));

	json_decref(result);
	return value;
}

void browser_open(struct browser *b, const char *path, const char *fragment, unsigned int width, bool dark)
{
	_cleanup_free_ char *url = xasprintf("file://%s%s%s", path, *fragment ? "#" : "", fragment);
	uint64_t deadline = now_ns() + ANSWER_S * NSEC_PER_SEC;

	if (b->target) {
		free(b->session);
		b->session = NULL;
		tell(b, "Target.closeTarget", json_pack("{s:s}", "targetId", b->target));
		free(b->target);
	}
	text_free(&b->complaints);
	b->target = call_for(b, "Target.createTarget", json_pack("{s:s}", "url", "about:blank"), "targetId");
	b->session = call_for(b, "Target.attachToTarget",
			      json_pack("{s:s, s:b}", "targetId", b->target, "flatten", true), "sessionId");
	tell(b, "Page.enable", json_object());
	tell(b, "Runtime.enable", json_object());
	tell(b, "Log.enable", json_object());
	tell(b, "Emulation.setDeviceMetricsOverride",
	     json_pack("{s:i, s:i, s:i, s:b}", "width", (int)width, "height", 900, "deviceScaleFactor", 1, "mobile",
		       false));
	tell(b, "Emulation.setEmulatedMedia",
	     json_pack("{s:[{s:s, s:s}]}", "features", "name", "prefers-color-scheme", "value",
		       dark ? "dark" : "light"));
	b->loaded = false;
	tell(b, "Page.navigate", json_pack("{s:s}", "url", url));
	while (!b->loaded) {
		json_t *message = receive(b, deadline);

		take_event(b, message);
		json_decref(message);
	}
}

json_t *browser_eval(struct browser *b, const char *expression)
{
	json_t *result = call(
		b, "Runtime.evaluate",
		json_pack("{s:s, s:b, s:b}", "expression", expression, "returnByValue", true, "awaitPromise", true));
	json_t *value = json_incref(json_object_get(json_object_get(result, "result"), "value"));

	if (json_object_get(result, "exceptionDetails")) {
		char *why = json_dumps(json_object_get(result, "exceptionDetails"), 0);

		fail_msg("%.200s: %s", expression, why);
	}
	json_decref(result);
	return value;
}

long browser_number(struct browser *b, const char *expression)
{
	json_t *value = browser_eval(b, expression);
	long n = (long)json_number_value(value);

	if (!json_is_number(value) && !json_is_boolean(value))
		fail_msg("%s is no number", expression);
	if (json_is_boolean(value))
		n = json_is_true(value);
	json_decref(value);
	return n;
}

const char *browser_complaints(const struct browser *b)
{
	return b->complaints.s ? b->complaints.s : "";
}

void browser_paper(struct browser *b, unsigned int width)
{
	tell(b, "Emulation.setDeviceMetricsOverride",
	     json_pack("{s:i, s:i, s:i, s:b}", "width", (int)width, "height", 1000, "deviceScaleFactor", 1, "mobile",
		       false));
	tell(b, "Emulation.setEmulatedMedia", json_pack("{s:s}", "media", "print"));
	json_decref(browser_eval(b, "dispatchEvent(new Event('beforeprint'))"));
}

void browser_print(struct browser *b, const char *path)
{
	_cleanup_free_ char *data =
		call_for(b, "Page.printToPDF",
			 json_pack("{s:b, s:b}", "preferCSSPageSize", true, "printBackground", true), "data");
	size_t len = strlen(data), n = BASE64_DECODE_LENGTH(len);
	_cleanup_free_ uint8_t *bytes = xcalloc(n + 1, 1);
	struct base64_decode_ctx base64;
	struct err err = ERR_INIT;

	base64_decode_init(&base64);
	if (!base64_decode_update(&base64, &n, bytes, len, data) || file_write(path, bytes, n, &err) < 0)
		fail_msg("the PDF cannot be written: %s", err.msg);
}
