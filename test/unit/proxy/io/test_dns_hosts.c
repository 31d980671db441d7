/* Reading a hosts file. */
#include "proxy/base/mem.h"
#include "proxy/io/dns_private.h"
#include "test/support/lk_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* "ip ip ..." of what the file gives the name. */
static void check_hosts(const char *file, const char *name, const char *expected)
{
    char path[] = "/tmp/lk_hosts_XXXXXX", text[512] = "", ip[LK_ADDR_TEXT_MAX];
    struct lk_dns_addrs addrs = {0};
    int fd = mkstemp(path);
    LK_CHECK_EQ_INT(write(fd, file, strlen(file)), (long long)strlen(file));
    close(fd);
    lk_dns_hosts_lookup(path, lk_str_from(name), &addrs);
    for (size_t i = 0; i < addrs.count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? " " : "", lk_addr_ip_text(&addrs.list[i], ip).ptr);
    }
    lk_free(addrs.list);
    unlink(path);
    LK_CHECK_STR(text, expected);
}

LK_TEST(dns_hosts, names_and_aliases_are_found_in_any_case)
{
    const char *file = "10.0.0.1 app app.local\n10.0.0.2\tOther\n";
    check_hosts(file, "app", "10.0.0.1");
    check_hosts(file, "APP.Local", "10.0.0.1");
    check_hosts(file, "other", "10.0.0.2");
    check_hosts(file, "other.", "10.0.0.2");
    check_hosts(file, "ap", "");
    check_hosts(file, "10.0.0.1", "");
}

LK_TEST(dns_hosts, all_lines_of_a_name_count_in_their_order)
{
    check_hosts("10.0.0.2 app\n::2 x app\n10.0.0.1 app\n", "app", "10.0.0.2 ::2 10.0.0.1");
}

LK_TEST(dns_hosts, comments_blank_lines_and_nonsense_are_passed_over)
{
    const char *file =
        "# 1.1.1.1 app\n\n   \n10.0.0.1 web # app\nnot-an-ip app\n999.1.1.1 app\n\t10.0.0.3  app#tail\r\n";
    check_hosts(file, "app", "10.0.0.3");
    check_hosts(file, "web", "10.0.0.1");
    check_hosts(file, "#", "");
    check_hosts("10.0.0.1 last-line-without-end", "last-line-without-end", "10.0.0.1");
    check_hosts("", "app", "");
}

LK_TEST(dns_hosts, localhost_needs_no_file_but_obeys_one)
{
    struct lk_dns_addrs addrs = {0};
    check_hosts("", "localhost", "127.0.0.1 ::1");
    check_hosts("", "api.LOCALHOST", "127.0.0.1 ::1");
    check_hosts("", "notlocalhost", "");
    check_hosts("127.0.0.5 localhost\n", "localhost", "127.0.0.5");
    lk_dns_hosts_lookup("/nonexistent/hosts", LK_STR("localhost"), &addrs);
    LK_CHECK_EQ_UINT(addrs.count, 2);
    lk_free(addrs.list);
}
