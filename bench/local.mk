# SPDX-License-Identifier: MIT
# Load generator and measurements. "make bench" runs bench/run, which names what it measures.

noinst_PROGRAMS += \
	$(NULL)
