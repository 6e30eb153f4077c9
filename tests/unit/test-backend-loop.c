/* SPDX-License-Identifier: MIT */
/* The contract of core/backend.h, on any engine: polls, closes, re-entry from completions, waiting and waking. */
#include "backend-fixture.h"

#define BIG (8u << 20)

/* --- poll and close ----------------------------------------------------------------------------------------------- */

static void poll_start(struct request *q, int fd, short events)
{
	request_init(q, RLN_OP_POLL, fd, NULL, 0);
	q->op.arg = (uint64_t)events;
	request_submit(q);
}

static void poll_op(gconstpointer data)
{
	struct request q;
	char buf[8];
	int fd[2];

	make_pair(kind_of(data), fd);
	poll_start(&q, fd[0], POLLOUT);
	g_assert_cmpint(finish(&q), ==, POLLOUT);
	poll_start(&q, fd[0], POLLIN);
	run_for(5);
	g_assert_cmpuint(q.ended, ==, 0);
	put(fd[1], "a", 1);
	g_assert_cmpint(finish(&q) & POLLIN, ==, POLLIN);
	/* still true, and nobody read it: told again */
	poll_start(&q, fd[0], POLLIN);
	g_assert_cmpint(finish(&q) & POLLIN, ==, POLLIN);
	g_assert_cmpint(recv(fd[0], buf, sizeof(buf), 0), ==, 1);

	poll_start(&q, fd[0], POLLIN);
	run_for(5);
	g_assert_cmpuint(q.ended, ==, 0);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);
	poll_start(&q, fd[0], POLLIN | POLLRDHUP);
	close(fd[1]);
	g_assert_cmpint(finish(&q) & (POLLIN | POLLHUP | POLLRDHUP), !=, 0);
	close_fd(fd[0]);
}

/* Three ops on one descriptor do not disturb each other. */
static void three_sides(gconstpointer data)
{
	unsigned char *big = pattern(2 * BIG);
	struct request reader;
	struct request writer;
	struct request poller;
	size_t got = 0;
	char buf[8];
	int fd[2];

	make_pair(kind_of(data), fd);
	poll_start(&poller, fd[0], POLLPRI);
	request_start(&writer, RLN_OP_SEND, fd[0], big, 2 * BIG);
	request_start(&reader, RLN_OP_RECV, fd[0], buf, sizeof(buf));
	run_for(10);
	g_assert_cmpuint(reader.ended + writer.ended + poller.ended, ==, 0);
	put(fd[1], "a", 1);
	g_assert_cmpint(finish(&reader), ==, 1);
	g_assert_cmpuint(writer.ended + poller.ended, ==, 0);
	while (!writer.ended) {
		got += drain(fd[1], got);
		turn(now() + MSEC);
	}
	g_assert_cmpint(writer.res, ==, 2 * BIG);
	g_assert_cmpuint(poller.ended, ==, 0);
	request_submit(&reader);
	run_for(5);
	rln_op_cancel(&reader.op);
	g_assert_cmpint(finish(&reader), ==, -ECANCELED);
	rln_op_cancel(&poller.op);
	g_assert_cmpint(finish(&poller), ==, -ECANCELED);
	close_pair(fd);
	g_free(big);
}

/* A user who polls a foreign library's descriptor closes it himself, and its number comes back as another file. */
static void poll_reused_number(gconstpointer data rln_unused)
{
	struct request q;
	int fd[2];
	int other[2];

	make_pair(PAIR_UNIX, fd);
	poll_start(&q, fd[0], POLLOUT);
	g_assert_cmpint(finish(&q), ==, POLLOUT);
	make_pair(PAIR_UNIX, other);
	g_assert_cmpint(dup3(other[0], fd[0], O_CLOEXEC), ==, fd[0]);
	poll_start(&q, fd[0], POLLIN);
	run_for(5);
	g_assert_cmpuint(q.ended, ==, 0);
	put(other[1], "a", 1);
	g_assert_cmpint(finish(&q) & POLLIN, ==, POLLIN);
	close_pair(fd);
	close_pair(other);
}

/* The peer learns of a close at once, though a duplicate was ready to keep the registration alive. */
static void close_with_duplicate(gconstpointer data)
{
	struct request q;
	char buf[8];
	int fd[2];
	int copy;

	make_pair(kind_of(data), fd);
	request_start(&q, RLN_OP_RECV, fd[0], buf, sizeof(buf));
	run_for(5);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);
	copy = dup(fd[0]);
	close_fd(fd[0]);
	put(fd[1], "stale", 5);
	run_for(10);
	close(copy);
	g_assert_cmpint(poll(&(struct pollfd){ .fd = fd[1], .events = POLLIN }, 1, 1000), ==, 1);
	close(fd[1]);
}

/* --- re-entry ----------------------------------------------------------------------------------------------------- */

static void echo_again(struct request *q, const struct rln_completion *c)
{
	unsigned int *left = q->arg;

	if (c->flags & RLN_C_MORE || !*left)
		return;
	--*left;
	q->ended = 0;
	rln_op_submit(&q->op);
}

static void submit_from_completion(gconstpointer data rln_unused)
{
	unsigned int left = 100;
	uint64_t waits;
	struct request q;

	request_init(&q, RLN_OP_NOP, -1, NULL, 0);
	q.then = echo_again;
	q.arg = &left;
	waits = rln_stat_get(&backend->stats.waits);
	request_submit(&q);
	RUN_UNTIL(!left && q.ended);
	/* what a completion submits is not delivered in the same breath for ever */
	g_assert_cmpuint(rln_stat_get(&backend->stats.waits) - waits, >=, 10);
}

struct swap {
	struct request *victim;
	struct request close;
	struct request fresh;
	int fd[2];
	int next[2];
	int old;
	char buf[8];
};

static void swap_reused(struct request *q, const struct rln_completion *c rln_unused)
{
	struct swap *s = q->arg;

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->next), ==, 0);
	if (s->next[1] == s->old) {
		s->next[1] = s->next[0];
		s->next[0] = s->old;
	} else if (s->next[0] != s->old) {
		g_assert_cmpint(dup3(s->next[0], s->old, O_CLOEXEC), ==, s->old);
		close(s->next[0]);
		s->next[0] = s->old;
	}
	request_start(&s->fresh, RLN_OP_RECV, s->next[0], s->buf, sizeof(s->buf));
}

static void swap_cancelled(struct request *q, const struct rln_completion *c)
{
	struct swap *s = q->arg;

	if (c->flags & RLN_C_MORE)
		return;
	request_init(&s->close, RLN_OP_CLOSE, q->op.fd, NULL, 0);
	s->close.then = swap_reused;
	s->close.arg = s;
	rln_op_submit(&s->close.op);
}

static void swap_cancel(struct request *q, const struct rln_completion *c rln_unused)
{
	struct swap *s = q->arg;

	rln_op_cancel(&s->victim->op);
}

/* One completion cancels another op whose event is already there, that one's end closes, the close's end reuses. */
static void reuse_from_completion(gconstpointer data)
{
	struct swap s;
	struct request trigger;
	struct request victim;
	char buf[8];
	int fd[2];

	make_pair(kind_of(data), fd);
	make_pair(kind_of(data), s.fd);
	s.victim = &victim;
	s.old = s.fd[0];
	memset(&s.fresh, 0, sizeof(s.fresh));
	request_init(&trigger, RLN_OP_RECV, fd[0], buf, sizeof(buf));
	trigger.then = swap_cancel;
	trigger.arg = &s;
	request_init(&victim, RLN_OP_RECV_POOL, s.fd[0], NULL, 0);
	victim.then = swap_cancelled;
	victim.arg = &s;
	request_submit(&trigger);
	request_submit(&victim);
	run_for(5);
	put(fd[1], "go", 2);
	put(s.fd[1], "stale", 5);
	RUN_UNTIL(victim.ended && s.close.ended);
	run_for(10);
	g_assert_cmpuint(s.fresh.ended, ==, 0);
	put(s.next[1], "new", 3);
	g_assert_cmpint(finish(&s.fresh), ==, 3);
	g_assert_cmpint(memcmp(s.buf, "new", 3), ==, 0);
	close_pair(fd);
	close_pair(s.next);
	close(s.fd[1]);
}

static void large_batch(gconstpointer data rln_unused)
{
	struct request *q = requests_new(5000);
	unsigned int ended = 0;

	for (size_t i = 0; i < 5000; i++)
		request_start(&q[i], RLN_OP_NOP, -1, NULL, 0);
	while (ended < 5000) {
		turn(now() + 20 * MSEC);
		for (size_t i = ended = 0; i < 5000; i++)
			ended += q[i].ended;
	}
	free(q);
}

/* Receives, sends, cancels and closes of a hundred sockets without a wait between them. */
static void mixed_batch(gconstpointer data)
{
	static struct request r[100];
	static struct request s[100];
	static char buf[100][8];
	int fd[100][2];

	for (size_t i = 0; i < 100; i++) {
		make_pair(kind_of(data), fd[i]);
		if (i % 2)
			put(fd[i][1], "in", 2);
		request_start(&r[i], RLN_OP_RECV, fd[i][0], buf[i], 8);
		request_start(&s[i], RLN_OP_SEND, fd[i][0], (char[]){ "out" }, 3);
		if (i % 2 == 0)
			rln_op_cancel(&r[i].op);
	}
	for (size_t i = 0; i < 100; i++) {
		finish(&r[i]);
		g_assert_cmpint(r[i].res, ==, i % 2 ? 2 : -ECANCELED);
		g_assert_cmpint(finish(&s[i]), ==, 3);
		close_pair(fd[i]);
	}
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

static void deadline(gconstpointer data rln_unused)
{
	static const uint64_t after[] = { 1, 999, 100000, 1000000, 1234567, 20000000 };

	for (size_t i = 0; i < G_N_ELEMENTS(after); i++) {
		uint64_t until = now() + after[i];

		turn(until);
		g_assert_cmpuint(now(), >=, until);
		g_assert_cmpuint(now(), <, until + 500 * MSEC);
	}
	/* passed, or none */
	turn(1);
	turn(0);
}

static void *wake_later(void *arg)
{
	struct rln_backend *b = arg;

	g_usleep(20000);
	for (unsigned int i = 0; i < 100; i++)
		b->ops->wake(b);
	return NULL;
}

static void wake_from_thread(gconstpointer data rln_unused)
{
	uint64_t start = now();
	pthread_t thread;

	pthread_create(&thread, NULL, wake_later, backend);
	turn(RINGLINE_NEVER);
	g_assert_cmpuint(now() - start, >=, 15 * MSEC);
	pthread_join(thread, NULL);
	turn(0);

	/* before the wait, for a wait that would not end otherwise; and again */
	for (unsigned int i = 0; i < 100; i++) {
		backend->ops->wake(backend);
		turn(RINGLINE_NEVER);
	}
	start = now();
	run_for(20);
	g_assert_cmpuint(now() - start, >=, 20 * MSEC);
}

/* Every wake is followed by a look at the counter: none may be lost. */
struct storm {
	struct rln_backend *b;
	atomic_uint sent;
	atomic_uint seen;
};

static void *wake_storm(void *arg)
{
	struct storm *s = arg;

	for (unsigned int i = 1; i <= 20000; i++) {
		atomic_store(&s->sent, i);
		s->b->ops->wake(s->b);
		if (i % 64 == 0)
			while (atomic_load(&s->seen) < i)
				sched_yield();
	}
	return NULL;
}

static void wake_never_lost(gconstpointer data rln_unused)
{
	struct storm s = { .b = backend };
	pthread_t thread;

	pthread_create(&thread, NULL, wake_storm, &s);
	while (atomic_load(&s.seen) < 20000) {
		turn(RINGLINE_NEVER);
		atomic_store(&s.seen, atomic_load(&s.sent));
	}
	pthread_join(thread, NULL);
}

static void on_alarm(int number rln_unused)
{
	int saved = errno;

	backend->ops->wake(backend);
	g_assert_cmpint(errno, ==, saved);
}

static void wake_from_signal(gconstpointer data rln_unused)
{
	struct itimerval timer = { .it_value = { .tv_usec = 20000 } };
	struct sigaction act = { .sa_handler = on_alarm };
	struct sigaction old;

	sigaction(SIGALRM, &act, &old);
	setitimer(ITIMER_REAL, &timer, NULL);
	turn(RINGLINE_NEVER);
	sigaction(SIGALRM, &old, NULL);
}

static void ignore_alarm(int number rln_unused)
{
}

/* A signal without a wake is no reason to return, nor to be early. */
static void interrupted(gconstpointer data rln_unused)
{
	struct itimerval timer = { .it_value = { .tv_usec = 1000 }, .it_interval = { .tv_usec = 1000 } };
	struct itimerval off = { .it_value = { 0 } };
	struct sigaction act = { .sa_handler = ignore_alarm };
	struct sigaction old;
	uint64_t until = now() + 50 * MSEC;

	sigaction(SIGALRM, &act, &old);
	setitimer(ITIMER_REAL, &timer, NULL);
	turn(until);
	g_assert_cmpuint(now(), >=, until);
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old, NULL);
}

/* --- other descriptors -------------------------------------------------------------------------------------------- */

static void pipes(gconstpointer data rln_unused)
{
	unsigned char *big = pattern(BIG);
	unsigned char *got = g_malloc(BIG);
	struct request r;
	struct request w;
	size_t done = 0;
	int fd[2];

	g_assert_cmpint(pipe2(fd, O_CLOEXEC), ==, 0);
	request_start(&r, RLN_OP_RECV, fd[0], got, BIG);
	run_for(5);
	g_assert_cmpuint(r.ended, ==, 0);
	request_start(&w, RLN_OP_SEND, fd[1], big, BIG);
	while (done < BIG) {
		done += (size_t)finish(&r);
		if (done < BIG)
			request_start(&r, RLN_OP_RECV, fd[0], got + done, BIG - done);
	}
	g_assert_cmpint(finish(&w), ==, BIG);
	g_assert_cmpint(memcmp(big, got, BIG), ==, 0);
	g_assert_cmpint(fcntl(fd[0], F_GETFL) & O_NONBLOCK, ==, 0);
	g_assert_cmpint(fcntl(fd[1], F_GETFL) & O_NONBLOCK, ==, 0);

	/* the reader goes: an error, not a signal */
	request_start(&w, RLN_OP_SEND, fd[1], big, BIG);
	run_for(5);
	close_fd(fd[0]);
	g_assert_cmpint(finish(&w), >, 0);
	g_assert_cmpint(perform(RLN_OP_SEND, fd[1], big, 10), ==, -EPIPE);
	close_fd(fd[1]);
	g_free(big);
	g_free(got);
}

static void pipe_end(gconstpointer data rln_unused)
{
	struct request q;
	char buf[8];
	int fd[2];

	g_assert_cmpint(pipe2(fd, O_CLOEXEC), ==, 0);
	request_start(&q, RLN_OP_RECV, fd[0], buf, sizeof(buf));
	run_for(5);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);
	g_assert_cmpint(write(fd[1], "end", 3), ==, 3);
	close(fd[1]);
	g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, sizeof(buf)), ==, 3);
	g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, sizeof(buf)), ==, 0);
	close_fd(fd[0]);
}

static const struct fixture_test tests[] = {
	BOTH("poll", poll_op),
	BOTH("three-sides", three_sides),
	ONE("poll/reused-number", poll_reused_number),
	BOTH("close/duplicate", close_with_duplicate),
	ONE("submit-from-completion", submit_from_completion),
	BOTH("reuse-from-completion", reuse_from_completion),
	ONE("batch/large", large_batch),
	BOTH("batch/mixed", mixed_batch),
	ONE("wait/deadline", deadline),
	ONE("wake/thread", wake_from_thread),
	ONE("wake/never-lost", wake_never_lost),
	ONE("wake/signal", wake_from_signal),
	ONE("wait/interrupted", interrupted),
	ONE("pipe/stream", pipes),
	ONE("pipe/end", pipe_end),
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	if (!fixture_init())
		return 0;
	fixture_add(tests, G_N_ELEMENTS(tests));
	return g_test_run();
}
