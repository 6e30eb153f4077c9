# SPDX-License-Identifier: MIT
# The public headers: all that is installed.

pkginclude_HEADERS = \
	include/ringline/common.h \
	include/ringline/op.h \
	include/ringline/scope.h \
	include/ringline/task.h \
	$(NULL)

# <ringline/...>, not <libringline/...>
pkgincludedir = $(includedir)/ringline
