# SPDX-License-Identifier: MIT

EXTRA_DIST += \
	tools/demo.sh \
	tools/man-aliases \
	$(NULL)
