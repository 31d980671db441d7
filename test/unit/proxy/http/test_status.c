/* Reason phrases and gRPC statuses. */
#include "proxy/http/status.h"
#include "test/support/lk_test.h"

LK_TEST(status, known_ones_have_their_registered_phrase)
{
    LK_CHECK_LKSTR(lk_status_reason(100), "Continue");
    LK_CHECK_LKSTR(lk_status_reason(200), "OK");
    LK_CHECK_LKSTR(lk_status_reason(404), "Not Found");
    LK_CHECK_LKSTR(lk_status_reason(431), "Request Header Fields Too Large");
    LK_CHECK_LKSTR(lk_status_reason(511), "Network Authentication Required");
}

LK_TEST(status, others_are_unknown)
{
    LK_CHECK_LKSTR(lk_status_reason(299), "Unknown");
    LK_CHECK_LKSTR(lk_status_reason(999), "Unknown");
    LK_CHECK_LKSTR(lk_status_reason(0), "Unknown");
}

LK_TEST(status, maps_to_grpc_as_its_specification_says)
{
    static const unsigned map[][2] = {{400, 13}, {401, 16}, {403, 7}, {404, 12}, {429, 14}, {502, 14},
                                      {503, 14}, {504, 14}, {500, 2}, {200, 2},  {418, 2},  {0, 2}};
    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
        LK_CHECK_EQ_UINT(lk_status_to_grpc(map[i][0]), map[i][1]);
}
