/* SPDX-License-Identifier: MIT */
/*
 * What examples/supervisor has to cope with: units that do what no good unit does.
 *
 *     hostile-child deaf                    ignores what asks it to end, and so does a child of its
 *     hostile-child daemon                  forks twice, in a session of its own, and the first process ends
 *     hostile-child quick CODE              ends at once
 *     hostile-child flood                   writes without end, as fast as it can
 *     hostile-child storm                   forks without end, as many as it may, and none of them listens
 *     hostile-child mute                    closes its output and lives
 *     hostile-child litter                  writes half lines, zeros, a line that is too long, and ends without a newline
 *     hostile-child crash                   dies of a signal that dumps core
 *     hostile-child thief                   says that process 1 and its own parent are its main process, and lives
 *     hostile-child babble                  says READY=1, and then, with three children, nonsense without end
 *     hostile-child changeling              says that its child is the main process, which then counts, and ends
 *     hostile-child dead-watchdog           says READY=1 and WATCHDOG=1 once, and no more
 *     hostile-child forge SOCKET            says something where it has nothing to say; prints whether that was possible
 *     hostile-child serve                   answers each connection to descriptor 3 with its number
 *     hostile-child slow-server             the same, but ends after each answer
 *     hostile-child ask SOCKET NUMBER       connects as often, and prints how many answers came
 *     hostile-child clients SOCKET NUMBER   connects as often at once, says nothing, and prints how many are let go at once
 *     hostile-child tell SOCKET LINE        writes a line, and prints the answer
 *     hostile-child long-line SOCKET        the same with one that is too long
 *     hostile-child self                    prints what it is, as /proc has it, and lives
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_FD    3
#define CLIENTS_MAX  256
#define LONG_LINE    100000
#define OUTPUT_ENDS  10000            /* milliseconds after which what has not come does not come */

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(1);
}

static void say(const char *format, ...)
{
	char text[256];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	check(write(STDOUT_FILENO, text, (size_t)n) == n, "write");
}

static void live(void)
{
	for (;;)
		pause();
}

static void ignore_all(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

/* Ends of life */

static int deaf(void)
{
	ignore_all();
	check(fork() >= 0, "fork");
	say("deaf %d\n", (int)getpid());
	live();
	return 0;
}

static int make_daemon(void)
{
	pid_t pid = fork();

	check(pid >= 0, "fork");
	if (pid > 0)
		return 0;
	check(setsid() >= 0, "setsid");
	pid = fork();
	if (pid > 0)
		_exit(0);
	ignore_all();
	say("daemon %d\n", (int)getpid());
	live();
	return 0;
}

static int storm(void)
{
	unsigned long n = 0;

	ignore_all();
	while (n < 10000) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0)
			live();
		n++;
	}
	say("storm of %lu: %s\n", n, n < 10000 ? strerror(errno) : "no limit");
	for (;;) {                        /* it goes on trying */
		if (fork() == 0)
			live();
		usleep(1000);
	}
	return 0;
}

static int crash(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	abort();
}

/* Output */

static int flood(void)
{
	static char block[65536];
	size_t i;

	for (i = 0; i < sizeof(block); i++)
		block[i] = i % 64 == 63 ? '\n' : 'f';
	while (write(STDOUT_FILENO, block, sizeof(block)) > 0)
		continue;
	return 1;
}

static int mute(void)
{
	say("mute soon\n");
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	live();
	return 0;
}

static int litter(void)
{
	static char line[LONG_LINE];

	say("half ");
	usleep(20000);
	say("a line\n");
	check(write(STDOUT_FILENO, "a\0b\033c\n", 6) == 6, "write");
	memset(line, 'l', sizeof(line));
	check(write(STDOUT_FILENO, line, sizeof(line)) == (ssize_t)sizeof(line), "write");
	say("\n\nlast, and no newline");
	return 0;
}

/* What is said */

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return a;
}

/* 0 or -errno. */
static int send_to(const char *path, const char *text)
{
	struct sockaddr_un a = address_of(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t n = sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&a, sizeof(a));
	int r = n < 0 ? -errno : 0;

	close(fd);
	return r;
}

static void notify(const char *format, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	errno = path ? -send_to(path, text) : ENOENT;
	check(!errno, "NOTIFY_SOCKET");
}

static int forge(const char *path)
{
	int r = send_to(path, "STATUS=forged\nREADY=1");

	printf("%s\n", r < 0 ? strerror(-r) : "sent");
	return 0;
}

static int thief(void)
{
	notify("MAINPID=1");
	notify("MAINPID=%d", (int)getppid());
	notify("MAINPID=999999999\nMAINPID=\nMAINPID=-1");
	notify("READY=1\nSTATUS=stole nothing");
	live();
	return 0;
}

static int babble(void)
{
	int i;

	notify("READY=1");
	for (i = 0; i < 3; i++)
		if (fork() == 0)
			break;
	for (;;)
		notify("STATUS=%ld\nX=%s", random(), "\001\002\nMAINPID=1");
	return 0;
}

static int changeling(void)
{
	pid_t pid = fork();

	check(pid >= 0, "fork");
	if (pid == 0)
		live();
	notify("MAINPID=%d\nREADY=1\nSTATUS=changed", (int)pid);
	return 0;
}

static int dead_watchdog(void)
{
	const char *pid = getenv("WATCHDOG_PID");

	check(pid && atoi(pid) == (int)getpid() && getenv("WATCHDOG_USEC"), "WATCHDOG_PID");
	notify("READY=1");
	notify("WATCHDOG=1");
	live();
	return 0;
}

/* Sockets */

static void leave(int signal)
{
	(void)signal;
	_exit(0);
}

/* The only moment at which it lets itself be ended: whom it has accepted it answers. */
static void wait_for_client(void)
{
	struct pollfd p = { .fd = LISTEN_FD, .events = POLLIN };
	sigset_t none;

	sigemptyset(&none);
	check(ppoll(&p, 1, NULL, &none) == 1, "ppoll");
}

static void let_end_only_there(void)
{
	struct sigaction a = { .sa_handler = leave };
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	sigaction(SIGTERM, &a, NULL);
}

static int serve(bool once)
{
	const char *pid = getenv("LISTEN_PID");
	char text[32];
	int fd;

	check(pid && atoi(pid) == (int)getpid() && getenv("LISTEN_FDS"), "LISTEN_PID");
	let_end_only_there();
	say("serves %s of %s\n", getenv("LISTEN_FDNAMES"), getenv("LISTEN_FDS"));
	do {
		wait_for_client();
		fd = accept(LISTEN_FD, NULL, NULL);
		check(fd >= 0, "accept");
		snprintf(text, sizeof(text), "%d\n", (int)getpid());
		check(write(fd, text, strlen(text)) > 0, "write");
		close(fd);
	} while (!once);
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = address_of(path);
	struct timeval patience = { .tv_sec = OUTPUT_ENDS / 1000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	check(connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0, "connect");
	return fd;
}

static int ask(const char *path, int n)
{
	int answers = 0;
	char text[32];
	int i;

	for (i = 0; i < n; i++) {
		int fd = connect_to(path);

		answers += read(fd, text, sizeof(text)) > 0;
		close(fd);
	}
	printf("%d of %d\n", answers, n);
	return 0;
}

static int crowd(const char *path, int n)
{
	static struct pollfd fds[CLIENTS_MAX];
	int gone = 0;
	int i;

	check(n <= CLIENTS_MAX, "clients");
	for (i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = connect_to(path), .events = POLLIN };
	for (i = 0; i < n; i++) {             /* who is served is answered when he asks, who is not reads the end */
		char c;

		if (send(fds[i].fd, "\n", 1, MSG_NOSIGNAL) < 0 || poll(&fds[i], 1, OUTPUT_ENDS) <= 0 || read(fds[i].fd, &c, 1) <= 0)
			gone++;
	}
	printf("%d of %d\n", gone, n);
	return 0;
}

static int tell(const char *path, const char *line, size_t n)
{
	int fd = connect_to(path);
	ssize_t sent = send(fd, line, n, MSG_NOSIGNAL);
	char text[4096];

	if (sent < 0)                         /* whoever is turned away has been told why nevertheless */
		fprintf(stderr, "%s\n", strerror(errno));
	shutdown(fd, SHUT_WR);
	while ((sent = recv(fd, text, sizeof(text), 0)) > 0)
		fwrite(text, 1, (size_t)sent, stdout);
	return 0;
}

static int tell_line(const char *path, const char *text)
{
	char line[512];

	return tell(path, line, (size_t)snprintf(line, sizeof(line), "%s\n", text));
}

static int long_line(const char *path)
{
	static char line[LONG_LINE];

	memset(line, 'l', sizeof(line));
	return tell(path, line, sizeof(line));
}

/* Itself */

static int self(void)
{
	static const char *const wanted[] = { "Uid:", "Gid:", "Groups:", "CapAmb:", "CapBnd:", "NoNewPrivs:", "SigBlk:", "SigIgn:" };
	extern char **environ;
	FILE *f = fopen("/proc/self/status", "r");
	struct rlimit files;
	char line[512];
	char **e;
	size_t i;

	check(f != NULL, "status");
	while (fgets(line, sizeof(line), f))
		for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
			if (!strncmp(line, wanted[i], strlen(wanted[i])))
				say("%s", line);
	fclose(f);
	getrlimit(RLIMIT_NOFILE, &files);
	say("nofile %lu %lu\n", (unsigned long)files.rlim_cur, (unsigned long)files.rlim_max);
	say("nice %d\n", getpriority(PRIO_PROCESS, 0));
	check(getcwd(line, sizeof(line)) != NULL, "getcwd");
	say("cwd %s\n", line);
	for (e = environ; *e; e++)
		say("env %s\n", *e);
	for (i = 0; i < 100; i++)
		if (fcntl((int)i, F_GETFD) >= 0)
			say("fd %zu\n", i);
	say("end\n");
	live();
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} alone[] = {
	{ "deaf", deaf },       { "daemon", make_daemon },    { "flood", flood },
	{ "storm", storm },     { "mute", mute },             { "litter", litter },
	{ "crash", crash },     { "thief", thief },           { "babble", babble },
	{ "changeling", changeling }, { "dead-watchdog", dead_watchdog }, { "self", self },
};

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	size_t i;

	for (i = 0; argc == 2 && i < sizeof(alone) / sizeof(alone[0]); i++)
		if (!strcmp(what, alone[i].name))
			return alone[i].run();
	if (argc == 2 && !strcmp(what, "serve"))
		return serve(false);
	if (argc == 2 && !strcmp(what, "slow-server"))
		return serve(true);
	if (argc == 3 && !strcmp(what, "quick"))
		return atoi(argv[2]);
	if (argc == 3 && !strcmp(what, "forge"))
		return forge(argv[2]);
	if (argc == 3 && !strcmp(what, "long-line"))
		return long_line(argv[2]);
	if (argc == 4 && !strcmp(what, "tell"))
		return tell_line(argv[2], argv[3]);
	if (argc == 4 && !strcmp(what, "ask"))
		return ask(argv[2], atoi(argv[3]));
	if (argc == 4 && !strcmp(what, "clients"))
		return crowd(argv[2], atoi(argv[3]));
	fprintf(stderr, "usage: hostile-child CASE [ARGUMENT...]\n");
	return 2;
}
