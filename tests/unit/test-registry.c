/* SPDX-License-Identifier: MIT */
/*
 * Which backend runs: by configuration, by environment, by trying. Failures of the kernel are made by fault points, so
 * every way down is walked here though this kernel has everything.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "backend/epoll.h"
#include "backend/registry.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

static GString *logged;

static void keep_line(int level, const char *message, void *arg)
{
	(void)arg;
	g_string_append_printf(logged, "%d:%s\n", level, message);
}

static unsigned int count_fds(void)
{
	GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
	unsigned int n = 0;

	while (g_dir_read_name(dir))
		n++;
	g_dir_close(dir);
	return n;
}

static const struct rln_backend_config config = { .clock = &rln_clock_real };

/* One choice; whatever comes of it, no descriptor and no byte is left. */
static int choose(const struct rln_backend_ops **ret, int wanted, char why[256])
{
	unsigned int fds = count_fds();
	uint64_t mem = rln_mem_live();
	int r;

	*ret = NULL;
	g_string_truncate(logged, 0);
	r = rln_registry_choose(ret, wanted, &config, why, 256);
	g_assert_cmpuint(count_fds(), ==, fds);
	g_assert_cmpuint(rln_mem_live(), ==, mem);
	rln_fault_disarm_all();
	return r;
}

static void epoll_is_what_it_says(void)
{
	const struct rln_backend_ops *ops;
	char why[256];

	g_assert_cmpint(choose(&ops, RLN_WANT_EPOLL, why), ==, 0);
	g_assert_true(ops == &rln_backend_epoll);
	g_assert_cmpstr(why, ==, "");
	g_assert_cmpstr(logged->str, ==, "");
}

static void config_beats_environment(void)
{
	int wanted;

	g_setenv("RINGLINE_BACKEND", "io_uring", TRUE);
	g_assert_cmpint(rln_registry_wanted(RLN_WANT_EPOLL, &wanted), ==, 0);
	g_assert_cmpint(wanted, ==, RLN_WANT_EPOLL);
	g_assert_cmpint(rln_registry_wanted(RLN_WANT_AUTO, &wanted), ==, 0);
	g_assert_cmpint(wanted, ==, RLN_WANT_IO_URING);
	g_unsetenv("RINGLINE_BACKEND");
}

static void environment_values(void)
{
	static const struct {
		const char *value;
		int result;
		int wanted;
	} rows[] = {
		{ "auto", 0, RLN_WANT_AUTO },
		{ "io_uring", 0, RLN_WANT_IO_URING },
		{ "epoll", 0, RLN_WANT_EPOLL },
		{ "", 0, RLN_WANT_AUTO },
		{ "uring", -EINVAL, RLN_WANT_AUTO },
		{ "EPOLL", -EINVAL, RLN_WANT_AUTO },
	};
	int wanted;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_setenv("RINGLINE_BACKEND", rows[i].value, TRUE);
		g_string_truncate(logged, 0);
		g_assert_cmpint(rln_registry_wanted(RLN_WANT_AUTO, &wanted), ==, rows[i].result);
		g_assert_cmpint(wanted, ==, rows[i].wanted);
		g_assert_cmpint(logged->len > 0, ==, rows[i].result < 0);
	}
	g_unsetenv("RINGLINE_BACKEND");
}

static void disable_words(void)
{
	uint32_t bits;

	g_unsetenv("RINGLINE_DISABLE");
	g_assert_cmpint(rln_registry_disabled(&bits), ==, 0);
	g_assert_cmpuint(bits, ==, 0);

	g_setenv("RINGLINE_DISABLE", "inc,,guard,multishot,no_iowait,ring_fd,pwait2,quiet", TRUE);
	g_string_truncate(logged, 0);
	g_assert_cmpint(rln_registry_disabled(&bits), ==, 0);
	g_assert_cmpuint(bits, ==, RLN_FEATURE_INC | RLN_FEATURE_GUARD | RLN_FEATURE_MULTISHOT | RLN_FEATURE_NO_IOWAIT |
	                                   RLN_FEATURE_RING_FD | RLN_FEATURE_PWAIT2 | RLN_FEATURE_QUIET);
	g_assert_cmpuint(logged->len, ==, 0);

	g_setenv("RINGLINE_DISABLE", "incx,inc", TRUE);
	g_assert_cmpint(rln_registry_disabled(&bits), ==, 0);
	g_assert_cmpuint(bits, ==, RLN_FEATURE_INC);
	g_assert_nonnull(strstr(logged->str, "4:RINGLINE_DISABLE: \"incx\""));
	g_unsetenv("RINGLINE_DISABLE");
}

#ifdef RLN_HAVE_LIBURING

#include "backend/uring.h"

/* False, and the case is skipped, where the kernel refuses io_uring to everybody. */
static bool have_io_uring(void)
{
	char why[256];

	if (rln_backend_uring.probe(&config, why, sizeof(why)) == 0)
		return true;
	g_test_skip(why);
	return false;
}

static void auto_takes_io_uring(void)
{
	const struct rln_backend_ops *ops;
	char why[256];

	if (!have_io_uring())
		return;
	g_assert_cmpint(choose(&ops, RLN_WANT_AUTO, why), ==, 0);
	g_assert_true(ops == &rln_backend_uring);
	g_assert_cmpstr(why, ==, "");
	g_assert_cmpstr(logged->str, ==, "");
}

static const int fallback_errors[] = { EPERM, ENOSYS, EACCES, EOPNOTSUPP, EINVAL, ENOMEM };

static void auto_falls_back_aloud(void)
{
	const struct rln_backend_ops *ops;
	char why[256];

	for (size_t i = 0; i < G_N_ELEMENTS(fallback_errors); i++) {
		rln_fault_arm(RLN_FAULT_RING_SETUP, 0, 100, fallback_errors[i]);
		g_assert_cmpint(choose(&ops, RLN_WANT_AUTO, why), ==, 0);
		g_assert_true(ops == &rln_backend_epoll);
		g_assert_nonnull(strstr(why, "epoll instead of io_uring: io_uring_setup"));
		g_assert_nonnull(strstr(logged->str, "4:epoll instead of io_uring"));
		if (fallback_errors[i] == ENOMEM)
			g_assert_nonnull(strstr(why, "RLIMIT_MEMLOCK"));
	}
}

static void memory_that_comes_back_is_waited_for(void)
{
	const struct rln_backend_ops *ops;
	char why[256];

	if (!have_io_uring())
		return;
	rln_fault_arm(RLN_FAULT_RING_SETUP, 0, 1, ENOMEM);
	g_assert_cmpint(choose(&ops, RLN_WANT_AUTO, why), ==, 0);
	g_assert_true(ops == &rln_backend_uring);
}

static void no_descriptors_is_an_error(void)
{
	static const int errors[] = { EMFILE, ENFILE };
	const struct rln_backend_ops *ops;
	char why[256];

	for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
		rln_fault_arm(RLN_FAULT_RING_SETUP, 0, 100, errors[i]);
		g_assert_cmpint(choose(&ops, RLN_WANT_AUTO, why), ==, -errors[i]);
	}
}

static void explicit_never_falls_back(void)
{
	const struct rln_backend_ops *ops;
	char why[256];

	for (size_t i = 0; i < G_N_ELEMENTS(fallback_errors); i++) {
		rln_fault_arm(RLN_FAULT_RING_SETUP, 0, 100, fallback_errors[i]);
		g_assert_cmpint(choose(&ops, RLN_WANT_IO_URING, why), ==, -fallback_errors[i]);
		g_assert_nonnull(strstr(logged->str, "3:io_uring was demanded"));
	}
}

/* A sandbox may let the ring be made and then refuse to use it: the self-test finds out. */
static void self_test_finds_surprises(void)
{
	const struct rln_backend_ops *ops;
	uint64_t enters;
	char why[256];

	if (!have_io_uring())
		return;
	rln_fault_arm(RLN_FAULT_RING_REGISTER, 0, 1, EACCES);
	g_assert_cmpint(choose(&ops, RLN_WANT_AUTO, why), ==, 0);
	g_assert_true(ops == &rln_backend_epoll);

	rln_fault_arm(RLN_FAULT_RING_ENTER, UINT32_MAX, 1, EPERM);
	g_assert_cmpint(rln_registry_choose(&ops, RLN_WANT_AUTO, &config, why, sizeof(why)), ==, 0);
	enters = rln_fault_passed(RLN_FAULT_RING_ENTER);
	g_assert_cmpuint(enters, >=, 3);
	for (uint32_t i = 0; i < enters; i++) {
		rln_fault_arm(RLN_FAULT_RING_ENTER, i, 1, EPERM);
		g_assert_cmpint(choose(&ops, RLN_WANT_AUTO, why), ==, 0);
		g_assert_true(ops == &rln_backend_epoll);
		g_assert_nonnull(strstr(why, "forbidden"));
	}
}

#else

static void without_io_uring(void)
{
	const struct rln_backend_ops *ops;
	char why[256];

	g_assert_cmpint(choose(&ops, RLN_WANT_AUTO, why), ==, 0);
	g_assert_true(ops == &rln_backend_epoll);
	g_assert_nonnull(strstr(logged->str, "4:"));
	g_assert_cmpint(choose(&ops, RLN_WANT_IO_URING, why), ==, -ENOSYS);
}

#endif

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	logged = g_string_new(NULL);
	rln_log_set(keep_line, NULL);
	g_test_add_func("/registry/epoll-is-what-it-says", epoll_is_what_it_says);
	g_test_add_func("/registry/config-beats-environment", config_beats_environment);
	g_test_add_func("/registry/environment-values", environment_values);
	g_test_add_func("/registry/disable-words", disable_words);
#ifdef RLN_HAVE_LIBURING
	g_test_add_func("/registry/auto-takes-io_uring", auto_takes_io_uring);
	g_test_add_func("/registry/auto-falls-back-aloud", auto_falls_back_aloud);
	g_test_add_func("/registry/memory-that-comes-back-is-waited-for", memory_that_comes_back_is_waited_for);
	g_test_add_func("/registry/no-descriptors-is-an-error", no_descriptors_is_an_error);
	g_test_add_func("/registry/explicit-never-falls-back", explicit_never_falls_back);
	g_test_add_func("/registry/self-test-finds-surprises", self_test_finds_surprises);
#else
	g_test_add_func("/registry/without-io_uring", without_io_uring);
#endif
	return g_test_run();
}
