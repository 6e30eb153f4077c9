/* SPDX-License-Identifier: MIT */
/*
 * Replies.
 *
 * Jobs that have ended queue up, and a task sends all that are there by the time it runs, and then what has come meanwhile,
 * until there is nothing left.
 *
 * Of large reads only the header is in the job's memory: the kernel sends the data behind it from its cache, where the job has
 * seen to it that they are. Should that fail midway, the rest is zeroes, as the protocol wants it, and an error behind them; a
 * plain reply has no way to tell, and the connection ends.
 *
 * What is in the cache is read at once, and a client with many such requests under way would get each reply by itself: a
 * packet, and a process woken up, for each, which costs both sides more than the request does. So the sender waits for
 * company, for NBD_HOLD at most and until so many are there as a client of its kind has under way, or half of them: the other
 * half is what it works on meanwhile. How many that is shows when NBD_HOLD has passed and nobody was answered, which is tried
 * now and then; a client with one request at a time is kept waiting less and less often. Replies that took their time anyway
 * are not held at all. Over TCP as many requests are let come together, too (nbd-session.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "nbd-session.h"

#define SEND_MAX     64                   /* replies that leave in one call */
#define TOGETHER_MAX 16u
#define TRY_MORE     64u                  /* sends after which it is tried whether more would come together */
#define TRY_LAST     4096u                /* as many, of a client that never had more than one under way */
#define ZEROES       ((size_t)16 * 1024)

/* The queue */

/* The replies that leave together: one whose data come from the file is the last of them. */
static size_t gather(struct nbd_session *s, struct iovec *iov, struct nbd_job **jobs)
{
	size_t n = 0;

	do {
		struct nbd_job *job = s->first;

		iov[n] = (struct iovec){ (void *)(uintptr_t)job->reply, job->reply_length };
		jobs[n++] = job;
		s->first = job->next;
	} while (s->first && n < SEND_MAX && !jobs[n - 1]->from_file);
	s->waiting -= (uint32_t)n;
	if (!s->first) {
		s->last = &s->first;
		s->urgent = false;
	}
	return n;
}

static void put_in_front(struct nbd_session *s, struct nbd_job *job)
{
	job->from_file = false;
	job->next = s->first;
	s->first = job;
	if (!job->next)
		s->last = &job->next;
	s->waiting++;
	s->urgent = true;
}

/* From the file */

static int64_t bytes_sent(const struct nbd_session *s)
{
	struct ringline_conn_info info = { .size = sizeof(info) };
	int r = ringline_conn_info(s->conn, &info);

	return r < 0 ? r : (int64_t)info.bytes_sent;
}

static ssize_t send_zeroes(struct nbd_session *s, uint64_t left)
{
	static const unsigned char zeroes[ZEROES];
	ssize_t r = 0;

	while (left && r >= 0) {
		r = ringline_conn_send(s->conn, zeroes, left < ZEROES ? (size_t)left : ZEROES);
		left -= r > 0 ? (uint64_t)r : 0;
	}
	return r;
}

/* The data of a read behind the header that has left; the job's reply is then what must come behind them. */
static ssize_t send_from_file(struct nbd_session *s, struct nbd_job *job)
{
	const struct nbd_request *q = &job->request;
	int64_t before = bytes_sent(s);
	int64_t n = ringline_file_send(s->file, q->offset, q->length, s->conn);
	unsigned char *end = nbd_put_status(job->head, s->terms, q, 0);

	if (n < 0) {
		uint64_t done = (uint64_t)(bytes_sent(s) - before);
		ssize_t r = s->terms->structured && before >= 0 ? send_zeroes(s, q->length - done) : (ssize_t)n;

		if (r < 0)
			return r;
		end = nbd_put_error_at(job->head, NBD_CHUNK_DONE, q->cookie, nbd_error(n), q->offset + done);
	}
	job->reply_length = s->terms->structured ? (size_t)(end - job->head) : 0;
	return 0;
}

/* Sending */

void nbd_reply_all_there(struct nbd_session *s, uint32_t n)
{
	s->together = n / 2 < TOGETHER_MAX ? n / 2 : TOGETHER_MAX;
	s->sends = 0;
	s->patience = TRY_MORE;
	if (s->together > 1)
		return;
	s->together = 1;
	s->alone = s->alone < TRY_LAST / 2 ? 2 * s->alone + TRY_MORE : TRY_LAST;
	s->patience = s->alone;
}

/* Until there are as many as are wanted, or they have been kept long enough. */
static void wait_for_company(struct nbd_session *s)
{
	struct ringline_case cases[] = {
		{ .kind = RINGLINE_CASE_EVENT, .object = s->company },
		{ .kind = RINGLINE_CASE_DEADLINE, .value = ringline_now() + NBD_HOLD },
	};

	if (ringline_event_reset(s->company) < 0 || ringline_select(cases, 2, sizeof(cases[0]), 0) != 0 || s->wanted > TOGETHER_MAX)
		nbd_reply_all_there(s, s->waiting);
}

/* Now and then one more, or from a client that has not had more than one under way all that come. */
static void want_more(struct nbd_session *s)
{
	s->sends = 0;
	if (s->together == 1)
		s->wanted = 2 * TOGETHER_MAX;
	else if (s->together < TOGETHER_MAX)
		s->wanted = ++s->together;
}

static void hold(struct nbd_session *s)
{
	if (s->urgent || s->broken)
		return;
	if (s->together < s->waiting / 2)
		nbd_reply_all_there(s, s->waiting);
	s->wanted = s->together;
	if (++s->sends >= s->patience)
		want_more(s);
	if (s->waiting < s->wanted)
		wait_for_company(s);
}

static ssize_t send_some(struct nbd_session *s)
{
	struct nbd_job *jobs[SEND_MAX];
	struct iovec iov[SEND_MAX];
	size_t n = gather(s, iov, jobs);
	struct nbd_job *tail = jobs[n - 1];
	ssize_t r = s->broken ? -EPIPE : ringline_conn_sendv(s->conn, iov, n);

	if (r >= 0 && tail->from_file) {
		r = send_from_file(s, tail);
		if (r >= 0 && tail->reply_length) {
			put_in_front(s, tail);
			n--;
		}
	}
	while (n--)
		nbd_session_end_job(jobs[n]);
	return r;
}

static int64_t send_replies(void *arg)
{
	struct nbd_session *s = arg;
	int64_t r = 0;

	while (s->first) {
		hold(s);
		r = send_some(s);
		s->broken |= r < 0;
	}
	s->sending = false;
	return s->broken ? r : 0;
}

/* An error of it cancels the scope, and with it the reader. */
static int sender(void *arg)
{
	return (int)nbd_session_shielded(send_replies, arg);
}

static void queue(struct nbd_job *job, bool at_once)
{
	struct nbd_session *s = job->session;

	job->next = NULL;
	*s->last = job;
	s->last = &job->next;
	s->waiting++;
	s->urgent |= !at_once;
	if (s->sending) {
		if (s->urgent || s->waiting == s->wanted)
			ringline_event_set(s->company);
		return;
	}
	s->sending = true;
	nbd_session_start(s, sender, s);
}

/* Replies of each kind */

void nbd_reply_status(struct nbd_job *job, uint32_t error, bool at_once)
{
	unsigned char *end = nbd_put_status(job->head, job->session->terms, &job->request, error);

	job->reply = job->head;
	job->reply_length = (size_t)(end - job->head);
	queue(job, at_once);
}

/* Nothing can go wrong any more with what is in memory, so it may have the mark of the end; what is in the file cannot. */
static size_t put_read_head(unsigned char *to, const struct nbd_job *job)
{
	const struct nbd_request *q = &job->request;
	unsigned char *at;

	if (!job->session->terms->structured)
		return (size_t)(nbd_put_simple(to, 0, q->cookie) - to);
	at = nbd_put_chunk(to, job->from_file ? 0 : NBD_CHUNK_DONE, NBD_CHUNK_DATA, q->cookie, 8 + q->length);
	return (size_t)(nbd_put64(at, q->offset) - to);
}

void nbd_reply_read(struct nbd_job *job, bool at_once)
{
	size_t head = job->session->terms->structured ? NBD_CHUNK + 8 : NBD_SIMPLE;

	job->from_file = job->request.length >= NBD_FROM_FILE;
	if (job->from_file) {
		job->reply = job->head;
		job->reply_length = put_read_head(job->head, job);
	} else {
		job->reply = job->head + NBD_HEAD - head;
		job->reply_length = put_read_head(job->head + NBD_HEAD - head, job) + job->request.length;
	}
	queue(job, at_once && !job->from_file);
}

void nbd_reply_extents(struct nbd_job *job, size_t n)
{
	unsigned char *head = job->head + NBD_HEAD - 4 - NBD_CHUNK;
	uint32_t length = (uint32_t)(4 + n * NBD_EXTENT);

	job->reply = head;
	job->reply_length = NBD_CHUNK + length;
	nbd_put32(nbd_put_chunk(head, NBD_CHUNK_DONE, NBD_CHUNK_BLOCK_STATUS, job->request.cookie, length), 1);
	queue(job, false);
}
