/* SPDX-License-Identifier: MIT */
/*
 * Does this machine let us have an io_uring? Asked of the kernel, without libringline and liburing, so that a library
 * that wrongly believes there is none is found out. Exit status 0: yes; 1: no, and the reason is printed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
#ifdef SYS_io_uring_setup
	unsigned char params[512];    /* at least as large as any kernel's struct io_uring_params */

	memset(params, 0, sizeof(params));
	if (syscall(SYS_io_uring_setup, 4, params) >= 0)
		return 0;
	printf("io_uring_setup: %s\n", strerror(errno));
#else
	printf("no io_uring_setup on this architecture\n");
#endif
	return 1;
}
