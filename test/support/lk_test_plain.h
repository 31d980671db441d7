/* What the checks need from the plain runner. */
#pragma once

/* Leaves the running test as failed. */
_Noreturn void lk_test_plain_failed(void);
