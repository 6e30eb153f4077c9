# SPDX-License-Identifier: MIT
# libringline.so.0: the six layers in one library. What the map does not name stays inside.

lib_LTLIBRARIES = lib/libringline.la

lib_libringline_la_SOURCES =
lib_libringline_la_LIBADD = \
	lib/base/librln-base.la \
	lib/fiber/librln-fiber.la \
	lib/core/librln-core.la \
	lib/backend/librln-backend.la \
	lib/io/librln-io.la \
	lib/runtime/librln-runtime.la \
	$(LIBCAP_LIBS) \
	$(LIBURING_LIBS) \
	$(NULL)

# nodelete: worker threads and thread-local data would outlive a dlclose().
lib_libringline_la_LDFLAGS = \
	$(AM_LDFLAGS) \
	-no-undefined \
	-version-info $(RINGLINE_LT_VERSION) \
	-Wl,--version-script=$(top_srcdir)/lib/libringline.map \
	$(RLN_LIBRARY_LDFLAGS) \
	$(NULL)

# Relink when the map changes.
EXTRA_lib_libringline_la_DEPENDENCIES = $(top_srcdir)/lib/libringline.map

EXTRA_DIST += lib/libringline.map
