/* SPDX-License-Identifier: MIT */
/* Addresses: whatever the text is, it is refused or means one address, whose own text means the same again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "io/addr.h"
#include "io/inherit.h"

static void expect(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	char again[256];
	struct rln_addr a;
	struct rln_addr b;
	size_t n;
	int r;

	memcpy(text, data, size);
	text[size] = '\0';
	r = rln_addr_parse(&a, text);
	expect(r == 0 || r == -EINVAL || r == -ENAMETOOLONG || r == -ENODEV);
	if (r == 0) {
		expect(a.len > 0 && a.len <= sizeof(a.sa));
		n = rln_addr_format(&a, again, sizeof(again));
		expect(n < sizeof(again) && n == strlen(again));
		expect(rln_addr_parse(&b, again) == 0 && a.len == b.len && !memcmp(&a.sa, &b.sa, a.len));
		expect(rln_addr_format(&a, again, 4) == n && strlen(again) == (n < 3 ? n : 3));
	}
	expect(!rln_inherit_is(text) || r == -EINVAL);
	free(text);
	return 0;
}

const char *fuzz_seeds[] = { "tcp:127.0.0.1:80", "tcp:[::1]:443", "tcp:[fe80::1%lo]:1", "unix:/run/x", "unix:@name", "fd:3",
	                     "systemd:web", "tcp:1.2.3.4:65536", NULL };
