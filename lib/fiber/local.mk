# SPDX-License-Identifier: MIT
# Layer 1: stacks, and the switch between them.

fiber_sources = \
	lib/fiber/backtrace.c \
	lib/fiber/fiber.c \
	lib/fiber/fiber.h \
	lib/fiber/sanitize.h \
	lib/fiber/stack.c \
	lib/fiber/stack.h \
	lib/fiber/switch-asm.c \
	lib/fiber/switch-ucontext.c \
	lib/fiber/switch.h \
	$(NULL)

# Exactly one switch; configure chose it. The C halves compile to nothing where they do not apply.
if FIBER_ASM_X86_64
fiber_sources += lib/fiber/switch-x86_64.S
endif
if FIBER_ASM_AARCH64
fiber_sources += lib/fiber/switch-aarch64.S
endif

lib_fiber_librln_fiber_la_SOURCES = $(fiber_sources)
noinst_LTLIBRARIES += lib/fiber/librln-fiber.la
