/* SPDX-License-Identifier: MIT */
/*
 * Operations in flight: what a ..._begin() call hands out, so that one task can have many things under way.
 *
 * An operation belongs to the scope that was current when it was begun; closing that scope cancels and reaps what was not
 * awaited. The memory given to a ..._begin() call must stay valid until the operation was awaited or its scope closed.
 * A handle is consumed by the call that returns its result; it must not be used afterwards.
 */
#ifndef RINGLINE_OP_H
#define RINGLINE_OP_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_op;

/*
 * Waits for the operation and consumes it. If a scope cuts the wait short, the operation is cancelled, its terminal
 * result is waited for and returned: -ECANCELED as a rule, but also a success that could no longer be prevented.
 *
 * Returns the operation's result; -EBADF (not a live handle), -EBUSY (another task waits for it), -EINVAL
 * (NULL), -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int64_t ringline_op_await(struct ringline_op *op);

/*
 * Waits until one of the n operations is done; its result goes to *result (if not NULL), it is consumed and its entry is
 * set to NULL. NULL entries are passed over. The others go on.
 *
 * Returns the index of the winner (the lowest if several are done); -ETIME or -ECANCELED (nothing was consumed), -EINVAL
 * (no operation given), -EBADF, -EBUSY (another task waits for one, or one was given twice), -ENOMEM, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_op_await_any(struct ringline_op **ops, size_t n, int64_t *result);

/*
 * Waits for all n operations and consumes them; entries are set to NULL, results[i] (if results is not NULL) receives the
 * result of ops[i]. NULL entries are passed over. If the wait is cut short, all are cancelled and their terminal results are waited for.
 *
 * Returns 0; -ETIME or -ECANCELED (cut short; the results are nevertheless there), -EINVAL, -EBADF, -EBUSY, -EPERM,
 * -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_op_await_all(struct ringline_op **ops, size_t n, int64_t *results);

/*
 * Asks for cancellation. Does not wait; the result still has to be taken.
 *
 * Returns 0 (also if it was done already); -EBADF, -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_op_cancel(struct ringline_op *op);

/*
 * Takes the result without waiting: -EINPROGRESS while the operation is under way, otherwise its result, and the handle
 * is consumed. If the scope of the operation was cut, the call cancels it, as waiting for it would, and its end follows.
 *
 * Returns the result; -EINPROGRESS, -EBADF, -EBUSY (a task waits for it), -EINVAL, -EPERM.
 * Since: 0.1
 */
int64_t ringline_op_result(struct ringline_op *op);

RINGLINE_END_DECLS

#endif
