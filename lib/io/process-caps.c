/* SPDX-License-Identifier: MIT */
/*
 * Capabilities of a process to be: libcap reads the text, before there is a child, which then sets bits by system calls. None of
 * its calls that change this process is made.
 */
#include <errno.h>
#include <string.h>
#include <sys/capability.h>

#include "base/fault.h"
#include "io/process.h"

_Static_assert(RLN_CAP_WORDS == _LINUX_CAPABILITY_U32S_3, "the kernel's words");

static void read_vector(uint32_t *words, cap_iab_t iab, cap_iab_vector_t vector)
{
	cap_value_t cap;

	for (cap = 0; cap < 32 * RLN_CAP_WORDS; cap++)
		if (cap_iab_get_vector(iab, vector, cap) == CAP_SET)
			words[cap / 32] |= UINT32_C(1) << cap % 32;
}

static void read_iab(struct rln_process_caps *c, cap_iab_t iab)
{
	c->wanted = true;
	read_vector(c->inheritable, iab, CAP_IAB_INH);
	read_vector(c->ambient, iab, CAP_IAB_AMB);
	read_vector(c->dropped, iab, CAP_IAB_BOUND);
}

static int read_text(struct rln_process_caps *c, const char *text)
{
	int error = rln_fault(RLN_FAULT_ALLOC);
	cap_iab_t iab;

	if (error)
		return -error;
	errno = 0;
	iab = cap_iab_from_text(text);
	if (!iab)
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	read_iab(c, iab);
	cap_free(iab);
	return 0;
}

int rln_process_caps_read(struct rln_process_caps *c, const char *text, struct cap_iab_s *iab)
{
	memset(c, 0, sizeof(*c));
	if (iab && text)
		return -EINVAL;
	if (iab)
		read_iab(c, iab);
	return text ? read_text(c, text) : 0;
}
