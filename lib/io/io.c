/* SPDX-License-Identifier: MIT */
/* The connections and listeners of one worker, as a whole; io.h tells how they stop. */
#include "base/log.h"
#include "base/mem.h"
#include "io/accept.h"
#include "io/buf.h"
#include "io/conn.h"
#include "io/dgram.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/handler.h"
#include "io/inotify.h"
#include "io/inquiry.h"
#include "io/io.h"
#include "io/listener.h"
#include "io/locality.h"
#include "io/pipes.h"
#include "io/process.h"
#include "io/region.h"
#include "io/request.h"
#include "io/signal.h"
#include "io/timer.h"

void rln_io_init(struct rln_io *io, struct rln_exec *x, const struct rln_io_config *config)
{
	*io = (struct rln_io){ .exec = x, .config = *config };
	rln_slab_init(&io->conns, sizeof(struct ringline_conn), 64, 0);
	rln_slab_init(&io->segments, sizeof(struct rln_segment), 64, 0);
	rln_slab_init(&io->queued_sends, rln_conn_queued_send_size, 64, 0);
	rln_slab_init(&io->zero_copies, rln_conn_zero_copy_size, 64, 0);
	rln_handlers_init(io);
	rln_list_init(&io->listeners);
	rln_list_init(&io->held);
	rln_bufs_init(io);
	rln_pipes_init(io);
	rln_fd_init(io);
	rln_timers_init(io);
	rln_accept_init(io);
	rln_conn_select_init(io);
	rln_dgrams_init(io);
	rln_dgram_select_init(io);
	rln_files_init(io);
	rln_requests_init(io);
	rln_locality_init(io);
	rln_regions_init(io);
	rln_dirs_init(io);
	rln_inotifies_init(io);
	rln_processes_init(io);
	rln_inquiries_init(io);
	rln_signals_init(io);
	x->io = io;
}

/* What was lent from connections whose handles the host never dropped. */
static void take_back_lent(struct rln_io *io)
{
	struct ringline_conn *c;
	uint32_t i;

	for (i = 0; (c = rln_slab_at(&io->conns, i)); i++)
		if (rln_slot_live(&c->slot))
			rln_conn_recv_free(c);
}

void rln_io_fini(struct rln_io *io)
{
	struct rln_list *node;
	uint32_t leaked;

	while ((node = rln_list_first(&io->listeners)))
		rln_listener_free(rln_list_entry(node, struct rln_listener, link));
	take_back_lent(io);
	leaked = rln_slab_fini(&io->conns);
	if (leaked)
		rln_log(RLN_LOG_WARNING, "%u connection handles were never dropped", leaked);
	rln_handlers_fini(io);
	rln_pipes_fini(io);
	leaked = rln_bufs_fini(io);
	if (leaked)
		rln_log(RLN_LOG_WARNING, "%u buffers were never dropped", leaked);
	rln_dgrams_fini(io);      /* buffers may have held datagrams */
	rln_processes_fini(io);
	rln_signals_fini(io);
	rln_inquiries_fini(io);
	rln_inotifies_fini(io);
	rln_dirs_fini(io);
	rln_regions_fini(io);
	rln_locality_fini(io);
	rln_requests_fini(io);
	rln_files_fini(io);
	rln_timers_fini(io);
	rln_fd_fini(io);
	rln_accept_fini(io);
	rln_slab_fini(&io->segments);
	rln_slab_fini(&io->queued_sends);
	rln_slab_fini(&io->zero_copies);
	io->exec->io = NULL;
}

bool rln_io_idle(const struct rln_io *io)
{
	return !io->nopen && !io->nmissed && rln_list_empty(&io->dgrams) && rln_list_empty(&io->files) &&
	       rln_list_empty(&io->listeners) && rln_processes_idle(io) && !io->nzero_copy;
}

static void each_listener(struct rln_io *io, void (*fn)(struct rln_listener *l))
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, &io->listeners)
		fn(rln_list_entry(it, struct rln_listener, link));
}

static void each_conn(struct rln_io *io, void (*fn)(struct ringline_conn *c))
{
	struct ringline_conn *c;
	uint32_t i = 0;

	while ((c = rln_conn_next(io, &i)))
		fn(c);
}

static void resume_paused(struct rln_listener *l)
{
	if (l->state == RLN_LISTENER_FULL || l->state == RLN_LISTENER_BACKING_OFF)
		rln_listener_resume(l);
	else if (l->taker)
		rln_accept_notify(l->taker);
}

void rln_io_start_accepting(struct rln_io *io)
{
	each_listener(io, rln_listener_resume);
}

void rln_io_stop_accepting(struct rln_io *io)
{
	io->draining = true;
	each_listener(io, rln_listener_finish);
}

void rln_io_resume_listeners(struct rln_io *io)
{
	each_listener(io, resume_paused);
}

void rln_io_descriptor_freed(struct rln_io *io)
{
	rln_io_resume_listeners(io);
	if (io->neighbours && !rln_io_full(io))
		io->neighbours->freed(io);
}

void rln_io_close_all(struct rln_io *io)
{
	rln_fd_end_all(io);
	rln_timers_end_all(io);
	rln_signals_end_all(io);
	each_listener(io, rln_listener_close);
	each_conn(io, rln_conn_close);
	rln_dgrams_close_all(io);
	rln_files_close_all(io);
	rln_processes_end_all(io, false);
}

void rln_io_cut_handlers(struct rln_io *io)
{
	each_conn(io, rln_handler_cut);
}

void rln_io_abort_all(struct rln_io *io)
{
	io->draining = false;
	each_conn(io, rln_conn_abort);
	rln_dgrams_close_all(io);
	rln_processes_end_all(io, true);
}
