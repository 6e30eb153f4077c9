# SPDX-License-Identifier: MIT
# Layer 5: configuration, workers, start and stop.

runtime_sources = \
	$(NULL)

lib_runtime_librln_runtime_la_SOURCES = $(runtime_sources)
noinst_LTLIBRARIES += lib/runtime/librln-runtime.la
