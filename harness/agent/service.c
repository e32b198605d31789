// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs that go on while others are measured: started, waited for until they answer, looked after, stopped. And
 * what is brought out of a guest at its end: their logs, and files that the job names. */
#include "agent/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVICES_MAX 16u
#define ARTIFACTS_MAX 64u
#define ARTIFACT_BYTES (4u << 20) /* of one; the end of a longer file */
#define CHUNK_BYTES (256u << 10)
#define POLL_NS 20000000L /* between two looks at something that is to come */
#define NSEC UINT64_C(1000000000)

static struct service {
	char name[64], log[PATH_SIZE];
	int stop_signal;
	uint64_t stop_s, begin_ns;
	pid_t pid;   /* 0: it has ended */
	pid_t group; /* of processes, from its setsid() */
	bool stopping;
	unsigned int starts; /* before this one, of services of this name */
	int wait_status;
	struct rusage usage;
} services[SERVICES_MAX];
static unsigned int n_services;

static struct artifact {
	char name[64], path[PATH_SIZE];
} artifacts[ARTIFACTS_MAX];
static unsigned int n_artifacts;

bool services_any(void)
{
	return n_services > 0;
}

void service_reaped(pid_t pid, int status, const struct rusage *usage)
{
	for (unsigned int i = 0; i < n_services; i++) {
		if (services[i].pid != pid || WIFSTOPPED(status))
			continue;
		services[i].pid = 0;
		services[i].wait_status = status;
		services[i].usage = *usage;
	}
}

bool services_down(void)
{
	for (unsigned int i = 0; i < n_services; i++)
		if (!services[i].pid && !services[i].stopping)
			return true;
	return false;
}

static void status_text(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "signal %d", WTERMSIG(status));
	else
		snprintf(buf, size, "exit %d", WEXITSTATUS(status));
}

static void look_after(struct agent *agent)
{
	struct timespec t = { 0, POLL_NS };

	nanosleep(&t, NULL);
	reap_services(agent);
}

/* The last @size - 1 bytes of a file. */
static size_t read_end(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t used = 0;
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)size)
		lseek(fd, st.st_size - (off_t)size + 1, SEEK_SET);
	while (used < size - 1 && (n = read(fd, buf + used, size - 1 - used)) > 0)
		used += (size_t)n;
	buf[used] = '\0';
	close(fd);
	return used;
}

void services_check(struct agent *agent)
{
	static char text[4096];
	char reason[1024], status[32], line[256], oom[128];

	for (unsigned int i = 0; i < n_services; i++) {
		const struct service *s = &services[i];

		if (s->pid || s->stopping)
			continue;
		status_text(s->wait_status, status, sizeof(status));
		fatal_line(text, read_end(s->log, text, sizeof(text)), line, sizeof(line));
		oom_reason(agent, s->name, oom, sizeof(oom));
		snprintf(reason, sizeof(reason), "service %.60s ended by itself: %s%s%s%s", s->name, status, oom,
			 line[0] ? ": " : "", line);
		agent_end(agent, "workload-failed", reason);
	}
}

void services_settle(struct agent *agent)
{
	for (int i = 0; i < 50 && services_any() && !services_down(); i++)
		look_after(agent);
	services_check(agent);
}

/* Its children went with it, or go now. */
static void kill_rest(struct agent *agent, const struct service *s)
{
	if (agent->cgroups)
		kill_cgroup(agent, s->name);
	else
		kill(-s->group, SIGKILL);
}

static struct service *look_up(const char *name)
{
	for (unsigned int i = 0; i < n_services; i++)
		if (strcmp(services[i].name, name) == 0)
			return &services[i];
	return NULL;
}

/* One of that name that was stopped is followed by this one: its log goes on, its cgroup does not, for peaks and times are of
 * who lives now. */
static struct service *take_place(struct agent *agent, const char *name)
{
	struct service *s = look_up(name);
	char path[PATH_SIZE];

	if (s && !s->stopping)
		agent_fail(agent, "there is a service %s already", name);
	if (!s) {
		if (n_services == SERVICES_MAX)
			agent_fail(agent, "more than %u services", SERVICES_MAX);
		return &services[n_services++];
	}
	snprintf(path, sizeof(path), CGROUP_ROOT "/%.200s", name);
	if (agent->cgroups && rmdir(path) < 0)
		agent_fail(agent, "cannot remove the cgroup of the last service %s: %s", name, strerror(errno));
	s->starts++;
	return s;
}

void service_start(struct agent *agent, const char *name, int stop_signal, uint64_t stop_s, char *const argv[])
{
	struct service *s = take_place(agent, name);
	char path[PATH_SIZE];
	int log;

	/* until it runs it is none that ends by itself */
	*s = (struct service){ .stop_signal = stop_signal, .stop_s = stop_s, .stopping = true, .starts = s->starts };
	snprintf(s->name, sizeof(s->name), "%.60s", name);
	snprintf(path, sizeof(path), JOB_LOG_DIR "/%s.log", s->name);
	agent_path(agent, path, s->log);
	make_parents(agent_path(agent, JOB_LOG_DIR, path));
	log = open(s->log, O_WRONLY | O_CREAT | (s->starts ? 0 : O_TRUNC) | O_APPEND | O_CLOEXEC | agent->log_flags,
		   0644);
	if (log < 0)
		agent_fail(agent, "cannot write %s: %s", s->log, strerror(errno));
	cgroup_make(agent, s->name, true);
	s->begin_ns = agent_now(agent);
	s->pid = s->group = spawn_into(agent, s->name, argv, log);
	s->stopping = false;
	close(log);
}

static struct service *find_service(struct agent *agent, const char *name)
{
	struct service *s = look_up(name);

	if (!s)
		agent_fail(agent, "there is no service %s", name);
	return s;
}

/* ---- Ready? */

/* Whether something listens at @path of the root. */
static bool answers_socket(const struct agent *agent, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	snprintf(to.sun_path, sizeof(to.sun_path), "%.60s%.46s", agent->fake ? agent->root : agent->newroot, path);
	rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&to, sizeof(to));
	if (fd >= 0)
		close(fd);
	return rc == 0;
}

static bool answers_port(const struct agent *agent, const char *number)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(number, NULL, 10)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	(void)agent;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&to, sizeof(to));
	if (fd >= 0)
		close(fd);
	return rc == 0;
}

/* In a cgroup of its own: what asking costs is not the service's. */
static bool answers_command(struct agent *agent, char *const argv[], uint64_t left_s)
{
	char phase[sizeof(agent->phase)];
	struct exec_result result;

	memcpy(phase, agent->phase, sizeof(phase));
	cgroup_make(agent, "ready", false);
	snprintf(agent->phase, sizeof(agent->phase), "ready");
	exec_program(agent, argv, left_s, NULL, NULL, &result);
	memcpy(agent->phase, phase, sizeof(phase));
	return result.ok;
}

void service_ready(struct agent *agent, const char *name, uint64_t timeout_s, const char *how, char *const what[])
{
	const struct service *s = find_service(agent, name);
	uint64_t deadline = real_ns() + timeout_s * NSEC;
	char reason[256];

	for (;;) {
		uint64_t now = real_ns();
		bool ready;

		services_check(agent);
		if (now >= deadline)
			break;
		if (strcmp(how, "socket") == 0)
			ready = answers_socket(agent, what[0]);
		else if (strcmp(how, "port") == 0)
			ready = answers_port(agent, what[0]);
		else
			ready = answers_command(agent, what, (deadline - now + NSEC - 1) / NSEC);
		if (ready) {
			services_check(agent);
			return;
		}
		look_after(agent);
	}
	snprintf(reason, sizeof(reason), "service %.60s is not ready after %llu s (%s %.80s)", s->name,
		 (unsigned long long)timeout_s, how, what[0]);
	agent_end(agent, "workload-failed", reason);
}

/* ---- The end */

/* By its signal, in time, else by SIGKILL; all of its cgroup is gone then. True if it went as it was asked to. */
static bool stop(struct agent *agent, struct service *s)
{
	uint64_t deadline = real_ns() + s->stop_s * NSEC;
	bool asked = true;

	s->stopping = true;
	if (s->pid)
		kill(s->pid, s->stop_signal);
	while (s->pid && real_ns() < deadline)
		look_after(agent);
	if (s->pid) {
		asked = false;
		agent_note(agent, "service %s did not end %llu s after signal %d, and was killed", s->name,
			   (unsigned long long)s->stop_s, s->stop_signal);
		kill(s->pid, SIGKILL);
	}
	while (s->pid)
		look_after(agent);
	kill_rest(agent, s);
	return asked;
}

static void report(struct agent *agent, const struct service *s)
{
	static char text[OUTPUT_MAX];
	char index[16];
	char *const words[] = { (char *)"exec",
				(char *)(uintptr_t)s->name,
				(char *)"service",
				index,
				(char *)"0",
				(char *)(uintptr_t)s->name,
				NULL };
	struct exec_result result = { .begin_ns = s->begin_ns, .end_ns = agent_now(agent), .usage = s->usage };

	snprintf(index, sizeof(index), "%u", s->starts);
	status_text(s->wait_status, result.status, sizeof(result.status));
	result.output_len = result.output_total = read_end(s->log, text, sizeof(text));
	result.output = text;
	if (agent->fake)
		memset(&result.usage, 0, sizeof(result.usage));
	emit_exec(agent, words, &result);
}

void service_stop(struct agent *agent, const char *name)
{
	struct service *s = find_service(agent, name);
	char reason[256], status[32];
	bool asked;

	services_check(agent);
	if (s->stopping)
		return;
	asked = stop(agent, s);
	report(agent, s);
	status_text(s->wait_status, status, sizeof(status));
	if (asked && WIFEXITED(s->wait_status) &&
	    (WEXITSTATUS(s->wait_status) == 0 || WEXITSTATUS(s->wait_status) == 128 + s->stop_signal))
		return;
	/* one that does not handle its signal dies of it, as asked */
	if (asked && WIFSIGNALED(s->wait_status) && WTERMSIG(s->wait_status) == s->stop_signal)
		return;
	snprintf(reason, sizeof(reason), "service %.60s, told to stop: %s", s->name, status);
	agent_end(agent, "workload-failed", reason);
}

void artifact_add(struct agent *agent, const char *name, const char *path)
{
	if (n_artifacts == ARTIFACTS_MAX)
		agent_fail(agent, "more than %u artifacts", ARTIFACTS_MAX);
	snprintf(artifacts[n_artifacts].name, sizeof(artifacts[0].name), "%.60s", name);
	snprintf(artifacts[n_artifacts].path, sizeof(artifacts[0].path), "%.500s", path);
	n_artifacts++;
}

/* The end of a file, in records of CHUNK_BYTES. */
static void send_file(struct agent *agent, const char *name, const char *path)
{
	static char chunk[CHUNK_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char offset_text[24], size_text[24];
	struct stat st;
	off_t offset;
	ssize_t n;

	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return;
	}
	offset = st.st_size > (off_t)ARTIFACT_BYTES ? st.st_size - (off_t)ARTIFACT_BYTES : 0;
	snprintf(size_text, sizeof(size_text), "%lld", (long long)st.st_size);
	while (offset < st.st_size && (n = pread(fd, chunk, sizeof(chunk), offset)) > 0) {
		snprintf(offset_text, sizeof(offset_text), "%lld", (long long)offset);
		emit(agent, WIRE_ARTIFACT,
		     (const struct wire_field[]){
			     text_field(name), text_field(offset_text), text_field(size_text), { chunk, (size_t)n } },
		     4);
		offset += n;
	}
	close(fd);
}

void services_end(struct agent *agent)
{
	static bool ending;
	char path[PATH_SIZE], name[80];

	if (ending)
		return;
	ending = true; /* stopping one may come here again */
	for (unsigned int i = n_services; i-- > 0;) {
		if (services[i].stopping)
			continue;
		stop(agent, &services[i]);
		report(agent, &services[i]);
	}
	for (unsigned int i = 0; i < n_services; i++) {
		snprintf(name, sizeof(name), "%.60s.log", services[i].name);
		send_file(agent, name, services[i].log);
	}
	for (unsigned int i = 0; i < n_artifacts; i++)
		send_file(agent, artifacts[i].name, agent_path(agent, artifacts[i].path, path));
}
