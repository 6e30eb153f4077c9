/* SPDX-License-Identifier: MIT */
/*
 * faultfs MOUNTPOINT: a file system in memory that fails and stalls on demand. Stays in the foreground; the first line
 * it prints is "ready", or why it could not mount. SIGTERM, SIGINT and SIGHUP end it: what is stalled goes on and is
 * answered, then it unmounts.
 *
 * Nothing is cached by the kernel, neither bytes nor names nor attributes, so every call of a program arrives here and
 * meets its fault. Two files in the root are not listed, and their own requests are neither counted nor made to fail:
 *
 *     .control   takes lines
 *                    fail OPERATION ERRNO [COUNT]       the next COUNT requests fail; all, without a count
 *                    short read|write N [COUNT]         they move at most N bytes
 *                    stall OPERATION                    requests wait
 *                    release OPERATION                  those that wait go on, and no more wait
 *                    interruptible                      a signal ends the wait of a stalled request, with EINTR
 *                    clear                              nothing fails or waits any more
 *                and refuses others with EINVAL. Stalled requests that were released meet "fail" after that.
 *     .counts    has a line "OPERATION REQUESTS STALLED-NOW" for each operation; requests are counted from the mount on
 *
 * An operation is a kind of request, which is not quite a system call: open() begins with a lookup of each name,
 * close() sends flush and, when the last descriptor is gone, release, whose failure nobody is told of. mknod is counted
 * as create, fsync of a directory as fsync, and an open that truncates only as open. While an operation is stalled the
 * kernel holds the locks it takes for it: of the file for a write, of the directory for all that changes names.
 * Therefore a test works in a directory below the root, for a root that is locked cannot be asked for its control file;
 * and a second write to the same file does not arrive here before the first has been answered.
 *
 * Nobody waits in the kernel for a read or a write that io_uring makes: such a request is not interrupted, whatever was
 * said, and a cancellation does not find it. Other operations wait in a thread of io_uring's, which a cancellation
 * signals.
 *
 * Requests are served by threads: whenever none would be left that listens, another is started, so any number may be
 * stalled.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "support/faultfs-faults.h"
#include "support/faultfs-tree.h"

/* Numbers that no node has: those of others are their addresses. */
#define CONTROL_INO  2
#define COUNTS_INO   3

#define FOREVER      1e9             /* seconds */
#define BLOCK_SIZE   4096
#define BLOCKS       (1U << 20)      /* what statfs tells, whatever there is */
#define LAST_ANSWERS 2000            /* milliseconds for them, at the end */

static struct node *root;

static struct node *to_node(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? root : (struct node *)(uintptr_t)ino;
}

/* --- the files of its own ----------------------------------------------------------------------------------------- */

static bool is_own(fuse_ino_t ino)
{
	return ino == CONTROL_INO || ino == COUNTS_INO;
}

static fuse_ino_t own_file(fuse_ino_t parent, const char *name)
{
	if (parent != FUSE_ROOT_ID)
		return 0;
	if (!strcmp(name, ".control"))
		return CONTROL_INO;
	return !strcmp(name, ".counts") ? COUNTS_INO : 0;
}

static struct stat own_stat(fuse_ino_t ino)
{
	return (struct stat){ .st_ino = ino, .st_mode = S_IFREG | (ino == CONTROL_INO ? 0600 : 0400), .st_nlink = 1,
	                      .st_uid = geteuid(), .st_gid = getegid() };
}

/* These the kernel may remember, so that they are found whatever becomes of the root. */
static void reply_own_entry(fuse_req_t req, fuse_ino_t ino)
{
	struct fuse_entry_param e = { .ino = ino, .attr = own_stat(ino), .attr_timeout = FOREVER, .entry_timeout = FOREVER };

	fuse_reply_entry(req, &e);
}

static void reply_own_attr(fuse_req_t req, fuse_ino_t ino)
{
	struct stat st = own_stat(ino);

	fuse_reply_attr(req, &st, FOREVER);
}

static void read_own(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset)
{
	char *text = ino == COUNTS_INO ? faults_counts() : g_strdup("");
	size_t n = strlen(text);
	size_t from = MIN((size_t)offset, n);

	fuse_reply_buf(req, text + from, MIN(size, n - from));
	g_free(text);
}

static void write_own(fuse_req_t req, fuse_ino_t ino, const char *text, size_t size)
{
	int r = ino == CONTROL_INO ? faults_control(text, size) : EACCES;

	if (r)
		fuse_reply_err(req, r);
	else
		fuse_reply_write(req, size);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* Has the request been answered, by its fault or because it is for one of our own files? */
static bool stopped(fuse_req_t req, fuse_ino_t ino, enum fault_op op)
{
	int r = is_own(ino) ? EPERM : faults_meet(req, op);

	if (r)
		fuse_reply_err(req, r);
	return r != 0;
}

static struct fuse_entry_param entry_of(const struct found *f)
{
	return (struct fuse_entry_param){ .ino = f->node == root ? FUSE_ROOT_ID : (uintptr_t)f->node, .attr = f->st };
}

static void reply_found(fuse_req_t req, int r, const struct found *f)
{
	struct fuse_entry_param e;

	if (r) {
		fuse_reply_err(req, r);
		return;
	}
	e = entry_of(f);
	if (fuse_reply_entry(req, &e) == -ENOENT)
		tree_forget(f->node, 1);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct found f;

	if (own_file(parent, name))
		reply_own_entry(req, own_file(parent, name));
	else if (!stopped(req, parent, FAULT_LOOKUP))
		reply_found(req, tree_lookup(to_node(parent), name, &f), &f);
}

static void do_forget(fuse_req_t req, fuse_ino_t ino, uint64_t times)
{
	if (ino != FUSE_ROOT_ID && !is_own(ino))
		tree_forget(to_node(ino), times);
	fuse_reply_none(req);
}

static void do_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	struct found f;

	(void)dev;
	if (!stopped(req, parent, FAULT_CREATE))
		reply_found(req, tree_make(to_node(parent), name, mode, NULL, fuse_req_ctx(req), &f), &f);
}

static void do_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct found f;

	if (!stopped(req, parent, FAULT_MKDIR))
		reply_found(req, tree_make(to_node(parent), name, mode | S_IFDIR, NULL, fuse_req_ctx(req), &f), &f);
}

static void do_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct found f;

	if (!stopped(req, parent, FAULT_SYMLINK))
		reply_found(req, tree_make(to_node(parent), name, S_IFLNK | 0777, target, fuse_req_ctx(req), &f), &f);
}

static void do_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	struct found f;

	if (!stopped(req, ino, FAULT_LINK))
		reply_found(req, tree_link(to_node(ino), to_node(parent), name, &f), &f);
}

/* Whoever asked may forget the node as soon as the answer is there, before the call that gives it returns. */
static void do_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char *target;

	if (stopped(req, ino, FAULT_READLINK))
		return;
	target = tree_target(to_node(ino));
	fuse_reply_readlink(req, target);
	g_free(target);
}

static void do_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_ino_t own = own_file(parent, name);

	if (!stopped(req, own ? own : parent, FAULT_UNLINK))
		fuse_reply_err(req, tree_unlink(to_node(parent), name));
}

static void do_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	if (!stopped(req, parent, FAULT_RMDIR))
		fuse_reply_err(req, tree_rmdir(to_node(parent), name));
}

static void do_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
                      unsigned int flags)
{
	fuse_ino_t own = own_file(parent, name) | own_file(new_parent, new_name);

	if (!stopped(req, own ? CONTROL_INO : parent, FAULT_RENAME))
		fuse_reply_err(req, tree_rename(to_node(parent), name, to_node(new_parent), new_name, flags));
}

/* As many names as fit into the request. */
static void do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	uint64_t cookie = (uint64_t)offset;
	struct listed l;
	char *names;
	size_t n = 0;

	(void)fi;
	if (stopped(req, ino, FAULT_READDIR))
		return;
	names = g_malloc(size);
	while (!tree_next(to_node(ino), cookie, &l)) {
		size_t needed = fuse_add_direntry(req, names + n, size - n, l.name, &l.st, (off_t)l.cookie);

		if (needed > size - n)
			break;
		n += needed;
		cookie = l.cookie;
	}
	fuse_reply_buf(req, names, n);
	g_free(names);
}

/* --- open files --------------------------------------------------------------------------------------------------- */

static int emptied(struct node *n, const struct fuse_file_info *fi)
{
	static const struct stat empty;
	struct stat st;

	return fi->flags & O_TRUNC ? tree_set(n, &empty, FUSE_SET_ATTR_SIZE, &st) : 0;
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int r;

	fi->direct_io = 1;
	if (is_own(ino)) {
		fuse_reply_open(req, fi);
		return;
	}
	if (stopped(req, ino, FAULT_OPEN))
		return;
	r = emptied(to_node(ino), fi);
	if (r)
		fuse_reply_err(req, r);
	else
		fuse_reply_open(req, fi);
}

/* Somebody may have been faster with that name, by a hard link for instance. */
static int make_or_find(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, const struct fuse_file_info *fi,
                        struct found *f)
{
	int r = tree_make(to_node(parent), name, mode, NULL, fuse_req_ctx(req), f);

	if (r != EEXIST || fi->flags & O_EXCL)
		return r;
	r = tree_lookup(to_node(parent), name, f);
	return r ? r : emptied(f->node, fi);
}

static void do_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	struct found f;
	int r;

	if (stopped(req, parent, FAULT_CREATE))
		return;
	r = make_or_find(req, parent, name, mode | S_IFREG, fi, &f);
	if (r) {
		fuse_reply_err(req, r);
		return;
	}
	fi->direct_io = 1;
	e = entry_of(&f);
	if (fuse_reply_create(req, &e, fi) == -ENOENT)
		tree_forget(f.node, 1);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	ssize_t n;
	char *data;

	(void)fi;
	if (is_own(ino)) {
		read_own(req, ino, size, offset);
		return;
	}
	if (stopped(req, ino, FAULT_READ))
		return;
	size = faults_cut(FAULT_READ, size);
	data = g_malloc(size);
	n = pread(tree_fd(to_node(ino)), data, size, offset);
	if (n < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_buf(req, data, (size_t)n);
	g_free(data);
}

static void do_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
	ssize_t n;

	(void)fi;
	if (is_own(ino)) {
		write_own(req, ino, data, size);
		return;
	}
	if (stopped(req, ino, FAULT_WRITE))
		return;
	n = pwrite(tree_fd(to_node(ino)), data, faults_cut(FAULT_WRITE, size), offset);
	if (n < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	tree_written(to_node(ino));
	fuse_reply_write(req, (size_t)n);
}

static void do_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi)
{
	int r;

	(void)fi;
	if (stopped(req, ino, FAULT_FALLOCATE))
		return;
	r = fallocate(tree_fd(to_node(ino)), mode, offset, length) < 0 ? errno : 0;
	if (!r)
		tree_written(to_node(ino));
	fuse_reply_err(req, r);
}

/* There is nothing to do but to meet the fault. */
static void only_meet(fuse_req_t req, fuse_ino_t ino, enum fault_op op)
{
	if (is_own(ino) || !stopped(req, ino, op))
		fuse_reply_err(req, 0);
}

static void do_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	only_meet(req, ino, FAULT_FLUSH);
}

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	only_meet(req, ino, FAULT_RELEASE);
}

static void do_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)datasync;
	(void)fi;
	only_meet(req, ino, FAULT_FSYNC);
}

/* --- attributes --------------------------------------------------------------------------------------------------- */

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	if (is_own(ino)) {
		reply_own_attr(req, ino);
		return;
	}
	if (stopped(req, ino, FAULT_GETATTR))
		return;
	tree_stat(to_node(ino), &st);
	fuse_reply_attr(req, &st, 0);
}

/* Which system call it was: truncation comes with times, a new owner with a mode. */
static enum fault_op op_of_setattr(int what)
{
	if (what & FUSE_SET_ATTR_SIZE)
		return FAULT_TRUNCATE;
	if (what & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		return FAULT_CHOWN;
	return what & FUSE_SET_ATTR_MODE ? FAULT_CHMOD : FAULT_UTIMENS;
}

static void do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *to, int what, struct fuse_file_info *fi)
{
	struct stat st;
	int r;

	(void)fi;
	if (is_own(ino)) {
		reply_own_attr(req, ino);
		return;
	}
	if (stopped(req, ino, op_of_setattr(what)))
		return;
	r = tree_set(to_node(ino), to, what, &st);
	if (r)
		fuse_reply_err(req, r);
	else
		fuse_reply_attr(req, &st, 0);
}

static void do_statfs(fuse_req_t req, fuse_ino_t ino)
{
	static const struct statvfs st = { .f_bsize = BLOCK_SIZE, .f_frsize = BLOCK_SIZE, .f_blocks = BLOCKS,
	                                   .f_bfree = BLOCKS, .f_bavail = BLOCKS, .f_files = BLOCKS, .f_ffree = BLOCKS,
	                                   .f_favail = BLOCKS, .f_namemax = TREE_NAME_MAX };

	(void)ino;
	fuse_reply_statfs(req, &st);
}

/* The kernel asks of its own accord for capabilities, labels and the like; that is no request of a test's. */
static bool answered_name(fuse_req_t req, const char *name, int error)
{
	if (g_str_has_prefix(name, "user.") || g_str_has_prefix(name, "trusted."))
		return false;
	fuse_reply_err(req, error);
	return true;
}

static void do_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	if (!answered_name(req, name, EOPNOTSUPP) && !stopped(req, ino, FAULT_SETXATTR))
		fuse_reply_err(req, tree_xattr_set(to_node(ino), name, value, size, flags));
}

static void do_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	if (!answered_name(req, name, ENODATA) && !stopped(req, ino, FAULT_REMOVEXATTR))
		fuse_reply_err(req, tree_xattr_remove(to_node(ino), name));
}

/* Who asks with no room asks how much there is. */
static void reply_sized(fuse_req_t req, const char *data, size_t n, size_t room)
{
	if (!room)
		fuse_reply_xattr(req, n);
	else if (n > room)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, data, n);
}

static void do_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t room)
{
	char *value;
	size_t n;
	int r;

	if (answered_name(req, name, ENODATA) || stopped(req, ino, FAULT_GETXATTR))
		return;
	r = tree_xattr_get(to_node(ino), name, &value, &n);
	if (r) {
		fuse_reply_err(req, r);
		return;
	}
	reply_sized(req, value, n, room);
	g_free(value);
}

static void do_listxattr(fuse_req_t req, fuse_ino_t ino, size_t room)
{
	char *names;
	size_t n;

	if (stopped(req, ino, FAULT_LISTXATTR))
		return;
	tree_xattr_list(to_node(ino), &names, &n);
	reply_sized(req, names, n, room);
	g_free(names);
}

/* --- the program -------------------------------------------------------------------------------------------------- */

/*
 * Names come without attributes, and bytes in memory. ASYNC_DIO, which is the default, must stay: without it the kernel
 * lets io_uring_enter() itself wait for the answer to a read or a write.
 */
static void do_init(void *arg, struct fuse_conn_info *conn)
{
	(void)arg;
	conn->want &= ~(unsigned int)(FUSE_CAP_READDIRPLUS | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
	                              FUSE_CAP_SPLICE_MOVE);
}

static const struct fuse_lowlevel_ops ops = {
	.init = do_init,
	.lookup = do_lookup,
	.forget = do_forget,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.readlink = do_readlink,
	.mknod = do_mknod,
	.mkdir = do_mkdir,
	.unlink = do_unlink,
	.rmdir = do_rmdir,
	.symlink = do_symlink,
	.rename = do_rename,
	.link = do_link,
	.open = do_open,
	.read = do_read,
	.write = do_write,
	.flush = do_flush,
	.release = do_release,
	.fsync = do_fsync,
	.readdir = do_readdir,
	.fsyncdir = do_fsync,
	.statfs = do_statfs,
	.setxattr = do_setxattr,
	.getxattr = do_getxattr,
	.listxattr = do_listxattr,
	.removexattr = do_removexattr,
	.create = do_create,
	.fallocate = do_fallocate,
};

static struct fuse_session *session;
static int end_fd;                   /* can be read from once all is to end */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;      /* whoever has it waits for the next request */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int listening;       /* threads that want a request */
static unsigned int busy;            /* threads that serve one */

static void *serve(void *arg);

/* With the lock. */
static void start_thread(void)
{
	pthread_t thread;

	listening++;
	if (pthread_create(&thread, NULL, serve, NULL) != 0)
		abort();
	pthread_detach(thread);
}

/* The next request; false: there will be none. */
static bool receive(struct fuse_buf *buf)
{
	struct pollfd fds[2] = { { .fd = fuse_session_fd(session), .events = POLLIN }, { .fd = end_fd, .events = POLLIN } };
	int r;

	pthread_mutex_lock(&turn);
	do {
		poll(fds, 2, -1);
		r = fds[1].revents ? 0 : fuse_session_receive_buf(session, buf);
	} while (r == -EINTR || r == -EAGAIN);
	pthread_mutex_unlock(&turn);
	return r > 0;
}

/* A thread that has a request leaves another behind. */
static void begin_to_serve(void)
{
	pthread_mutex_lock(&lock);
	busy++;
	listening--;
	if (!listening)
		start_thread();
	pthread_mutex_unlock(&lock);
}

static void end_to_serve(void)
{
	pthread_mutex_lock(&lock);
	busy--;
	listening++;
	pthread_mutex_unlock(&lock);
}

/* A thread and its buffer stay: there are as many as there ever were requests at once. */
static void *serve(void *arg)
{
	struct fuse_buf buf = { .mem = NULL };

	(void)arg;
	while (receive(&buf)) {
		begin_to_serve();
		fuse_session_process_buf(session, &buf);
		end_to_serve();
	}
	pthread_mutex_lock(&lock);
	listening--;
	pthread_mutex_unlock(&lock);
	/* somebody else has unmounted it, if we have not been told to end */
	kill(getpid(), SIGTERM);
	return NULL;
}

static bool is_done(void)
{
	bool done;

	pthread_mutex_lock(&lock);
	done = !busy && !listening;
	pthread_mutex_unlock(&lock);
	return done;
}

/* Until signalled; then what is stalled goes on, and no request is taken any more. */
static void serve_until(const sigset_t *ends)
{
	static const uint64_t one = 1;
	int sig;
	int i;

	pthread_mutex_lock(&lock);
	start_thread();
	pthread_mutex_unlock(&lock);
	sigwait(ends, &sig);
	faults_end();
	if (write(end_fd, &one, sizeof(one)) != sizeof(one))
		abort();
	for (i = 0; i < LAST_ANSWERS && !is_done(); i++)
		g_usleep(1000);
}

/* Before it is ready, what libfuse has to say is why it will not be. */
static void log_to_stdout(enum fuse_log_level level, const char *format, va_list args)
{
	(void)level;
	vprintf(format, args);
}

static bool mount_at(const char *where)
{
	static char *words[] = { (char *)"faultfs", (char *)"-ofsname=faultfs,subtype=faultfs" };
	struct fuse_args args = FUSE_ARGS_INIT(G_N_ELEMENTS(words), words);

	fuse_set_log_func(log_to_stdout);
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	fuse_opt_free_args(&args);
	if (!session || fuse_session_mount(session, where) != 0)
		return false;
	fuse_set_log_func(NULL);
	/* a request may be withdrawn between poll() and read() */
	return fcntl(fuse_session_fd(session), F_SETFL, O_NONBLOCK) == 0;
}

/* Every file is a descriptor. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	sigset_t ends;

	if (argc != 2) {
		fprintf(stderr, "usage: faultfs MOUNTPOINT\n");
		return 2;
	}
	/* the threads inherit this, whatever we have inherited */
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_SETMASK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	raise_limit();
	root = tree_plant();
	end_fd = eventfd(0, EFD_CLOEXEC);
	if (end_fd < 0 || !mount_at(argv[1])) {
		printf("cannot mount\n");
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	serve_until(&ends);
	fuse_session_unmount(session);
	/* how the buffers of the threads are freed only libfuse knows */
	_exit(0);
}
