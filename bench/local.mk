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
