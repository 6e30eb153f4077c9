# SPDX-License-Identifier: MIT
# Layer 4: connections, listeners, datagrams, files, processes.

io_sources = \
	$(NULL)

lib_io_librln_io_la_SOURCES = $(io_sources)
noinst_LTLIBRARIES += lib/io/librln-io.la
