# SPDX-License-Identifier: MIT
# Programs a reader learns from. They are built as a stranger would: public headers, the shared library, nothing else.
# A new one takes a line in the list and its two lines of flags.

noinst_PROGRAMS += \
	examples/echo \
	$(NULL)

examples_common = \
	examples/common.c \
	examples/common.h \
	$(NULL)

examples_echo_SOURCES = examples/echo.c $(examples_common)
examples_echo_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/examples
examples_echo_LDADD = lib/libringline.la
