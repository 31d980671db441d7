/* Every message is found by its name and by a type URL; nothing else is. */
#include "test/support/lk_test.h"
#include "xds/proto_registry.h"

LK_TEST(proto_registry, finds_every_message_by_its_own_name)
{
    LK_CHECK(lk_proto_count() > 600);
    for (size_t i = 0; i < lk_proto_count(); i++) {
        const ProtobufCMessageDescriptor *desc = lk_proto_at(i);

        LK_CHECK_EQ_PTR(lk_proto_find(desc->name, strlen(desc->name)), desc);
    }
}

LK_TEST(proto_registry, is_sorted_without_repetition)
{
    for (size_t i = 1; i < lk_proto_count(); i++)
        LK_CHECK(strcmp(lk_proto_at(i - 1)->name, lk_proto_at(i)->name) < 0);
}

LK_TEST(proto_registry, does_not_find_prefixes_extensions_or_strangers)
{
    LK_CHECK_NULL(lk_proto_find("envoy.config.core.v3.Nod", 24));
    LK_CHECK_NULL(lk_proto_find("envoy.config.core.v3.Nodes", 26));
    LK_CHECK_NULL(lk_proto_find("", 0));
    LK_CHECK_NULL(lk_proto_find("zzz", 3));
    LK_CHECK_NULL(lk_proto_find("envoy.config.core.v3.Node\0x", 27));
}

LK_TEST(proto_registry, takes_what_follows_the_last_slash_of_a_url)
{
    const ProtobufCMessageDescriptor *node = lk_proto_find("envoy.config.core.v3.Node", 25);

    LK_CHECK_NOT_NULL(node);
    LK_CHECK_EQ_PTR(lk_proto_find_url(LK_STR("type.googleapis.com/envoy.config.core.v3.Node")), node);
    LK_CHECK_EQ_PTR(lk_proto_find_url(LK_STR("a/b/envoy.config.core.v3.Node")), node);
    LK_CHECK_EQ_PTR(lk_proto_find_url(LK_STR("envoy.config.core.v3.Node")), node);
    LK_CHECK_NULL(lk_proto_find_url(LK_STR("type.googleapis.com/")));
    LK_CHECK_NULL(lk_proto_find_url(LK_STR("")));
}
