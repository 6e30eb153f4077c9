# SPDX-License-Identifier: MIT
# Layer 4: connections, listeners, datagrams, files, processes.

io_sources = \
	lib/io/accept.c \
	lib/io/accept.h \
	lib/io/addr.c \
	lib/io/addr.h \
	lib/io/adopt.c \
	lib/io/bind.c \
	lib/io/bind.h \
	lib/io/buf.c \
	lib/io/buf.h \
	lib/io/clock.c \
	lib/io/clock.h \
	lib/io/conn-close.c \
	lib/io/conn-extra.c \
	lib/io/conn-extra.h \
	lib/io/conn-fds.c \
	lib/io/conn-fds.h \
	lib/io/conn-option.c \
	lib/io/conn-peek.c \
	lib/io/conn-peer.c \
	lib/io/conn-queue.c \
	lib/io/conn-recv.c \
	lib/io/conn-recv.h \
	lib/io/conn-select.c \
	lib/io/conn-send.c \
	lib/io/conn-send.h \
	lib/io/conn-turn.c \
	lib/io/conn-turn.h \
	lib/io/conn.c \
	lib/io/conn.h \
	lib/io/connect-host.c \
	lib/io/connect.c \
	lib/io/connect.h \
	lib/io/crowd.c \
	lib/io/crowd.h \
	lib/io/dgram-accept.c \
	lib/io/dgram-batch.c \
	lib/io/dgram-batch.h \
	lib/io/dgram-control.c \
	lib/io/dgram-option.c \
	lib/io/dgram-recv.c \
	lib/io/dgram-select.c \
	lib/io/dgram-send.c \
	lib/io/dgram.c \
	lib/io/dgram.h \
	lib/io/fd.c \
	lib/io/fd.h \
	lib/io/forward.c \
	lib/io/handler.c \
	lib/io/handler.h \
	lib/io/inherit.c \
	lib/io/inherit.h \
	lib/io/io.c \
	lib/io/io.h \
	lib/io/listener.c \
	lib/io/listener.h \
	lib/io/pipes.c \
	lib/io/pipes.h \
	lib/io/sendfile.c \
	lib/io/sockaddr.c \
	lib/io/sockaddr.h \
	lib/io/timer.c \
	lib/io/timer.h \
	lib/io/transport-plain.c \
	lib/io/transport.h \
	$(NULL)

lib_io_librln_io_la_SOURCES = $(io_sources)
noinst_LTLIBRARIES += lib/io/librln-io.la
