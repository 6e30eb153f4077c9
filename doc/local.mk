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

# The manual. A page tells of several functions; a one-line page in the name of each leads there.
dist_man_MANS = \
	doc/man/libringline.7 \
	doc/man/ringline-cancellation.7 \
	doc/man/ringline-connections.7 \
	doc/man/ringline-fibers.7 \
	doc/man/ringline-files.7 \
	doc/man/ringline-processes.7 \
	doc/man/ringline-structured-concurrency.7 \
	doc/man/ringline_blocking.3 \
	doc/man/ringline_broadcast_new.3 \
	doc/man/ringline_buf_new.3 \
	doc/man/ringline_chan_new.3 \
	doc/man/ringline_condition_new.3 \
	doc/man/ringline_conn_close.3 \
	doc/man/ringline_conn_from_fd.3 \
	doc/man/ringline_conn_info.3 \
	doc/man/ringline_conn_keep.3 \
	doc/man/ringline_conn_peek.3 \
	doc/man/ringline_conn_peer_cred.3 \
	doc/man/ringline_conn_recv.3 \
	doc/man/ringline_conn_recv_nowait.3 \
	doc/man/ringline_conn_send.3 \
	doc/man/ringline_conn_send_fds.3 \
	doc/man/ringline_conn_send_nowait.3 \
	doc/man/ringline_conn_sendfile.3 \
	doc/man/ringline_conn_set_option.3 \
	doc/man/ringline_connect.3 \
	doc/man/ringline_dgram_open.3 \
	doc/man/ringline_dgram_recv.3 \
	doc/man/ringline_dgram_send.3 \
	doc/man/ringline_dgram_set_option.3 \
	doc/man/ringline_dir_open.3 \
	doc/man/ringline_event_new.3 \
	doc/man/ringline_fd_wait.3 \
	doc/man/ringline_file_chmod.3 \
	doc/man/ringline_file_copy_range.3 \
	doc/man/ringline_file_get_xattr.3 \
	doc/man/ringline_file_link.3 \
	doc/man/ringline_file_lock.3 \
	doc/man/ringline_file_nvme.3 \
	doc/man/ringline_file_open.3 \
	doc/man/ringline_file_read.3 \
	doc/man/ringline_file_send.3 \
	doc/man/ringline_file_stat.3 \
	doc/man/ringline_file_sync.3 \
	doc/man/ringline_file_truncate.3 \
	doc/man/ringline_inotify_new.3 \
	doc/man/ringline_listener_open.3 \
	doc/man/ringline_local_new.3 \
	doc/man/ringline_mutex_new.3 \
	doc/man/ringline_op_await.3 \
	doc/man/ringline_path_read_all.3 \
	doc/man/ringline_path_rename.3 \
	doc/man/ringline_process_adopt.3 \
	doc/man/ringline_process_kill.3 \
	doc/man/ringline_process_run.3 \
	doc/man/ringline_process_spawn.3 \
	doc/man/ringline_process_wait.3 \
	doc/man/ringline_region_new.3 \
	doc/man/ringline_resolve.3 \
	doc/man/ringline_runtime_embed.3 \
	doc/man/ringline_runtime_listen.3 \
	doc/man/ringline_runtime_new.3 \
	doc/man/ringline_runtime_ref.3 \
	doc/man/ringline_runtime_run.3 \
	doc/man/ringline_scope_open.3 \
	doc/man/ringline_select.3 \
	doc/man/ringline_service_notify.3 \
	doc/man/ringline_set_allocator.3 \
	doc/man/ringline_signal_new.3 \
	doc/man/ringline_sleep.3 \
	doc/man/ringline_sockaddr_parse.3 \
	doc/man/ringline_task_dump.3 \
	doc/man/ringline_task_join.3 \
	doc/man/ringline_task_start.3 \
	doc/man/ringline_timer_new.3 \
	doc/man/ringline_token_new.3 \
	doc/man/ringline_version.3 \
	doc/man/ringline_worker_call.3 \
	doc/man/ringline_worker_spawn.3 \
	doc/man/ringline_worker_stats.3 \
	$(NULL)

man_aliases = $(SHELL) $(top_srcdir)/tools/man-aliases `for page in $(dist_man_MANS); do echo $(top_srcdir)/$$page; done`

install-data-hook:
	@$(man_aliases) | while read alias page; do \
	  echo ".so man3/$$page" >"$(DESTDIR)$(man3dir)/$$alias" || exit 1; \
	  chmod 644 "$(DESTDIR)$(man3dir)/$$alias" || exit 1; \
	done

uninstall-hook:
	@$(man_aliases) | while read alias page; do rm -f "$(DESTDIR)$(man3dir)/$$alias"; done
