# SPDX-License-Identifier: MIT
# Programs a reader learns from. They are built as a stranger would: public headers, the shared library, nothing else.
# A new one takes a line in the list and its two lines of flags.

noinst_PROGRAMS += \
	examples/chat \
	examples/checksum \
	examples/cptree \
	examples/dns \
	examples/echo \
	examples/echo-stackless \
	examples/fanout \
	examples/fileserver \
	examples/linkwatch \
	examples/nbdserver \
	examples/pipeline \
	examples/proxy \
	examples/supervisor \
	examples/syslogd \
	examples/udp-echo \
	examples/wallclock \
	$(NULL)

examples_common = \
	examples/common.c \
	examples/common.h \
	$(NULL)

examples_checksum_CPPFLAGS = $(PUBLIC_CPPFLAGS)
examples_checksum_LDADD = lib/libringline.la

examples_cptree_SOURCES = \
	examples/cptree-attributes.c \
	examples/cptree-copy.c \
	examples/cptree-walk.c \
	examples/cptree.c \
	examples/cptree.h \
	$(NULL)
examples_cptree_CPPFLAGS = $(PUBLIC_CPPFLAGS)
examples_cptree_LDADD = lib/libringline.la

examples_fanout_CPPFLAGS = $(PUBLIC_CPPFLAGS)
examples_fanout_LDADD = lib/libringline.la

examples_pipeline_CPPFLAGS = $(PUBLIC_CPPFLAGS)
examples_pipeline_LDADD = lib/libringline.la

examples_linkwatch_CPPFLAGS = $(PUBLIC_CPPFLAGS)
examples_linkwatch_LDADD = lib/libringline.la

examples_syslogd_CPPFLAGS = $(PUBLIC_CPPFLAGS)
examples_syslogd_LDADD = lib/libringline.la

examples_udp_echo_CPPFLAGS = $(PUBLIC_CPPFLAGS)
examples_udp_echo_LDADD = lib/libringline.la

examples_wallclock_CPPFLAGS = $(PUBLIC_CPPFLAGS)
examples_wallclock_LDADD = lib/libringline.la

examples_dns_SOURCES = \
	examples/dns-message.c \
	examples/dns-message.h \
	examples/dns-zone.c \
	examples/dns-zone.h \
	examples/dns.c \
	$(NULL)
examples_dns_CPPFLAGS = $(PUBLIC_CPPFLAGS)
examples_dns_LDADD = lib/libringline.la

examples_echo_SOURCES = examples/echo.c $(examples_common)
examples_echo_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/examples
examples_echo_LDADD = lib/libringline.la

examples_echo_stackless_SOURCES = examples/echo-stackless.c $(examples_common)
examples_echo_stackless_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/examples
examples_echo_stackless_LDADD = lib/libringline.la

examples_chat_SOURCES = examples/chat.c $(examples_common)
examples_chat_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/examples
examples_chat_LDADD = lib/libringline.la

examples_fileserver_SOURCES = \
	examples/fileserver.c \
	examples/http-files.c \
	examples/http-files.h \
	examples/http-listing.c \
	examples/http-listing.h \
	examples/http-log.c \
	examples/http-log.h \
	examples/http-request.c \
	examples/http-request.h \
	examples/http-response.c \
	examples/http-response.h \
	examples/http-shield.h \
	$(examples_common)
examples_fileserver_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/examples
examples_fileserver_LDADD = lib/libringline.la

examples_nbdserver_SOURCES = \
	examples/nbd-export.c \
	examples/nbd-export.h \
	examples/nbd-handshake.c \
	examples/nbd-handshake.h \
	examples/nbd-job.c \
	examples/nbd-job.h \
	examples/nbd-protocol.c \
	examples/nbd-protocol.h \
	examples/nbd-reply.c \
	examples/nbd-session.c \
	examples/nbd-session.h \
	examples/nbdserver.c \
	$(examples_common)
examples_nbdserver_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/examples
examples_nbdserver_LDADD = lib/libringline.la

examples_proxy_SOURCES = examples/proxy.c $(examples_common)
examples_proxy_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/examples
examples_proxy_LDADD = lib/libringline.la

examples_supervisor_SOURCES = \
	examples/supervisor.c \
	examples/unit-control.c \
	examples/unit-control.h \
	examples/unit-file.c \
	examples/unit-file.h \
	examples/unit-log.c \
	examples/unit-log.h \
	examples/unit-notify.c \
	examples/unit-notify.h \
	examples/unit-reap.c \
	examples/unit-reap.h \
	examples/unit-run.c \
	examples/unit-run.h \
	examples/unit-sockets.c \
	examples/unit-sockets.h \
	examples/unit-spawn.c \
	examples/unit-tree.c \
	examples/unit-tree.h \
	examples/unit.c \
	examples/unit.h \
	$(examples_common)
examples_supervisor_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/examples
examples_supervisor_LDADD = lib/libringline.la

# In loops of other libraries, if they are all there.
examples_loops = \
	examples/loop-glib.c \
	examples/loop-libevent.c \
	examples/loop-libuv.c \
	examples/loop-sd-event.c \
	examples/loop.h \
	$(NULL)

EXTRA_DIST += examples/embed.c $(examples_loops)

if HAVE_LOOPS
noinst_PROGRAMS += examples/embed
examples_embed_SOURCES = examples/embed.c $(examples_loops)
examples_embed_CPPFLAGS = $(PUBLIC_CPPFLAGS) -I$(srcdir)/examples $(LOOPS_CFLAGS)
examples_embed_LDADD = lib/libringline.la $(LOOPS_LIBS)
endif
