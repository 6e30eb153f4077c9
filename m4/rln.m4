# SPDX-License-Identifier: MIT

# RLN_ADD_CFLAGS(VARIABLE, FLAGS)
# Appends to VARIABLE those FLAGS that the compiler accepts. -Werror, because clang only warns of what it does not know.
AC_DEFUN([RLN_ADD_CFLAGS], [
rln_save_CFLAGS=$CFLAGS
for rln_flag in m4_normalize([$2]); do
  AC_MSG_CHECKING([whether $CC accepts $rln_flag])
  CFLAGS="$rln_save_CFLAGS $$1 -Werror $rln_flag"
  AC_COMPILE_IFELSE([AC_LANG_SOURCE([[int rln_probe(void); int rln_probe(void) { return 0; }]])],
    [AC_MSG_RESULT([yes])
     AS_VAR_APPEND([$1], [" $rln_flag"])],
    [AC_MSG_RESULT([no])])
done
CFLAGS=$rln_save_CFLAGS
])

# RLN_TEST_SUITES(LIST)
# Sets RLN_SUITES to the suites in LIST ("yes": all but packages, "no": none), separated by blanks, and one conditional per
# suite.
AC_DEFUN([RLN_TEST_SUITES], [
AS_CASE([$1],
  [yes], [RLN_SUITES='unit conformance integration meta'],
  [no], [RLN_SUITES=],
  [RLN_SUITES=`AS_ECHO(["$1"]) | tr ',' ' '`])
for rln_suite in $RLN_SUITES; do
  AS_CASE([$rln_suite],
    [unit|conformance|integration|meta|packages], [],
    [AC_MSG_ERROR([there is no test suite "$rln_suite"])])
done
AC_SUBST([RLN_SUITES])
AM_CONDITIONAL([SUITE_UNIT], [AS_CASE([" $RLN_SUITES "], [*' unit '*], [true], [false])])
AM_CONDITIONAL([SUITE_CONFORMANCE], [AS_CASE([" $RLN_SUITES "], [*' conformance '*], [true], [false])])
AM_CONDITIONAL([SUITE_INTEGRATION], [AS_CASE([" $RLN_SUITES "], [*' integration '*], [true], [false])])
AM_CONDITIONAL([SUITE_META], [AS_CASE([" $RLN_SUITES "], [*' meta '*], [true], [false])])
AM_CONDITIONAL([SUITE_PACKAGES], [AS_CASE([" $RLN_SUITES "], [*' packages '*], [true], [false])])
AM_CONDITIONAL([SUITES], [test -n "$RLN_SUITES"])
])
