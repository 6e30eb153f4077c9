/* SPDX-License-Identifier: MIT */
/*
 * Telling the service manager: a datagram of assignments to the socket that $NOTIFY_SOCKET names (sd_notify(3)), with descriptors
 * if there are any. Each message has a socket of its own: they are rare, and a process that forks or changes its root keeps
 * nothing open.
 *
 * On a worker a manager whose queue is full is not waited for. Elsewhere, as at the start, it is, for a second: a READY=1 that
 * is lost ends the daemon.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/text.h"
#include "core/executor.h"
#include "io/inherit.h"
#include "ringline/service.h"

#define NSEC_PER_USEC UINT64_C(1000)
#define FDS_MAX   253u                    /* of one message: SCM_MAX_FD, unix(7) */
#define NAME_SIZE 255u

/* The manager's socket; 0: there is none. */
static int find_manager(struct sockaddr_un *un, socklen_t *len)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;

	if (!n)
		return 0;
	if ((*path != '/' && *path != '@') || n < 2)
		return -EINVAL;
	if (n >= sizeof(un->sun_path))
		return -ENAMETOOLONG;
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n);
	if (*path == '@')
		un->sun_path[0] = '\0';
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path == '/'));
	return 1;
}

static int open_socket(bool patient)
{
	const struct timeval second = { .tv_sec = 1 };
	int error = rln_fault(RLN_FAULT_SOCKET);
	int fd = error ? -1 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error ? -error : -errno;
	if (patient)
		(void)!setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	return fd;
}

static void put_fds(struct msghdr *m, void *control, const int *fds, size_t n)
{
	struct cmsghdr *c;

	if (!n)
		return;
	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(n * sizeof(int));
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
}

static int send_to(const struct sockaddr_un *un, socklen_t len, const char *state, const int *fds, size_t nfds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_MAX * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)state, .iov_len = strlen(state) };
	struct msghdr m = { .msg_name = (void *)un, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1 };
	bool patient = !rln_exec_current;
	int fd = open_socket(patient);
	int r = rln_fault(RLN_FAULT_SEND);

	if (fd < 0)
		return fd;
	put_fds(&m, control, fds, nfds);
	if (!r && sendmsg(fd, &m, MSG_NOSIGNAL | (patient ? 0 : MSG_DONTWAIT)) < 0)
		r = errno;
	close(fd);
	return r ? -r : 1;
}

int ringline_service_notify(const char *state, const int *fds, size_t nfds)
{
	struct sockaddr_un un;
	socklen_t len;
	int r;

	if (!state || !*state || (nfds && !fds))
		return -EINVAL;
	if (nfds > FDS_MAX)
		return -E2BIG;
	r = find_manager(&un, &len);
	return r > 0 ? send_to(&un, len, state, fds, nfds) : r;
}

/* Sends and frees what was written. */
static int send_text(struct rln_text *t, const int *fds, size_t nfds)
{
	int r = t->truncated || !t->data ? -ENOMEM : ringline_service_notify(t->data, fds, nfds);

	rln_text_free(t);
	return r;
}

int ringline_service_ready(void)
{
	return ringline_service_notify("READY=1", NULL, 0);
}

int ringline_service_stopping(void)
{
	return ringline_service_notify("STOPPING=1", NULL, 0);
}

int ringline_service_reloading(void)
{
	struct rln_text t = RLN_TEXT_INIT;

	rln_text_add(&t, "RELOADING=1\nMONOTONIC_USEC=%llu",
	             (unsigned long long)(rln_clock_read(CLOCK_MONOTONIC) / NSEC_PER_USEC));
	return send_text(&t, NULL, 0);
}

int ringline_service_status(const char *status)
{
	struct rln_text t = RLN_TEXT_INIT;

	if (!status || strchr(status, '\n'))
		return -EINVAL;
	rln_text_add(&t, "STATUS=%s", status);
	return send_text(&t, NULL, 0);
}

int ringline_service_main_pid(int32_t pid)
{
	struct rln_text t = RLN_TEXT_INIT;

	if (pid < 1)
		return -EINVAL;
	rln_text_add(&t, "MAINPID=%d", pid);
	return send_text(&t, NULL, 0);
}

int ringline_service_extend_timeout(uint64_t timeout)
{
	struct rln_text t = RLN_TEXT_INIT;

	rln_text_add(&t, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)(timeout / NSEC_PER_USEC));
	return send_text(&t, NULL, 0);
}

/* Descriptors that the manager keeps */

static bool valid_name(const char *name)
{
	size_t n = name ? strnlen(name, NAME_SIZE + 1) : 0;
	size_t i;

	for (i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == ':')
			return false;
	return n && n <= NAME_SIZE;
}

int ringline_service_store(const char *name, const int *fds, size_t nfds, uint32_t flags)
{
	struct rln_text t = RLN_TEXT_INIT;

	if (!valid_name(name) || !fds || !nfds || (flags & ~RINGLINE_SERVICE_KEEP))
		return -EINVAL;
	rln_text_add(&t, "FDSTORE=1\nFDNAME=%s%s", name, flags & RINGLINE_SERVICE_KEEP ? "\nFDPOLL=0" : "");
	return send_text(&t, fds, nfds);
}

int ringline_service_unstore(const char *name)
{
	struct rln_text t = RLN_TEXT_INIT;

	if (!valid_name(name))
		return -EINVAL;
	rln_text_add(&t, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return send_text(&t, NULL, 0);
}

/* Only a descriptor that is handed out is made close-on-exec. */
static bool hand_out(int fd, bool wanted)
{
	return (wanted ? fcntl(fd, F_SETFD, FD_CLOEXEC) : fcntl(fd, F_GETFD)) >= 0;
}

size_t ringline_service_fds(const char *name, int *fds, size_t n)
{
	int passed = rln_inherit_passed();
	size_t found = 0;
	int i;

	for (i = 0; i < passed; i++) {
		int fd = RLN_INHERIT_FIRST + i;

		bool wanted = fds && found < n;

		if ((name && !rln_inherit_is_named(i, name)) || !hand_out(fd, wanted))
			continue;
		if (wanted)
			fds[found] = fd;
		found++;
	}
	return found;
}

/* The watchdog */

/* A decimal number and nothing else; 0 if it is none, or too large. */
static uint64_t number(const char *text)
{
	unsigned long long n;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	return *end || errno ? 0 : n;
}

uint64_t ringline_service_watchdog(void)
{
	uint64_t usec = number(getenv("WATCHDOG_USEC"));
	const char *pid = getenv("WATCHDOG_PID");

	if ((pid && number(pid) != (uint64_t)getpid()) || usec > UINT64_MAX / NSEC_PER_USEC)
		return 0;
	return usec * NSEC_PER_USEC;
}
