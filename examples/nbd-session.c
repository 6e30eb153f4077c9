/* SPDX-License-Identifier: MIT */
/*
 * Requests.
 *
 * The connection's own task reads them and makes jobs of them. A read of what is in the cache is over at once; whatever has to
 * wait gets a task.
 *
 * What a client can have under way is limited by permits, which a job takes before it gets memory, and gives back when its
 * reply has left: so many jobs, or so many bytes. A client that does not read its replies is not read from in the end.
 *
 * Large writes are received and written in pieces, which are jobs of their own, at the same time. Large reads have no memory
 * at all (nbd-reply.c).
 *
 * A client that reads much of what is in the cache sends its requests one by one, and is slower than the server: over TCP each
 * would be a wakeup, a call and an acknowledgement. So the kernel is told to wait for as many as the replies wait for each
 * other, and no longer; with anything else under way, for none. Unix sockets cannot be told (they do not look at SO_RCVLOWAT),
 * so there the reader itself pauses for a moment.
 *
 * A shutdown, or a client that is gone, cuts the reader. The jobs shield themselves: what was accepted is carried out, and
 * answered if there is still somebody to answer.
 */
#include <errno.h>

#include "nbd-export.h"
#include "nbd-session.h"

#define PERMITS     1024u
#define UNIT        4096u                 /* bytes of data per permit */
#define LEAST       16u                   /* permits of the smallest job: 64 jobs, or 4 MiB */
#define SCRATCH     ((size_t)16 * 1024)
#define SEND_BUFFER (2u << 20)            /* of unix sockets, whose default holds three large pieces; less if the system says so */
#define UNSENT      (16u * 1024)          /* of TCP: more would be sent when the client acknowledges, at its expense */
#define PAUSE       (NBD_HOLD / 3)        /* of a reader whose kernel cannot wait for several requests */
#define ALL_PLAIN   64u                   /* requests after which the client is one that reads what is in the cache */

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
	job->request = *q;
	job->from_file = false;
	job->pieces = 0;
	job->error = 0;
	job->permits = permits;
	return job;
}

void nbd_session_end_job(struct nbd_job *job)
{
	ringline_semaphore_release(job->session->permits, job->permits);
	nbd_job_free(job);
}

void nbd_session_start(struct nbd_session *s, int (*fn)(void *arg), void *arg)
{
	if (ringline_scope_spawn(s->scope, fn, arg) < 0)
		fn(arg);
}

int64_t nbd_session_shielded(int64_t (*fn)(void *arg), void *arg)
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

/* What jobs do */

/* A file that is shorter than it was when it was exported cannot be read: -ENODATA, which is told as an I/O error. */
static int64_t run_read(struct nbd_job *job)
{
	const struct nbd_request *q = &job->request;

	return ringline_file_read_all(job->session->file, job->data, q->length, q->offset);
}

/* Brings what is read into the kernel's cache. */
static int64_t run_warm(struct nbd_job *job)
{
	const struct nbd_request *q = &job->request;
	unsigned char scratch[SCRATCH];
	uint32_t done = 0;
	int64_t n = 0;

	while (done < q->length && n >= 0) {
		size_t part = q->length - done < SCRATCH ? q->length - done : SCRATCH;

		n = ringline_file_read_all(job->session->file, scratch, part, q->offset + done);
		done += (uint32_t)part;
	}
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

/* Of a write in pieces the last one to be through sees to the sync and to the reply. */
static void end_piece(struct nbd_job *job, int64_t r)
{
	struct nbd_job *whole = job->whole;

	nbd_session_end_job(job);
	if (r < 0 && !whole->error)
		whole->error = nbd_error(r);
	if (--whole->pieces)
		return;
	if (!whole->error && whole->request.flags & NBD_CMD_FLAG_FUA)
		whole->error = nbd_error(nbd_export_flush(whole->session->file));
	nbd_reply_status(whole, whole->error, false);
}

static int64_t run_and_end(void *arg)
{
	struct nbd_job *job = arg;
	int64_t r = job->run(job);

	if (job->whole)
		end_piece(job, r);
	else if (r >= 0 && job->request.type == NBD_CMD_READ)
		nbd_reply_read(job, false);
	else if (r >= 0 && job->request.type == NBD_CMD_BLOCK_STATUS)
		nbd_reply_extents(job, (size_t)r);
	else
		nbd_reply_status(job, nbd_error(r), false);
	return 0;
}

static int job_main(void *arg)
{
	return (int)nbd_session_shielded(run_and_end, arg);
}

static int start_job(struct nbd_job *job, int64_t (*run)(struct nbd_job *job))
{
	job->run = run;
	nbd_session_start(job->session, job_main, job);
	return 0;
}

/* Reading */

/* Has the kernel wait for so many requests, but not for ever, before it tells of any. */
static void gather(struct nbd_session *s, uint32_t n)
{
	if (!s->gathered || n == s->gathered)
		return;
	s->gathered = n;
	ringline_conn_set_option(s->conn, RINGLINE_CONN_READ_TIMEOUT, n > 1 ? NBD_HOLD : 0);
	ringline_conn_set_option(s->conn, RINGLINE_CONN_RECEIVE_TOGETHER, (uint64_t)n * NBD_REQUEST);
}

/* Whether so many bytes are in the cache, which then are at *to*. */
static bool read_at_once(struct nbd_job *job, unsigned char *to, uint32_t length, uint64_t offset)
{
	return ringline_file_try_read(job->session->file, to, length, offset) == (ssize_t)length;
}

/* What is not there, or not all of it, is read by a task. */
static int read_one(struct nbd_session *s, const struct nbd_request *q)
{
	bool from_file = q->length >= NBD_FROM_FILE;
	struct nbd_job *job;
	bool there;
	int r;

	job = new_job(s, q, from_file ? 0 : q->length, &r);
	if (!job)
		return r;
	if (from_file)
		there = read_at_once(job, job->head, 1, q->offset) && read_at_once(job, job->head, 1, q->offset + q->length - 1);
	else
		there = read_at_once(job, job->data, q->length, q->offset);
	s->plain = there && !from_file ? s->plain + 1 : 0;
	if (!there)
		return start_job(job, from_file ? run_warm : run_read);
	nbd_reply_read(job, true);
	return 0;
}

/* Writing */

/* The data of a write; if it does not come, or not all of it, nothing of this piece is written. */
static int start_write(struct nbd_job *job)
{
	ssize_t n = ringline_conn_recv_exact(job->session->conn, job->data, job->request.length);

	if (n == (ssize_t)job->request.length)
		return start_job(job, run_write);
	if (job->whole && !--job->whole->pieces)
		nbd_session_end_job(job->whole);
	nbd_session_end_job(job);
	return n < 0 ? (int)n : -ENODATA;
}

/* Of pieces that are not begun any more, because the connection ends, the whole is told. */
static int write_in_pieces(struct nbd_session *s, const struct nbd_request *q)
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
		r = start_write(piece);
	}
	if (!left)
		return r;
	whole->pieces -= (left + NBD_PIECE - 1) / NBD_PIECE;
	if (!whole->pieces)
		nbd_session_end_job(whole);
	return r;
}

static int write_one(struct nbd_session *s, const struct nbd_request *q)
{
	struct nbd_job *job;
	int r;

	if (q->length > NBD_PIECE)
		return write_in_pieces(s, q);
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
		nbd_reply_status(job, error, true);
	return r;
}

static int carry_out(struct nbd_session *s, const struct nbd_request *q)
{
	bool extents = q->type == NBD_CMD_BLOCK_STATUS;
	uint32_t error = nbd_check_request(q, s->terms);
	struct nbd_job *job;
	int r;

	if (q->type != NBD_CMD_READ) {
		s->plain = 0;
		gather(s, 1);             /* the data of a write come when they come */
	}
	if (error || (!q->length && q->type != NBD_CMD_FLUSH))
		return refuse(s, q, error);       /* of nothing there is nothing to do */
	if (q->type == NBD_CMD_READ)
		return read_one(s, q);
	if (q->type == NBD_CMD_WRITE)
		return write_one(s, q);
	job = new_job(s, q, extents ? UNIT : 0, &r);
	return job ? start_job(job, extents ? run_extents : run_other) : r;
}

/* Lets so many come together, before the client is listened to. */
static void expect(struct nbd_session *s, uint32_t n)
{
	if (s->gathered)
		gather(s, n);
	else if (n > 1)
		ringline_sleep(PAUSE);            /* if it was cut, so is what follows */
}

/* The bytes of a request at least, as ringline_conn_peek_at_least(). */
static ssize_t wait_for_request(struct nbd_session *s, const void **data)
{
	ssize_t n = ringline_conn_peek_nowait(s->conn, data);

	if (n >= (ssize_t)NBD_REQUEST)
		return n;
	expect(s, s->plain >= ALL_PLAIN ? s->together : 1);
	n = ringline_conn_peek_at_least(s->conn, NBD_REQUEST, data);
	if (n != -ETIMEDOUT || s->gathered <= 1)
		return n;
	gather(s, 1);
	n = ringline_conn_peek_at_least(s->conn, NBD_REQUEST, data);
	if (n > 0)
		nbd_reply_all_there(s, (uint32_t)n / NBD_REQUEST);
	return n;
}

/* 1: there may be another one; 0: the client wants no more; -errno. */
static int serve_request(struct nbd_session *s)
{
	struct nbd_request q;
	const void *data;
	ssize_t n = wait_for_request(s, &data);
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

/* The end */

/* What has come and is not served any more is told so: of a write, if its data have come, too. */
static int64_t refuse_the_rest(void *arg)
{
	struct nbd_session *s = arg;
	struct nbd_request q;
	const void *data;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = ringline_conn_peek_nowait(s->conn, &data)) >= (ssize_t)NBD_REQUEST) {
		if (!nbd_get_request(&q, data) || q.type == NBD_CMD_DISC)
			break;
		if (q.type == NBD_CMD_WRITE && (size_t)n - NBD_REQUEST < q.length)
			break;
		ringline_conn_consume(s->conn, NBD_REQUEST);
		r = refuse(s, &q, NBD_ESHUTDOWN);
	}
	return 0;
}

static int64_t take_all_permits(void *arg)
{
	struct nbd_session *s = arg;

	return ringline_semaphore_acquire(s->permits, PERMITS);
}

static int serve_requests(struct nbd_session *s)
{
	int r = ringline_scope_open(&s->scope, NULL);

	if (r < 0)
		return r;
	do
		r = serve_request(s);
	while (r > 0);
	if (r == -ECANCELED && !s->broken)
		nbd_session_shielded(refuse_the_rest, s);
	nbd_session_shielded(take_all_permits, s);   /* when all has been answered; closing the scope would cancel reads */
	ringline_scope_close(s->scope);
	return r;
}

/* Without any of it a connection is slower. */
static void set_up(struct nbd_session *s)
{
	bool tcp = ringline_conn_set_option(s->conn, RINGLINE_CONN_UNSENT_LIMIT, UNSENT) != -EOPNOTSUPP;

	s->gathered = tcp;
	if (!tcp)
		ringline_conn_set_option(s->conn, RINGLINE_CONN_SEND_BUFFER, SEND_BUFFER);
}

int nbd_session_run(struct ringline_conn *conn, struct ringline_file *file, const struct nbd_terms *terms)
{
	struct nbd_session s = { .conn = conn, .file = file, .terms = terms, .last = &s.first, .together = 1, .patience = 1 };
	int r = ringline_semaphore_new(&s.permits, PERMITS, NULL);

	if (r == 0)
		r = ringline_event_new(&s.company, NULL);
	if (r == 0) {
		set_up(&s);
		r = serve_requests(&s);
	}
	ringline_event_free(s.company);
	ringline_semaphore_free(s.permits);
	return r;
}
