/* SPDX-License-Identifier: MIT */
/*
 * sd-bus, which was written for another loop: a service and its clients as tasks, on a bus daemon of their own.
 *
 * Each connection to the bus is driven by one task, the way sd_bus_process(3) asks for: process until there is nothing to do,
 * then wait for the descriptor with the events it names, until the time it names. A client's call is asynchronous, and its
 * answer sets an event.
 */
#include <gio/gio.h>
#include <poll.h>
#include <systemd/sd-bus.h>

#include "support/conformance.h"

#define NAME    "org.ringline.Test"
#define PATH    "/org/ringline/Test"
#define CLIENTS 5
#define CALLS   40

struct bus {
	sd_bus *bus;
	struct ringline_fd_watch *watch;
	struct ringline_event *stop;
	int fd;
};

static const char *address;

static int bus_open(struct bus *b)
{
	g_assert_cmpint(sd_bus_new(&b->bus), >=, 0);
	g_assert_cmpint(sd_bus_set_address(b->bus, address), >=, 0);
	g_assert_cmpint(sd_bus_set_bus_client(b->bus, true), >=, 0);
	g_assert_cmpint(sd_bus_start(b->bus), >=, 0);
	b->fd = sd_bus_get_fd(b->bus);
	g_assert_cmpint(b->fd, >=, 0);
	CONF_OK(ringline_event_new(&b->stop, NULL));
	CONF_OK(ringline_fd_watch_new(&b->watch, b->fd, POLLIN));
	return 0;
}

static void bus_close(struct bus *b)
{
	CONF_OK(ringline_fd_watch_free(b->watch));
	CONF_OK(ringline_event_free(b->stop));
	sd_bus_flush_close_unref(b->bus);
}

/* What sd-bus waits for. sd_bus_get_timeout() is absolute CLOCK_MONOTONIC in microseconds, as our deadlines but for the unit. */
static ssize_t bus_wait(struct bus *b)
{
	struct ringline_case c[] = {
		{ .kind = RINGLINE_CASE_FD, .object = b->watch },
		{ .kind = RINGLINE_CASE_EVENT, .object = b->stop },
		{ .kind = RINGLINE_CASE_DEADLINE, .value = RINGLINE_NEVER },
	};
	uint64_t usec;

	g_assert_cmpint(sd_bus_get_timeout(b->bus, &usec), >=, 0);
	if (usec != UINT64_MAX)
		c[2].value = usec * RINGLINE_NSEC_PER_USEC;
	CONF_OK(ringline_fd_watch_set(b->watch, (uint32_t)sd_bus_get_events(b->bus)));
	return ringline_select(c, G_N_ELEMENTS(c), sizeof(c[0]), 0);
}

/* A task: drives the connection until it is told to stop. */
static int bus_drive(void *arg)
{
	struct bus *b = arg;
	ssize_t which = 0;
	int r;

	while (which >= 0 && which != 1) {
		while ((r = sd_bus_process(b->bus, NULL)) > 0)
			CONF_OK(ringline_yield());
		g_assert_cmpint(r, ==, 0);
		which = bus_wait(b);
	}
	return which < 0 ? (int)which : 0;
}

/* --- the service -------------------------------------------------------------------------------------------------- */

static int method_add(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	int32_t a;
	int32_t b;

	(void)userdata;
	(void)error;
	g_assert_cmpint(sd_bus_message_read(m, "ii", &a, &b), >=, 0);
	return sd_bus_reply_method_return(m, "i", a + b);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Add", "ii", "i", method_add, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END
};

static int named(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)error;
	g_assert_false(sd_bus_message_is_method_error(m, NULL));
	return ringline_event_set(userdata);
}

static void service_open(struct bus *b)
{
	struct ringline_event *ready;

	CONF_OK(ringline_event_new(&ready, NULL));
	bus_open(b);
	g_assert_cmpint(sd_bus_add_object_vtable(b->bus, NULL, PATH, NAME, vtable, NULL), >=, 0);
	g_assert_cmpint(sd_bus_request_name_async(b->bus, NULL, NAME, 0, named, ready), >=, 0);
	CONF_OK(ringline_spawn(bus_drive, b));
	CONF_OK(ringline_event_wait(ready));
	CONF_OK(ringline_event_free(ready));
}

/* --- clients ------------------------------------------------------------------------------------------------------ */

struct call {
	struct ringline_event *answered;
	int32_t sum;
};

static int answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct call *c = userdata;

	(void)error;
	g_assert_false(sd_bus_message_is_method_error(m, NULL));
	g_assert_cmpint(sd_bus_message_read(m, "i", &c->sum), >=, 0);
	return ringline_event_set(c->answered);
}

static int32_t call_add(struct bus *b, struct ringline_event *answered, int32_t x, int32_t y)
{
	struct call c = { .answered = answered };

	CONF_OK(ringline_event_reset(answered));
	g_assert_cmpint(sd_bus_call_method_async(b->bus, NULL, NAME, PATH, NAME, "Add", answer, &c, "ii", x, y), >=, 0);
	CONF_OK(ringline_fd_watch_set(b->watch, POLLIN | POLLOUT));   /* there is something to write now */
	CONF_OK(ringline_event_wait(answered));
	return c.sum;
}

static int client_main(void *arg)
{
	struct ringline_event *answered;
	struct ringline_scope *scope;
	struct bus b;
	int32_t i;

	CONF_OK(ringline_event_new(&answered, NULL));
	CONF_OK(ringline_scope_open(&scope, NULL));
	bus_open(&b);
	CONF_OK(ringline_scope_spawn(scope, bus_drive, &b));
	for (i = 0; i < CALLS; i++)
		g_assert_cmpint(call_add(&b, answered, i, *(int *)arg), ==, i + *(int *)arg);
	CONF_OK(ringline_event_set(b.stop));
	CONF_OK(ringline_scope_close(scope));
	bus_close(&b);
	CONF_OK(ringline_event_free(answered));
	return 0;
}

static int calls_main(void *arg)
{
	struct ringline_scope *service;
	struct ringline_scope *clients;
	int number[CLIENTS];
	struct bus b;
	int i;

	(void)arg;
	CONF_OK(ringline_scope_open(&service, NULL));
	service_open(&b);
	CONF_OK(ringline_scope_open(&clients, NULL));
	for (i = 0; i < CLIENTS; i++) {
		number[i] = i * 1000;
		CONF_OK(ringline_scope_spawn(clients, client_main, &number[i]));
	}
	CONF_OK(ringline_scope_close(clients));
	CONF_OK(ringline_event_set(b.stop));
	CONF_OK(ringline_scope_close(service));
	bus_close(&b);
	return 0;
}

static void test_calls(void)
{
	CONF_OK(conf_run(calls_main, NULL));
}

/* A driver that waits for a bus on which nothing happens is reached by a cancel. */
static int quiet_main(void *arg)
{
	struct ringline_scope *scope;
	struct bus b;

	(void)arg;
	CONF_OK(ringline_scope_open(&scope, NULL));
	service_open(&b);
	CONF_OK(ringline_sleep(5 * MSEC));
	CONF_OK(ringline_scope_cancel(scope));
	g_assert_cmpint(ringline_scope_close(scope), ==, -ECANCELED);
	bus_close(&b);
	return 0;
}

static void test_quiet(void)
{
	CONF_OK(conf_run(quiet_main, NULL));
}

static void add(void)
{
	conf_add("/sdbus/calls-between-tasks", test_calls);
	conf_add("/sdbus/cancel-reaches-a-quiet-bus", test_quiet);
}

int main(int argc, char **argv)
{
	g_autofree char *program = g_find_program_in_path("dbus-daemon");
	GTestDBus *daemon;
	int r;

	if (!program) {
		puts("1..0 # SKIP there is no dbus-daemon");
		return 0;
	}
	daemon = g_test_dbus_new(G_TEST_DBUS_NONE);
	g_test_dbus_up(daemon);
	address = g_test_dbus_get_bus_address(daemon);
	r = conf_main(argc, argv, "sdbus", add);
	g_test_dbus_down(daemon);
	g_object_unref(daemon);
	return r;
}
