# SPDX-License-Identifier: MIT
# Layer 2: tasks, scopes, timers and the seam to the backends. No descriptors, no I/O system calls.

core_sources = \
	lib/core/backend.h \
	lib/core/blocking.c \
	lib/core/broadcast.c \
	lib/core/buf.h \
	lib/core/chan.c \
	lib/core/chan.h \
	lib/core/dump.c \
	lib/core/dump.h \
	lib/core/executor.c \
	lib/core/executor.h \
	lib/core/file-op.h \
	lib/core/handle-task.c \
	lib/core/handle.c \
	lib/core/handle.h \
	lib/core/join.c \
	lib/core/notify.c \
	lib/core/local.c \
	lib/core/local.h \
	lib/core/object.c \
	lib/core/object.h \
	lib/core/op.c \
	lib/core/op.h \
	lib/core/permits.c \
	lib/core/pool.c \
	lib/core/pool.h \
	lib/core/scope.c \
	lib/core/scope.h \
	lib/core/select-op.c \
	lib/core/select.c \
	lib/core/select.h \
	lib/core/sleep.c \
	lib/core/stats.h \
	lib/core/sync.h \
	lib/core/task.c \
	lib/core/task.h \
	lib/core/timer.c \
	lib/core/timer.h \
	lib/core/token.c \
	lib/core/token.h \
	lib/core/wait.c \
	lib/core/wait.h \
	lib/core/waker.c \
	lib/core/waker.h \
	$(NULL)

lib_core_librln_core_la_SOURCES = $(core_sources)
noinst_LTLIBRARIES += lib/core/librln-core.la
