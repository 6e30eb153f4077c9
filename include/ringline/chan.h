/* SPDX-License-Identifier: MIT */
/*
 * Channels: bounded queues between tasks, of one worker or of several; and broadcasts, where each of many gets everything.
 *
 *     ringline_chan_new(&chan, sizeof(struct job), 64, NULL);
 *     ringline_chan_send(chan, &job);              waits while 64 are queued
 *     ringline_chan_recv(chan, &job);              waits while none is
 *     ringline_chan_close(chan);                   what is queued is still received, then -EPIPE
 *
 * Elements have one size and are copied in and out. Whoever waits is served in the order in which it came. Everything is
 * the same for a shared channel (RINGLINE_CHAN_SHARED), whose handle is good on every worker; on threads that are no workers
 * the calls that do not wait work too.
 */
#ifndef RINGLINE_CHAN_H
#define RINGLINE_CHAN_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_broadcast;
struct ringline_chan;
struct ringline_subscription;

/* Largest element, in bytes. */
#define RINGLINE_CHAN_ELEMENT_MAX 65536u

/* flags of struct ringline_chan_options */
#define RINGLINE_CHAN_SHARED  (UINT32_C(1) << 0)  /* for tasks of all workers; otherwise for those of the calling one */
#define RINGLINE_CHAN_ONESHOT (UINT32_C(1) << 1)  /* a channel: the first send closes it */
#define RINGLINE_CHAN_WAIT    (UINT32_C(1) << 2)  /* a broadcast: the sender waits for the slowest subscription */

struct ringline_chan_options {
	size_t size;
	uint32_t flags;                   /* RINGLINE_CHAN_* */
	uint32_t reserved;                /* zero */
	const char *name;                 /* for dumps; copied; NULL: none */
	void (*destroy)(void *element, void *arg);   /* gets what is never received; NULL: nothing to do */
	void *arg;
};

#define RINGLINE_CHAN_OPTIONS_INIT { sizeof(struct ringline_chan_options), 0, 0, NULL, NULL, NULL }

/*
 * Makes a channel of elements of element_size bytes, of which capacity may be queued. With capacity 0 a send ends when the
 * element was received. options may be NULL. Never suspends. A shared channel may be made on any thread.
 *
 * destroy runs on the thread whose call found that an element will not be received any more, and must not call the library.
 *
 * Returns 0; -EINVAL (a size of 0 or above the largest, an unknown flag, a oneshot that does not hold one), -E2BIG
 * (unknown options), -ENOMEM, -EPERM (not on a worker, and not shared), -ECHILD.
 * Since: 0.1
 */
int ringline_chan_new(struct ringline_chan **ret, size_t element_size, uint32_t capacity,
                      const struct ringline_chan_options *options) RINGLINE_MUST_CHECK;

/*
 * One handle more, to be given back with ringline_chan_unref(). Any thread if the channel is shared.
 *
 * Returns 0; -EINVAL (NULL, or no channel), -EBADF, -EPERM.
 * Since: 0.1
 */
int ringline_chan_ref(struct ringline_chan *chan);

/*
 * Gives a handle back. With the last one the channel ends: who waits gets -EBADF, and what is queued is destroyed. NULL is
 * allowed. Any thread if the channel is shared.
 *
 * Returns 0; -EBADF (it has ended already), -EPERM.
 * Since: 0.1
 */
int ringline_chan_unref(struct ringline_chan *chan);

/*
 * Sends a copy of *element, and waits while the queue is full. ringline_chan_try_send() does not wait, nor suspend: any thread
 * if the channel is shared. An element that was not sent stays the caller's.
 *
 * Returns 0; -EPIPE (closed, before or during the wait), -EBADF (ended), -EAGAIN (try: it would have to wait), -ETIME,
 * -ECANCELED, -EINVAL, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_chan_send(struct ringline_chan *chan, const void *element) RINGLINE_MUST_CHECK;
int ringline_chan_try_send(struct ringline_chan *chan, const void *element) RINGLINE_MUST_CHECK;

/*
 * Receives the oldest element into *element, and waits while there is none. ringline_chan_try_recv() does not wait, nor
 * suspend: any thread if the channel is shared.
 *
 * Returns 0; -EPIPE (closed, and nothing is left), -EBADF (ended), -EAGAIN (try: there is none), -ETIME, -ECANCELED,
 * -EINVAL, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_chan_recv(struct ringline_chan *chan, void *element) RINGLINE_MUST_CHECK;
int ringline_chan_try_recv(struct ringline_chan *chan, void *element) RINGLINE_MUST_CHECK;

/*
 * Closes the channel: nothing more can be sent, and who waits to send gets -EPIPE; what is queued can be received. A second
 * close has no effect. Any thread if the channel is shared.
 *
 * Returns 0; -EBADF (ended), -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_chan_close(struct ringline_chan *chan);

/*
 * The number of elements that are queued. Any thread if the channel is shared.
 *
 * Returns it; -EBADF (ended), -EINVAL, -EPERM.
 * Since: 0.1
 */
ssize_t ringline_chan_len(struct ringline_chan *chan);

/*
 * Makes a broadcast whose window holds capacity elements, at least 1: a subscription that is further behind than that has
 * lost the oldest. With RINGLINE_CHAN_WAIT the sender waits instead. Subscriptions receive copies of one element, so the
 * element stays the broadcast's: destroy gets each when it leaves the window.
 *
 * Returns as ringline_chan_new().
 * Since: 0.1
 */
int ringline_broadcast_new(struct ringline_broadcast **ret, size_t element_size, uint32_t capacity,
                           const struct ringline_chan_options *options) RINGLINE_MUST_CHECK;

/*
 * As the calls of that name on channels. A send to nobody works, and the element is seen by none. The last
 * ringline_broadcast_unref() closes the broadcast: subscriptions receive what is left, then -EPIPE.
 *
 * Return as those; ringline_broadcast_try_send() -EAGAIN only with RINGLINE_CHAN_WAIT.
 * Since: 0.1
 */
int ringline_broadcast_ref(struct ringline_broadcast *broadcast);
int ringline_broadcast_unref(struct ringline_broadcast *broadcast);
RINGLINE_SUSPENDS int ringline_broadcast_send(struct ringline_broadcast *broadcast, const void *element) RINGLINE_MUST_CHECK;
int ringline_broadcast_try_send(struct ringline_broadcast *broadcast, const void *element) RINGLINE_MUST_CHECK;
int ringline_broadcast_close(struct ringline_broadcast *broadcast);

/*
 * Subscribes to what is sent from now on. The subscription is good where the broadcast is, and for one task at a time to
 * receive from. It outlives the broadcast's handles.
 *
 * Returns 0; -EPIPE (closed), -EBADF, -ENOMEM, -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_broadcast_subscribe(struct ringline_subscription **ret, struct ringline_broadcast *broadcast) RINGLINE_MUST_CHECK;

/*
 * Receives the next element, and waits while there is none. If some were lost first, nothing is stored and the number of
 * them returned; the next call goes on with the oldest there is.
 *
 * Returns 0, or how many elements were lost; -EPIPE (closed, and nothing is left), -EBADF (unsubscribed), -EBUSY (another
 * task waits in it), -EAGAIN (try: there is none), -ETIME, -ECANCELED, -EINVAL, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int64_t ringline_subscription_recv(struct ringline_subscription *subscription,
                                                     void *element) RINGLINE_MUST_CHECK;
int64_t ringline_subscription_try_recv(struct ringline_subscription *subscription, void *element) RINGLINE_MUST_CHECK;

/*
 * Ends a subscription; who waits in it gets -EBADF. NULL is allowed. Any thread if the broadcast is shared.
 *
 * Returns 0; -EBADF (ended already), -EPERM.
 * Since: 0.1
 */
int ringline_subscription_free(struct ringline_subscription *subscription);

RINGLINE_END_DECLS

#endif
