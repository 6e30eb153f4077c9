/* SPDX-License-Identifier: MIT */
/*
 * The echo server that a careful programmer writes on io_uring by hand: the best that is known, and what the library's
 * overhead is measured against. It has its own ring code; of liburing it takes the header only.
 *
 * A turn has one system call:
 *
 *     enter      what was queued goes in, completions are waited for and copied out
 *     settle     the sends of the turn before are over: what was not taken is copied, the buffers go back to the kernel
 *     dispatch   accepted connections are armed, received bytes become pieces
 *     send       one send per connection that has pieces, straight from the receive buffers
 *     feed       receives that found no buffer are armed again, no more than the buffers will serve
 *
 * Connections are direct descriptors and known by their slot. Each has one multishot receive armed, and at most one send
 * in flight: two could change places if the first had to wait.
 *
 *     QUICK      a send that does not wait and tells only of failure (MSG_DONTWAIT, IOSQE_CQE_SKIP_SUCCESS). It is over
 *                when the enter that submits it returns, and when all that enter has posted was read, no completion
 *                means that all was taken.
 *     POLLED     what a quick send left over, sent from a copy, however long it takes. New pieces are added to the copy;
 *                when that grows too large the receive is cancelled until the peer has read.
 *
 * So pieces, and with them the buffers, live for one turn, no matter what peers do.
 *
 * Receive buffers are incremental where the kernel has that (6.12): the kernel carves each completion's bytes off a large
 * buffer and goes on to the next one when it is full. They are few, so that they stay in the cache between the receive
 * that fills them and the send that reads them: with large messages that saves more than it costs that receives starve
 * and are armed again. With small ones it would not, and then there are made more. While a receive starves, the enter
 * does not sleep: buffers may be pinned by quick sends, and nothing else would bring it back.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "contender.h"

/* Newer than the headers of liburing 2.3; the values are the kernel's. */
#define SETUP_NO_SQARRAY (1u << 16)
#define PBUF_RING_INC    2u
#define CQE_F_BUF_MORE   (1u << 4)

/* Small, as they are walked from end to end: what the cache holds of them is not there for sockets and bytes. */
#define SQ_ENTRIES       128u
#define CQ_ENTRIES       (8 * SQ_ENTRIES)
#define SLOTS_MAX        65536u

#define INC_SIZE         (256u * 1024)
#define INC_COUNT        4u
#define INC_LIMIT        64u
#define PLAIN_SIZE       (16u * 1024)
#define PLAIN_COUNT      256u
#define PLAIN_LIMIT      1024u
#define STREAM_SIZE      (64u * 1024)    /* what a starved receive is expected to take */
#define BULK_SIZE        (16u * 1024)    /* receives that take more, on average, are better starved than cold */

#define VECTORS          16u             /* pieces in one send */
#define MESSAGES         64u             /* sends of more than one piece in one submission */
#define OWED_LIMIT       (256u * 1024)
#define ACCEPT_PAUSE     10000000        /* nanoseconds */
#define NONE             UINT32_MAX

enum kind { IGNORED, ACCEPT, PAUSE, SIGNAL, RECEIVE, SEND };
enum receiving { UNARMED, ARMED, CANCELLED, STARVED };
enum sending { IDLE, QUICK, POLLED };

struct piece {
	unsigned char *bytes;
	uint32_t size;
	uint32_t next;
};

/* What a peer that does not read is owed. The kernel reads the first part, the second may grow and move. */
struct debt {
	unsigned char *bytes;
	size_t sent;
	size_t size;
	unsigned char *next;
	size_t next_size;
};

struct connection {
	uint8_t receiving;
	uint8_t sending;
	bool ended;               /* nothing more will be received */
	bool broken;              /* nothing more can be sent */
	uint32_t first;           /* pieces of this turn */
	uint32_t last;
	uint32_t npieces;
	uint32_t next_starved;
	struct debt *debt;        /* while the send is polled */
};

static struct {
	int fd;
	int enter_fd;
	unsigned int enter_flags;
	unsigned int *sq_head;
	unsigned int *sq_flags;
	unsigned int *sq_tail;
	unsigned int sq_entries;
	unsigned int tail;
	struct io_uring_sqe *sqes;
	unsigned int *cq_head;
	unsigned int *cq_tail;
	unsigned int cq_mask;
	struct io_uring_cqe *cqes;
} ring;

/* Invariant: each of the *total* buffers is with the kernel, or on the list of those that go back to it. */
static struct {
	struct io_uring_buf_ring *ring;
	unsigned char *memory;
	uint32_t *used;
	uint32_t *retired;
	uint32_t nretired;
	uint32_t size;
	uint32_t total;
	uint32_t limit;
	uint32_t in_kernel;
	uint32_t receives;        /* of this turn, and what they took */
	uint64_t bytes;
} pool;

static struct contender self;
static struct connection *connections;    /* by slot */
static bool accepting;                    /* its multishot accept, or the pause before the next, is under way */
static bool stopping;

/* Of this turn. */
static struct io_uring_cqe *events;
static uint32_t nevents, events_capacity;
static struct piece *pieces;
static uint32_t npieces, pieces_capacity;
static uint32_t *ready, nready;           /* connections that have pieces */
static uint32_t *quick, nquick;           /* connections whose send is quick */
static struct { struct msghdr header; struct iovec vector[VECTORS]; } messages[MESSAGES];
static uint32_t nmessages;

static uint32_t starved_first = NONE, starved_last = NONE;

/* The ring */

static int enter(unsigned int submit, unsigned int wait, unsigned int flags)
{
	return (int)syscall(__NR_io_uring_enter, ring.enter_fd, submit, wait, flags | ring.enter_flags, NULL, 0);
}

static unsigned int pending(void)
{
	return ring.tail - __atomic_load_n(ring.sq_head, __ATOMIC_ACQUIRE);
}

/* Submits what is queued; waits for *wait* completions. */
static void submit(unsigned int wait, unsigned int flags)
{
	__atomic_store_n(ring.sq_tail, ring.tail, __ATOMIC_RELEASE);
	if (enter(pending(), wait, flags) < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY)
		contender_die("io_uring_enter", errno);
	if (!pending())
		nmessages = 0;
}

static struct io_uring_sqe *get_sqe(uint32_t slot, enum kind kind)
{
	struct io_uring_sqe *sqe;

	while (pending() == ring.sq_entries)
		submit(0, 0);
	sqe = &ring.sqes[ring.tail++ & (ring.sq_entries - 1)];
	memset(sqe, 0, sizeof(*sqe));
	sqe->user_data = (uint64_t)slot << 8 | kind;
	return sqe;
}

static struct io_uring_sqe *get_connection_sqe(uint32_t slot, enum kind kind, uint8_t opcode)
{
	struct io_uring_sqe *sqe = get_sqe(slot, kind);

	sqe->opcode = opcode;
	sqe->fd = (int)slot;
	sqe->flags = IOSQE_FIXED_FILE;
	return sqe;
}

static void copy_completions(void)
{
	unsigned int head = *ring.cq_head;
	unsigned int tail = __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE);
	uint32_t needed = nevents + (tail - head);

	if (needed > events_capacity) {
		events_capacity = 2 * needed;
		events = contender_alloc(events, events_capacity, sizeof(*events));
	}
	while (head != tail)
		events[nevents++] = ring.cqes[head++ & ring.cq_mask];
	__atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
}

/* Those the queue had no room for too: a failed send among them must not be missed. */
static void collect(void)
{
	copy_completions();
	while (__atomic_load_n(ring.sq_flags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW) {
		submit(0, IORING_ENTER_GETEVENTS);
		copy_completions();
	}
}

/* Receive buffers */

static void provide(uint32_t id)
{
	pool.used[id] = 0;
	io_uring_buf_ring_add(pool.ring, pool.memory + (size_t)id * pool.size, pool.size, (unsigned short)id,
	                      (int)(pool.limit - 1), 0);
	io_uring_buf_ring_advance(pool.ring, 1);
	pool.in_kernel++;
}

static void provide_retired(void)
{
	while (pool.nretired)
		provide(pool.retired[--pool.nretired]);
}

/* A receive found no buffer. True if there are more now. */
static bool grow(void)
{
	uint32_t n = pool.total < pool.limit - pool.total ? pool.total : pool.limit - pool.total;

	if (!n || pool.bytes >= (uint64_t)pool.receives * BULK_SIZE)
		return false;
	while (n--)
		provide(pool.total++);
	return true;
}

/* The *n* bytes that a completion tells of. */
static unsigned char *take(uint32_t cqe_flags, uint32_t n)
{
	uint32_t id = cqe_flags >> IORING_CQE_BUFFER_SHIFT;
	unsigned char *bytes = pool.memory + (size_t)id * pool.size + pool.used[id];

	pool.used[id] += n;
	pool.bytes += n;
	pool.receives++;
	if (!(cqe_flags & CQE_F_BUF_MORE)) {
		pool.in_kernel--;
		pool.retired[pool.nretired++] = id;
	}
	return bytes;
}

/* Receiving */

static void arm(uint32_t slot)
{
	struct io_uring_sqe *sqe = get_connection_sqe(slot, RECEIVE, IORING_OP_RECV);

	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	connections[slot].receiving = ARMED;
}

static void cancel_receive(uint32_t slot)
{
	struct io_uring_sqe *sqe = get_sqe(0, IGNORED);

	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->fd = -1;
	sqe->addr = (uint64_t)slot << 8 | RECEIVE;
	sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
	connections[slot].receiving = CANCELLED;
}

static void starve(uint32_t slot)
{
	connections[slot].receiving = STARVED;
	connections[slot].next_starved = NONE;
	if (starved_last == NONE)
		starved_first = slot;
	else
		connections[starved_last].next_starved = slot;
	starved_last = slot;
}

static uint32_t pop_starved(void)
{
	uint32_t slot = starved_first;

	starved_first = connections[slot].next_starved;
	if (starved_first == NONE)
		starved_last = NONE;
	connections[slot].receiving = UNARMED;
	return slot;
}

/* Destroys a connection that nothing is in flight of, and whose end was seen or that nothing can be sent to. */
static void reap(uint32_t slot)
{
	struct connection *c = &connections[slot];
	struct io_uring_sqe *sqe;

	if (c->receiving != UNARMED || c->sending != IDLE || c->first != NONE || !(c->ended || c->broken))
		return;
	sqe = get_sqe(0, IGNORED);
	sqe->opcode = IORING_OP_CLOSE;
	sqe->file_index = slot + 1;
	sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
	c->ended = false;         /* the slot is free: until the next accept there is nothing to reap */
	c->broken = false;
}

/* Arms the receive of a connection that has none, if it should have one. */
static void resume(uint32_t slot)
{
	struct connection *c = &connections[slot];

	if (c->receiving != UNARMED)
		return;
	if (c->ended || c->broken)
		reap(slot);
	else if (!c->debt || c->debt->next_size < OWED_LIMIT)
		arm(slot);
}

/* Arms starved receives, as many as the buffers will serve if each takes what a stream takes. */
static void feed(void)
{
	uint32_t n = pool.in_kernel * (pool.size > STREAM_SIZE ? pool.size / STREAM_SIZE : 1);

	while (n-- && starved_first != NONE)
		resume(pop_starved());
}

/* Polled sends */

static void send_debt(uint32_t slot)
{
	struct debt *d = connections[slot].debt;
	struct io_uring_sqe *sqe = get_connection_sqe(slot, SEND, IORING_OP_SEND);

	if (!d->bytes)
		*d = (struct debt){ .bytes = d->next, .size = d->next_size };
	sqe->addr = (uint64_t)(uintptr_t)(d->bytes + d->sent);
	sqe->len = (uint32_t)(d->size - d->sent);
	sqe->msg_flags = MSG_WAITALL | MSG_NOSIGNAL;
	connections[slot].sending = POLLED;
}

static void add_debt(uint32_t slot, const unsigned char *bytes, size_t n)
{
	struct connection *c = &connections[slot];
	struct debt *d = c->debt;

	if (!d) {
		d = c->debt = contender_alloc(NULL, 1, sizeof(*d));
		*d = (struct debt){ .next = NULL };
	}
	d->next = contender_alloc(d->next, d->next_size + n, 1);
	memcpy(d->next + d->next_size, bytes, n);
	d->next_size += n;
	if (d->next_size >= OWED_LIMIT && c->receiving == ARMED)
		cancel_receive(slot);
}

static void forgive(struct connection *c)
{
	if (c->debt) {
		free(c->debt->bytes);
		free(c->debt->next);
		free(c->debt);
	}
	c->debt = NULL;
	c->sending = IDLE;
}

/* Nothing reaches the peer any more. Its receive ends, and with it the connection. */
static void give_up(uint32_t slot)
{
	struct connection *c = &connections[slot];

	forgive(c);
	c->broken = true;
	if (c->receiving == ARMED)
		cancel_receive(slot);
}

static void polled_send_ended(uint32_t slot, int result)
{
	struct connection *c = &connections[slot];
	struct debt *d = c->debt;

	if (result > 0)
		d->sent += (size_t)result;
	if (result < 0 && result != -EAGAIN && result != -EINTR) {
		give_up(slot);
	} else if (d->sent < d->size) {
		send_debt(slot);
		return;
	} else {
		free(d->bytes);
		d->bytes = NULL;
		if (d->next)
			send_debt(slot);
		else
			forgive(c);
	}
	resume(slot);
}

/* Quick sends */

/* All pieces but their first *skip* bytes. */
static void owe_pieces(uint32_t slot, size_t skip)
{
	uint32_t i;

	for (i = connections[slot].first; i != NONE; i = pieces[i].next) {
		size_t n = skip < pieces[i].size ? skip : pieces[i].size;

		if (n < pieces[i].size)
			add_debt(slot, pieces[i].bytes + n, pieces[i].size - n);
		skip -= n;
	}
	if (connections[slot].debt)
		send_debt(slot);
}

static void quick_send_failed(uint32_t slot, int result)
{
	if (result < 0 && result != -EAGAIN && result != -EINTR)
		give_up(slot);
	else
		owe_pieces(slot, result > 0 ? (size_t)result : 0);
}

/* The rest of the quick sends has succeeded. */
static void finish_quick(uint32_t slot)
{
	struct connection *c = &connections[slot];

	c->first = NONE;
	if (c->sending == QUICK)
		c->sending = IDLE;
	reap(slot);
}

static void settle(void)
{
	uint32_t i;

	for (i = 0; i < nevents; i++) {
		uint32_t slot = (uint32_t)(events[i].user_data >> 8);

		if ((events[i].user_data & 0xff) != SEND)
			continue;
		if (connections[slot].sending == QUICK)
			quick_send_failed(slot, events[i].res);
		else
			polled_send_ended(slot, events[i].res);
	}
	for (i = 0; i < nquick; i++)
		finish_quick(quick[i]);
	nquick = 0;
	npieces = 0;
	provide_retired();
}

static void prep_send(struct io_uring_sqe *sqe, const struct piece *p)
{
	sqe->opcode = IORING_OP_SEND;
	sqe->addr = (uint64_t)(uintptr_t)p->bytes;
	sqe->len = p->size;
}

static void prep_sendmsg(struct io_uring_sqe *sqe, const struct piece *p)
{
	struct msghdr *m = &messages[nmessages].header;
	struct iovec *v = messages[nmessages++].vector;

	*m = (struct msghdr){ .msg_iov = v };
	for (;;) {
		v[m->msg_iovlen++] = (struct iovec){ p->bytes, p->size };
		if (p->next == NONE)
			break;
		p = &pieces[p->next];
	}
	sqe->opcode = IORING_OP_SENDMSG;
	sqe->addr = (uint64_t)(uintptr_t)m;
	sqe->len = 1;
}

static void send_quick(uint32_t slot)
{
	struct connection *c = &connections[slot];
	const struct piece *p = &pieces[c->first];
	struct io_uring_sqe *sqe;

	while (nmessages == MESSAGES)
		submit(0, 0);
	sqe = get_connection_sqe(slot, SEND, IORING_OP_SEND);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->msg_flags = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL;
	if (p->next == NONE)
		prep_send(sqe, p);
	else
		prep_sendmsg(sqe, p);
	c->sending = QUICK;
}

static void send_pieces(void)
{
	uint32_t *swap = quick;
	uint32_t i;

	for (i = 0; i < nready; i++) {
		if (connections[ready[i]].npieces > VECTORS)
			owe_pieces(ready[i], 0);
		else
			send_quick(ready[i]);
	}
	quick = ready;
	nquick = nready;
	ready = swap;
	nready = 0;
}

/* Events */

static void accept_connections(void)
{
	struct io_uring_sqe *sqe;

	accepting = !stopping;
	if (stopping)
		return;
	sqe = get_sqe(0, ACCEPT);
	sqe->opcode = IORING_OP_ACCEPT;
	sqe->fd = self.fd;
	sqe->ioprio = IORING_ACCEPT_MULTISHOT;
	sqe->file_index = IORING_FILE_INDEX_ALLOC;
}

/* Without a free slot or memory an immediate retry would spin. */
static void pause_accepting(void)
{
	static const struct __kernel_timespec pause = { .tv_nsec = ACCEPT_PAUSE };
	struct io_uring_sqe *sqe = get_sqe(0, PAUSE);

	sqe->opcode = IORING_OP_TIMEOUT;
	sqe->fd = -1;
	sqe->addr = (uint64_t)(uintptr_t)&pause;
	sqe->len = 1;
}

static void accepted(const struct io_uring_cqe *e)
{
	if (e->res >= 0) {
		connections[e->res] = (struct connection){ .first = NONE };
		arm((uint32_t)e->res);
	}
	if (e->flags & IORING_CQE_F_MORE)
		return;
	if (e->res >= 0 || e->res == -ECONNABORTED || e->res == -ECANCELED)
		accept_connections();
	else
		pause_accepting();
}

/* Bytes that follow the piece before them in memory are part of it. */
static void add_piece(uint32_t slot, unsigned char *bytes, uint32_t n)
{
	struct connection *c = &connections[slot];

	if (c->first != NONE && pieces[c->last].bytes + pieces[c->last].size == bytes) {
		pieces[c->last].size += n;
		return;
	}
	if (npieces == pieces_capacity) {
		pieces_capacity = 2 * pieces_capacity + CQ_ENTRIES;
		pieces = contender_alloc(pieces, pieces_capacity, sizeof(*pieces));
	}
	pieces[npieces] = (struct piece){ bytes, n, NONE };
	if (c->first == NONE) {
		c->first = npieces;
		c->npieces = 0;
		ready[nready++] = slot;
	} else {
		pieces[c->last].next = npieces;
	}
	c->last = npieces++;
	c->npieces++;
}

static void receive_ended(uint32_t slot, int result)
{
	struct connection *c = &connections[slot];

	c->receiving = UNARMED;
	if (result == -ENOBUFS && !grow()) {
		starve(slot);
		return;
	}
	c->ended = result == 0;
	c->broken |= result < 0 && result != -ENOBUFS && result != -ECANCELED;
	resume(slot);
}

static void received(uint32_t slot, const struct io_uring_cqe *e)
{
	struct connection *c = &connections[slot];
	uint32_t n = e->res > 0 ? (uint32_t)e->res : 0;
	unsigned char *bytes = e->flags & IORING_CQE_F_BUFFER ? take(e->flags, n) : NULL;

	if (n && c->debt)
		add_debt(slot, bytes, n);
	else if (n && !c->broken)
		add_piece(slot, bytes, n);
	if (!(e->flags & IORING_CQE_F_MORE))
		receive_ended(slot, e->res);
}

static void dispatch(void)
{
	uint32_t i;

	pool.receives = 0;
	pool.bytes = 0;
	for (i = 0; i < nevents; i++) {
		switch ((enum kind)(events[i].user_data & 0xff)) {
		case ACCEPT:
			accepted(&events[i]);
			break;
		case PAUSE:
			accept_connections();
			break;
		case RECEIVE:
			received((uint32_t)(events[i].user_data >> 8), &events[i]);
			break;
		case SIGNAL:
			stopping = true;
			break;
		case SEND:        /* settled before */
		case IGNORED:
			break;
		}
	}
	nevents = 0;
}

static void turn(void)
{
	do {
		submit(starved_first == NONE, IORING_ENTER_GETEVENTS);
		collect();
	} while (pending());
	settle();
	dispatch();
	send_pieces();
	feed();
}

/* Start and end */

static int setup(struct io_uring_params *p)
{
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | SETUP_NO_SQARRAY,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
	};
	size_t i;
	int fd = -1;

	for (i = 0; fd < 0 && i < sizeof(flags) / sizeof(flags[0]); i++) {
		*p = (struct io_uring_params){
			.flags = flags[i] | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
			.cq_entries = CQ_ENTRIES,
		};
		fd = (int)syscall(__NR_io_uring_setup, SQ_ENTRIES, p);
		if (fd < 0 && errno != EINVAL)
			break;
	}
	if (fd < 0)
		contender_die("io_uring_setup", errno);
	return fd;
}

static void *map_ring(size_t size, off_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, offset);

	if (p == MAP_FAILED)
		contender_die("mmap", errno);
	return p;
}

static int reg(unsigned int opcode, void *arg, unsigned int n)
{
	return (int)syscall(__NR_io_uring_register, ring.fd, opcode, arg, n);
}

/* A registered descriptor saves the enters its look-up. */
static void register_ring(void)
{
	struct io_uring_rsrc_update update = { .offset = UINT32_MAX, .data = (uint64_t)ring.fd };

	ring.enter_fd = ring.fd;
	if (reg(IORING_REGISTER_RING_FDS, &update, 1) == 1) {
		ring.enter_fd = (int)update.offset;
		ring.enter_flags = IORING_ENTER_REGISTERED_RING;
	}
}

static void open_ring(void)
{
	struct io_uring_params p;
	size_t sq_size;
	size_t cq_size;
	unsigned char *map;
	unsigned int i;

	ring.fd = setup(&p);
	sq_size = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	map = map_ring(sq_size > cq_size ? sq_size : cq_size, IORING_OFF_SQ_RING);
	ring.sqes = map_ring(p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring.sq_head = (unsigned int *)(map + p.sq_off.head);
	ring.sq_tail = (unsigned int *)(map + p.sq_off.tail);
	ring.sq_flags = (unsigned int *)(map + p.sq_off.flags);
	ring.sq_entries = p.sq_entries;
	ring.cq_head = (unsigned int *)(map + p.cq_off.head);
	ring.cq_tail = (unsigned int *)(map + p.cq_off.tail);
	ring.cq_mask = p.cq_entries - 1;
	ring.cqes = (struct io_uring_cqe *)(map + p.cq_off.cqes);
	for (i = 0; i < p.sq_entries && !(p.flags & SETUP_NO_SQARRAY); i++)
		((unsigned int *)(map + p.sq_off.array))[i] = i;
	register_ring();
}

static void *map_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		contender_die("mmap", errno);
	return p;
}

/* False if the kernel does not know the kind of buffers. */
static bool open_pool(uint16_t flags, uint32_t size, uint32_t count, uint32_t limit)
{
	struct io_uring_buf_reg r = { .ring_entries = limit };

	pool.ring = map_memory(limit * sizeof(struct io_uring_buf));
	r.ring_addr = (uint64_t)(uintptr_t)pool.ring;
	r.pad = flags;            /* the header of liburing 2.3 does not call it flags yet */
	if (reg(IORING_REGISTER_PBUF_RING, &r, 1) < 0) {
		munmap(pool.ring, limit * sizeof(struct io_uring_buf));
		return false;
	}
	pool.size = size;
	pool.limit = limit;
	pool.memory = map_memory((size_t)limit * size);
	pool.used = contender_alloc(NULL, limit, sizeof(*pool.used));
	pool.retired = contender_alloc(NULL, limit, sizeof(*pool.retired));
	while (pool.total < count)
		provide(pool.total++);
	return true;
}

static void open_slots(void)
{
	struct rlimit limit = { .rlim_cur = 1024 };
	struct io_uring_rsrc_register r = { .flags = IORING_RSRC_REGISTER_SPARSE };

	getrlimit(RLIMIT_NOFILE, &limit);
	r.nr = limit.rlim_cur < SLOTS_MAX ? (uint32_t)limit.rlim_cur : SLOTS_MAX;
	if (reg(IORING_REGISTER_FILES2, &r, sizeof(r)) < 0)
		contender_die("direct descriptors", errno);
	connections = contender_alloc(NULL, r.nr, sizeof(*connections));
	ready = contender_alloc(NULL, r.nr, sizeof(*ready));
	quick = contender_alloc(NULL, r.nr, sizeof(*quick));
}

static void watch_signals(void)
{
	struct io_uring_sqe *sqe = get_sqe(0, SIGNAL);

	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = contender_signals();
	sqe->poll32_events = POLLIN;
}

/* The kernel takes a ring apart when it likes; the port must be free when the process has ended. */
static void stop_accepting(void)
{
	struct io_uring_sqe *sqe = get_sqe(0, IGNORED);

	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->fd = -1;
	sqe->addr = ACCEPT;
	while (accepting)
		turn();
}

int main(int argc, char **argv)
{
	contender_start(&self, argc, argv, 0);
	open_ring();
	if (!open_pool(PBUF_RING_INC, INC_SIZE, INC_COUNT, INC_LIMIT) && !open_pool(0, PLAIN_SIZE, PLAIN_COUNT, PLAIN_LIMIT))
		contender_die("receive buffers", errno);
	open_slots();
	watch_signals();
	accept_connections();
	contender_announce(&self);
	while (!stopping)
		turn();
	stop_accepting();
	contender_end(&self);
	return 0;
}
