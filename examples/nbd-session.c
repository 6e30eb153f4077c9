/* SPDX-License-Identifier: MIT */
/*
 * Transmission.
 *
 * The connection's own task reads requests and makes jobs of them. A read of what is in the cache is over at once; whatever
 * has to wait gets a task. Jobs that have ended queue up, and leave together: the first of them starts a task that sends what
 * is there by the time it runs, and then what has come meanwhile, until there is nothing left.
 *
 *     reader --job--+-- read, in the cache ---------------> replies --> sender --> free
 *                   +-- task: read, write, flush, trim ... --^
 *
 * What a client can have under way is limited by permits, which a job takes before it gets memory, and gives back when its
 * reply has left: so many jobs, or so many bytes. A client that does not read its replies is not read from in the end.
 *
 * Large requests are cut into pieces, which are jobs of their own. Pieces of a read are chunks of its reply. Where the reply
 * must be in one (plain replies, NBD_CMD_FLAG_DF), the reader waits until it holds all permits, which is when nothing else is
 * under way, and sends the pieces one after the other itself.
 *
 * A shutdown, or a client that is gone, cuts the reader. The jobs shield themselves: what was accepted is carried out, and
 * answered if there is still somebody to answer.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "nbd-export.h"
#include "nbd-job.h"
#include "nbd-session.h"

#define PERMITS   1024u
#define UNIT      4096u                   /* bytes of data per permit */
#define LEAST     16u                     /* permits of the smallest job: 64 jobs, or 4 MiB */
#define SEND_MAX  64                      /* replies that leave in one call */
#define LINGER    ((size_t)128 * 1024)    /* bytes of replies the reader piles up before it lets the sender run */

struct nbd_session {
	struct ringline_conn *conn;
	struct ringline_file *file;
	const struct nbd_terms *terms;
	struct ringline_scope *scope;     /* of all jobs' tasks */
	struct ringline_semaphore *permits;
	struct nbd_job *first;            /* replies that wait to leave */
	struct nbd_job **last;
	size_t waiting;                   /* bytes of them */
	bool sending;                     /* there is a task that sends them */
	bool broken;                      /* there is nobody to send them to */
};

/* Jobs */

static uint32_t permits_for(size_t length)
{
	uint32_t n = (uint32_t)((length + UNIT - 1) / UNIT);

	return n > LEAST ? n : LEAST;
}

static struct nbd_job *new_job(struct nbd_session *s, const struct nbd_request *q, size_t room, int *r)
{
	uint32_t permits = permits_for(room);
	struct nbd_job *job;

	*r = ringline_semaphore_acquire(s->permits, permits);
	if (*r < 0)
		return NULL;
	job = nbd_job_new(room);
	if (!job) {
		*r = -ENOMEM;
		ringline_semaphore_release(s->permits, permits);
		return NULL;
	}
	job->session = s;
	job->whole = NULL;
	job->op = NULL;
	job->request = *q;
	job->pieces = 0;
	job->error = 0;
	job->permits = permits;
	return job;
}

static void end_job(struct nbd_job *job)
{
	ringline_semaphore_release(job->session->permits, job->permits);
	nbd_job_free(job);
}

/* Has a task run fn(arg), or runs it here if no task can be had. */
static void start(struct nbd_session *s, int (*fn)(void *arg), void *arg)
{
	if (ringline_scope_spawn(s->scope, fn, arg) < 0)
		fn(arg);
}

/* Runs fn(arg) where no shutdown reaches before the drain time is over. */
static int64_t shielded(int64_t (*fn)(void *arg), void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *shield = NULL;
	int64_t r;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	if (ringline_scope_open(&shield, &o) < 0)
		return fn(arg);
	r = fn(arg);
	ringline_scope_close(shield);
	return r;
}

/* Replies */

static size_t gather(struct nbd_session *s, struct iovec *iov, struct nbd_job **jobs)
{
	size_t n = 0;

	while (s->first && n < SEND_MAX) {
		struct nbd_job *job = s->first;

		iov[n] = (struct iovec){ (void *)(uintptr_t)job->reply, job->reply_length };
		jobs[n++] = job;
		s->waiting -= job->reply_length;
		s->first = job->next;
	}
	if (!s->first)
		s->last = &s->first;
	return n;
}

static int64_t send_replies(void *arg)
{
	struct nbd_session *s = arg;
	struct nbd_job *jobs[SEND_MAX];
	struct iovec iov[SEND_MAX];
	ssize_t r = 0;

	while (s->first) {
		size_t n = gather(s, iov, jobs);

		if (!s->broken)
			r = ringline_conn_sendv(s->conn, iov, n);
		s->broken |= r < 0;
		while (n--)
			end_job(jobs[n]);
	}
	s->sending = false;
	return r < 0 ? r : 0;
}

/* An error of it cancels the scope, and with it the reader. */
static int sender(void *arg)
{
	return (int)shielded(send_replies, arg);
}

static void reply(struct nbd_job *job)
{
	struct nbd_session *s = job->session;

	job->next = NULL;
	*s->last = job;
	s->last = &job->next;
	s->waiting += job->reply_length;
	if (s->sending)
		return;
	s->sending = true;
	start(s, sender, s);
}

static void reply_status(struct nbd_job *job, uint32_t error)
{
	unsigned char *end = nbd_put_status(job->head, job->session->terms, &job->request, error);

	job->reply = job->head;
	job->reply_length = (size_t)(end - job->head);
	reply(job);
}

/* A header of that size has been put right before the data. */
static void reply_data(struct nbd_job *job, size_t head, size_t length)
{
	job->reply = job->data - head;
	job->reply_length = head + length;
	reply(job);
}

static void reply_read(struct nbd_job *job, uint16_t flags)
{
	const struct nbd_request *q = &job->request;

	if (job->session->terms->structured) {
		nbd_put_chunk(job->data - NBD_CHUNK - 8, flags, NBD_CHUNK_DATA, q->cookie, 8 + q->length);
		nbd_put64(job->data - 8, q->offset);
		reply_data(job, NBD_CHUNK + 8, q->length);
	} else {
		nbd_put_simple(job->data - NBD_SIMPLE, 0, q->cookie);
		reply_data(job, NBD_SIMPLE, q->length);
	}
}

/* The end of jobs */

static void reply_error_at(struct nbd_job *job, uint16_t flags, uint32_t error)
{
	unsigned char *end = nbd_put_error_at(job->head, flags, job->request.cookie, error, job->request.offset);

	job->reply = job->head;
	job->reply_length = (size_t)(end - job->head);
	reply(job);
}

/* The last piece of a read to be through carries the mark of the end. */
static void end_read(struct nbd_job *job, int64_t r)
{
	struct nbd_job *whole = job->whole;
	uint16_t flags = NBD_CHUNK_DONE;

	if (whole && --whole->pieces)
		flags = 0;
	if (r < 0 && whole)
		reply_error_at(job, flags, nbd_error(r));
	else if (r < 0)
		reply_status(job, nbd_error(r));
	else
		reply_read(job, flags);
	if (whole && !whole->pieces)
		end_job(whole);
}

/* Of a write in pieces the last one to be through sees to the sync and to the reply. */
static void end_write(struct nbd_job *job, int64_t r)
{
	struct nbd_job *whole = job->whole;

	if (!whole) {
		reply_status(job, nbd_error(r));
		return;
	}
	end_job(job);
	if (r < 0 && !whole->error)
		whole->error = nbd_error(r);
	if (--whole->pieces)
		return;
	if (!whole->error && whole->request.flags & NBD_CMD_FLAG_FUA)
		whole->error = nbd_error(nbd_export_flush(whole->session->file));
	reply_status(whole, whole->error);
}

static void end_extents(struct nbd_job *job, int64_t n)
{
	size_t length = 4 + (n > 0 ? (size_t)n : 0) * NBD_EXTENT;

	if (n < 0) {
		reply_status(job, nbd_error(n));
		return;
	}
	nbd_put_chunk(job->data - NBD_CHUNK - 4, NBD_CHUNK_DONE, NBD_CHUNK_BLOCK_STATUS, job->request.cookie, (uint32_t)length);
	nbd_put32(job->data - 4, 1);
	reply_data(job, NBD_CHUNK + 4, length - 4);
}

static void end(struct nbd_job *job, int64_t r)
{
	switch (job->request.type) {
	case NBD_CMD_READ:
		end_read(job, r);
		break;
	case NBD_CMD_WRITE:
		end_write(job, r);
		break;
	case NBD_CMD_BLOCK_STATUS:
		end_extents(job, r);
		break;
	default:
		reply_status(job, nbd_error(r));
	}
}

/* What jobs do */

/* A file that is shorter than it was when it was exported cannot be read: -ENODATA, which is told as an I/O error. */
static int64_t run_read(struct nbd_job *job)
{
	const struct nbd_request *q = &job->request;
	int64_t n = job->op ? ringline_op_await(job->op) : 0;

	if (n >= 0 && n < q->length)
		n = ringline_file_read_all(job->session->file, job->data + n, q->length - (size_t)n, q->offset + (uint64_t)n);
	return n;
}

static int64_t run_write(struct nbd_job *job)
{
	const struct nbd_request *q = &job->request;

	return nbd_export_write(job->session->file, job->data, q->length, q->offset, !job->whole && q->flags & NBD_CMD_FLAG_FUA);
}

static int64_t run_extents(struct nbd_job *job)
{
	return nbd_export_extents(job->session->file, &job->request, job->data, job->room / NBD_EXTENT);
}

static int64_t run_other(struct nbd_job *job)
{
	struct ringline_file *file = job->session->file;

	switch (job->request.type) {
	case NBD_CMD_FLUSH:
		return nbd_export_flush(file);
	case NBD_CMD_TRIM:
		return nbd_export_trim(file, &job->request);
	case NBD_CMD_CACHE:
		return nbd_export_cache(file, &job->request);
	default:
		return nbd_export_write_zeroes(file, &job->request);
	}
}

static int64_t run_and_end(void *arg)
{
	struct nbd_job *job = arg;

	end(job, job->run(job));
	return 0;
}

static int job_main(void *arg)
{
	return (int)shielded(run_and_end, arg);
}

static int start_job(struct nbd_job *job, int64_t (*run)(struct nbd_job *job))
{
	job->run = run;
	start(job->session, job_main, job);
	return 0;
}

/* Reading */

/* What is in the cache is there when the operation has been begun. */
static int start_read(struct nbd_job *job)
{
	const struct nbd_request *q = &job->request;
	struct nbd_session *s = job->session;
	int64_t n = ringline_file_read_begin(&job->op, s->file, job->data, q->length, q->offset);

	if (n == 0) {
		n = ringline_op_result(job->op);
		if (n == q->length) {
			end(job, n);
			return s->waiting < LINGER ? 0 : ringline_yield();
		}
	}
	if (n != -EINPROGRESS)
		job->op = NULL;           /* it could not be begun, or is short: the task tries it again */
	return start_job(job, run_read);
}

/* Calls fn for each piece of a request; of those that are not begun any more the whole is told. */
static int cut_up(struct nbd_session *s, const struct nbd_request *q, int (*fn)(struct nbd_job *piece))
{
	struct nbd_request part = *q;
	uint32_t left;
	int r;
	struct nbd_job *whole = new_job(s, q, 0, &r);

	if (!whole)
		return r;
	whole->pieces = (q->length + NBD_PIECE - 1) / NBD_PIECE;
	for (left = q->length; left && r == 0; left -= part.length, part.offset += part.length) {
		struct nbd_job *piece;

		part.length = left < NBD_PIECE ? left : NBD_PIECE;
		piece = new_job(s, &part, part.length, &r);
		if (!piece)
			break;
		piece->whole = whole;
		r = fn(piece);
	}
	if (!left)
		return r;
	whole->pieces -= (left + NBD_PIECE - 1) / NBD_PIECE;
	if (!whole->pieces)
		end_job(whole);
	return r;
}

static int send_piece(struct nbd_session *s, const void *data, size_t n)
{
	ssize_t r = ringline_conn_send(s->conn, data, n);

	return r < 0 ? (int)r : 0;
}

/* The header of a reply in one, when its first piece has been read. */
static int send_head(struct nbd_session *s, const struct nbd_request *q)
{
	unsigned char head[NBD_CHUNK + 8];
	unsigned char *to;

	if (!s->terms->structured)
		return send_piece(s, head, (size_t)(nbd_put_simple(head, 0, q->cookie) - head));
	to = nbd_put_chunk(head, 0, NBD_CHUNK_DATA, q->cookie, 8 + q->length);
	return send_piece(s, head, (size_t)(nbd_put64(to, q->offset) - head));
}

/* Zeroes in the place of what could not be read, and what is wrong with them. A plain reply has no way to tell. */
static int send_failure(struct nbd_session *s, const struct nbd_request *q, struct nbd_job *job, uint32_t left, int64_t error)
{
	uint64_t at = q->offset + q->length - left;
	int r = s->terms->structured ? 0 : -EIO;

	memset(job->data, 0, job->room);
	while (left && r == 0) {
		uint32_t n = left < NBD_PIECE ? left : NBD_PIECE;

		r = send_piece(s, job->data, n);
		left -= n;
	}
	if (r < 0)
		return r;
	return send_piece(s, job->head, (size_t)(nbd_put_error_at(job->head, NBD_CHUNK_DONE, q->cookie, nbd_error(error), at) -
	                                         job->head));
}

struct in_one {
	struct nbd_session *session;
	const struct nbd_request *q;
	struct nbd_job *job;              /* memory for a piece */
};

static int64_t read_in_one(void *arg)
{
	const struct in_one *one = arg;
	struct nbd_session *s = one->session;
	const struct nbd_request *q = one->q;
	struct nbd_job *job = one->job;
	uint32_t left = q->length;
	int r = 0;

	while (left && r == 0) {
		uint32_t n = left < NBD_PIECE ? left : NBD_PIECE;
		int64_t got = ringline_file_read_all(s->file, job->data, n, q->offset + q->length - left);

		if (got < 0 && left == q->length)
			return send_piece(s, job->head, (size_t)(nbd_put_status(job->head, s->terms, q, nbd_error(got)) - job->head));
		if (left == q->length)
			r = send_head(s, q);
		if (r == 0 && got < 0)
			return send_failure(s, q, job, left, got);
		if (r == 0)
			r = send_piece(s, job->data, n);
		left -= n;
	}
	if (r == 0 && s->terms->structured)
		r = send_piece(s, job->head, (size_t)(nbd_put_status(job->head, s->terms, q, 0) - job->head));
	return r;
}

static int64_t take_all_permits(void *arg)
{
	struct nbd_session *s = arg;

	return ringline_semaphore_acquire(s->permits, PERMITS);
}

static int read_alone(struct nbd_session *s, const struct nbd_request *q)
{
	struct in_one one = { s, q, NULL };
	int r = (int)take_all_permits(s);

	if (r < 0)
		return r;
	one.job = nbd_job_new(NBD_PIECE);
	r = one.job ? (int)shielded(read_in_one, &one) : -ENOMEM;
	if (one.job)
		nbd_job_free(one.job);
	ringline_semaphore_release(s->permits, PERMITS);
	return r;
}

static int read_one(struct nbd_session *s, const struct nbd_request *q)
{
	struct nbd_job *job;
	int r;

	if (q->length > NBD_PIECE && s->terms->structured && !(q->flags & NBD_CMD_FLAG_DF))
		return cut_up(s, q, start_read);
	if (q->length > NBD_PIECE)
		return read_alone(s, q);
	job = new_job(s, q, q->length, &r);
	return job ? start_read(job) : r;
}

/* Writing */

/* The data of a write; if it does not come, or not all of it, nothing of this piece is written. */
static int start_write(struct nbd_job *job)
{
	ssize_t n = ringline_conn_recv_exact(job->session->conn, job->data, job->request.length);

	if (n == (ssize_t)job->request.length)
		return start_job(job, run_write);
	if (job->whole && !--job->whole->pieces)
		end_job(job->whole);
	end_job(job);
	return n < 0 ? (int)n : -ENODATA;
}

static int write_one(struct nbd_session *s, const struct nbd_request *q)
{
	struct nbd_job *job;
	int r;

	if (q->length > NBD_PIECE)
		return cut_up(s, q, start_write);
	job = new_job(s, q, q->length, &r);
	return job ? start_write(job) : r;
}

/* Data that nobody wants: of a request that is answered with an error. */
static int skip(struct nbd_session *s, uint32_t left)
{
	while (left) {
		const void *data;
		ssize_t n = ringline_conn_peek(s->conn, &data);

		if (n <= 0)
			return n < 0 ? (int)n : -ENODATA;
		n = n < (ssize_t)left ? n : (ssize_t)left;
		ringline_conn_consume(s->conn, (size_t)n);
		left -= (uint32_t)n;
	}
	return 0;
}

/* Requests */

static int refuse(struct nbd_session *s, const struct nbd_request *q, uint32_t error)
{
	int r = q->type == NBD_CMD_WRITE ? skip(s, q->length) : 0;
	struct nbd_job *job = r == 0 ? new_job(s, q, 0, &r) : NULL;

	if (job)
		reply_status(job, error);
	return r;
}

static int carry_out(struct nbd_session *s, const struct nbd_request *q)
{
	bool extents = q->type == NBD_CMD_BLOCK_STATUS;
	uint32_t error = nbd_check_request(q, s->terms);
	struct nbd_job *job;
	int r;

	if (error || (!q->length && q->type != NBD_CMD_FLUSH))
		return refuse(s, q, error);       /* of nothing there is nothing to do */
	if (q->type == NBD_CMD_READ)
		return read_one(s, q);
	if (q->type == NBD_CMD_WRITE)
		return write_one(s, q);
	job = new_job(s, q, extents ? UNIT : 0, &r);
	return job ? start_job(job, extents ? run_extents : run_other) : r;
}

/* 1: there may be another one; 0: the client wants no more; -errno. */
static int serve_request(struct nbd_session *s)
{
	struct nbd_request q;
	const void *data;
	ssize_t n = ringline_conn_peek_at_least(s->conn, NBD_REQUEST, &data);
	int r;

	if (n <= 0)
		return (int)n;
	if (!nbd_get_request(&q, data))
		return -EPROTO;
	ringline_conn_consume(s->conn, NBD_REQUEST);
	if (q.type == NBD_CMD_DISC)
		return 0;
	r = carry_out(s, &q);
	return r < 0 ? r : 1;
}

int nbd_session_run(struct ringline_conn *conn, struct ringline_file *file, const struct nbd_terms *terms)
{
	struct nbd_session s = { .conn = conn, .file = file, .terms = terms, .last = &s.first };
	int r = ringline_semaphore_new(&s.permits, PERMITS, NULL);

	if (r < 0)
		return r;
	r = ringline_scope_open(&s.scope, NULL);
	if (r == 0) {
		do
			r = serve_request(&s);
		while (r > 0);
		shielded(take_all_permits, &s);   /* when everything has been answered; closing would cancel reads */
		ringline_scope_close(s.scope);
	}
	ringline_semaphore_free(s.permits);
	return r;
}
