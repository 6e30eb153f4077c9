/* SPDX-License-Identifier: MIT */
/*
 * Fuzz targets. Each is one file with libFuzzer's entry point and a few inputs to begin with.
 *
 * Built with clang and -fsanitize=fuzzer they look for inputs themselves ("./dev fuzz"). In the unit suite they are linked
 * to fuzz-main.c instead, which gives them their seeds and a number of pseudo-random inputs.
 */
#ifndef RLN_TESTS_FUZZ_H
#define RLN_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends with NULL. */
extern const char *fuzz_seeds[];

#endif
