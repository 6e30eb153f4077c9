# SPDX-License-Identifier: MIT
# Layer 3: the engines: io_uring, epoll, and the choice between them.

backend_sources = \
	lib/backend/attempt.c \
	lib/backend/attempt.h \
	lib/backend/bufpool.c \
	lib/backend/bufpool.h \
	lib/backend/epoll.c \
	lib/backend/epoll.h \
	lib/backend/fdtable.c \
	lib/backend/fdtable.h \
	lib/backend/readiness.c \
	lib/backend/readiness.h \
	lib/backend/registry.c \
	lib/backend/registry.h \
	lib/backend/uring.h \
	$(NULL)

# Only these may name liburing.
if HAVE_LIBURING
backend_sources += \
	lib/backend/uring-bufs.c \
	lib/backend/uring-cqe.c \
	lib/backend/uring-files.c \
	lib/backend/uring-nvme.c \
	lib/backend/uring-probe.c \
	lib/backend/uring-sqe.c \
	lib/backend/uring.c \
	$(NULL)
endif

lib_backend_librln_backend_la_SOURCES = $(backend_sources)
lib_backend_librln_backend_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBURING_CFLAGS)
noinst_LTLIBRARIES += lib/backend/librln-backend.la
