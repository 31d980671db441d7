/* Request ids: the UUID form, the reason of tracing and the sampling value in it. */
#include "proxy/http/request_id.h"

#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "test/support/lk_test.h"

LK_TEST(request_id, a_uuid_is_known_by_its_form)
{
    static const char *const bad[] = {
        "",
        "7a1b2c3d-0000-4123-8abc-0123456789a",
        "7a1b2c3d-0000-4123-8abc-0123456789abc",
        "7a1b2c3d000004123-8abc-0123456789abcd",
        "7a1b2c3d_0000-4123-8abc-0123456789ab",
        "7a1b2c3d-0000-4123-8abc_0123456789ab",
        "7a1b2c3g-0000-4123-8abc-0123456789ab",
        "7a1b2c3d-0000-4123-8abc-0123456789a ",
        "-7a1b2c3-0000-4123-8abc-0123456789ab",
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(bad); i++)
        LK_CHECK_MSG(!lk_request_id_is_uuid(lk_str_from(bad[i])), "accepts %s", bad[i]);
    LK_CHECK(lk_request_id_is_uuid(LK_STR("7A1b2c3d-0000-4123-8abc-0123456789aF")));
    char own[LK_UUID_LEN];
    lk_rand_uuid(own);
    LK_CHECK(lk_request_id_is_uuid(lk_str(own, LK_UUID_LEN)));
}

LK_TEST(request_id, the_number_leaves_out_the_reason_only)
{
    uint64_t high;
    uint64_t low;
    LK_CHECK(lk_request_id_number(LK_STR("7a1b2c3d-4e5f-9123-8abc-0123456789ab"), &high, &low));
    LK_CHECK_EQ_UINT(high, 0x7a1b2c3d4e5f0123);
    LK_CHECK_EQ_UINT(low, 0x8abc0123456789ab);
}

LK_TEST(request_id, the_fifteenth_character_tells_the_reason)
{
    static const struct {
        const char *id;
        enum lk_trace_reason reason;
    } rows[] = {
        {"7a1b2c3d-0000-4123-8abc-0123456789ab", LK_TRACE_REASON_NONE},
        {"7a1b2c3d-0000-9123-8abc-0123456789ab", LK_TRACE_REASON_SAMPLED},
        {"7a1b2c3d-0000-a123-8abc-0123456789ab", LK_TRACE_REASON_SERVICE},
        {"7a1b2c3d-0000-b123-8abc-0123456789ab", LK_TRACE_REASON_CLIENT},
        {"7a1b2c3d-0000-A123-8abc-0123456789ab", LK_TRACE_REASON_NONE},
        {"7a1b2c3d-0000-7123-8abc-0123456789ab", LK_TRACE_REASON_NONE},
        {"7a1b2c3d-0000-9123-8abc-0123456789abc", LK_TRACE_REASON_NONE},
        {"99999999999999999", LK_TRACE_REASON_NONE},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        LK_CHECK_EQ_INT(lk_request_id_reason(lk_str_from(rows[i].id)), rows[i].reason);
        if (rows[i].reason != LK_TRACE_REASON_NONE)
            LK_CHECK_EQ_INT(lk_trace_reason_digit(rows[i].reason), rows[i].id[LK_REQUEST_ID_REASON_AT]);
    }
    LK_CHECK_EQ_INT(lk_trace_reason_digit(LK_TRACE_REASON_NONE), '4');
}

LK_TEST(request_id, the_first_eight_digits_give_the_sampling_value)
{
    uint32_t value = 1;
    LK_CHECK(lk_request_id_sample(LK_STR("00002710-0000-4123-8abc-0123456789ab"), &value));
    LK_CHECK_EQ_UINT(value, 0);
    LK_CHECK(lk_request_id_sample(LK_STR("FFFFFFFF-0000-4123-8abc-0123456789ab"), &value));
    LK_CHECK_EQ_UINT(value, 4294967295u % 10000);
    LK_CHECK(!lk_request_id_sample(LK_STR("0000271"), &value));
    LK_CHECK(!lk_request_id_sample(LK_STR("0000271x-"), &value));
}
