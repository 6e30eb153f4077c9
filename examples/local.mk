# SPDX-License-Identifier: MIT
# Programs a reader learns from. They are built as a stranger would: public headers, the shared library, nothing else.
# A new one takes a line in the list and its two lines of flags.

noinst_PROGRAMS += \
	$(NULL)
