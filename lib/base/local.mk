# SPDX-License-Identifier: MIT
# Layer 0: lists, slabs, heaps, queues, clock, memory, log. Needs libc only.

base_sources = \
	lib/base/clock.c \
	lib/base/clock.h \
	lib/base/compiler.h \
	lib/base/fault.c \
	lib/base/fault.h \
	lib/base/futex.h \
	lib/base/heap.c \
	lib/base/heap.h \
	lib/base/list.h \
	lib/base/lock.c \
	lib/base/lock.h \
	lib/base/log.c \
	lib/base/log.h \
	lib/base/mem.c \
	lib/base/mem.h \
	lib/base/mpsc.c \
	lib/base/mpsc.h \
	lib/base/ring.c \
	lib/base/ring.h \
	lib/base/signals.c \
	lib/base/signals.h \
	lib/base/sigpipe.c \
	lib/base/sigpipe.h \
	lib/base/sized.c \
	lib/base/sized.h \
	lib/base/slab.c \
	lib/base/slab.h \
	lib/base/text.c \
	lib/base/text.h \
	$(NULL)

lib_base_librln_base_la_SOURCES = $(base_sources)
noinst_LTLIBRARIES += lib/base/librln-base.la
