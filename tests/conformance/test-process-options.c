/* SPDX-License-Identifier: MIT */
#include "support/process.h"
int main(void){return 0;}
