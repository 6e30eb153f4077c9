/* SPDX-License-Identifier: MIT */
/* All of libringline's public headers. */
#ifndef RINGLINE_RINGLINE_H
#define RINGLINE_RINGLINE_H

#include <ringline/blocking.h>
#include <ringline/buf.h>
#include <ringline/chan.h>
#include <ringline/common.h>
#include <ringline/conn.h>
#include <ringline/debug.h>
#include <ringline/dgram.h>
#include <ringline/dir.h>
#include <ringline/fd.h>
#include <ringline/file.h>
#include <ringline/listener.h>
#include <ringline/nvme.h>
#include <ringline/op.h>
#include <ringline/path.h>
#include <ringline/process.h>
#include <ringline/resolve.h>
#include <ringline/runtime.h>
#include <ringline/scope.h>
#include <ringline/select.h>
#include <ringline/service.h>
#include <ringline/signal.h>
#include <ringline/stats.h>
#include <ringline/sync.h>
#include <ringline/task.h>
#include <ringline/timer.h>
#include <ringline/version.h>

#endif
