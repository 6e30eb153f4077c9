# SPDX-License-Identifier: MIT
# Load generator and measurements.

noinst_PROGRAMS += \
	bench/load \
	$(NULL)

bench_load_CPPFLAGS = $(PUBLIC_CPPFLAGS)

# What "make bench" runs, in this order; each script is given the build directory.
bench_scripts = \
	$(NULL)

EXTRA_DIST += $(bench_scripts)

bench: all
	@for script in $(bench_scripts); do \
	  echo "== $$script"; \
	  $(SHELL) $(top_srcdir)/$$script $(top_builddir) || exit 1; \
	done

.PHONY: bench
