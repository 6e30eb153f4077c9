/* SPDX-License-Identifier: MIT */
/*
 * The UDP echo that a careful programmer writes by hand for readiness: as many datagrams as are there in one system call, all
 * of them answered in another.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include "contender.h"

#define BATCH 32
#define SIZE  65536

static struct mmsghdr msg[BATCH];
static struct iovec iov[BATCH];
static struct sockaddr_in peer[BATCH];
static unsigned char memory[BATCH][SIZE + 320];   /* not all at one place of the cache */

static void prepare(int i)
{
	iov[i] = (struct iovec){ memory[i], SIZE };
	msg[i].msg_hdr = (struct msghdr){ .msg_name = &peer[i], .msg_namelen = sizeof(peer[i]), .msg_iov = &iov[i], .msg_iovlen = 1 };
}

static void answer(int fd, int n)
{
	int done = 0;
	int i;

	for (i = 0; i < n; i++)
		iov[i].iov_len = msg[i].msg_len;
	while (done < n) {
		int r = sendmmsg(fd, msg + done, (unsigned int)(n - done), 0);

		if (r <= 0)
			contender_die("sendmmsg", errno);
		done += r;
	}
	for (i = 0; i < n; i++)
		prepare(i);
}

int main(int argc, char **argv)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct contender self;
	int signals = contender_signals();
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int i;

	contender_start(&self, argc, argv, 0);
	e.data.fd = self.fd;
	epoll_ctl(epoll, EPOLL_CTL_ADD, self.fd, &e);
	e.data.fd = signals;
	epoll_ctl(epoll, EPOLL_CTL_ADD, signals, &e);
	for (i = 0; i < BATCH; i++)
		prepare(i);
	contender_announce(&self);
	for (;;) {
		int n = epoll_wait(epoll, &e, 1, -1);

		if (n == 1 && e.data.fd == signals)
			break;
		n = recvmmsg(self.fd, msg, BATCH, MSG_DONTWAIT, NULL);
		if (n > 0)
			answer(self.fd, n);
	}
	contender_end(&self);
	return 0;
}
