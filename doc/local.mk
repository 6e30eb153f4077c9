# SPDX-License-Identifier: MIT
# Programs printed in the documentation are compiled by "make check", so that they cannot rot.

EXTRA_DIST += \
	$(NULL)
