/* SPDX-License-Identifier: MIT */
/*
 * The tree of faultfs, in memory: nodes with attributes, and directories that name them. The bytes of a regular file
 * are in a memfd, which knows holes and large offsets. Functions return 0 or an errno; one lock covers the tree.
 *
 * A node lives while it has a name or the kernel remembers it: each struct found that is answered counts once, until
 * tree_forget(). The kernel remembers what is open.
 */
#ifndef RLN_TESTS_FAULTFS_TREE_H
#define RLN_TESTS_FAULTFS_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "support/faultfs.h"

#define TREE_NAME_MAX 255

struct node;

struct found {
	struct node *node;
	struct stat st;
};

/* A name in a directory. */
struct listed {
	char name[TREE_NAME_MAX + 1];
	struct stat st;               /* its number and its type */
	uint64_t cookie;              /* what is listed after it has higher ones */
};

/* Makes the root. */
struct node *tree_plant(void);

int tree_lookup(struct node *dir, const char *name, struct found *f);

/* A node of any type; target: only of a symbolic link. */
int tree_make(struct node *dir, const char *name, mode_t mode, const char *target, const struct fuse_ctx *owner,
              struct found *f);
int tree_link(struct node *n, struct node *dir, const char *name, struct found *f);
int tree_unlink(struct node *dir, const char *name);
int tree_rmdir(struct node *dir, const char *name);
int tree_rename(struct node *from, const char *name, struct node *to, const char *new_name, unsigned int flags);
void tree_forget(struct node *n, uint64_t times);

/* The next name after *cookie*, which begins as 0; ENOENT after the last. */
int tree_next(struct node *dir, uint64_t cookie, struct listed *l);

void tree_stat(struct node *n, struct stat *st);

/* What FUSE_SET_ATTR_ flags ask for; st: what became of it. */
int tree_set(struct node *n, const struct stat *to, int what, struct stat *st);

/* The memfd of a regular file, and that something was written to it. Neither takes the lock while bytes are moved. */
int tree_fd(const struct node *n);
void tree_written(struct node *n);

/* Where a link leads; to be freed by g_free(). */
char *tree_target(const struct node *n);

int tree_xattr_set(struct node *n, const char *name, const void *value, size_t size, int flags);
int tree_xattr_remove(struct node *n, const char *name);

/* The value, or all names one after another; to be freed by g_free(). */
int tree_xattr_get(struct node *n, const char *name, char **value, size_t *size);
void tree_xattr_list(struct node *n, char **names, size_t *size);

#endif
