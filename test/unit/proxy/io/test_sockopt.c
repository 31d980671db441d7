/* Listening and connecting sockets, on loopback and in a folder of the test's own. */
#include "proxy/io/conn.h"
#include "proxy/io/sockopt.h"
#include "test/unit/proxy/io/loop_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct lk_addr ip(const char *text, uint16_t port)
{
    struct lk_addr addr;
    LK_CHECK(lk_addr_parse_ip(lk_str_from(text), port, &addr));
    return addr;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    LK_CHECK_EQ_INT(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static int listen_on(const struct lk_addr *addr, const struct lk_listen_options *options)
{
    struct lk_error error = {0};
    int fd = lk_listen(addr, options, &error);
    LK_CHECK_MSG(fd >= 0, "%s", error.text);
    return fd;
}

LK_TEST(sockopt, a_listening_socket_is_non_blocking_and_its_children_have_its_options)
{
    struct lk_addr addr = ip("127.0.0.1", 0), local;
    int fd = listen_on(&addr, &(struct lk_listen_options){.keepalive = true, .keepalive_time = 33});
    LK_CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    LK_CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    LK_CHECK(lk_local_addr(fd, &local));
    LK_CHECK(lk_addr_port(&local) != 0);
    LK_CHECK(lk_addr_is_loopback(&local));
    int client = socket(AF_INET, SOCK_STREAM, 0);
    LK_CHECK_EQ_INT(connect(client, &local.sa, local.len), 0);
    int child = accept(fd, NULL, NULL);
    LK_CHECK(child >= 0);
    LK_CHECK_EQ_INT(option(child, IPPROTO_TCP, TCP_NODELAY), 1);
    LK_CHECK_EQ_INT(option(child, SOL_SOCKET, SO_KEEPALIVE), 1);
    LK_CHECK_EQ_INT(option(child, IPPROTO_TCP, TCP_KEEPIDLE), 33);
    close(child);
    close(client);
    close(fd);
}

LK_TEST(sockopt, a_taken_port_is_an_error_that_names_the_address)
{
    struct lk_addr addr = ip("127.0.0.1", 0), local;
    struct lk_error error = {0};
    int before = test_open_fds();
    int fd = listen_on(&addr, &(struct lk_listen_options){0});
    LK_CHECK(lk_local_addr(fd, &local));
    LK_CHECK_EQ_INT(lk_listen(&local, &(struct lk_listen_options){0}, &error), -1);
    LK_CHECK_CONTAINS(error.text, "127.0.0.1:");
    LK_CHECK_CONTAINS(error.text, "bind");
    close(fd);
    LK_CHECK_EQ_INT(test_open_fds(), before);
}

LK_TEST(sockopt, reuse_port_lets_two_sockets_share_an_address)
{
    const struct lk_listen_options options = {.reuse_port = true};
    struct lk_addr addr = ip("127.0.0.1", 0), local;
    int first = listen_on(&addr, &options);
    LK_CHECK(lk_local_addr(first, &local));
    int second = listen_on(&local, &options);
    close(first);
    close(second);
}

LK_TEST(sockopt, an_ipv6_wildcard_takes_ipv4_only_when_told)
{
    for (int compat = 0; compat < 2; compat++) {
        struct lk_addr addr = ip("::", 0), local;
        int fd = listen_on(&addr, &(struct lk_listen_options){.ipv4_compat = compat == 1});
        LK_CHECK(lk_local_addr(fd, &local));
        struct lk_addr v4 = ip("127.0.0.1", lk_addr_port(&local));
        int client = socket(AF_INET, SOCK_STREAM, 0);
        LK_CHECK_EQ_INT(connect(client, &v4.sa, v4.len) == 0, compat == 1);
        close(client);
        close(fd);
    }
}

struct folder {
    char path[64];
    struct lk_arena arena;
};

static void folder_make(struct folder *folder)
{
    snprintf(folder->path, sizeof(folder->path), "/tmp/lk_sockopt_XXXXXX");
    LK_CHECK_NOT_NULL(mkdtemp(folder->path));
    lk_arena_init(&folder->arena);
}

static void folder_remove(struct folder *folder)
{
    LK_CHECK_EQ_INT(rmdir(folder->path), 0);
    lk_arena_reset(&folder->arena);
}

static struct lk_addr pipe_in(struct folder *folder, const char *name)
{
    struct lk_error error = {0};
    struct lk_addr addr;
    struct lk_str path = lk_arena_printf(&folder->arena, "%s/%s", folder->path, name);
    LK_CHECK(lk_addr_set_pipe(&addr, &folder->arena, path, &error));
    return addr;
}

LK_TEST(sockopt, a_pipe_gets_its_mode_and_a_stale_file_is_replaced)
{
    struct folder folder;
    struct stat info;
    folder_make(&folder);
    struct lk_addr addr = pipe_in(&folder, "s");
    int fd = listen_on(&addr, &(struct lk_listen_options){.pipe_mode = 0600});
    LK_CHECK_EQ_INT(stat(addr.un->sun_path, &info), 0);
    LK_CHECK_EQ_INT(info.st_mode & 0777, 0600);
    close(fd); /* leaves the file behind */
    fd = listen_on(&addr, &(struct lk_listen_options){0});
    close(fd);
    unlink(addr.un->sun_path);
    folder_remove(&folder);
}

LK_TEST(sockopt, a_pipe_in_use_and_other_files_are_left_alone)
{
    struct folder folder;
    struct lk_error error = {0};
    folder_make(&folder);
    struct lk_addr addr = pipe_in(&folder, "s"), plain = pipe_in(&folder, "file");
    int fd = listen_on(&addr, &(struct lk_listen_options){0});
    LK_CHECK_EQ_INT(lk_listen(&addr, &(struct lk_listen_options){0}, &error), -1);
    LK_CHECK_CONTAINS(error.text, "in use");
    int file = open(plain.un->sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(file);
    LK_CHECK_EQ_INT(lk_listen(&plain, &(struct lk_listen_options){0}, &error), -1);
    LK_CHECK_EQ_INT(access(plain.un->sun_path, F_OK), 0);
    close(fd);
    unlink(addr.un->sun_path);
    unlink(plain.un->sun_path);
    folder_remove(&folder);
}

LK_TEST(sockopt, reuse_port_on_a_pipe_is_refused)
{
    struct folder folder;
    struct lk_error error = {0};
    folder_make(&folder);
    struct lk_addr addr = pipe_in(&folder, "s");
    LK_CHECK_EQ_INT(lk_listen(&addr, &(struct lk_listen_options){.reuse_port = true}, &error), -1);
    LK_CHECK_EQ_INT(error.code, LK_ERROR_UNSUPPORTED);
    folder_remove(&folder);
}

LK_TEST(sockopt, no_address_is_an_error)
{
    struct lk_addr none = {0};
    struct lk_error error = {0};
    LK_CHECK_EQ_INT(lk_listen(&none, &(struct lk_listen_options){0}, &error), -1);
    LK_CHECK_EQ_INT(lk_connect_socket(&none, NULL, &error), -1);
    LK_CHECK(!lk_original_dst(0, &none, &none));
    LK_CHECK(!lk_local_addr(-1, &none));
}

LK_TEST(sockopt, a_connecting_socket_is_bound_to_its_source)
{
    struct lk_addr addr = ip("127.0.0.1", 9), source = ip("127.0.0.9", 0), local;
    struct lk_error error = {0};
    const struct lk_connect_options options = {.source = &source};
    int fd = lk_connect_socket(&addr, &options, &error);
    LK_CHECK_MSG(fd >= 0, "%s", error.text);
    LK_CHECK(lk_local_addr(fd, &local));
    LK_CHECK(lk_addr_ip_eq(&local, &source));
    LK_CHECK_EQ_INT(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    close(fd);
    source = ip("192.0.2.1", 0); /* not ours */
    LK_CHECK_EQ_INT(lk_connect_socket(&addr, &options, &error), -1);
    LK_CHECK_EQ_INT(errno, EADDRNOTAVAIL);
    LK_CHECK_CONTAINS(error.text, "192.0.2.1");
}
