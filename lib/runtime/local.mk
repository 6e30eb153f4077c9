# SPDX-License-Identifier: MIT
# Layer 5: configuration, workers, start and stop.

runtime_sources = \
	lib/runtime/call.c \
	lib/runtime/config.c \
	lib/runtime/config.h \
	lib/runtime/crash.c \
	lib/runtime/dump.c \
	lib/runtime/embed.c \
	lib/runtime/listen.c \
	lib/runtime/neighbours.c \
	lib/runtime/reload.c \
	lib/runtime/run.c \
	lib/runtime/runtime.c \
	lib/runtime/runtime.h \
	lib/runtime/service.c \
	lib/runtime/service.h \
	lib/runtime/spawn.c \
	lib/runtime/stats.c \
	lib/runtime/topology.c \
	lib/runtime/topology.h \
	lib/runtime/version.c \
	lib/runtime/watch.c \
	lib/runtime/watch.h \
	lib/runtime/worker.c \
	lib/runtime/worker.h \
	$(NULL)

lib_runtime_librln_runtime_la_SOURCES = $(runtime_sources)
noinst_LTLIBRARIES += lib/runtime/librln-runtime.la
