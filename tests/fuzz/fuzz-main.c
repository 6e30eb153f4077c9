/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target without a fuzzer: its seeds, variations of them, and random bytes. */
#include <glib.h>
#include <string.h>

#include "fuzz/fuzz.h"

#define ROUNDS 20000
#define SIZE   400

static void seeds(void)
{
	int i;

	for (i = 0; fuzz_seeds[i]; i++)
		LLVMFuzzerTestOneInput((const uint8_t *)fuzz_seeds[i], strlen(fuzz_seeds[i]));
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
}

/* A byte changed, and the end cut off. */
static void variations(void)
{
	int i;
	int round;

	for (i = 0; fuzz_seeds[i]; i++) {
		size_t n = strlen(fuzz_seeds[i]);
		char *text = g_strdup(fuzz_seeds[i]);

		for (round = 0; round < ROUNDS / 20; round++) {
			size_t at = (size_t)g_test_rand_int_range(0, (gint32)n);

			memcpy(text, fuzz_seeds[i], n);
			text[at] = (char)g_test_rand_int();
			LLVMFuzzerTestOneInput((const uint8_t *)text, (size_t)g_test_rand_int_range(0, (gint32)n + 1));
		}
		g_free(text);
	}
}

static void random_bytes(void)
{
	uint8_t data[SIZE];
	int round;
	int i;

	for (round = 0; round < ROUNDS; round++) {
		int n = g_test_rand_int_range(0, SIZE);

		for (i = 0; i < n; i++)
			data[i] = (uint8_t)g_test_rand_int();
		LLVMFuzzerTestOneInput(data, (size_t)n);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fuzz/seeds", seeds);
	g_test_add_func("/fuzz/variations", variations);
	g_test_add_func("/fuzz/random-bytes", random_bytes);
	return g_test_run();
}
