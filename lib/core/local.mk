# SPDX-License-Identifier: MIT
# Layer 2: tasks, scopes, timers and the seam to the backends. No descriptors, no I/O system calls.

core_sources = \
	$(NULL)

lib_core_librln_core_la_SOURCES = $(core_sources)
noinst_LTLIBRARIES += lib/core/librln-core.la
