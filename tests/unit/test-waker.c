/* SPDX-License-Identifier: MIT */
/* Messages between threads, and that none is lost or late. */
#include <string.h>

#include "base/mem.h"
#include "support/fake-backend.h"

struct note {
	struct rln_msg msg;
	GString *trace;
	char letter;
	int delivered;
	int dropped;
	bool free;
};

static void note_deliver(struct rln_msg *m, struct rln_exec *x)
{
	struct note *n = rln_container_of(m, struct note, msg);

	if (!x)
		n->dropped++;
	else
		n->delivered++;
	if (n->trace)
		g_string_append_c(n->trace, n->letter);
	if (n->free)
		g_free(n);
}

static void note_init(struct note *n, GString *trace, char letter)
{
	*n = (struct note){ .trace = trace, .letter = letter };
	n->msg.deliver = note_deliver;
}

static int post(struct fixture *fx, struct note *n, bool urgent)
{
	return rln_exec_post(&fx->x, &n->msg, urgent);
}

static void test_order(void)
{
	struct note n[10];
	struct fixture fx;
	int i;

	fixture_init(&fx, NULL);
	for (i = 0; i < 10; i++) {
		note_init(&n[i], fx.trace, (char)('a' + i));
		g_assert_cmpint(post(&fx, &n[i], false), ==, 0);
	}
	g_assert_cmpuint(fx.f->wakes, ==, 0);     /* the worker is awake */
	g_assert_cmpint(rln_exec_turn(&fx.x, RINGLINE_NEVER), ==, 0);
	g_assert_cmpuint(fx.f->last_deadline, ==, 0);
	g_assert_cmpstr(fx.trace->str, ==, "abcdefghij");
	g_assert_cmpuint(rln_stat_get(&fx.x.stats.posts), ==, 10);
	fixture_fini(&fx);
}

/* A message that arrives when the worker has decided to sleep, but is not yet asleep. */
struct late {
	struct rln_deferred d;
	struct fixture *fx;
	struct note note;
};

static void late_run(struct rln_deferred *d)
{
	struct late *l = rln_container_of(d, struct late, d);

	g_assert_cmpint(post(l->fx, &l->note, false), ==, 0);
}

static void test_post_before_sleep(void)
{
	struct fixture fx;
	struct late l = { .fx = &fx };

	fixture_init(&fx, NULL);
	rln_list_init(&l.d.link);
	l.d.run = late_run;
	note_init(&l.note, NULL, 0);
	rln_exec_defer(&fx.x, &l.d);
	g_assert_cmpint(rln_exec_turn(&fx.x, RINGLINE_NEVER), ==, 0);
	g_assert_cmpuint(fx.f->last_deadline, ==, 0);
	g_assert_cmpint(l.note.delivered, ==, 1);
	fixture_fini(&fx);
}

static void post_from_wait(struct fake_backend *f, uint64_t deadline)
{
	struct late *l = f->user;

	g_assert_cmpuint(deadline, ==, RINGLINE_NEVER);
	g_assert_cmpint(post(l->fx, &l->note, false), ==, 0);
	f->on_wait = NULL;
}

static void test_post_while_asleep(void)
{
	struct fixture fx;
	struct late l = { .fx = &fx };

	fixture_init(&fx, NULL);
	fx.f->threaded = true;
	fx.f->on_wait = post_from_wait;
	fx.f->user = &l;
	note_init(&l.note, NULL, 0);
	g_assert_cmpint(rln_exec_turn(&fx.x, RINGLINE_NEVER), ==, 0);
	g_assert_cmpuint(fx.f->wakes, ==, 1);
	g_assert_cmpint(l.note.delivered, ==, 1);
	fixture_fini(&fx);
}

static void post_three_from_wait(struct fake_backend *f, uint64_t deadline)
{
	struct note *n = f->user;
	int i;

	(void)deadline;
	for (i = 0; i < 3; i++)
		g_assert_cmpint(rln_exec_post(rln_exec_current, &n[i].msg, false), ==, 0);
	f->on_wait = NULL;
}

static void test_coalesced(void)
{
	struct note n[3];
	struct fixture fx;
	int i;

	fixture_init(&fx, NULL);
	fx.f->threaded = true;
	fx.f->on_wait = post_three_from_wait;
	fx.f->user = n;
	for (i = 0; i < 3; i++)
		note_init(&n[i], NULL, 0);
	g_assert_cmpint(rln_exec_turn(&fx.x, RINGLINE_NEVER), ==, 0);
	g_assert_cmpuint(fx.f->wakes, ==, 1);
	g_assert_cmpint(n[0].delivered + n[1].delivered + n[2].delivered, ==, 3);
	fixture_fini(&fx);
}

static void test_limit(void)
{
	struct rln_exec_config config = { .inbox_limit = 2 };
	struct note n[5];
	struct fixture fx;
	int i;

	fixture_init(&fx, &config);
	for (i = 0; i < 5; i++)
		note_init(&n[i], fx.trace, (char)('a' + i));
	g_assert_cmpint(post(&fx, &n[0], false), ==, 0);
	g_assert_cmpint(post(&fx, &n[1], false), ==, 0);
	g_assert_cmpint(post(&fx, &n[2], false), ==, -EAGAIN);
	g_assert_cmpint(post(&fx, &n[3], true), ==, 0);
	g_assert_cmpint(post(&fx, &n[2], false), ==, -EAGAIN);
	fixture_turn(&fx);
	g_assert_cmpstr(fx.trace->str, ==, "abd");
	g_assert_cmpuint(fx.x.inbox_len, ==, 0);
	g_assert_cmpint(post(&fx, &n[2], false), ==, 0);
	g_assert_cmpint(post(&fx, &n[4], false), ==, 0);
	fixture_turn(&fx);
	g_assert_cmpstr(fx.trace->str, ==, "abdce");
	fixture_fini(&fx);
}

static void test_undelivered(void)
{
	struct note n[3];
	struct fixture fx;
	int i;

	fixture_init(&fx, NULL);
	for (i = 0; i < 3; i++) {
		note_init(&n[i], NULL, 0);
		g_assert_cmpint(post(&fx, &n[i], false), ==, 0);
	}
	fixture_fini(&fx);
	for (i = 0; i < 3; i++) {
		g_assert_cmpint(n[i].delivered, ==, 0);
		g_assert_cmpint(n[i].dropped, ==, 1);
	}
}

/* A delivery that posts again: in the next turn, without sleeping between. */
struct echo {
	struct rln_msg msg;
	int left;
};

static void echo_deliver(struct rln_msg *m, struct rln_exec *x)
{
	struct echo *e = rln_container_of(m, struct echo, msg);

	if (e->left-- > 0)
		g_assert_cmpint(rln_exec_post(x, m, false), ==, 0);
}

static void test_posts_again(void)
{
	struct echo e = { .msg.deliver = echo_deliver, .left = 3 };
	struct fixture fx;
	int i;

	fixture_init(&fx, NULL);
	g_assert_cmpint(rln_exec_post(&fx.x, &e.msg, false), ==, 0);
	for (i = 0; i < 4; i++) {
		g_assert_cmpint(rln_exec_turn(&fx.x, RINGLINE_NEVER), ==, 0);
		g_assert_cmpuint(fx.f->last_deadline, ==, 0);
	}
	g_assert_cmpint(e.left, ==, -1);
	fixture_fini(&fx);
}

/* Threads. */

struct producer {
	struct fixture *fx;
	uint32_t n;
	uint32_t id;
	GThread *thread;
};

static struct {
	uint32_t received;
	uint32_t last[8];
	struct rln_source done;
	uint32_t want;
} sink;

struct numbered {
	struct rln_msg msg;
	uint32_t producer;
	uint32_t number;
};

static void numbered_deliver(struct rln_msg *m, struct rln_exec *x)
{
	struct numbered *n = rln_container_of(m, struct numbered, msg);

	g_assert_true(x == rln_exec_current);
	g_assert_cmpuint(n->number, ==, ++sink.last[n->producer]);    /* in order, none lost, none twice */
	if (++sink.received == sink.want)
		rln_source_fire_all(&sink.done, 0);
	g_free(n);
}

static gpointer produces(gpointer data)
{
	struct producer *p = data;
	uint32_t i;

	for (i = 1; i <= p->n; i++) {
		struct numbered *n = g_new0(struct numbered, 1);

		n->msg.deliver = numbered_deliver;
		n->producer = p->id;
		n->number = i;
		while (rln_exec_post(&p->fx->x, &n->msg, false) == -EAGAIN)
			g_thread_yield();
		if (i % 64 == 0)
			g_thread_yield();     /* lets the worker fall asleep now and then */
	}
	return NULL;
}

static int consumes(void *arg)
{
	int64_t result;

	(void)arg;
	return sink.received == sink.want ? 0 : rln_wait_on(&sink.done, &result, NULL, NULL);
}

static void test_producers(void)
{
	struct rln_exec_config config = { .inbox_limit = 100 };
	struct producer p[4];
	struct fixture fx;
	uint32_t i;

	fixture_init(&fx, &config);
	fx.f->threaded = true;
	memset(&sink, 0, sizeof(sink));
	rln_source_init(&sink.done);
	for (i = 0; i < 4; i++)
		p[i] = (struct producer){ .fx = &fx, .id = i, .n = fake_scaled(50000) };
	sink.want = 4 * p[0].n;
	for (i = 0; i < 4; i++)
		p[i].thread = g_thread_new("producer", produces, &p[i]);
	g_assert_cmpint(fixture_run(&fx, consumes, NULL), ==, 0);
	for (i = 0; i < 4; i++)
		g_thread_join(p[i].thread);
	g_assert_cmpuint(sink.received, ==, sink.want);
	fixture_fini(&fx);
}

/* One message to and fro between two workers: each round trip is a chance to lose a wake for ever. */
struct side {
	struct fixture fx;
	struct side *other;
	_Atomic bool ready;
	GThread *thread;
	struct rln_source arrived;
	uint32_t rounds;
	uint32_t pending;
	bool starts;
};

struct ball {
	struct rln_msg msg;
	struct side *to;
};

static struct ball ball;

static void ball_deliver(struct rln_msg *m, struct rln_exec *x)
{
	struct side *s = rln_container_of(m, struct ball, msg)->to;

	g_assert_true(&s->fx.x == x);
	s->pending++;
	rln_source_fire_all(&s->arrived, 0);
}

static void throw_to(struct side *s)
{
	ball.to = s;
	g_assert_cmpint(rln_exec_post(&s->fx.x, &ball.msg, false), ==, 0);
}

static int plays(void *arg)
{
	struct side *s = arg;
	int64_t result;

	if (s->starts)
		throw_to(s->other);
	while (s->rounds--) {
		if (!s->pending)
			g_assert_cmpint(rln_wait_on(&s->arrived, &result, NULL, NULL), ==, 0);
		s->pending--;
		if (s->rounds || !s->starts)
			throw_to(s->other);
	}
	return 0;
}

static gpointer side_main(gpointer data)
{
	struct side *s = data;

	fixture_init(&s->fx, NULL);
	s->fx.shares_memory = true;
	s->fx.f->threaded = true;
	rln_source_init(&s->arrived);
	atomic_store(&s->ready, true);
	while (!atomic_load(&s->other->ready))
		g_thread_yield();
	g_assert_cmpint(fixture_run(&s->fx, plays, s), ==, 0);
	atomic_store(&s->ready, false);
	while (atomic_load(&s->other->ready))
		g_thread_yield();     /* the other may still be in its post to us */
	fixture_fini(&s->fx);
	return NULL;
}

static void test_ping_pong(void)
{
	static struct side side[2];
	uint64_t mem = rln_mem_live();
	int i;

	ball.msg.deliver = ball_deliver;
	for (i = 0; i < 2; i++) {
		side[i].other = &side[!i];
		side[i].rounds = fake_scaled(20000);
		side[i].starts = i == 0;
	}
	for (i = 0; i < 2; i++)
		side[i].thread = g_thread_new("side", side_main, &side[i]);
	for (i = 0; i < 2; i++)
		g_thread_join(side[i].thread);
	g_assert_cmpuint(rln_mem_live(), ==, mem);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/waker/messages-keep-their-order", test_order);
	g_test_add_func("/waker/message-before-the-sleep-prevents-it", test_post_before_sleep);
	g_test_add_func("/waker/message-during-the-sleep-ends-it", test_post_while_asleep);
	g_test_add_func("/waker/wakes-are-coalesced", test_coalesced);
	g_test_add_func("/waker/inbox-limit-is-eagain-but-for-urgent", test_limit);
	g_test_add_func("/waker/undelivered-messages-are-dropped-at-the-end", test_undelivered);
	g_test_add_func("/waker/delivery-may-post", test_posts_again);
	g_test_add_func("/waker/many-producers-lose-nothing", test_producers);
	g_test_add_func("/waker/ping-pong-between-workers", test_ping_pong);
	return g_test_run();
}
