# SPDX-License-Identifier: MIT
# Load generator and measurements.

noinst_PROGRAMS += \
	bench/load \
	bench/raw-epoll \
	$(NULL)

bench_load_SOURCES = \
	bench/load-epoll.c \
	bench/load-latency.c \
	bench/load-rounds.c \
	bench/load-slices.c \
	bench/load.c \
	bench/load.h \
	$(NULL)
bench_load_CPPFLAGS = $(PUBLIC_CPPFLAGS)

noinst_PROGRAMS += bench/echo-tiny
bench_echo_tiny_CPPFLAGS = $(PUBLIC_CPPFLAGS)
bench_echo_tiny_LDADD = lib/libringline.la

# Large streams, and the proxy that the example is measured against.
noinst_PROGRAMS += bench/stream bench/proxy-splice
bench_stream_CPPFLAGS = -D_GNU_SOURCE $(PUBLIC_CPPFLAGS) $(LIBURING_CFLAGS) $(bench_engine)
bench_stream_LDADD = lib/libringline.la $(LIBURING_LIBS)
bench_proxy_splice_CPPFLAGS = -D_GNU_SOURCE
if HAVE_LIBURING
bench_engine = -DBENCH_LIBURING
endif

# Jobs on a pool of threads.
noinst_PROGRAMS += bench/jobs-ringline
bench_jobs_ringline_SOURCES = bench/jobs-ringline.c bench/jobs.h bench/tasks.h
bench_jobs_ringline_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/bench
bench_jobs_ringline_LDADD = lib/libringline.la

# Programs that are run.
noinst_PROGRAMS += bench/spawn-ringline bench/spawn-posix
bench_spawn_ringline_SOURCES = bench/spawn-ringline.c bench/programs.h bench/tasks.h
bench_spawn_ringline_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/bench
bench_spawn_ringline_LDADD = lib/libringline.la
bench_spawn_posix_SOURCES = bench/spawn-posix.c bench/programs.h
bench_spawn_posix_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir)/bench

# Names looked up on threads.
noinst_PROGRAMS += bench/resolve-ringline bench/resolve-pool
bench_resolve_ringline_SOURCES = bench/resolve-ringline.c bench/resolve.h bench/tasks.h
bench_resolve_ringline_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/bench
bench_resolve_ringline_LDADD = lib/libringline.la
bench_resolve_pool_SOURCES = bench/resolve-pool.c bench/resolve.h
bench_resolve_pool_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir)/bench
bench_resolve_pool_LDADD = -lpthread

# Files: read at random, looked up, copied. file-copy is measured as a process, so libtool's script must not be part of it.
noinst_PROGRAMS += bench/file-raw bench/file-ringline bench/file-stat bench/file-copy
bench_file_raw_SOURCES = bench/file-raw.c bench/file.h
bench_file_raw_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir)/bench $(LIBURING_CFLAGS) $(bench_engine)
bench_file_raw_LDADD = $(LIBURING_LIBS) -lpthread
bench_file_ringline_SOURCES = bench/file-ringline.c bench/file.h
bench_file_ringline_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/bench
bench_file_ringline_LDADD = lib/libringline.la
bench_file_stat_CPPFLAGS = $(PUBLIC_CPPFLAGS)
bench_file_stat_LDADD = lib/libringline.la
bench_file_copy_CPPFLAGS = $(PUBLIC_CPPFLAGS)
bench_file_copy_LDFLAGS = -no-install
bench_file_copy_LDADD = lib/libringline.la

# Channels between threads.
noinst_PROGRAMS += bench/chan-ringline bench/chan-eventfd
bench_chan_ringline_CPPFLAGS = $(PUBLIC_CPPFLAGS)
bench_chan_ringline_LDADD = lib/libringline.la
bench_chan_eventfd_CPPFLAGS = -D_GNU_SOURCE
bench_chan_eventfd_LDADD = -lpthread

# Built by `make bench`, where there is a compiler for it.
if HAVE_GO
bench/chan-go: $(srcdir)/bench/chan-go.go
	$(AM_V_GEN)GO111MODULE=off GOCACHE=`pwd`/bench/go-cache $(GO) build -o $@ $(srcdir)/bench/chan-go.go
	$(AM_V_at)rm -rf bench/go-cache

bench_built = bench/chan-go
endif

CLEANFILES += bench/chan-go
EXTRA_DIST += bench/chan-go.go

# The echo servers that the library's is measured against. Each is built where its library is there.
bench_contender = \
	bench/contender.c \
	bench/contender.h \
	$(NULL)
bench_contender_cppflags = -D_GNU_SOURCE -I$(srcdir)/bench

bench_raw_epoll_SOURCES = bench/raw-epoll.c $(bench_contender)
bench_raw_epoll_CPPFLAGS = $(bench_contender_cppflags)

noinst_PROGRAMS += bench/udp-bulk bench/udp-load bench/udp-epoll
bench_udp_bulk_CPPFLAGS = $(PUBLIC_CPPFLAGS)
bench_udp_bulk_LDADD = lib/libringline.la
bench_udp_load_CPPFLAGS = -D_GNU_SOURCE
bench_udp_epoll_SOURCES = bench/udp-epoll.c $(bench_contender)
bench_udp_epoll_CPPFLAGS = $(bench_contender_cppflags)

if HAVE_LIBURING
noinst_PROGRAMS += bench/udp-uring
bench_udp_uring_SOURCES = bench/udp-uring.c $(bench_contender)
bench_udp_uring_CPPFLAGS = $(bench_contender_cppflags) $(LIBURING_CFLAGS)
bench_udp_uring_LDADD = $(LIBURING_LIBS)

noinst_PROGRAMS += bench/raw-uring
bench_raw_uring_SOURCES = bench/raw-uring.c $(bench_contender)
bench_raw_uring_CPPFLAGS = $(bench_contender_cppflags) $(LIBURING_CFLAGS)
endif

if HAVE_LIBUV
noinst_PROGRAMS += bench/udp-libuv
bench_udp_libuv_SOURCES = bench/udp-libuv.c $(bench_contender)
bench_udp_libuv_CPPFLAGS = $(bench_contender_cppflags) $(LIBUV_CFLAGS)
bench_udp_libuv_LDADD = $(LIBUV_LIBS)

noinst_PROGRAMS += bench/echo-libuv
bench_echo_libuv_SOURCES = bench/echo-libuv.c $(bench_contender)
bench_echo_libuv_CPPFLAGS = $(bench_contender_cppflags) $(LIBUV_CFLAGS)
bench_echo_libuv_LDADD = $(LIBUV_LIBS)

noinst_PROGRAMS += bench/file-libuv
bench_file_libuv_SOURCES = bench/file-libuv.c bench/file.h
bench_file_libuv_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir)/bench $(LIBUV_CFLAGS)
bench_file_libuv_LDADD = $(LIBUV_LIBS)

noinst_PROGRAMS += bench/spawn-libuv
bench_spawn_libuv_SOURCES = bench/spawn-libuv.c bench/programs.h
bench_spawn_libuv_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir)/bench $(LIBUV_CFLAGS)
bench_spawn_libuv_LDADD = $(LIBUV_LIBS)

noinst_PROGRAMS += bench/jobs-libuv
bench_jobs_libuv_SOURCES = bench/jobs-libuv.c bench/jobs.h
bench_jobs_libuv_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir)/bench $(LIBUV_CFLAGS)
bench_jobs_libuv_LDADD = $(LIBUV_LIBS)
endif

if HAVE_LIBEVENT
noinst_PROGRAMS += bench/echo-libevent
bench_echo_libevent_SOURCES = bench/echo-libevent.c $(bench_contender)
bench_echo_libevent_CPPFLAGS = $(bench_contender_cppflags) $(LIBEVENT_CFLAGS)
bench_echo_libevent_LDADD = $(LIBEVENT_LIBS)
endif

if HAVE_LIBEV
noinst_PROGRAMS += bench/echo-libev
bench_echo_libev_SOURCES = bench/echo-libev.c $(bench_contender)
bench_echo_libev_CPPFLAGS = $(bench_contender_cppflags) $(LIBEV_CFLAGS)
bench_echo_libev_LDADD = $(LIBEV_LIBS)
endif

# The layers as they are shipped, on the unit tests' backend, which needs GLib.
if SUITES
noinst_PROGRAMS += bench/micro
bench_micro_SOURCES = \
	bench/micro-chan.c \
	bench/micro-waits.c \
	bench/micro.c \
	bench/micro.h \
	tests/support/fake-backend.c \
	tests/support/fake-backend.h \
	$(NULL)
bench_micro_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/bench -I$(top_srcdir)/tests $(GLIB_CFLAGS)
bench_micro_LDADD = \
	lib/core/librln-core.la \
	lib/fiber/librln-fiber.la \
	lib/base/librln-base.la \
	$(GLIB_LIBS) \
	$(NULL)
endif

# The driver needs Python 3, and nothing else does.
bench_driver = \
	bench/compare \
	bench/files.py \
	bench/nbd.py \
	bench/nginx.conf \
	bench/plot.py \
	bench/ratios.py \
	bench/rows.py \
	bench/servers.py \
	bench/turns.py \
	bench/web.py \
	$(NULL)

EXTRA_DIST += $(bench_driver)

# make bench BENCH_FLAGS='--quick --rows 64K'
BENCH_FLAGS = --soak

bench: all $(bench_built)
	python3 $(top_srcdir)/bench/compare $(BENCH_FLAGS) $(top_builddir)

.PHONY: bench
