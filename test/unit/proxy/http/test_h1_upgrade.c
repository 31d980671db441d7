/* Upgrades and CONNECT on the server side: when bytes stop being messages. */
#include "test/support/h1_fixture.h"

static void let_upgrade(struct end *e)
{
    e->stream->upgrade = true;
}

#define UPGRADE "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

LK_TEST(h1_upgrade, an_upgrade_turns_both_directions_into_plain_bytes)
{
    struct end *e = server_new();
    e->on_headers = let_upgrade;
    end_feed_str(e, UPGRADE "early payload");
    LK_CHECK_STR(e->log, "headers :method=GET :path=/ws Connection=Upgrade Upgrade=websocket END\n"
                         "data early payload");
    end_send(e, HEADERS(e, ":status", "101", "connection", "Upgrade", "upgrade", "websocket"), false);
    end_feed_str(e, "GET / HTTP/1.1\r\n\r\n");
    LK_CHECK_CONTAINS(e->log, "GET / HTTP/1.1\r\n\r\n");
    end_send_data(e, "down", false);
    LK_CHECK_LKSTR(end_output(e),
                   "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\ndown");
    end_eof(e);
    LK_CHECK_CONTAINS(e->log, "\nEND\n");
    LK_CHECK_NOT_NULL(e->stream);
    end_send_data(e, "bye", true);
    LK_CHECK_LKSTR(end_output(e), "bye");
    LK_CHECK_CONTAINS(e->log, "done close\n");
    end_free(e);
}

LK_TEST(h1_upgrade, a_tunnel_is_half_closed_by_the_side_that_ends_first)
{
    struct end *e = server_new();
    e->on_headers = let_upgrade;
    end_feed_str(e, UPGRADE);
    end_send(e, HEADERS(e, ":status", "101"), false);
    end_send_data(e, "bye", true);
    LK_CHECK_CONTAINS(e->log, "output end\n");
    end_feed_str(e, "still talking");
    LK_CHECK_CONTAINS(e->log, "data still talking");
    end_eof(e);
    LK_CHECK_CONTAINS(e->log, "\nEND\ndone close\n");
    end_free(e);
}

LK_TEST(h1_upgrade, a_declined_upgrade_ends_the_connection)
{
    struct end *e = server_new();
    e->on_headers = let_upgrade;
    end_feed_str(e, UPGRADE "GET /evil HTTP/1.1\r\n\r\n");
    end_send(e, HEADERS(e, ":status", "404", "content-length", "0"), true);
    end_offer(e);
    LK_CHECK_CONTAINS(end_output(e).ptr, "connection: close\r\n");
    LK_CHECK_STR(e->log, "headers :method=GET :path=/ws Connection=Upgrade Upgrade=websocket END\n"
                         "data GET /evil HTTP/1.1\r\n\r\n\ndone close\n");
    end_free(e);
}

LK_TEST(h1_upgrade, an_upgrade_that_is_not_let_through_is_an_ordinary_request)
{
    struct end *e = server_new();
    e->on_end = answer_ok;
    end_feed_str(e, UPGRADE "GET / HTTP/1.1\r\n\r\n");
    LK_CHECK_EQ_UINT(e->done_calls, 2);
    end_free(e);
}

LK_TEST(h1_upgrade, a_request_with_a_body_cannot_upgrade)
{
    struct end *e = server_new();
    e->on_headers = let_upgrade;
    end_feed_str(
        e,
        "POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n");
    LK_CHECK(!e->stream->upgrade);
    LK_CHECK_CONTAINS(e->log, "data abc\nEND\n");
    answer_ok(e);
    LK_CHECK_CONTAINS(e->log, "done keep\n");
    end_free(e);
}

LK_TEST(h1_upgrade, connect_becomes_a_tunnel_with_any_success)
{
    struct end *e = server_new();
    e->on_headers = let_upgrade;
    end_feed_str(e, "CONNECT a:1 HTTP/1.1\r\n\r\n");
    end_send(e, HEADERS(e, ":status", "200"), false);
    end_feed_str(e, "plain");
    LK_CHECK_LKSTR(end_output(e), "HTTP/1.1 200 OK\r\n\r\n");
    LK_CHECK_CONTAINS(e->log, "data plain");
    end_free(e);
}
