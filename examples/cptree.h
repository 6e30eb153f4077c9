/* SPDX-License-Identifier: MIT */
/*
 * cptree, in four parts: cptree.c has the options, the beginning and the end, and what is told meanwhile; cptree-walk.c
 * goes through the directories; cptree-copy.c copies a file, or a link; cptree-attributes.c what is known about it.
 *
 * All of it runs on one worker, so nothing here is locked. A function that fails for one file says so itself.
 */
#ifndef EXAMPLES_CPTREE_H
#define EXAMPLES_CPTREE_H

#include <stdbool.h>

#include <ringline/ringline.h>

struct cptree {
	const char *source;
	const char *target;
	uint32_t jobs;                    /* files that are copied at once */
	bool is_root;
	struct ringline_scope *scope;     /* of all tasks that walk and copy */
	uint64_t files;                   /* that have been copied; links too */
	uint64_t bytes;
	uint64_t errors;
	const char *clear;                /* takes what is told meanwhile off the terminal */
};

extern struct cptree cptree;

/* Directories */

/*
 * A directory that is being copied. It is open while somebody is busy in it, its walker or a copy; the last of them gives
 * it its attributes and closes it. Its name is kept for those below it.
 */
struct folder {
	struct folder *parent;            /* NULL: it is the root */
	struct ringline_dir *source;
	struct ringline_file *target;
	struct ringline_stat stat;
	uint32_t busy;
	uint32_t references;              /* one of all the busy together, one of each folder below */
	char name[];
};

/* Who is busy in it already brings another one; leaving may suspend. */
void folder_join(struct folder *f);
RINGLINE_SUSPENDS void folder_leave(struct folder *f);

/* The path of a name in the folder, or of the folder itself (NULL), from the root on. To be freed; NULL: no memory. */
char *folder_path(const struct folder *f, const char *name);

/* The target of the root, which is open until all is done. */
struct ringline_file *target_root(void);

/* Copies the tree. 0, however many errors there were; -ECANCELED, or why it could not even begin. */
RINGLINE_SUSPENDS int copy_tree(void);

/* Errors */

/* Tells of an error about what has that name in the folder, below the source or the target. */
void complain(const char *below, const struct folder *f, const char *name, const char *text);

/* Whether a call failed; if it did, other than by being cancelled, this has been told. what may be NULL. */
bool failed(const char *below, const struct folder *f, const char *name, const char *what, int64_t result);

/* A name may contain anything, and a terminal is not to act on it. */
void make_printable(char *text);

/* Files and links */

#define CPTREE_TEMPORARY 32

/* A file or a symbolic link that is being copied, by a task of its own. */
struct job {
	struct folder *folder;
	struct job *next;                 /* those that began later, and earlier */
	struct job *previous;
	struct inode *inode;              /* NULL: it has no other names */
	bool first;                       /* of them this is the one that is copied */
	bool is_link;
	struct ringline_stat stat;
	struct ringline_file *from;
	struct ringline_file *to;
	const char *points_at;            /* a symbolic link */
	int (*give)(const struct job *job, const char *name);   /* how it gets a name */
	uint64_t done;                    /* bytes */
	char temporary[CPTREE_TEMPORARY]; /* the name of the copy; empty: it has none yet */
	char name[];
};

/* Before the first and after the last copy. */
int copy_init(void);
void copy_exit(void);

/* Has a task copy a file or a symbolic link; waits for a free place first. */
RINGLINE_SUSPENDS void copy_begin(struct folder *f, const char *name, bool is_link);

/* The copy that has been under way for longest, or NULL; *n: how many are. */
const struct job *copy_oldest(uint32_t *n);

/* Attributes */

/* A file: an open one, or the name of a symbolic link, which cannot be opened. */
struct subject {
	struct ringline_file *file;
	struct ringline_file *dir;
	const char *name;
};

/* Gives a copy the owner, the extended attributes, the permissions and the times of the original, as stat has them. */
RINGLINE_SUSPENDS void copy_attributes(const struct folder *f, const char *name, const struct subject *from,
                                       const struct subject *to, const struct ringline_stat *stat);

#endif
