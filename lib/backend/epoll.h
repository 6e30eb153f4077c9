/* SPDX-License-Identifier: MIT */
/* The engine that runs everywhere: epoll, and plain system calls for the transfers. Makes no io_uring system call. */
#ifndef RLN_BACKEND_EPOLL_H
#define RLN_BACKEND_EPOLL_H

#include "core/backend.h"

extern const struct rln_backend_ops rln_backend_epoll;

#endif
