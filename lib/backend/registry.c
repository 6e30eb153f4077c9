/* SPDX-License-Identifier: MIT */
/* The choice of a backend; registry.h tells the rules. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/epoll.h"
#include "backend/registry.h"
#include "backend/uring.h"
#include "base/log.h"

/* There io_uring has had errors that a probe does not find. */
#if (defined(__arm__) && !defined(__aarch64__)) || defined(__powerpc64__) || defined(__hppa__)
#define AUTO_MEANS_EPOLL 1
#else
#define AUTO_MEANS_EPOLL 0
#endif

const struct rln_backend_ops *const rln_backends[] = {
#ifdef RLN_HAVE_LIBURING
	&rln_backend_uring,
#endif
	&rln_backend_epoll,
	NULL,
};

static const struct rln_backend_ops *find(enum rln_engine engine)
{
	size_t i;

	for (i = 0; rln_backends[i]; i++)
		if (rln_backends[i]->engine == engine)
			return rln_backends[i];
	return NULL;
}

int rln_registry_wanted(int configured, int *ret)
{
	static const char *const names[] = { "auto", "io_uring", "epoll" };
	const char *value = secure_getenv("RINGLINE_BACKEND");
	int i;

	*ret = configured;
	if (configured != RLN_WANT_AUTO || !value || !*value)
		return 0;
	for (i = 0; i < (int)rln_array_size(names); i++) {
		if (strcmp(value, names[i]))
			continue;
		*ret = i;
		return 0;
	}
	rln_log(RLN_LOG_ERROR, "RINGLINE_BACKEND is \"%s\"; it may be auto, io_uring or epoll", value);
	return -EINVAL;
}

static uint32_t feature(const char *word, size_t n)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} features[] = {
		{ "inc", RLN_FEATURE_INC },
		{ "guard", RLN_FEATURE_GUARD },
		{ "multishot", RLN_FEATURE_MULTISHOT },
		{ "no_iowait", RLN_FEATURE_NO_IOWAIT },
		{ "quiet", RLN_FEATURE_QUIET },
		{ "ring_fd", RLN_FEATURE_RING_FD },
		{ "pwait2", RLN_FEATURE_PWAIT2 },
		{ "files", RLN_FEATURE_FILES },
		{ "inline", RLN_FEATURE_INLINE },
		{ "clone3", RLN_FEATURE_CLONE3 },
		{ "pidfd", RLN_FEATURE_PIDFD },
		{ "pidfd_group", RLN_FEATURE_PIDFD_GROUP },
		{ "pidfd_info", RLN_FEATURE_PIDFD_INFO },
		{ "close_range", RLN_FEATURE_CLOSE_RANGE },
		{ "cgroup_kill", RLN_FEATURE_CGROUP_KILL },
	};
	size_t i;

	for (i = 0; i < rln_array_size(features); i++)
		if (strlen(features[i].name) == n && !memcmp(features[i].name, word, n))
			return features[i].bit;
	rln_log(RLN_LOG_WARNING, "RINGLINE_DISABLE: \"%.*s\" is no feature", (int)n, word);
	return 0;
}

int rln_registry_disabled(uint32_t *ret)
{
	const char *word = secure_getenv("RINGLINE_DISABLE");

	*ret = 0;
	while (word && *word) {
		size_t n = strcspn(word, ",");

		if (n)
			*ret |= feature(word, n);
		word += n + (word[n] == ',');
	}
	return 0;
}

static int choose_explicit(const struct rln_backend_ops **ret, enum rln_engine engine,
                           const struct rln_backend_config *cfg, char *why, size_t why_size)
{
	const struct rln_backend_ops *ops = find(engine);
	int r;

	if (!ops) {
		snprintf(why, why_size, "io_uring was demanded, and this library was built without it");
		return -ENOSYS;
	}
	r = ops->probe(cfg, why, why_size);
	if (r < 0)
		rln_log(RLN_LOG_ERROR, "%s was demanded and cannot be had: %s", ops->name, why);
	*ret = ops;
	return r;
}

static int fall_back(const struct rln_backend_ops **ret, const char *reason, char *why, size_t why_size)
{
	snprintf(why, why_size, "epoll instead of io_uring: %s", reason);
	rln_log(RLN_LOG_WARNING, "%s", why);
	*ret = find(RLN_ENGINE_EPOLL);
	return 0;
}

static int choose_auto(const struct rln_backend_ops **ret, const struct rln_backend_config *cfg, char *why,
                       size_t why_size)
{
	const struct rln_backend_ops *uring = find(RLN_ENGINE_IO_URING);
	char reason[200] = "";
	int r;

	if (!uring)
		return fall_back(ret, "this library was built without it", why, why_size);
	if (AUTO_MEANS_EPOLL)
		return fall_back(ret, "it is not trusted on this architecture", why, why_size);
	r = uring->probe(cfg, reason, sizeof(reason));
	if (r == -EMFILE || r == -ENFILE) {
		snprintf(why, why_size, "%s", reason);
		return r;
	}
	if (r < 0)
		return fall_back(ret, reason, why, why_size);
	*ret = uring;
	return 0;
}

int rln_registry_choose(const struct rln_backend_ops **ret, int wanted, const struct rln_backend_config *cfg, char *why,
                        size_t why_size)
{
	why[0] = '\0';
	switch (wanted) {
	case RLN_WANT_IO_URING:
		return choose_explicit(ret, RLN_ENGINE_IO_URING, cfg, why, why_size);
	case RLN_WANT_EPOLL:
		return choose_explicit(ret, RLN_ENGINE_EPOLL, cfg, why, why_size);
	default:
		return choose_auto(ret, cfg, why, why_size);
	}
}
