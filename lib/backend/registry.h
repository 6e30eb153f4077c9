/* SPDX-License-Identifier: MIT */
/*
 * Which backend runs.
 *
 * The configuration decides; where it says "auto", the environment does (RINGLINE_BACKEND); where that says so too or is
 * absent, io_uring is tried by doing and epoll is the fallback, never silently. An explicit choice never falls back.
 */
#ifndef RLN_BACKEND_REGISTRY_H
#define RLN_BACKEND_REGISTRY_H

#include "core/backend.h"

enum rln_wanted {
	RLN_WANT_AUTO,
	RLN_WANT_IO_URING,
	RLN_WANT_EPOLL,
};

/* All that were built, best first; NULL at the end. */
extern const struct rln_backend_ops *const rln_backends[];

/* The choice by configuration and environment. 0, -EINVAL (RINGLINE_BACKEND names no backend). */
int rln_registry_wanted(int configured, int *ret) rln_must_check;

/* The features that RINGLINE_DISABLE forces off, enum rln_feature bits. Unknown words are logged and passed over. 0. */
int rln_registry_disabled(uint32_t *ret) rln_must_check;

/*
 * The backend to use; *why* says in one line what was decided, empty if there was nothing to decide. 0, or -errno: of the
 * probe if *wanted* is explicit, -EMFILE or -ENFILE always (epoll would need descriptors too).
 */
int rln_registry_choose(const struct rln_backend_ops **ret, int wanted, const struct rln_backend_config *cfg, char *why,
                        size_t why_size) rln_must_check;

#endif
