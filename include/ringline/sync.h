/* SPDX-License-Identifier: MIT */
/* What tasks of one worker tell each other with. */
#ifndef RINGLINE_SYNC_H
#define RINGLINE_SYNC_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_event;

/*
 * An event is set or not; whoever waits goes on when it is set, and it stays set until it is reset. A case of
 * ringline_select() too (RINGLINE_CASE_EVENT).
 *
 * Returns 0; -ENOMEM, -EINVAL, -EPERM (not on a worker).
 * Since: 0.1
 */
int ringline_event_new(struct ringline_event **ret) RINGLINE_MUST_CHECK;

/*
 * Sets the event and wakes all who wait; resets it. Never suspend.
 *
 * Returns 0; -EBADF (freed), -EINVAL (NULL), -EPERM.
 * Since: 0.1
 */
int ringline_event_set(struct ringline_event *event);
int ringline_event_reset(struct ringline_event *event);

/*
 * Waits until the event is set.
 *
 * Returns 0; -EBADF (freed, before or during the wait), -ETIME, -ECANCELED, -EINVAL, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_event_wait(struct ringline_event *event);

/*
 * Frees the event; who waits for it gets -EBADF. NULL is allowed.
 *
 * Returns 0; -EBADF (freed already), -EPERM.
 * Since: 0.1
 */
int ringline_event_free(struct ringline_event *event);

RINGLINE_END_DECLS

#endif
