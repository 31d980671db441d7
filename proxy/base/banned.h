/* Calls that have no safe use here; included by the build in front of every file. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* glibc makes it a macro, and a macro cannot be poisoned. */
#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf gets strncpy strncat strtok atoi atol atof tmpnam
#pragma GCC poison alloca
