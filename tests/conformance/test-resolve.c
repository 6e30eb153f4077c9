/* SPDX-License-Identifier: MIT */
/*
 * Looking names up: what is found is what the C library finds, what nobody waits for is given up at once, and what is asked
 * twice is asked once.
 *
 * Names that end in ".fake" are the test's: they are answered by the functions below, which count and can be held up. All
 * others go to the C library, in a network of the test's own where there is a server to ask.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/conformance.h"
#include "support/nameserver.h"

/* --- a resolver of the test's own --------------------------------------------------------------------------------- */

#define EXPORTED __attribute__((visibility("default")))
#define MINE     0x5eed                           /* ai_flags of what is ours to free */
#define MANY     40

static const struct fake {
	const char *host;
	int code;
	int error;                                    /* errno */
} fakes[] = {
	{ "again.fake", EAI_AGAIN, 0 },       { "fail.fake", EAI_FAIL, 0 },         { "none.fake", EAI_NONAME, 0 },
	{ "no-data.fake", EAI_NODATA, 0 },    { "memory.fake", EAI_MEMORY, 0 },     { "system.fake", EAI_SYSTEM, EMFILE },
	{ "service.fake", EAI_SERVICE, 0 },   { "flags.fake", EAI_BADFLAGS, 0 },    { "family.fake", EAI_FAMILY, 0 },
	{ "type.fake", EAI_SOCKTYPE, 0 },     { "address.fake", EAI_ADDRFAMILY, 0 }, { "overflow.fake", EAI_OVERFLOW, 0 },
};

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int calls;                         /* of names of ours */
static _Atomic int inside;                        /* that wait at the gate */

static struct addrinfo *entry_new(unsigned int i)
{
	struct addrinfo *a = g_new0(struct addrinfo, 1);
	struct sockaddr_in *in = g_new0(struct sockaddr_in, 1);

	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)(1000 + i));
	in->sin_addr.s_addr = htonl(0xc0000200 + i);
	a->ai_flags = MINE;
	a->ai_family = AF_INET;
	a->ai_socktype = i % 2 ? SOCK_DGRAM : SOCK_STREAM;
	a->ai_protocol = i % 2 ? IPPROTO_UDP : IPPROTO_TCP;
	a->ai_addr = (struct sockaddr *)in;
	a->ai_addrlen = sizeof(*in);
	return a;
}

static int answer(const char *host, struct addrinfo **ret)
{
	unsigned int n = g_str_has_prefix(host, "many") ? MANY : 1;
	size_t k;
	unsigned int i;

	calls++;
	if (g_str_has_prefix(host, "gate")) {
		inside++;
		pthread_mutex_lock(&gate);
		pthread_mutex_unlock(&gate);
		inside--;
	}
	for (k = 0; k < G_N_ELEMENTS(fakes); k++)
		if (!strcmp(fakes[k].host, host)) {
			errno = fakes[k].error;
			return fakes[k].code;
		}
	*ret = NULL;
	for (i = 0; i < n; i++, ret = &(*ret)->ai_next)
		*ret = entry_new(i);
	return 0;
}

EXPORTED int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (host && g_str_has_suffix(host, ".fake"))
		return answer(host, ret);
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(host, service, hints, ret);
}

EXPORTED void freeaddrinfo(struct addrinfo *list)
{
	void (*real)(struct addrinfo *);

	if (list && list->ai_flags != MINE) {
		*(void **)&real = dlsym(RTLD_NEXT, "freeaddrinfo");
		real(list);
		return;
	}
	while (list) {
		struct addrinfo *next = list->ai_next;

		g_free(list->ai_addr);
		g_free(list);
		list = next;
	}
}

/* --- helpers ------------------------------------------------------------------------------------------------------ */

static struct ringline_blocking_stats dns(void)
{
	struct ringline_blocking_stats s = RINGLINE_BLOCKING_STATS_INIT;

	CONF_OK(ringline_blocking_stats(NULL, RINGLINE_BLOCKING_DNS, &s));
	return s;
}

static struct ringline_lookup *resolve(const char *host)
{
	struct ringline_lookup *found;

	CONF_OK(ringline_resolve(&found, host, "80", NULL));
	g_assert_cmpuint(ringline_lookup_count(found), >=, 1);
	return found;
}

/* One lookup that is freed at once. */
static int look(const char *host, const struct ringline_resolve_options *o)
{
	struct ringline_lookup *found;
	int r = ringline_resolve(&found, host, "80", o);

	if (r == 0)
		ringline_lookup_free(found);
	return r;
}

/* Held lookups go on, and those that nobody waits for come to an end. */
static void open_gate(void)
{
	pthread_mutex_unlock(&gate);
	CONF_UNTIL(!dns().stuck && !dns().running);
}

static void run(int (*fn)(void *arg))
{
	calls = 0;
	CONF_OK(conf_run(fn, NULL));
}

static void run_with_one_thread(int (*fn)(void *arg))
{
	struct ringline_config c;

	calls = 0;
	conf_config(&c);
	c.blocking_dns_threads = 1;
	CONF_OK(conf_run_with(&c, fn, NULL));
}

/* --- results ------------------------------------------------------------------------------------------------------ */

static int all_main(void *arg)
{
	struct ringline_lookup_entry e = RINGLINE_LOOKUP_ENTRY_INIT;
	struct ringline_lookup *found = resolve("many.fake");
	unsigned int i;

	(void)arg;
	g_assert_cmpuint(ringline_lookup_count(found), ==, MANY);
	for (i = 0; i < MANY; i++) {
		CONF_OK(ringline_lookup_entry(found, i, &e));
		g_assert_cmpint(e.family, ==, AF_INET);
		g_assert_cmpint(e.type, ==, i % 2 ? SOCK_DGRAM : SOCK_STREAM);
		g_assert_cmpint(e.protocol, ==, i % 2 ? IPPROTO_UDP : IPPROTO_TCP);
		g_assert_cmpuint(e.address.length, ==, sizeof(struct sockaddr_in));
		g_assert_cmpuint(ntohs(e.address.address.in.sin_port), ==, 1000 + i);
		g_assert_cmpuint(ntohl(e.address.address.in.sin_addr.s_addr), ==, 0xc0000200 + i);
	}
	g_assert_cmpint(ringline_lookup_entry(found, MANY, &e), ==, -ERANGE);
	g_assert_null(ringline_lookup_host(found));
	g_assert_null(ringline_lookup_service(found));
	ringline_lookup_free(found);
	g_assert_cmpuint(conf_stats(NULL).lookups, ==, 1);
	return 0;
}

static void test_all(void)
{
	run(all_main);
}

static const struct {
	const char *host;
	int result;
	int code;
} errors[] = {
	{ "one.fake", 0, 0 },
	{ "none.fake", -ENOENT, EAI_NONAME },
	{ "no-data.fake", -ENOENT, EAI_NODATA },
	{ "address.fake", -ENOENT, EAI_ADDRFAMILY },
	{ "again.fake", -EREMOTEIO, EAI_AGAIN },
	{ "fail.fake", -EREMOTEIO, EAI_FAIL },
	{ "memory.fake", -ENOMEM, EAI_MEMORY },
	{ "system.fake", -EMFILE, EAI_SYSTEM },
	{ "service.fake", -EINVAL, EAI_SERVICE },
	{ "flags.fake", -EINVAL, EAI_BADFLAGS },
	{ "family.fake", -EINVAL, EAI_FAMILY },
	{ "type.fake", -EINVAL, EAI_SOCKTYPE },
	{ "overflow.fake", -ENAMETOOLONG, EAI_OVERFLOW },
};

static int errors_main(void *arg)
{
	struct ringline_resolve_options o = RINGLINE_RESOLVE_OPTIONS_INIT;
	struct ringline_lookup *found;
	struct ringline_op *op;
	int32_t code;
	size_t i;

	(void)arg;
	o.code = &code;
	for (i = 0; i < G_N_ELEMENTS(errors); i++) {
		code = 1;
		g_assert_cmpint(look(errors[i].host, &o), ==, errors[i].result);
		g_assert_cmpint(code, ==, errors[i].code);
		code = 1;
		CONF_OK(ringline_resolve_begin(&op, &found, errors[i].host, NULL, &o));
		g_assert_cmpint(ringline_op_await(op), ==, errors[i].result);
		g_assert_cmpint(code, ==, errors[i].code);
		if (errors[i].result == 0)
			ringline_lookup_free(found);
	}
	return 0;
}

static void test_errors(void)
{
	run(errors_main);
}

static int numbers_main(void *arg)
{
	static const char *const hosts[] = { "127.0.0.1", "::1", NULL };
	struct ringline_lookup_entry e = RINGLINE_LOOKUP_ENTRY_INIT;
	struct ringline_resolve_options o = RINGLINE_RESOLVE_OPTIONS_INIT;
	struct ringline_lookup *found;
	struct ringline_op *op;
	size_t i;

	(void)arg;
	pthread_mutex_lock(&gate);
	CONF_OK(ringline_resolve_begin(&op, &found, "gate.fake", NULL, NULL));
	CONF_UNTIL(inside == 1);
	for (i = 0; i < G_N_ELEMENTS(hosts); i++) {
		struct ringline_lookup *number;

		o.family = hosts[i] ? AF_UNSPEC : AF_INET6;
		o.type = SOCK_STREAM;
		CONF_OK(ringline_resolve(&number, hosts[i], "7", &o));
		g_assert_cmpuint(ringline_lookup_count(number), ==, 1);
		CONF_OK(ringline_lookup_entry(number, 0, &e));
		g_assert_cmpint(e.family, ==, i ? AF_INET6 : AF_INET);
		g_assert_cmpint(ntohs(e.address.address.in.sin_port), ==, 7);
		ringline_lookup_free(number);
	}
	o.family = AF_INET6;
	g_assert_cmpint(look("127.0.0.1", &o), ==, -ENOENT);
	g_assert_cmpuint(dns().submitted, ==, 1);
	open_gate();
	CONF_OK(ringline_op_await(op));
	ringline_lookup_free(found);
	return 0;
}

/* All threads are busy, and nobody waits for them. */
static void test_numbers(void)
{
	run_with_one_thread(numbers_main);
}

/* --- merging and keeping ------------------------------------------------------------------------------------------ */

static struct ringline_lookup *shared[10];

static int join(void *arg)
{
	size_t *i = arg;

	shared[(*i)++] = resolve("gate.fake");
	return 0;
}

static int cut_one(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;

	(void)arg;
	o.deadline = ringline_now() + MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(look("gate.fake", NULL), ==, -ETIME);
	ringline_scope_close(scope);
	return 0;
}

static int merged_main(void *arg)
{
	struct ringline_resolve_options o = RINGLINE_RESOLVE_OPTIONS_INIT;
	struct ringline_lookup *found;
	struct ringline_scope *scope;
	struct ringline_op *op[2];
	size_t n = 0;
	size_t i;

	(void)arg;
	pthread_mutex_lock(&gate);
	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < G_N_ELEMENTS(shared); i++)
		CONF_OK(ringline_scope_spawn(scope, join, &n));
	CONF_UNTIL(inside == 1);
	CONF_OK(cut_one(NULL));
	g_assert_cmpuint(dns().stuck, ==, 0);         /* the others go on waiting */
	CONF_OK(ringline_resolve_begin(&op[0], &found, "gate.fake", "80", NULL));
	CONF_OK(ringline_op_cancel(op[0]));
	g_assert_cmpint(ringline_op_await(op[0]), ==, -ECANCELED);
	g_assert_cmpuint(conf_stats(NULL).lookups_merged, ==, 11);
	o.family = AF_INET;                           /* another question */
	CONF_OK(ringline_resolve_begin(&op[0], &found, "gate.fake", "80", &o));
	o.family = AF_UNSPEC;
	o.flags = RINGLINE_LOOKUP_FRESH;
	CONF_OK(ringline_resolve_begin(&op[1], &found, "gate.fake", "80", &o));
	CONF_UNTIL(inside == 3);
	open_gate();
	for (i = 0; i < 2; i++) {
		CONF_OK(ringline_op_await(op[i]));
		ringline_lookup_free(found);
	}
	CONF_OK(ringline_scope_close(scope));
	for (i = 0; i < n; i++) {
		g_assert_true(shared[i] == shared[0]);
		ringline_lookup_free(shared[i]);
	}
	g_assert_cmpint(calls, ==, 3);
	g_assert_cmpuint(conf_stats(NULL).lookups, ==, 14);
	g_assert_cmpuint(conf_stats(NULL).lookups_merged, ==, 11);
	return 0;
}

static void test_merged(void)
{
	run(merged_main);
}

/* Looks up, and tells how many calls of the resolver that took. */
static int calls_of(const char *host, const struct ringline_resolve_options *o)
{
	int before = calls;

	CONF_OK(look(host, o));
	return calls - before;
}

static int kept_main(void *arg)
{
	struct ringline_resolve_options o = RINGLINE_RESOLVE_OPTIONS_INIT;

	(void)arg;
	g_assert_cmpint(calls_of("a.fake", NULL), ==, 1);
	g_assert_cmpint(calls_of("a.fake", NULL), ==, 0);
	g_assert_cmpint(calls_of("b.fake", NULL), ==, 1);
	g_assert_cmpint(calls_of("c.fake", NULL), ==, 1);         /* a is the oldest of three, and there is room for two */
	g_assert_cmpint(calls_of("b.fake", NULL), ==, 0);
	g_assert_cmpint(calls_of("c.fake", NULL), ==, 0);
	g_assert_cmpint(calls_of("a.fake", NULL), ==, 1);
	o.flags = RINGLINE_LOOKUP_FRESH;
	g_assert_cmpint(calls_of("c.fake", &o), ==, 1);
	g_assert_cmpint(calls_of("c.fake", NULL), ==, 0);
	g_assert_cmpint(look("none.fake", NULL), ==, -ENOENT);
	g_assert_cmpint(look("none.fake", NULL), ==, -ENOENT);
	g_assert_cmpint(calls, ==, 7);                            /* failures are not kept */
	g_assert_cmpuint(conf_stats(NULL).lookups_cached, ==, 4);
	return 0;
}

static void test_kept(void)
{
	struct ringline_config c;

	calls = 0;
	conf_config(&c);
	c.lookup_cache = 2;
	c.lookup_cache_time = 1000 * SEC;
	CONF_OK(conf_run_with(&c, kept_main, NULL));
	c.lookup_cache = 65537;
	g_assert_cmpint(conf_run_with(&c, kept_main, NULL), ==, -EINVAL);
}

static int expired_main(void *arg)
{
	uint64_t since;

	(void)arg;
	g_assert_cmpint(calls_of("a.fake", NULL), ==, 1);
	since = ringline_now();
	CONF_OK(ringline_sleep(20 * MSEC));
	g_assert_cmpuint(ringline_now(), >, since + 10 * MSEC);
	g_assert_cmpint(calls_of("a.fake", NULL), ==, 1);
	g_assert_cmpuint(conf_stats(NULL).lookups_cached, ==, 0);
	return 0;
}

static void test_expired(void)
{
	struct ringline_config c;

	calls = 0;
	conf_config(&c);
	c.lookup_cache = 2;
	c.lookup_cache_time = 10 * MSEC;
	CONF_OK(conf_run_with(&c, expired_main, NULL));
}

static int not_kept_main(void *arg)
{
	(void)arg;
	g_assert_cmpint(calls_of("a.fake", NULL), ==, 1);
	g_assert_cmpint(calls_of("a.fake", NULL), ==, 1);
	return 0;
}

static void test_not_kept(void)
{
	run(not_kept_main);
}

/* One that is asked for, and one that was kept. */
static int ask_twice(void *arg)
{
	ringline_lookup_free(resolve(arg));
	ringline_lookup_free(resolve(arg));
	return 0;
}

static struct ringline_runtime *shared_rt;

static void *call_other(void *arg)
{
	CONF_OK(conf_call(shared_rt, 1, ask_twice, arg));
	return NULL;
}

static void test_workers(void)
{
	struct ringline_config c;
	pthread_t thread;

	calls = 0;
	conf_config(&c);
	c.lookup_cache = 2;
	c.lookup_cache_time = 1000 * SEC;
	shared_rt = conf_serve(&c, 2, NULL, NULL, NULL, NULL);
	pthread_mutex_lock(&gate);
	CONF_OK(pthread_create(&thread, NULL, call_other, (void *)"gate.fake"));
	CONF_UNTIL(inside == 1);
	pthread_mutex_unlock(&gate);
	CONF_OK(pthread_join(thread, NULL));
	g_assert_cmpint(calls, ==, 1);
	CONF_OK(conf_call(shared_rt, 0, ask_twice, (void *)"gate.fake"));     /* what the other knows it does not */
	g_assert_cmpint(calls, ==, 2);
	g_assert_cmpuint(conf_stats(shared_rt).lookups_cached, ==, 2);
	CONF_OK(conf_stop(shared_rt));
}

/* --- giving up ---------------------------------------------------------------------------------------------------- */

static int cut_main(void *arg)
{
	struct ringline_lookup *found;
	struct ringline_op *queued;
	struct ringline_op *running;
	struct ringline_scope *scope;

	(void)arg;
	pthread_mutex_lock(&gate);
	CONF_OK(ringline_resolve_begin(&running, &found, "gate1.fake", NULL, NULL));
	CONF_UNTIL(inside == 1);
	CONF_OK(ringline_resolve_begin(&queued, &found, "gate2.fake", NULL, NULL));
	CONF_OK(cut_one(NULL));                       /* one that is queued, by its deadline */
	CONF_OK(ringline_op_cancel(queued));
	g_assert_cmpint(ringline_op_result(queued), ==, -ECANCELED);
	g_assert_cmpuint(dns().stuck, ==, 0);
	CONF_OK(ringline_op_cancel(running));
	g_assert_cmpint(ringline_op_result(running), ==, -ECANCELED);
	g_assert_cmpuint(dns().stuck, ==, 1);
	g_assert_cmpuint(dns().abandoned, ==, 1);
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_resolve_begin(&running, &found, "gate1.fake", NULL, NULL));   /* does not join what is stuck */
	CONF_UNTIL(inside == 2);
	CONF_OK(ringline_scope_close(scope));         /* abandons it */
	g_assert_cmpuint(dns().stuck, ==, 2);
	g_assert_cmpuint(dns().grown, >=, 1);
	open_gate();
	return 0;
}

static void test_cut(void)
{
	run_with_one_thread(cut_main);
}

static int disposed_main(void *arg)
{
	struct ringline_lookup *found;
	struct ringline_scope *scope;
	struct ringline_op *op[3];
	size_t i;

	(void)arg;
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_resolve_begin(&op[0], &found, "one.fake", NULL, NULL));
	CONF_OK(ringline_resolve_begin(&op[1], &found, "none.fake", NULL, NULL));
	CONF_OK(ringline_resolve_begin(&op[2], &found, "127.0.0.1", "80", NULL));
	CONF_UNTIL(dns().completed == 2);
	for (i = 0; i < 3; i++)
		CONF_OK(ringline_yield());
	CONF_OK(ringline_scope_close(scope));
	return 0;
}

static void test_disposed(void)
{
	run(disposed_main);
}

static int limits_main(void *arg)
{
	struct ringline_lookup *found;
	struct ringline_op *op[4];
	size_t i;

	(void)arg;
	pthread_mutex_lock(&gate);
	CONF_OK(ringline_resolve_begin(&op[0], &found, "gate1.fake", NULL, NULL));
	CONF_UNTIL(inside == 1);
	CONF_OK(ringline_resolve_begin(&op[1], &found, "gate2.fake", NULL, NULL));
	g_assert_cmpint(ringline_resolve_begin(&op[2], &found, "gate3.fake", NULL, NULL), ==, -EAGAIN);
	CONF_OK(ringline_resolve_begin(&op[2], &found, "gate2.fake", NULL, NULL));     /* joins: no room is needed */
	CONF_OK(ringline_resolve_begin(&op[3], &found, "127.0.0.1", NULL, NULL));      /* nor here */
	open_gate();
	for (i = 0; i < 4; i++) {
		CONF_OK(ringline_op_await(op[i]));
		ringline_lookup_free(found);
	}
	return 0;
}

static void test_limits(void)
{
	struct ringline_config c;

	conf_config(&c);
	c.blocking_dns_threads = 1;
	c.blocking_queue = 1;
	CONF_OK(conf_run_with(&c, limits_main, NULL));
}

/* --- who may ask what --------------------------------------------------------------------------------------------- */

static int stackless(void *arg)
{
	struct ringline_lookup *found;

	(void)arg;
	g_assert_cmpint(ringline_resolve(&found, "one.fake", NULL, NULL), ==, -EDEADLK);
	return 0;
}

static int refused_main(void *arg)
{
	struct ringline_task_options how = RINGLINE_TASK_OPTIONS_INIT;
	struct ringline_resolve_options o = RINGLINE_RESOLVE_OPTIONS_INIT;
	struct ringline_sockaddr none = { .length = 0 };
	struct ringline_lookup_entry e = RINGLINE_LOOKUP_ENTRY_INIT;
	g_autofree char *longest = g_strnfill(1025, 'a');
	struct ringline_lookup *found;
	struct ringline_task *t;
	struct ringline_op *op;

	(void)arg;
	g_assert_cmpint(ringline_resolve(NULL, "one.fake", NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_resolve(&found, NULL, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_resolve(&found, longest, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_resolve_begin(NULL, &found, "one.fake", NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_resolve_begin(&op, NULL, "one.fake", NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_resolve_reverse(&found, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_resolve_reverse(&found, &none, NULL), ==, -EINVAL);
	o.flags = 1u << 31;
	g_assert_cmpint(look("one.fake", &o), ==, -EINVAL);
	o.flags = 0;
	o.reserved = 1;
	g_assert_cmpint(look("one.fake", &o), ==, -EINVAL);
	g_assert_cmpint(ringline_lookup_entry(NULL, 0, &e), ==, -EINVAL);
	g_assert_cmpuint(ringline_lookup_count(NULL), ==, 0);
	g_assert_null(ringline_lookup_host(NULL));
	ringline_lookup_free(NULL);
	how.flags = RINGLINE_TASK_STACKLESS;
	CONF_OK(ringline_task_start(&t, stackless, NULL, &how));
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(calls, ==, 0);
	return 0;
}

static void test_refused(void)
{
	struct ringline_lookup *found;
	struct ringline_op *op;

	run(refused_main);
	conf_log_allow("ringline_resolve");
	g_assert_cmpint(ringline_resolve(&found, "one.fake", NULL, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_resolve_begin(&op, &found, "one.fake", NULL, NULL), ==, -EPERM);
}

/* --- in a network of the test's own ------------------------------------------------------------------------------- */

/* What `getent ahosts` asks for. */
#define GETENT_FLAGS (AI_V4MAPPED | AI_ADDRCONFIG | AI_CANONNAME | AI_IDN | AI_CANONIDN)

static const char *const table[] = {
	"localhost", "in-hosts", "second-name", "both", "127.0.0.1", "::1", "192.0.2.77", "127.1", "many.example.test", "many",
	"only4", "only6", "alias", "alias.example.test", "fe80::1%lo", "::ffff:192.0.2.1", "0x7f.1", "LOCALHOST", "many.example.test.",
	"nothing", "nothing.elsewhere", "fe80::1%nowhere", "a..b", "1.2.3.4.5",
};

static char *as_getent(const struct ringline_lookup *found)
{
	static const char *const types[] = { [SOCK_STREAM] = "STREAM", [SOCK_DGRAM] = "DGRAM", [SOCK_RAW] = "RAW" };
	struct ringline_lookup_entry e = RINGLINE_LOOKUP_ENTRY_INIT;
	GString *text = g_string_new(NULL);
	size_t i;

	for (i = 0; ringline_lookup_entry(found, i, &e) == 0; i++) {
		char address[INET6_ADDRSTRLEN];
		const void *from = e.family == AF_INET ? (const void *)&e.address.address.in.sin_addr :
		                                         (const void *)&e.address.address.in6.sin6_addr;

		g_assert_nonnull(inet_ntop(e.family, from, address, sizeof(address)));
		g_string_append(text, address);
		if (e.family == AF_INET6 && e.address.address.in6.sin6_scope_id)
			g_string_append_printf(text, "%%%u", e.address.address.in6.sin6_scope_id);
		g_string_append_printf(text, " %s %s\n", types[e.type], i ? "" : ringline_lookup_host(found));
	}
	return g_string_free(text, FALSE);
}

/* The columns have blanks between them, as many as somebody liked. */
static void squeeze(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (*text != ' ' || text[1] != ' ')
			*to++ = *text;
	*to = 0;
}

static int compare(void *arg)
{
	struct ringline_resolve_options o = RINGLINE_RESOLVE_OPTIONS_INIT;
	const char *host = arg;
	const char *argv[] = { "getent", "ahosts", host, NULL };
	struct ringline_lookup *found = NULL;
	g_autofree char *said = NULL;
	g_autofree char *mine = NULL;
	int r;

	o.how = GETENT_FLAGS;
	r = ringline_resolve(&found, host, NULL, &o);
	g_assert_true(r == 0 || r == -ENOENT);
	mine = r == 0 ? as_getent(found) : g_strdup("");
	ringline_lookup_free(found);
	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &said, NULL, NULL, NULL));
	squeeze(said);
	g_assert_cmpstr(mine, ==, said);
	return r == 0;
}

static int table_main(void *arg)
{
	unsigned int found = 0;
	size_t i;

	(void)arg;
	for (i = 0; i < G_N_ELEMENTS(table); i++)
		found += (unsigned int)compare((void *)table[i]);
	g_assert_cmpuint(found, ==, G_N_ELEMENTS(table) - 5);
	return 0;
}

/* What the table's tool does not ask for. */
static int flags_main(void *arg)
{
	struct ringline_lookup_entry e = RINGLINE_LOOKUP_ENTRY_INIT;
	struct ringline_resolve_options o = RINGLINE_RESOLVE_OPTIONS_INIT;
	struct ringline_lookup *found;

	(void)arg;
	o.type = SOCK_STREAM;
	CONF_OK(ringline_resolve(&found, "fe80::1%lo", "80", &o));
	CONF_OK(ringline_lookup_entry(found, 0, &e));
	g_assert_cmpuint(e.address.address.in6.sin6_scope_id, ==, if_nametoindex("lo"));
	ringline_lookup_free(found);
	o.how = AI_NUMERICHOST;
	g_assert_cmpint(look("localhost", &o), ==, -ENOENT);
	CONF_OK(look("127.0.0.1", &o));
	o.how = AI_NUMERICSERV;
	g_assert_cmpint(ringline_resolve(&found, "localhost", "http", &o), ==, -ENOENT);
	o.how = AI_PASSIVE;
	o.family = AF_INET;
	CONF_OK(ringline_resolve(&found, NULL, "80", &o));
	CONF_OK(ringline_lookup_entry(found, 0, &e));
	g_assert_cmpuint(e.address.address.in.sin_addr.s_addr, ==, INADDR_ANY);
	ringline_lookup_free(found);
	o.how = AI_V4MAPPED;
	o.family = AF_INET6;
	CONF_OK(ringline_resolve(&found, "only4", "80", &o));
	CONF_OK(ringline_lookup_entry(found, 0, &e));
	g_assert_true(IN6_IS_ADDR_V4MAPPED(&e.address.address.in6.sin6_addr));
	ringline_lookup_free(found);
	o.how = 1 << 30;
	g_assert_cmpint(look("localhost", &o), ==, -EINVAL);
	return 0;
}

static void in_network(int (*fn)(void *arg))
{
	int r;

	if (!nameserver_enter())
		conf_fork_skip("network of our own");
	r = conf_run(fn, NULL);
	if (r != -EPERM || conf_is("epoll"))
		CONF_OK(r);
	fflush(NULL);
	exit(0);                                      /* as a daemon does, whatever its lookups are at */
}

static void run_table(const void *arg)
{
	(void)arg;
	in_network(table_main);
}

static void run_flags(const void *arg)
{
	(void)arg;
	in_network(flags_main);
}

static void test_flags(void)
{
	conf_fork(run_flags, NULL);
}

static void test_table(void)
{
	conf_fork(run_table, NULL);
}

static int services_main(void *arg)
{
	struct ringline_lookup_entry e = RINGLINE_LOOKUP_ENTRY_INIT;
	struct ringline_resolve_options o = RINGLINE_RESOLVE_OPTIONS_INIT;
	struct ringline_lookup *found;
	struct ringline_lookup *back;
	struct ringline_op *op;
	int32_t code = 0;

	(void)arg;
	o.type = SOCK_STREAM;
	o.code = &code;
	CONF_OK(ringline_resolve(&found, "many.example.test", "https", &o));
	g_assert_cmpuint(ringline_lookup_count(found), ==, 5);
	CONF_OK(ringline_lookup_entry(found, 0, &e));
	g_assert_cmpint(ntohs(e.address.address.in.sin_port), ==, 443);
	ringline_lookup_free(found);
	g_assert_cmpint(ringline_resolve(&found, "many.example.test", "no-such-service", &o), ==, -EINVAL);
	g_assert_cmpint(code, ==, EAI_SERVICE);
	g_assert_cmpint(ringline_resolve(&found, "fail", "80", &o), ==, -EREMOTEIO);
	g_assert_cmpint(code, ==, EAI_AGAIN);
	o.family = AF_INET;
	CONF_OK(ringline_resolve(&found, "many", "https", &o));
	g_assert_cmpuint(ringline_lookup_count(found), ==, 3);
	ringline_lookup_free(found);

	CONF_OK(ringline_sockaddr_parse(&e.address, "udp:192.0.2.1:443"));
	CONF_OK(ringline_resolve_reverse(&back, &e.address, NULL));
	g_assert_cmpstr(ringline_lookup_host(back), ==, "many.example.test");
	g_assert_cmpstr(ringline_lookup_service(back), ==, "https");
	g_assert_cmpuint(ringline_lookup_count(back), ==, 0);
	ringline_lookup_free(back);
	CONF_OK(ringline_sockaddr_parse(&e.address, "udp:192.0.2.9:1"));
	CONF_OK(ringline_resolve_reverse_begin(&op, &back, &e.address, NULL));
	CONF_OK(ringline_op_await(op));
	g_assert_cmpstr(ringline_lookup_host(back), ==, "in-hosts");
	ringline_lookup_free(back);
	CONF_OK(ringline_sockaddr_parse(&e.address, "udp:[2001:db8::99]:99"));
	o.how = NI_NAMEREQD;
	g_assert_cmpint(ringline_resolve_reverse(&back, &e.address, &o), ==, -ENOENT);
	g_assert_cmpint(code, ==, EAI_NONAME);
	o.how = NI_NUMERICHOST | NI_NUMERICSERV;
	CONF_OK(ringline_resolve_reverse(&back, &e.address, &o));
	g_assert_cmpstr(ringline_lookup_host(back), ==, "2001:db8::99");
	g_assert_cmpstr(ringline_lookup_service(back), ==, "99");
	ringline_lookup_free(back);
	return 0;
}

static void run_services(const void *arg)
{
	(void)arg;
	in_network(services_main);
}

static void test_services(void)
{
	conf_fork(run_services, NULL);
}

#define LOOKUPS 1000

static int fall_into_hole(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	unsigned int *next = arg;
	g_autofree char *host = g_strdup_printf("hole%u.example.test", *next);

	o.deadline = ringline_now() + 50 * MSEC + *next * (MSEC / 10);
	(*next)++;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(look(host, NULL), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	return 0;
}

/* The server is waited for 300 seconds each time, by threads whose number does not follow that of the lookups. */
static int black_hole_main(void *arg)
{
	struct ringline_scope *scope;
	unsigned int next = 0;
	unsigned int i;

	(void)arg;
	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < LOOKUPS; i++)
		CONF_OK(ringline_scope_spawn(scope, fall_into_hole, &next));
	CONF_OK(ringline_scope_close(scope));
	g_assert_cmpuint(dns().abandoned, >, 0);
	g_assert_cmpuint(dns().abandoned, <, 64);
	g_assert_cmpuint(dns().stuck, ==, dns().abandoned);
	g_assert_cmpuint(dns().cancelled, ==, LOOKUPS - dns().abandoned);
	g_assert_cmpuint(dns().threads_peak, <=, 8 + 256);
	CONF_OK(look("many", NULL));                  /* one more thread */
	g_assert_cmpuint(nameserver_asked("hole"), >, 0);
	return 0;
}

static void run_black_hole(const void *arg)
{
	(void)arg;
	in_network(black_hole_main);
}

static void test_black_hole(void)
{
	gint64 began = g_get_monotonic_time();

	conf_fork(run_black_hole, NULL);
	g_test_message("%d lookups at their deadlines and the end of the process: %" G_GINT64_FORMAT " ms", LOOKUPS,
	               (g_get_monotonic_time() - began) / 1000);
}

static void add(void)
{
	conf_add("/resolve/all-addresses-in-order", test_all);
	conf_add("/resolve/errors-and-codes", test_errors);
	conf_add("/resolve/numbers-wait-for-nobody", test_numbers);
	conf_add("/resolve/equal-ones-are-merged", test_merged);
	conf_add("/resolve/kept-for-a-while", test_kept);
	conf_add("/resolve/forgotten-after-a-while", test_expired);
	conf_add("/resolve/nothing-is-kept-unasked", test_not_kept);
	conf_add("/resolve/workers-ask-for-themselves", test_workers);
	conf_add("/resolve/cut-at-once", test_cut);
	conf_add("/resolve/what-nobody-takes-is-freed", test_disposed);
	conf_add("/resolve/limits", test_limits);
	conf_add("/resolve/refused", test_refused);
	conf_add("/resolve/as-getent", test_table);
	conf_add("/resolve/flags-and-scopes", test_flags);
	conf_add("/resolve/services-and-names-of-addresses", test_services);
	conf_add("/resolve/black-hole", test_black_hole);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "resolve", add);
}
