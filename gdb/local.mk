# SPDX-License-Identifier: MIT
# Commands for gdb, which loads them together with the installed library.

gdb_script = gdb/ringline_gdb.py
gdb_auto_load = $(datadir)/gdb/auto-load$(libdir)

EXTRA_DIST += $(gdb_script)

install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(gdb_auto_load)'
	$(INSTALL_DATA) $(top_srcdir)/$(gdb_script) '$(DESTDIR)$(gdb_auto_load)/$(RINGLINE_SO)-gdb.py'

uninstall-local:
	rm -f '$(DESTDIR)$(gdb_auto_load)/$(RINGLINE_SO)-gdb.py'
