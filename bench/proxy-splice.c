/* SPDX-License-Identifier: MIT */
/*
 * A proxy as one would write it by hand: one thread, epoll, and per direction a pipe through which splice(2) moves pages.
 * "-t tcp:127.0.0.1:PORT" is where to; it prints "listening on ADDRESS". Each direction ends with the end of its stream.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPE_SIZE (1024 * 1024)

struct way {
	int from;
	int to;
	int pipe[2];
	size_t in_pipe;
	bool ended;               /* nothing more comes */
	bool done;                /* and all has left */
};

struct pair {
	int fd[2];
	struct way way[2];
};

static int poller;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void way_init(struct way *w, int from, int to)
{
	*w = (struct way){ .from = from, .to = to };
	if (pipe2(w->pipe, O_NONBLOCK | O_CLOEXEC) < 0)
		die("pipe");
	fcntl(w->pipe[0], F_SETPIPE_SZ, PIPE_SIZE);
}

/* Until neither end has anything to do; false: broken. */
static bool move(struct way *w)
{
	const unsigned int flags = SPLICE_F_NONBLOCK | SPLICE_F_MOVE;
	bool moved = true;

	while (moved && !w->done) {
		ssize_t n = 0;

		moved = false;
		if (!w->ended && !w->in_pipe) {
			n = splice(w->from, NULL, w->pipe[1], NULL, PIPE_SIZE, flags);
			if (n < 0 && errno != EAGAIN)
				return false;
			w->ended = n == 0;
			w->in_pipe += n > 0 ? (size_t)n : 0;
			moved = n >= 0;
		}
		if (w->in_pipe) {
			n = splice(w->pipe[0], NULL, w->to, NULL, w->in_pipe, flags);
			if (n < 0 && errno != EAGAIN)
				return false;
			w->in_pipe -= n > 0 ? (size_t)n : 0;
			moved = n > 0;
		}
		if (w->ended && !w->in_pipe) {
			shutdown(w->to, SHUT_WR);
			w->done = true;
		}
	}
	return true;
}

static void end(struct pair *p)
{
	int i;

	for (i = 0; i < 2; i++) {
		close(p->fd[i]);
		close(p->way[i].pipe[0]);
		close(p->way[i].pipe[1]);
	}
	free(p);
}

static void watch(int fd, void *what)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = what };

	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll_ctl");
}

static void begin(int client, const struct sockaddr_in *target)
{
	static const int on = 1;
	struct pair *p = calloc(1, sizeof(*p));

	p->fd[0] = client;
	p->fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(p->fd[1], (const struct sockaddr *)target, sizeof(*target)) < 0)
		die("connect");
	fcntl(p->fd[1], F_SETFL, O_NONBLOCK);
	setsockopt(p->fd[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	way_init(&p->way[0], p->fd[0], p->fd[1]);
	way_init(&p->way[1], p->fd[1], p->fd[0]);
	watch(p->fd[0], p);
	watch(p->fd[1], p);
}

static uint16_t port_of(const char *address)
{
	return (uint16_t)atoi(strrchr(address, ':') + 1);
}

int main(int argc, char **argv)
{
	struct sockaddr_in target = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in in = target;
	struct epoll_event events[64];
	socklen_t len = sizeof(in);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int i;

	for (i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], "-t"))
			target.sin_port = htons(port_of(argv[i + 1]));
	signal(SIGPIPE, SIG_IGN);
	if (bind(listener, (struct sockaddr *)&in, len) < 0 || listen(listener, 128) < 0 ||
	    getsockname(listener, (struct sockaddr *)&in, &len) < 0)
		die("listen");
	poller = epoll_create1(EPOLL_CLOEXEC);
	watch(listener, NULL);
	printf("listening on tcp:127.0.0.1:%u\n", ntohs(in.sin_port));
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(poller, events, 64, -1);

		for (i = 0; i < n; i++) {
			struct pair *p = events[i].data.ptr;
			int fd;

			while (!p && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
				begin(fd, &target);
			if (p && (!move(&p->way[0]) || !move(&p->way[1]) || (p->way[0].done && p->way[1].done))) {
				int k;

				for (k = i + 1; k < n; k++)
					if (events[k].data.ptr == p)
						events[k].events = 0, events[k].data.ptr = NULL;
				end(p);
			}
		}
	}
}
