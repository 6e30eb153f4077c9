/* SPDX-License-Identifier: MIT */
/* Connecting: to names, from addresses, with several attempts at once, of which one wins and none is left behind. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "support/conformance.h"

/* --- a resolver of the test's own --------------------------------------------------------------------------------- */

/* The library's calls come here: the names below are the test's, all others the C library's. */
struct fake {
	const char *host;
	const char *addresses[8];
	int error;
	unsigned int delay;                           /* microseconds */
};

static const struct fake fakes[] = {
	{ .host = "dead-then-alive", .addresses = { "127.0.0.2", "127.0.0.1" } },
	{ .host = "silent-then-alive", .addresses = { "192.0.2.1", "127.0.0.1" } },
	{ .host = "all-dead", .addresses = { "127.0.0.2", "127.0.0.3" } },
	{ .host = "mixed", .addresses = { "::1", "127.0.0.2", "127.0.0.1" } },
	{ .host = "nobody", .error = EAI_NONAME },
	{ .host = "servers-down", .error = EAI_AGAIN },
	{ .host = "memory", .error = EAI_MEMORY },
	{ .host = "slow", .addresses = { "127.0.0.1" }, .delay = 50000 },
};

static struct addrinfo *fake_entry(const char *address, const char *service)
{
	struct addrinfo *a = g_new0(struct addrinfo, 1);
	uint16_t port = htons((uint16_t)atoi(service));

	if (strchr(address, ':')) {
		struct sockaddr_in6 *in6 = g_new0(struct sockaddr_in6, 1);

		in6->sin6_family = AF_INET6;
		in6->sin6_port = port;
		g_assert_cmpint(inet_pton(AF_INET6, address, &in6->sin6_addr), ==, 1);
		a->ai_addr = (struct sockaddr *)in6;
		a->ai_addrlen = sizeof(*in6);
	} else {
		struct sockaddr_in *in = g_new0(struct sockaddr_in, 1);

		in->sin_family = AF_INET;
		in->sin_port = port;
		g_assert_cmpint(inet_pton(AF_INET, address, &in->sin_addr), ==, 1);
		a->ai_addr = (struct sockaddr *)in;
		a->ai_addrlen = sizeof(*in);
	}
	a->ai_family = a->ai_addr->sa_family;
	return a;
}

__attribute__((visibility("default"))) int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct addrinfo **tail = ret;
	unsigned int i;
	int k;

	(void)hints;
	*ret = NULL;
	for (i = 0; i < G_N_ELEMENTS(fakes); i++) {
		if (strcmp(fakes[i].host, host))
			continue;
		if (fakes[i].delay)
			g_usleep(fakes[i].delay);
		for (k = 0; fakes[i].addresses[k]; k++, tail = &(*tail)->ai_next)
			*tail = fake_entry(fakes[i].addresses[k], service);
		return fakes[i].error;
	}
	return EAI_NONAME;
}

__attribute__((visibility("default"))) void freeaddrinfo(struct addrinfo *list)
{
	while (list) {
		struct addrinfo *next = list->ai_next;

		g_free(list->ai_addr);
		g_free(list);
		list = next;
	}
}

/* --- names -------------------------------------------------------------------------------------------------------- */

struct there {
	int fd;
	char service[16];
};

static void listen_there(struct there *t)
{
	char address[RINGLINE_ADDRESS_SIZE];

	t->fd = conf_listen_raw(CONF_TCP, 10, address);
	g_strlcpy(t->service, strrchr(address, ':') + 1, sizeof(t->service));
}

/* Reaches the listener, over whichever address. */
static void reach(const struct there *t, const char *host, const struct ringline_connect_options *o)
{
	struct ringline_conn *c;
	char text[RINGLINE_ADDRESS_SIZE];
	int fd;

	CONF_OK(ringline_connect_host(&c, host, t->service, o));
	g_assert_cmpint(ringline_conn_peer(c, text, sizeof(text)), >, 0);
	g_assert_true(g_str_has_prefix(text, "tcp:127.0.0.1:"));
	fd = accept4(t->fd, NULL, NULL, SOCK_CLOEXEC);
	g_assert_cmpint(fd, >=, 0);
	close(fd);
	CONF_OK(ringline_conn_close(c));
}

static int names_main(void *arg)
{
	struct ringline_connect_options o = RINGLINE_CONNECT_OPTIONS_INIT;
	struct there t;

	(void)arg;
	listen_there(&t);
	reach(&t, "dead-then-alive", NULL);
	reach(&t, "mixed", NULL);
	o.attempt_delay = 5 * MSEC;
	reach(&t, "silent-then-alive", &o);           /* 192.0.2.0/24 answers nobody, or is unreachable at once */
	reach(&t, "slow", NULL);
	o.source = "tcp:127.0.0.9:0";
	reach(&t, "mixed", &o);
	close(t.fd);
	return 0;
}

static void test_names(void)
{
	CONF_OK(conf_run(names_main, NULL));
}

static int host_fails(const char *host, const char *service, const struct ringline_connect_options *o)
{
	struct ringline_conn *c = NULL;
	int r = ringline_connect_host(&c, host, service, o);

	g_assert_null(c);
	return r;
}

static int failures_main(void *arg)
{
	struct ringline_connect_options o = RINGLINE_CONNECT_OPTIONS_INIT;
	struct ringline_scope_options so = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	char *long_name = g_strnfill(2000, 'x');

	(void)arg;
	g_assert_cmpint(host_fails("nobody", "1", NULL), ==, -ENOENT);
	g_assert_cmpint(host_fails("servers-down", "1", NULL), ==, -EREMOTEIO);
	g_assert_cmpint(host_fails("memory", "1", NULL), ==, -ENOMEM);
	g_assert_cmpint(host_fails("all-dead", "1", NULL), ==, -ECONNREFUSED);
	g_assert_cmpint(host_fails("", "1", NULL), ==, -EINVAL);
	g_assert_cmpint(host_fails(NULL, "1", NULL), ==, -EINVAL);
	g_assert_cmpint(host_fails("x", NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(host_fails(long_name, "1", NULL), ==, -EINVAL);
	o.flags = 1u << 30;
	g_assert_cmpint(host_fails("all-dead", "1", &o), ==, -EINVAL);
	o.flags = 0;
	o.source = "tcp:[::1]:0";
	g_assert_cmpint(host_fails("all-dead", "1", &o), ==, -EAFNOSUPPORT);
	o.source = "nonsense";
	g_assert_cmpint(host_fails("all-dead", "1", &o), ==, -EINVAL);
	o.source = NULL;
	o.timeout = 10 * MSEC;
	g_assert_cmpint(host_fails("slow", "1", &o), ==, -ETIMEDOUT);     /* while the name is looked up */
	so.deadline = ringline_now() + 10 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &so));
	g_assert_cmpint(host_fails("slow", "1", NULL), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	CONF_OK(ringline_sleep(60 * MSEC));            /* the look-ups that were left end */
	g_free(long_name);
	return 0;
}

static void test_failures(void)
{
	CONF_OK(conf_run(failures_main, NULL));
}

/* --- sources ------------------------------------------------------------------------------------------------------ */

static int source_main(void *arg)
{
	struct ringline_connect_options o = RINGLINE_CONNECT_OPTIONS_INIT;
	char address[RINGLINE_ADDRESS_SIZE];
	char source[RINGLINE_ADDRESS_SIZE];
	char text[RINGLINE_ADDRESS_SIZE];
	struct ringline_conn *c = NULL;
	int fd = conf_listen_raw(CONF_TCP, 10, address);

	(void)arg;
	o.source = "tcp:127.0.0.7:0";
	o.flags = RINGLINE_CONNECT_FASTOPEN;
	CONF_OK(ringline_connect(&c, address, &o));
	g_assert_cmpint(ringline_conn_local(c, text, sizeof(text)), >, 0);
	g_assert_true(g_str_has_prefix(text, "tcp:127.0.0.7:"));
	CONF_OK(ringline_conn_close(c));
	o.source = "unix:@nobody";
	g_assert_cmpint(ringline_connect(&c, address, &o), ==, -EINVAL);
	o.source = "tcp:192.0.2.77:0";
	g_assert_cmpint(ringline_connect(&c, address, &o), ==, -EADDRNOTAVAIL);
	close(fd);
	fd = conf_listen_raw(CONF_UNIX, 10, address);
	o.source = conf_address(CONF_UNIX, source);
	o.flags = 0;
	CONF_OK(ringline_connect(&c, address, &o));
	g_assert_cmpint(ringline_conn_local(c, text, sizeof(text)), >, 0);
	g_assert_cmpstr(text, ==, source);
	CONF_OK(ringline_conn_close(c));
	close(fd);
	return 0;
}

static void test_source(void)
{
	CONF_OK(conf_run(source_main, NULL));
}

static void add(void)
{
	conf_add("/connect/names", test_names);
	conf_add("/connect/failures", test_failures);
	conf_add("/connect/source", test_source);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "connect", add);
}
