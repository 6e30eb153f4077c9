/* SPDX-License-Identifier: MIT */
/*
 * linkwatch [-t SECONDS]: tells of the network links there are, and of each that comes, goes or changes.
 *
 * A descriptor that is not the library's, a netlink socket, in a select with two others: SIGTERM and SIGINT through a
 * signalfd, and a deadline. The library says when the kernel has something to tell; receiving and understanding it is this
 * program's.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringline/ringline.h>

enum { LINKS, SIGNALS, END };

static int open_links(void)
{
	struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	struct { struct nlmsghdr h; struct ifinfomsg m; } ask = {
		.h = { .nlmsg_len = sizeof(ask), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&all, sizeof(all)) < 0 || send(fd, &ask, sizeof(ask), 0) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void tell(const struct nlmsghdr *h)
{
	const struct ifinfomsg *m = NLMSG_DATA(h);
	const struct rtattr *a = IFLA_RTA(m);
	int left = (int)IFLA_PAYLOAD(h);
	const char *name = "?";

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == IFLA_IFNAME)
			name = RTA_DATA(a);
	if (h->nlmsg_type == RTM_DELLINK)
		printf("%s is gone\n", name);
	else
		printf("%s is %s\n", name, m->ifi_flags & IFF_UP ? "up" : "down");
	fflush(stdout);
}

/* All that the socket has. One whose buffer overflowed has lost something; a daemon would ask for everything again. */
static int receive(int fd)
{
	_Alignas(struct nlmsghdr) char data[32768];
	ssize_t n;

	while ((n = recv(fd, data, sizeof(data), 0)) > 0) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)data;
		unsigned int left = (unsigned int)n;

		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
			if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK)
				tell(h);
	}
	return n < 0 && errno != EAGAIN && errno != ENOBUFS ? -errno : 0;
}

/* Until a signal comes or the time is over. */
static int watch(struct ringline_case *cases, int links)
{
	ssize_t which;
	int r = 0;

	do {
		which = ringline_select(cases, END + 1, sizeof(*cases), 0);
		if (which == LINKS)
			r = receive(links);
	} while (which == LINKS && r == 0);
	return which < 0 ? (int)which : r;
}

static int run(void *arg)
{
	const uint64_t *seconds = arg;
	struct ringline_fd_watch *link_watch = NULL;
	struct ringline_fd_watch *signal_watch = NULL;
	int links = open_links();
	int signals = open_signals();
	int r = links < 0 ? links : signals < 0 ? signals : 0;

	if (r == 0)
		r = ringline_fd_watch_new(&link_watch, links, POLLIN);
	if (r == 0)
		r = ringline_fd_watch_new(&signal_watch, signals, POLLIN);
	if (r == 0) {
		struct ringline_case cases[] = {
			[LINKS] = { .kind = RINGLINE_CASE_FD, .object = link_watch },
			[SIGNALS] = { .kind = RINGLINE_CASE_FD, .object = signal_watch },
			[END] = { .kind = RINGLINE_CASE_DEADLINE, .value = RINGLINE_NEVER },
		};

		if (*seconds)
			cases[END].value = ringline_now() + *seconds * RINGLINE_NSEC_PER_SEC;
		r = watch(cases, links);
	}
	ringline_fd_watch_free(link_watch);
	ringline_fd_watch_free(signal_watch);
	if (links >= 0)
		close(links);
	if (signals >= 0)
		close(signals);
	return r;
}

int main(int argc, char **argv)
{
	uint64_t seconds = 0;
	int r;

	if (argc == 3 && !strcmp(argv[1], "-t"))
		seconds = strtoull(argv[2], NULL, 10);
	else if (argc > 1) {
		fprintf(stderr, "usage: linkwatch [-t SECONDS]\n");
		return 2;
	}
	r = ringline_run(NULL, run, &seconds);
	if (r < 0)
		fprintf(stderr, "linkwatch: %s\n", strerror(-r));
	return r < 0;
}
