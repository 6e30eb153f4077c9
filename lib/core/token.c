/* SPDX-License-Identifier: MIT */
/*
 * Cancellation tokens: a tree that any thread may touch.
 *
 * One lock per tree, owned by its root, guards the tree's shape, the links and the cancelled flags' transition. It is
 * taken when a token is made, attached, cancelled or freed, never on the path of an operation: the scope that was cut is
 * what operations look at. A child holds a reference on its parent, so a root lives as long as any of its descendants.
 *
 * Lock order: nothing is locked inside. Posting to a worker under the lock is safe, because a scope detaches its link
 * under the same lock before its worker can end.
 *
 *     link:  ATTACHED --cancel--> posted --delivered on the worker--> (fires) --detach--> freed
 *               |                   +------detach--> orphan --delivered--> freed
 *               +--detach--> freed
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/mem.h"
#include "core/executor.h"
#include "core/scope.h"
#include "core/token.h"
#include "core/waker.h"
#include "ringline/scope.h"

struct ringline_token {
	_Atomic uint32_t refs;
	_Atomic bool cancelled;
	struct ringline_token *parent;
	struct ringline_token *root;
	struct rln_list children;         /* ringline_token.sibling */
	struct rln_list sibling;
	struct rln_list links;            /* rln_token_link.link */
	pthread_mutex_t lock;             /* the root's is the tree's */
};

struct rln_token_link {
	struct rln_slot slot;
	struct rln_msg msg;
	struct rln_list link;
	struct ringline_token *token;
	struct rln_exec *exec;
	void (*fire)(void *arg);
	void *arg;
	bool detached;                    /* owner thread: there is nothing to fire any more */
	bool posted;                      /* under the tree's lock */
	bool delivered;                   /* owner thread */
};

int ringline_token_new(struct ringline_token **ret, struct ringline_token *parent)
{
	struct ringline_token *t;

	if (!ret)
		return -EINVAL;
	t = rln_mem_zalloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	atomic_init(&t->refs, 1);
	atomic_init(&t->cancelled, false);
	rln_list_init(&t->children);
	rln_list_init(&t->sibling);
	rln_list_init(&t->links);
	pthread_mutex_init(&t->lock, NULL);
	t->root = t;
	if (parent) {
		t->parent = ringline_token_ref(parent);
		t->root = parent->root;
		pthread_mutex_lock(&t->root->lock);
		rln_list_add_tail(&parent->children, &t->sibling);
		atomic_store(&t->cancelled, atomic_load(&parent->cancelled));
		pthread_mutex_unlock(&t->root->lock);
	}
	*ret = t;
	return 0;
}

struct ringline_token *ringline_token_ref(struct ringline_token *token)
{
	if (token)
		atomic_fetch_add_explicit(&token->refs, 1, memory_order_relaxed);
	return token;
}

/* The release of each drop pairs with the acquire of the last one: what others did with the token is over before it goes. */
void ringline_token_unref(struct ringline_token *token)
{
	while (token && atomic_fetch_sub_explicit(&token->refs, 1, memory_order_acq_rel) == 1) {
		struct ringline_token *parent = token->parent;

		if (parent) {
			pthread_mutex_lock(&token->root->lock);
			rln_list_del(&token->sibling);
			pthread_mutex_unlock(&token->root->lock);
		}
		pthread_mutex_destroy(&token->lock);
		rln_mem_free(token);
		token = parent;
	}
}

static struct ringline_token *walk_next(struct ringline_token *t, const struct ringline_token *top)
{
	if (!rln_list_empty(&t->children))
		return rln_list_entry(t->children.next, struct ringline_token, sibling);
	while (t != top) {
		if (t->sibling.next != &t->parent->children)
			return rln_list_entry(t->sibling.next, struct ringline_token, sibling);
		t = t->parent;
	}
	return NULL;
}

static void post_links(struct ringline_token *t)
{
	struct rln_list *node;

	while ((node = rln_list_pop(&t->links))) {
		struct rln_token_link *l = rln_list_entry(node, struct rln_token_link, link);

		l->posted = true;
		if (rln_exec_post(l->exec, &l->msg, true) < 0)
			__builtin_unreachable();   /* urgent messages are never refused */
	}
}

int ringline_token_cancel(struct ringline_token *token)
{
	struct ringline_token *t;

	if (!token)
		return -EINVAL;
	pthread_mutex_lock(&token->root->lock);
	for (t = token; t; t = walk_next(t, token)) {
		atomic_store(&t->cancelled, true);
		post_links(t);
	}
	pthread_mutex_unlock(&token->root->lock);
	return 0;
}

int ringline_token_cancelled(const struct ringline_token *token)
{
	return token ? atomic_load((_Atomic bool *)&token->cancelled) : -EINVAL;
}

static void deliver(struct rln_msg *m, struct rln_exec *x)
{
	struct rln_token_link *l = rln_container_of(m, struct rln_token_link, msg);

	(void)x;
	l->delivered = true;
	if (l->detached)
		rln_slab_free(&l->exec->token_links, l);
	else
		l->fire(l->arg);
}

const size_t rln_token_link_size = sizeof(struct rln_token_link);

static void link_init(struct rln_token_link *l, struct rln_exec *x, void (*fire)(void *arg), void *arg)
{
	l->msg.deliver = deliver;
	l->exec = x;
	l->fire = fire;
	l->arg = arg;
	l->posted = false;
	l->delivered = false;
	l->detached = false;
	rln_list_init(&l->link);
}

int rln_token_attach(struct rln_token_link **ret, struct ringline_token *token, struct rln_exec *x, void (*fire)(void *arg),
                     void *arg)
{
	struct rln_token_link *l = rln_slab_alloc(&x->token_links);
	bool cancelled;

	if (!l)
		return -ENOMEM;
	link_init(l, x, fire, arg);
	pthread_mutex_lock(&token->root->lock);
	cancelled = atomic_load(&token->cancelled);
	if (!cancelled)
		rln_list_add_tail(&token->links, &l->link);
	pthread_mutex_unlock(&token->root->lock);
	if (cancelled) {
		rln_slab_free(&x->token_links, l);
		*ret = NULL;
		return 0;
	}
	l->token = ringline_token_ref(token);
	*ret = l;
	return 0;
}

void rln_token_detach(struct rln_token_link *l)
{
	struct ringline_token *token;
	bool under_way;

	if (!l)
		return;
	token = l->token;
	pthread_mutex_lock(&token->root->lock);
	rln_list_del(&l->link);
	under_way = l->posted && !l->delivered;
	pthread_mutex_unlock(&token->root->lock);
	l->detached = true;
	ringline_token_unref(token);
	if (!under_way)
		rln_slab_free(&l->exec->token_links, l);
}
