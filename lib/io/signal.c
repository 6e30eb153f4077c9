/* SPDX-License-Identifier: MIT */
/* Subscriptions to signals; signal.h tells the idea. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sized.h"
#include "core/handle.h"
#include "core/select.h"
#include "core/task.h"
#include "io/signal.h"
#include "ringline/signal.h"

#define DEFAULT_QUEUE 64u
#define MAX_QUEUE     65536u
#define STANDARD      31                  /* signals 1 to 31 */

/* The queue of a subscription; under the lock */

static void push(struct ringline_signal *s, const struct signalfd_siginfo *info)
{
	int signal = (int)info->ssi_signo;

	if (signal <= STANDARD && sigismember(&s->pending, signal) == 1)
		return;
	if (signal > STANDARD && s->nqueued == s->limit) {
		s->lost++;
		rln_stat_add(&s->io->stats.signals_lost, 1);
		return;
	}
	if (signal <= STANDARD)
		sigaddset(&s->pending, signal);
	else
		s->nqueued++;
	s->queue[(s->first + s->n++) % s->room] = *info;
	rln_stat_add(&s->io->stats.signals, 1);
}

static void pop(struct ringline_signal *s, struct signalfd_siginfo *info)
{
	*info = s->queue[s->first];
	s->first = (s->first + 1) % s->room;
	s->n--;
	if ((int)info->ssi_signo <= STANDARD)
		sigdelset(&s->pending, (int)info->ssi_signo);
	else
		s->nqueued--;
}

/* The port */

static struct ringline_signal *sub_of(struct rln_list *node)
{
	return rln_list_entry(node, struct ringline_signal, link);
}

static void post(struct rln_signal_port *p)
{
	struct rln_exec *x = p->io->exec;

	if (p->posted || !rln_exec_enter(x))
		return;
	p->posted = true;
	if (rln_exec_post(x, &p->msg, true) < 0)
		__builtin_unreachable();  /* urgent messages are never refused */
	rln_exec_leave(x);
}

/* On the thread of whoever has read it, under the lock. */
static void hear(struct rln_signal_listener *l, const struct signalfd_siginfo *info)
{
	struct rln_signal_port *p = rln_container_of(l, struct rln_signal_port, listener);
	struct rln_list *it;

	rln_list_for_each (it, &p->subs)
		if (sigismember(&sub_of(it)->set, (int)info->ssi_signo) == 1)
			push(sub_of(it), info);
	post(p);
}

/* The list is changed by this worker only; the queues may fill meanwhile, and then there is another message. */
static void deliver(struct rln_msg *m, struct rln_exec *x)
{
	struct rln_signal_port *p = rln_container_of(m, struct rln_signal_port, msg);
	struct rln_list *it;

	rln_signals_lock();
	p->posted = false;
	rln_signals_unlock();
	if (!x)
		return;
	rln_list_for_each (it, &p->subs)
		rln_source_fire_all(&sub_of(it)->readers, 0);
}

static void unite(sigset_t *set, const struct rln_signal_port *p)
{
	struct rln_list *it;

	sigemptyset(set);
	rln_list_for_each (it, &p->subs)
		sigorset(set, set, &sub_of(it)->set);
}

/* Keeps the operation in flight while there is something to hear of. */
static void poll_signals(struct rln_signal_port *p)
{
	if (p->ended || rln_list_empty(&p->subs)) {
		rln_op_cancel(&p->poll);
		return;
	}
	if (rln_op_inflight(&p->poll))
		return;
	p->poll.opcode = RLN_OP_POLL;
	p->poll.fd = p->fd;
	p->poll.arg = POLLIN;
	rln_op_submit(&p->poll);
}

static void poll_over(struct rln_op *op, const struct rln_completion *done)
{
	struct rln_signal_port *p = rln_container_of(op, struct rln_signal_port, poll);

	if (done->res > 0)
		rln_signals_read(p->fd);
	poll_signals(p);
}

/* After a subscription came or went. Changing the set of a signalfd does not fail. */
static void update(struct rln_signal_port *p)
{
	sigset_t set;

	rln_signals_lock();
	unite(&set, p);
	p->listener.set = set;
	rln_signals_unlock();
	if (p->ended || rln_list_empty(&p->subs))
		rln_signals_leave(&p->listener);
	else
		rln_signals_listen(&p->listener);
	(void)!rln_signals_open(p->fd, &set);
	poll_signals(p);
}

static int port_open(struct rln_io *io)
{
	struct rln_signal_port *p;
	sigset_t none;

	if (io->signal_port)
		return 0;
	p = rln_mem_alloc_aligned(sizeof(*p), 64);
	if (!p)
		return -ENOMEM;
	sigemptyset(&none);
	*p = (struct rln_signal_port){ .listener.hear = hear, .msg.deliver = deliver, .io = io };
	rln_op_init(&p->poll, poll_over);
	rln_list_init(&p->listener.link);
	rln_list_init(&p->subs);
	p->fd = rln_signals_open(-1, &none);
	if (p->fd < 0) {
		int r = p->fd;

		rln_mem_free(p);
		return r;
	}
	io->signal_port = p;
	return 0;
}

/* Life */

static int check(const struct ringline_signal *s, const char *call)
{
	if (!s)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	return rln_exec_check_handle(&rln_io_current()->signals, &s->slot, call);
}

/* The C library's own are between the standard and the real-time ones. */
static bool can_be_waited_for(int signal)
{
	switch (signal) {
	case SIGKILL:
	case SIGSTOP:
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGTRAP:
	case SIGABRT:
	case SIGSYS:
		return false;
	default:
		return (signal >= 1 && signal <= STANDARD) || (signal >= SIGRTMIN && signal <= SIGRTMAX);
	}
}

static int read_set(sigset_t *set, const int *signals, size_t n)
{
	size_t i;

	if (!signals || !n)
		return -EINVAL;
	sigemptyset(set);
	for (i = 0; i < n; i++) {
		if (!can_be_waited_for(signals[i]))
			return -EINVAL;
		sigaddset(set, signals[i]);
	}
	return 0;
}

/* One that is not blocked here would do to the process what it does by default. */
static int check_blocked(const int *signals, size_t n)
{
	sigset_t blocked;
	size_t i;

	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	for (i = 0; i < n; i++) {
		if (sigismember(&blocked, signals[i]) == 1)
			continue;
		rln_log(RLN_LOG_WARNING, "signal %d is not blocked in this thread, and cannot be waited for", signals[i]);
		return -EINVAL;
	}
	return 0;
}

int ringline_signal_block(const int *signals, size_t n)
{
	sigset_t set;
	int r = read_set(&set, signals, n);

	return r < 0 ? r : -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int sub_new(struct ringline_signal **ret, struct rln_io *io, const sigset_t *set, uint32_t limit)
{
	struct ringline_signal *s = rln_slab_alloc(&io->signals);
	uint32_t room = STANDARD + limit;

	if (!s)
		return -ENOMEM;
	s->queue = rln_mem_alloc(room * sizeof(*s->queue));
	if (!s->queue) {
		rln_slab_free(&io->signals, s);
		return -ENOMEM;
	}
	rln_list_init(&s->link);
	rln_source_init(&s->readers);
	sigemptyset(&s->pending);
	s->io = io;
	s->set = *set;
	s->room = room;
	s->limit = limit;
	s->first = 0;
	s->n = 0;
	s->nqueued = 0;
	s->lost = 0;
	*ret = s;
	return 0;
}

int ringline_signal_new(struct ringline_signal **ret, const int *signals, size_t n,
                        const struct ringline_signal_options *options)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct ringline_signal_options o;
	sigset_t set;
	int r;

	if (!x)
		return rln_not_here();
	r = rln_sized_in(&o, sizeof(o), options);
	if (r == 0 && (!ret || o.queue > MAX_QUEUE || o.reserved))
		r = -EINVAL;
	if (r == 0)
		r = read_set(&set, signals, n);
	if (r == 0)
		r = check_blocked(signals, n);
	if (r == 0)
		r = port_open(x->io);
	if (r == 0)
		r = sub_new(ret, x->io, &set, o.queue ? o.queue : DEFAULT_QUEUE);
	if (r < 0)
		return r;
	rln_signals_lock();
	rln_list_add_tail(&x->io->signal_port->subs, &(*ret)->link);
	rln_signals_unlock();
	update(x->io->signal_port);
	return 0;
}

int ringline_signal_free(struct ringline_signal *sub)
{
	int r = sub ? check(sub, __func__) : 0;

	if (r < 0 || !sub)
		return r;
	rln_signals_lock();
	rln_list_del(&sub->link);
	rln_signals_unlock();
	update(sub->io->signal_port);
	rln_source_fire_all(&sub->readers, -EBADF);
	rln_mem_free(sub->queue);
	rln_slab_free(&sub->io->signals, sub);
	return 0;
}

/* Reading */

static int fill(struct ringline_signal_info *info, const struct signalfd_siginfo *from, uint64_t lost)
{
	struct ringline_signal_info out = {
		.size = sizeof(out),
		.signal = (int32_t)from->ssi_signo,
		.code = from->ssi_code,
		.error = from->ssi_errno,
		.pid = from->ssi_pid,
		.uid = from->ssi_uid,
		.status = from->ssi_status,
		.fd = from->ssi_fd,
		.band = from->ssi_band,
		.timer = from->ssi_tid,
		.overrun = from->ssi_overrun,
		.value_int = from->ssi_int,
		.value_ptr = from->ssi_ptr,
		.user_time = from->ssi_utime,
		.system_time = from->ssi_stime,
		.lost = lost,
	};

	return rln_sized_out(info, &out, sizeof(out));
}

static int take(struct ringline_signal *s, struct ringline_signal_info *info)
{
	struct signalfd_siginfo from;
	uint64_t lost = 0;
	bool some;

	rln_signals_lock();
	some = s->n > 0;
	if (some) {
		pop(s, &from);
		lost = s->lost;
		s->lost = 0;
	}
	rln_signals_unlock();
	return some ? fill(info, &from, lost) : -EAGAIN;
}

static int check_read(const struct ringline_signal *s, const struct ringline_signal_info *info, const char *call)
{
	int r = check(s, call);

	return r == 0 && (!info || info->size < sizeof(info->size)) ? -EINVAL : r;
}

static const struct rln_what what_signal = { .name = "signal" };

/* The one of that generation; it may be freed, and its slot another's, while the task waits. */
static int wait_and_take(struct ringline_signal *s, uint32_t gen, struct ringline_signal_info *info)
{
	for (;;) {
		int64_t fired;
		int r = s->slot.gen == gen ? take(s, info) : -EBADF;

		if (r != -EAGAIN)
			return r;
		r = rln_wait_on(&s->readers, &fired, &what_signal, s);
		if (r < 0)
			return r;
	}
}

int ringline_signal_read(struct ringline_signal *sub, struct ringline_signal_info *info)
{
	struct ringline_task *t;
	int r = check_read(sub, info, __func__);

	if (r == 0)
		r = rln_task_get_parking(&t, __func__);
	if (r == 0)
		r = t->scope->reason;
	return r < 0 ? r : wait_and_take(sub, sub->slot.gen, info);
}

int ringline_signal_read_nowait(struct ringline_signal *sub, struct ringline_signal_info *info)
{
	int r = check_read(sub, info, __func__);

	return r < 0 ? r : take(sub, info);
}

struct read_args {
	struct ringline_signal *sub;
	struct ringline_signal_info *info;
	uint32_t gen;
};

static int64_t read_steps(void *args)
{
	const struct read_args *a = args;
	int r = rln_task_current()->scope->reason;

	return r < 0 ? r : wait_and_take(a->sub, a->gen, a->info);
}

int ringline_signal_read_begin(struct ringline_op **ret, struct ringline_signal *sub, struct ringline_signal_info *info)
{
	static const struct rln_steps steps = { .run = read_steps };
	struct read_args a = { .sub = sub, .info = info };
	int r = check_read(sub, info, __func__);

	if (r == 0 && !ret)
		r = -EINVAL;
	if (r < 0)
		return r;
	if (!rln_task_get(__func__))
		return rln_not_here();
	a.gen = sub->slot.gen;
	return rln_handle_steps(ret, &steps, &a, sizeof(a));
}

/* As a case of select */

static int64_t queued(struct ringline_signal *s)
{
	int64_t n;

	rln_signals_lock();
	n = s->n;
	rln_signals_unlock();
	return n;
}

static int arm_case(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_signal *s = c->object;
	int r = rln_case_check(c, n, &rln_io_current()->signals);

	if (r)
		return r;
	c->result = queued(s);
	if (c->result)
		return RLN_CASE_READY;
	rln_wait_arm(&n->wait, p, &s->readers);
	return RLN_CASE_WAITS;
}

static bool settle_case(struct ringline_case *c, const struct rln_select_node *n)
{
	c->result = rln_case_gone(c, n) ? -EBADF : queued(c->object);
	return c->result != 0;
}

static const struct rln_case_kind signal_case = { .arm = arm_case, .settle = settle_case };

/* The worker's */

void rln_signals_init(struct rln_io *io)
{
	rln_slab_init(&io->signals, sizeof(struct ringline_signal), 8, 0);
	io->exec->case_kinds[RINGLINE_CASE_SIGNAL] = &signal_case;
}

void rln_signals_end_all(struct rln_io *io)
{
	struct rln_signal_port *p = io->signal_port;

	if (!p || p->ended)
		return;
	p->ended = true;
	rln_signals_leave(&p->listener);
	rln_op_cancel(&p->poll);
}

void rln_signals_fini(struct rln_io *io)
{
	struct ringline_signal *s;
	uint32_t i;

	for (i = 0; (s = rln_slab_at(&io->signals, i)); i++)
		if (rln_slot_live(&s->slot))
			rln_mem_free(s->queue);
	if (rln_slab_fini(&io->signals))
		rln_log(RLN_LOG_WARNING, "subscriptions to signals were never freed");
	if (!io->signal_port)
		return;
	rln_signals_leave(&io->signal_port->listener);
	close(io->signal_port->fd);
	rln_mem_free(io->signal_port);
	io->signal_port = NULL;
}
