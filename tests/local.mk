# SPDX-License-Identifier: MIT
#
# Five suites, all of them TAP:
#
#   unit         one program per module, linked to the layers themselves, with a fake backend and a virtual clock
#   conformance  programs on the public API, each run on every engine: RINGLINE_TEST_ENGINE is io_uring, epoll or tiny
#   integration  scripts and programs with real clients
#   meta         scripts about the tree and the build: layers, exports, headers, pkg-config, licences
#   packages     scripts that build the Debian and the RPM packages from the tarball, and look at what came out
#
# "make check" runs the suites that configure chose, "make check-unit" and so on only one. The packages, which run the
# others in their own builds, are not among them unless asked for by name. tests/minimum.txt says how
# many cases a suite must execute; tests/summary checks that.

# --- how a test is run ------------------------------------------------------------------------------------------------

LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
AM_LOG_DRIVER_FLAGS = --merge --comments
# Every test, program or script, runs under a time limit and in a directory of its own.
LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/run-test

AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	G_TEST_SRCDIR='$(abs_top_srcdir)/tests'; export G_TEST_SRCDIR; \
	G_TEST_BUILDDIR='$(abs_top_builddir)/tests'; export G_TEST_BUILDDIR; \
	G_DEBUG=fatal-warnings; export G_DEBUG; \
	RLN_SANITIZERS='$(RLN_SANITIZERS)'; export RLN_SANITIZERS; \
	CC='$(CC)'; export CC; \
	CXX='$(CXX)'; export CXX; \
	NM='$(NM)'; export NM; \
	READELF='$(READELF)'; export READELF; \
	PKG_CONFIG='$(PKG_CONFIG)'; export PKG_CONFIG;

EXTRA_DIST += \
	tests/minimum.txt \
	tests/on-engine \
	tests/run-test \
	tests/summary \
	$(NULL)

if SUITES
# Asks the kernel, not the library, whether there is io_uring; tests/summary wants to know.
check_PROGRAMS += tests/support/has-io_uring
tests_support_has_io_uring_CPPFLAGS = $(PUBLIC_CPPFLAGS)
endif

# --- unit ---------------------------------------------------------------------------------------------------------------
#
# The layers up to the core, and those above it, compiled once more with fault points, so that the library that is tested
# by the other suites is the one that is shipped. A test of base, fiber or core must link to the first alone: if the core
# reaches for a backend, it does not.

UNIT_CPPFLAGS = $(AM_CPPFLAGS) -DRLN_FAULT_INJECTION=1 -I$(top_srcdir)/tests $(GLIB_CFLAGS)
UNIT_LIBS = tests/unit/librln-unit.la $(GLIB_LIBS)
UNIT_FULL_LIBS = tests/unit/librln-unit-full.la $(UNIT_LIBS) $(LIBCAP_LIBS) $(LIBURING_LIBS)

tests_unit_librln_unit_la_SOURCES = \
	$(base_sources) \
	$(fiber_sources) \
	$(core_sources) \
	tests/support/fake-backend.c \
	tests/support/fake-backend.h \
	$(NULL)
tests_unit_librln_unit_la_CPPFLAGS = $(UNIT_CPPFLAGS)

tests_unit_librln_unit_full_la_SOURCES = $(backend_sources) $(io_sources) $(runtime_sources)
tests_unit_librln_unit_full_la_CPPFLAGS = $(UNIT_CPPFLAGS) $(LIBCAP_CFLAGS) $(LIBURING_CFLAGS)

# A new one takes a line here and its two lines of flags below. The source is the program's name and .c.
unit_programs = \
	tests/unit/test-base \
	tests/unit/test-epoll \
	tests/unit/test-executor \
	tests/unit/test-fiber \
	tests/unit/test-handle \
	tests/unit/fuzz-address \
	tests/unit/fuzz-control \
	tests/unit/fuzz-dns \
	tests/unit/fuzz-http \
	tests/unit/fuzz-nbd \
	tests/unit/fuzz-streams \
	tests/unit/test-heap \
	tests/unit/test-nvme \
	tests/unit/test-schedule \
	tests/unit/test-registry \
	tests/unit/test-runtime \
	tests/unit/test-scope \
	tests/unit/test-chan \
	tests/unit/test-select \
	tests/unit/test-sync \
	tests/unit/test-slab \
	tests/unit/test-stack \
	tests/unit/test-stackless \
	tests/unit/test-task \
	tests/unit/test-timer \
	tests/unit/test-token \
	tests/unit/test-uring \
	tests/unit/test-uring-nvme \
	tests/unit/test-wait \
	tests/unit/test-waker \
	$(NULL)

# What is run on every backend, the seam's contract first: tests/unit/NAME.ENGINE is a copy of tests/on-engine.
seam_programs = \
	tests/unit/test-backend \
	tests/unit/test-backend-loop \
	tests/unit/test-waiting \
	$(NULL)

seam_runs = $(seam_programs:=.epoll)
if HAVE_LIBURING
seam_runs += $(seam_programs:=.io_uring) $(seam_programs:=.tiny)
endif

tests_unit_test_base_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_base_LDADD = $(UNIT_LIBS)
tests_unit_test_fiber_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_fiber_LDADD = $(UNIT_LIBS) -lm
tests_unit_test_heap_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_heap_LDADD = $(UNIT_LIBS)
tests_unit_test_slab_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_slab_LDADD = $(UNIT_LIBS)
tests_unit_test_stackless_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_stackless_LDADD = $(UNIT_LIBS)
tests_unit_test_stack_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_stack_LDADD = $(UNIT_LIBS)
tests_unit_test_executor_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_executor_LDADD = $(UNIT_LIBS)
tests_unit_test_handle_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_handle_LDADD = $(UNIT_LIBS)
tests_unit_test_schedule_SOURCES = \
	tests/unit/schedule-sync.c \
	tests/unit/schedule-sync.h \
	tests/unit/test-schedule.c \
	$(NULL)
tests_unit_test_schedule_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_schedule_LDADD = $(UNIT_LIBS)
tests_unit_test_scope_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_scope_LDADD = $(UNIT_LIBS)
tests_unit_test_chan_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_chan_LDADD = $(UNIT_LIBS)
tests_unit_test_sync_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sync_LDADD = $(UNIT_LIBS)
tests_unit_test_select_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_select_LDADD = $(UNIT_LIBS)
tests_unit_test_task_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_task_LDADD = $(UNIT_LIBS)
tests_unit_test_timer_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_timer_LDADD = $(UNIT_LIBS)
tests_unit_test_token_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_token_LDADD = $(UNIT_LIBS)
tests_unit_test_wait_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_wait_LDADD = $(UNIT_LIBS)
tests_unit_test_waker_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_waker_LDADD = $(UNIT_LIBS)
tests_unit_test_backend_CPPFLAGS = $(UNIT_CPPFLAGS) $(LIBURING_CFLAGS)
tests_unit_test_backend_LDADD = $(UNIT_FULL_LIBS)
tests_unit_test_backend_loop_CPPFLAGS = $(UNIT_CPPFLAGS) $(LIBURING_CFLAGS)
tests_unit_test_backend_loop_LDADD = $(UNIT_FULL_LIBS)
# The fuzz targets, with the inputs of fuzz-main.c.
tests_unit_fuzz_address_SOURCES = tests/fuzz/fuzz-address.c tests/fuzz/fuzz-main.c tests/fuzz/fuzz.h
tests_unit_fuzz_address_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_fuzz_address_LDADD = $(UNIT_FULL_LIBS)
tests_unit_fuzz_control_SOURCES = tests/fuzz/fuzz-control.c tests/fuzz/fuzz-main.c tests/fuzz/fuzz.h
tests_unit_fuzz_control_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_fuzz_control_LDADD = $(UNIT_FULL_LIBS)
tests_unit_fuzz_dns_SOURCES = examples/dns-message.c examples/dns-message.h tests/fuzz/fuzz-dns.c tests/fuzz/fuzz-main.c \
	tests/fuzz/fuzz.h
tests_unit_fuzz_dns_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(srcdir)/examples
tests_unit_fuzz_dns_LDADD = $(UNIT_FULL_LIBS)
tests_unit_fuzz_http_SOURCES = examples/http-request.c examples/http-request.h examples/http-response.c \
	examples/http-response.h tests/fuzz/fuzz-http.c tests/fuzz/fuzz-main.c tests/fuzz/fuzz.h
tests_unit_fuzz_http_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(srcdir)/examples
tests_unit_fuzz_http_LDADD = $(UNIT_FULL_LIBS)
tests_unit_fuzz_nbd_SOURCES = examples/nbd-handshake.c examples/nbd-handshake.h examples/nbd-protocol.c examples/nbd-protocol.h \
	tests/fuzz/fuzz-main.c tests/fuzz/fuzz-nbd.c tests/fuzz/fuzz.h
tests_unit_fuzz_nbd_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(srcdir)/examples
tests_unit_fuzz_nbd_LDADD = $(UNIT_FULL_LIBS)
tests_unit_fuzz_streams_SOURCES = tests/fuzz/fuzz-streams.c tests/fuzz/fuzz-main.c tests/fuzz/fuzz.h
tests_unit_fuzz_streams_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_fuzz_streams_LDADD = $(UNIT_FULL_LIBS)
tests_unit_test_waiting_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_waiting_LDADD = $(UNIT_FULL_LIBS)
tests_unit_test_registry_CPPFLAGS = $(UNIT_CPPFLAGS) $(LIBURING_CFLAGS)
tests_unit_test_registry_LDADD = $(UNIT_FULL_LIBS)
tests_unit_test_runtime_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_runtime_LDADD = $(UNIT_FULL_LIBS)
tests_unit_test_uring_CPPFLAGS = $(UNIT_CPPFLAGS) $(LIBURING_CFLAGS)
tests_unit_test_uring_LDADD = $(UNIT_FULL_LIBS)
tests_unit_test_nvme_CPPFLAGS = $(UNIT_CPPFLAGS) $(LIBURING_CFLAGS)
tests_unit_test_nvme_LDADD = $(UNIT_FULL_LIBS)
tests_unit_test_uring_nvme_CPPFLAGS = $(UNIT_CPPFLAGS) $(LIBURING_CFLAGS)
tests_unit_test_uring_nvme_LDADD = $(UNIT_FULL_LIBS)
tests_unit_test_epoll_CPPFLAGS = $(UNIT_CPPFLAGS) $(LIBURING_CFLAGS)
tests_unit_test_epoll_LDADD = $(UNIT_FULL_LIBS)

# gdb must see through a parked fiber: the script runs it on the target.
unit_scripts = tests/unit/gdb-fiber.sh
tests_unit_gdb_fiber_target_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_gdb_fiber_target_LDADD = $(UNIT_LIBS)

EXTRA_DIST += \
	$(unit_scripts) \
	tests/unit/backend-fixture.h \
	tests/unit/cases.h \
	tests/unit/fiber-fixture.h \
	tests/unit/valgrind.h \
	$(NULL)

if SUITE_UNIT
check_LTLIBRARIES += tests/unit/librln-unit.la tests/unit/librln-unit-full.la
check_PROGRAMS += $(unit_programs) $(seam_programs) tests/unit/gdb-fiber-target
check_SCRIPTS += $(seam_runs)
TESTS += $(unit_programs) $(seam_runs) $(unit_scripts)
CLEANFILES += $(seam_runs)
endif

$(seam_runs): $(top_srcdir)/tests/on-engine
	$(AM_V_GEN)$(MKDIR_P) tests/unit && cp $(top_srcdir)/tests/on-engine $@ && chmod 755 $@

check-unit:
	$(MAKE) $(AM_MAKEFLAGS) $(check_LTLIBRARIES) $(unit_programs) $(seam_programs) $(seam_runs) \
	  tests/unit/gdb-fiber-target
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(unit_programs) $(seam_runs) $(unit_scripts)'

# The same programs under valgrind. They are linked to archives, so they are real programs, not libtool's scripts.
check-valgrind:
	$(MAKE) $(AM_MAKEFLAGS) check-unit \
	  RINGLINE_TEST_WRAPPER='valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite'

# --- conformance --------------------------------------------------------------------------------------------------------
#
# tests/conformance/NAME.ENGINE is a copy of tests/on-engine, which runs tests/conformance/NAME on that engine.

CONFORMANCE_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(top_srcdir)/tests $(GLIB_CFLAGS)
CONFORMANCE_LIBS = tests/conformance/libconformance.la lib/libringline.la $(GLIB_LIBS)

tests_conformance_libconformance_la_SOURCES = \
	tests/support/at.c \
	tests/support/at.h \
	tests/support/conformance.c \
	tests/support/conformance.h \
	tests/support/files.c \
	tests/support/files.h \
	tests/support/nameserver.c \
	tests/support/nameserver.h \
	tests/support/places.c \
	tests/support/places.h \
	tests/support/process.c \
	tests/support/process.h \
	$(NULL)
tests_conformance_libconformance_la_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)

# The file system that fails on demand. Without libfuse, what is tested on it is skipped.
conformance_helpers =
if HAVE_FUSE
tests_conformance_libconformance_la_CPPFLAGS += -DHAVE_FUSE=1
conformance_helpers += tests/support/faultfs
tests_support_faultfs_SOURCES = \
	tests/support/faultfs-faults.c \
	tests/support/faultfs-faults.h \
	tests/support/faultfs-tree.c \
	tests/support/faultfs-tree.h \
	tests/support/faultfs.c \
	tests/support/faultfs.h \
	$(NULL)
tests_support_faultfs_CPPFLAGS = -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I$(top_srcdir)/tests $(FUSE_CFLAGS) $(GLIB_CFLAGS)
tests_support_faultfs_LDADD = $(FUSE_LIBS) $(GLIB_LIBS)
endif

# Of files, which are also run without what carries them out.
file_programs = \
	tests/conformance/test-file-attr \
	tests/conformance/test-file-conn \
	tests/conformance/test-file-copy \
	tests/conformance/test-file-data \
	tests/conformance/test-file-fifo \
	tests/conformance/test-file-handle \
	tests/conformance/test-file-lock \
	tests/conformance/test-file-open \
	tests/conformance/test-file-ops \
	tests/conformance/test-file-queue \
	tests/conformance/test-file-region \
	tests/conformance/test-file-stream \
	tests/conformance/test-file-try \
	tests/conformance/test-path-each \
	$(NULL)

# A new one takes a line here and its two lines of flags below. The source is the program's name and .c.
conformance_programs = \
	tests/conformance/test-blocking \
	tests/conformance/test-cancel \
	tests/conformance/test-close \
	tests/conformance/test-daemon \
	tests/conformance/test-faults \
	tests/conformance/test-guard \
	tests/conformance/test-listen \
	tests/conformance/test-nvme \
	tests/conformance/test-runtime \
	tests/conformance/test-fd \
	$(file_programs) \
	tests/conformance/test-select \
	tests/conformance/test-debug \
	tests/conformance/test-dgram \
	tests/conformance/test-dir \
	tests/conformance/test-embed \
	tests/conformance/test-handler \
	tests/conformance/test-inotify \
	tests/conformance/test-shared \
	tests/conformance/test-threads \
	tests/conformance/test-timer \
	tests/conformance/test-accept \
	tests/conformance/test-adopt \
	tests/conformance/test-chaos \
	tests/conformance/test-connect \
	tests/conformance/test-forward \
	tests/conformance/test-path \
	tests/conformance/test-path-whole \
	tests/conformance/test-peek \
	tests/conformance/test-places \
	tests/conformance/test-policies \
	tests/conformance/test-process \
	tests/conformance/test-process-churn \
	tests/conformance/test-process-cut \
	tests/conformance/test-process-edges \
	tests/conformance/test-process-options \
	tests/conformance/test-process-run \
	tests/conformance/test-process-stages \
	tests/conformance/test-resolve \
	tests/conformance/test-send \
	tests/conformance/test-service \
	tests/conformance/test-signal \
	tests/conformance/test-stream \
	$(NULL)

tests_conformance_test_blocking_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_blocking_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_cancel_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_cancel_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_close_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_close_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_guard_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_guard_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_listen_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_listen_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_nvme_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_nvme_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_runtime_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_runtime_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_faults_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_faults_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_fd_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_fd_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_copy_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_copy_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_conn_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_conn_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_attr_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_attr_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_data_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_data_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_lock_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_lock_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_handle_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_handle_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_fifo_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_fifo_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_open_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_open_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_stream_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_stream_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_queue_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_queue_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_region_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_region_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_try_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_try_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_file_ops_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_file_ops_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_select_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_shared_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_shared_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_debug_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_debug_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_dgram_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_dgram_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_dir_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_dir_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_inotify_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_inotify_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_embed_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_embed_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_handler_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_handler_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_threads_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_threads_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_select_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_timer_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_timer_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_accept_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_accept_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_chaos_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_chaos_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_adopt_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_adopt_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_connect_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_connect_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_forward_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_forward_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_send_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_send_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_path_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_path_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_path_each_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_path_each_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_path_whole_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_path_whole_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_peek_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_peek_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_places_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_places_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_policies_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_policies_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_process_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_process_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_process_churn_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_process_churn_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_process_cut_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_process_cut_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_process_edges_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_process_edges_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_process_options_CPPFLAGS = $(CONFORMANCE_CPPFLAGS) $(LIBCAP_CFLAGS)
tests_conformance_test_process_options_LDADD = $(CONFORMANCE_LIBS) $(LIBCAP_LIBS)
tests_conformance_test_process_run_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_process_run_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_process_stages_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_process_stages_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_resolve_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_resolve_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_service_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_service_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_signal_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_signal_LDADD = $(CONFORMANCE_LIBS)
tests_conformance_test_stream_CPPFLAGS = $(CONFORMANCE_CPPFLAGS)
tests_conformance_test_stream_LDADD = $(CONFORMANCE_LIBS)
# Without libseccomp the sandboxes are left out.
if HAVE_SECCOMP
SECCOMP_CPPFLAGS = -DHAVE_SECCOMP=1 $(SECCOMP_CFLAGS)
endif
tests_conformance_test_daemon_CPPFLAGS = $(CONFORMANCE_CPPFLAGS) $(SECCOMP_CPPFLAGS)
tests_conformance_test_daemon_LDADD = $(CONFORMANCE_LIBS) $(SECCOMP_LIBS)

conformance_runs = $(conformance_programs:=.epoll)
if HAVE_LIBURING
conformance_runs += $(conformance_programs:=.io_uring) $(conformance_programs:=.tiny)
endif

# What streams do when the kernel has not got a feature.
stream_programs = \
	tests/conformance/test-accept \
	tests/conformance/test-adopt \
	tests/conformance/test-chaos \
	tests/conformance/test-close \
	tests/conformance/test-forward \
	tests/conformance/test-peek \
	tests/conformance/test-send \
	tests/conformance/test-stream \
	$(NULL)
conformance_runs += $(stream_programs:=.epoll-pwait2)
if HAVE_LIBURING
conformance_runs += \
	$(stream_programs:=.io_uring-guard) \
	$(stream_programs:=.io_uring-inc) \
	$(stream_programs:=.io_uring-multishot) \
	$(stream_programs:=.io_uring-no_iowait) \
	$(stream_programs:=.io_uring-quiet) \
	$(stream_programs:=.io_uring-ring_fd) \
	$(NULL)
endif

# What files do when the ring must not have them, or the worker itself must not.
conformance_runs += $(file_programs:=.epoll-inline)
if HAVE_LIBURING
conformance_runs += $(file_programs:=.io_uring-files) $(file_programs:=.io_uring-inline)
endif

if SUITE_CONFORMANCE
check_LTLIBRARIES += tests/conformance/libconformance.la
check_PROGRAMS += $(conformance_programs) $(conformance_helpers)
check_SCRIPTS += $(conformance_runs)
TESTS += $(conformance_runs)
CLEANFILES += $(conformance_runs)
endif

$(conformance_runs): $(top_srcdir)/tests/on-engine
	$(AM_V_GEN)$(MKDIR_P) tests/conformance && cp $(top_srcdir)/tests/on-engine $@ && chmod 755 $@

check-conformance: all
	$(MAKE) $(AM_MAKEFLAGS) tests/conformance/libconformance.la $(conformance_programs) $(conformance_helpers) \
	  $(conformance_runs) tests/support/has-io_uring
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(conformance_runs)'

# --- integration ----------------------------------------------------------------------------------------------------------

# Programs that the scripts start, or that are tests themselves.
integration_programs =
integration_runs =

# A peer that was not written for us, and waits as it likes.
if HAVE_SDBUS
integration_programs += tests/integration/test-sdbus
integration_runs += tests/integration/test-sdbus.epoll
if HAVE_LIBURING
integration_runs += tests/integration/test-sdbus.io_uring tests/integration/test-sdbus.tiny
endif
tests_integration_test_sdbus_CPPFLAGS = $(CONFORMANCE_CPPFLAGS) $(SDBUS_CFLAGS)
tests_integration_test_sdbus_LDADD = $(CONFORMANCE_LIBS) $(SDBUS_LIBS)
endif

# Workers in loops that were not written for them.
if HAVE_LOOPS
integration_programs += tests/integration/test-loops
integration_runs += tests/integration/test-loops.epoll
if HAVE_LIBURING
integration_runs += tests/integration/test-loops.io_uring tests/integration/test-loops.tiny
endif
tests_integration_test_loops_SOURCES = tests/integration/test-loops.c $(examples_loops)
tests_integration_test_loops_CPPFLAGS = $(CONFORMANCE_CPPFLAGS) $(LOOPS_CFLAGS) -I$(srcdir)/examples
tests_integration_test_loops_LDADD = $(CONFORMANCE_LIBS) $(LOOPS_LIBS)
endif

# What crosses network namespaces.
integration_programs += tests/integration/group
tests_integration_group_CPPFLAGS = $(PUBLIC_CPPFLAGS)
tests_integration_group_LDADD = lib/libringline.la

# A client of examples/nbdserver that does what no good client does.
integration_programs += tests/integration/nbd-client
tests_integration_nbd_client_SOURCES = examples/nbd-protocol.c examples/nbd-protocol.h tests/integration/nbd-client.c
tests_integration_nbd_client_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir)/examples

# What examples/supervisor runs, and what a good unit does not do.
integration_programs += tests/integration/hostile-child
tests_integration_hostile_child_CPPFLAGS = -D_GNU_SOURCE

# A plugin, and a program that knows nothing of the library.
integration_programs += tests/integration/plugin-host
tests_integration_plugin_host_CPPFLAGS = -D_GNU_SOURCE
integration_plugins = tests/integration/plugin.la
tests_integration_plugin_la_SOURCES = tests/integration/plugin.c
tests_integration_plugin_la_CPPFLAGS = $(PUBLIC_CPPFLAGS)
tests_integration_plugin_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
tests_integration_plugin_la_LIBADD = lib/libringline.la

integration_scripts = \
	tests/integration/cptree.sh \
	tests/integration/dns.sh \
	tests/integration/examples.sh \
	tests/integration/fileserver.sh \
	tests/integration/gdb.sh \
	tests/integration/groups.sh \
	tests/integration/nbdserver.sh \
	tests/integration/nvme-qemu.sh \
	tests/integration/peers.sh \
	tests/integration/plugin.sh \
	tests/integration/streams.sh \
	tests/integration/supervisor.sh \
	tests/integration/syslogd.sh \
	$(NULL)

integration_tests = $(integration_scripts) $(integration_runs)

if SUITE_INTEGRATION
check_LTLIBRARIES += tests/conformance/libconformance.la
check_LTLIBRARIES += $(integration_plugins)
check_PROGRAMS += $(integration_programs) $(conformance_helpers)
check_SCRIPTS += $(integration_runs)
TESTS += $(integration_tests)
CLEANFILES += $(integration_runs)
endif

$(integration_runs): $(top_srcdir)/tests/on-engine
	$(AM_V_GEN)$(MKDIR_P) tests/integration && cp $(top_srcdir)/tests/on-engine $@ && chmod 755 $@

# What varnishtest plays to the file server.
integration_plays = \
	tests/integration/fileserver/conditions.vtc \
	tests/integration/fileserver/deadlines.vtc \
	tests/integration/fileserver/pieces.vtc \
	tests/integration/fileserver/ranges.vtc \
	$(NULL)

EXTRA_DIST += $(integration_scripts) $(integration_plays)

check-integration: all
	$(MAKE) $(AM_MAKEFLAGS) $(integration_plugins) $(integration_programs) $(conformance_helpers) $(integration_runs)
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(integration_tests)'

# --- meta -------------------------------------------------------------------------------------------------------------------

meta_tests = \
	tests/meta/check-abi \
	tests/meta/check-contract \
	tests/meta/check-design \
	tests/meta/check-exports \
	tests/meta/check-headers \
	tests/meta/check-layers \
	tests/meta/check-man \
	tests/meta/check-minimum \
	tests/meta/check-packaging \
	tests/meta/check-pkgconfig \
	tests/meta/check-prefix \
	tests/meta/check-readme \
	tests/meta/check-shell \
	tests/meta/check-spdx \
	tests/meta/check-summary \
	$(NULL)

if SUITE_META
TESTS += $(meta_tests)
endif

EXTRA_DIST += \
	$(meta_tests) \
	tests/meta/spdx-exceptions.txt \
	tests/meta/tap.sh \
	$(NULL)

check-meta: all
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(meta_tests)'

# --- packages ---------------------------------------------------------------------------------------------------------------

packages_tests = \
	tests/packages/check-deb \
	tests/packages/check-rpm \
	$(NULL)

EXTRA_DIST += \
	$(packages_tests) \
	tests/packages/packages.sh \
	tests/packages/round-trip.c \
	$(NULL)

# The tarball of the tree as it is now.
if SUITE_PACKAGES
check_DATA += packages-tarball
TESTS += $(packages_tests)
endif

packages-tarball:
	$(MAKE) $(AM_MAKEFLAGS) dist

check-packages: packages-tarball tests/support/has-io_uring
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(packages_tests)'

# What a test that broke off could not remove itself.
clean-local:
	rm -rf packages places.??????

.PHONY: check-unit check-valgrind check-conformance check-integration check-meta check-packages packages-tarball
