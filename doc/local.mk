# SPDX-License-Identifier: MIT
# Programs printed in the documentation are compiled by "make check", so that they cannot rot.

if SUITES
check_PROGRAMS += $(doc_programs)
endif

doc_programs = \
	doc/examples/daemon \
	$(NULL)

doc_examples_daemon_CPPFLAGS = $(PUBLIC_CPPFLAGS)
doc_examples_daemon_LDADD = lib/libringline.la

EXTRA_DIST += \
	doc/ABI.md \
	doc/CONTRACT.md \
	doc/DESIGN.md \
	$(NULL)
