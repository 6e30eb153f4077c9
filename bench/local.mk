# SPDX-License-Identifier: MIT
# Load generator and measurements.

noinst_PROGRAMS += \
	bench/load \
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

# The layers as they are shipped, on the unit tests' backend, which needs GLib.
if SUITES
noinst_PROGRAMS += bench/micro
bench_micro_SOURCES = \
	bench/micro.c \
	tests/support/fake-backend.c \
	tests/support/fake-backend.h \
	$(NULL)
bench_micro_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests $(GLIB_CFLAGS)
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
	bench/ratios.py \
	bench/rows.py \
	bench/servers.py \
	$(NULL)

EXTRA_DIST += $(bench_driver)

# make bench BENCH_FLAGS='--quick --rows 64K'
BENCH_FLAGS = --soak

bench: all
	python3 $(top_srcdir)/bench/compare $(BENCH_FLAGS) $(top_builddir)

.PHONY: bench
