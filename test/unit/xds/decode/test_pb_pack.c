/* Bytes to messages: what is refused before protobuf-c sees it, and TypedStruct in binary. */
#include "test/unit/xds/decode/fixture.h"

#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/config/route/v3/route_components.pb-c.h"
#include "envoy/extensions/filters/http/router/v3/router.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "xds/decode/pb_arena.h"
#include "xds/decode/pb_pack.h"
#include "xds/decode/pb_wire.h"
#include "xds/type/v3/typed_struct.pb-c.h"

#define NODE &envoy__config__core__v3__node__descriptor

LK_TEST(pb_pack, a_message_survives_the_round_trip)
{
    struct fixture f;
    struct lk_str bytes;
    struct lk_error error;
    Envoy__Config__Core__V3__Node *node;

    fixture_init(&f);
    decode_good(&f, "envoy.config.core.v3.Node", "id: a\nmetadata: {x: [1, {y: z}]}\nlocality: {zone: q}\n");
    bytes = lk_pb_pack(&f.arena, f.message);
    node = (void *)lk_pb_unpack(&f.arena, NODE, bytes, &error);
    LK_CHECK_NOT_NULL(node);
    LK_CHECK_STR(node->id, "a");
    LK_CHECK_STR(node->locality->zone, "q");
    LK_CHECK_LKSTR_EQ(lk_pb_pack(&f.arena, &node->base), bytes);
    fixture_fini(&f);
}

static void check_refused(struct lk_str bytes, enum lk_error_code code, const char *part)
{
    struct fixture f;
    struct lk_error error = {0};

    fixture_init(&f);
    LK_CHECK_NULL(lk_pb_unpack(&f.arena, NODE, bytes, &error));
    LK_CHECK_EQ_INT(error.code, code);
    LK_CHECK_CONTAINS(error.text, part);
    fixture_fini(&f);
}

LK_TEST(pb_pack, malformed_bytes_are_refused)
{
    check_refused(LK_STR("\x0a"), LK_ERROR_INVALID, "malformed value of field 1");
    check_refused(LK_STR("\x0a\x05"
                         "ab"),
                  LK_ERROR_INVALID, "malformed value of field 1");
    check_refused(LK_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), LK_ERROR_INVALID, "malformed tag");
    check_refused(LK_STR("\x02\x00"), LK_ERROR_INVALID, "malformed tag");
    check_refused(LK_STR("\x0b"), LK_ERROR_INVALID, "malformed value");
    check_refused(LK_STR("\x09\x00\x00"), LK_ERROR_INVALID, "malformed value");
    check_refused(LK_STR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), LK_ERROR_INVALID, "malformed value");
}

LK_TEST(pb_pack, strings_must_be_utf_8_without_zero_bytes)
{
    check_refused(LK_STR("\x0a\x01\xff"), LK_ERROR_INVALID, "envoy.config.core.v3.Node.id");
    check_refused(LK_STR("\x0a\x02"
                         "a\x00"),
                  LK_ERROR_INVALID, "zero bytes");
    check_refused(LK_STR("\x0a\x03\xed\xa0\x80"), LK_ERROR_INVALID, "UTF-8");
    check_refused(LK_STR("\x0a\x02\xc0\x80"), LK_ERROR_INVALID, "UTF-8");
}

LK_TEST(pb_pack, unknown_fields_of_any_wire_type_are_passed_over)
{
    struct fixture f;
    struct lk_error error = {0};

    fixture_init(&f);
    LK_CHECK(lk_pb_wire_check(NODE, LK_STR("\xf8\x07\x01\xfa\x07\x01\xff\xfd\x07\x00\x00\x00\x00"), 1, &error));
    LK_CHECK_NOT_NULL(lk_pb_unpack(&f.arena, NODE, LK_STR("\xf8\x07\x01"), &error));
    fixture_fini(&f);
}

/* `levels` ListenerFilter-like messages in each other: a Value that holds a list of one Value. */
static struct lk_str nested(struct lk_arena *arena, int levels)
{
    struct lk_str inner = LK_STR("");

    for (int i = 0; i < levels; i++) {
        bool value = i % 2 == 0; /* ListValue.values = 1, Value.list_value = 6 */
        size_t length_bytes = inner.len < 128 ? 1 : 2;
        char *out = lk_arena_alloc(arena, inner.len + 3);

        out[0] = value ? 0x0a : 0x32;
        out[1] = (char)(length_bytes == 1 ? inner.len : (inner.len & 0x7f) | 0x80);
        if (length_bytes == 2)
            out[2] = (char)(inner.len >> 7);
        if (inner.len > 0)
            memcpy(out + 1 + length_bytes, inner.ptr, inner.len);
        inner = lk_str(out, inner.len + 1 + length_bytes);
    }
    return inner;
}

LK_TEST(pb_pack, nesting_is_bounded_before_unpacking)
{
    struct fixture f;
    struct lk_error error = {0};

    fixture_init(&f);
    /* an odd number of levels ends with a ListValue outermost */
    LK_CHECK_NOT_NULL(lk_pb_unpack(&f.arena, &google__protobuf__list_value__descriptor, nested(&f.arena, 63), &error));
    LK_CHECK_NULL(lk_pb_unpack(&f.arena, &google__protobuf__list_value__descriptor, nested(&f.arena, 65), &error));
    LK_CHECK_EQ_INT(error.code, LK_ERROR_LIMIT);
    LK_CHECK_CONTAINS(error.text, "nested too deeply");
    fixture_fini(&f);
}

LK_TEST(pb_pack, an_any_is_unpacked_by_url_or_bare_name)
{
    struct fixture f;
    struct lk_str router = LK_STR("\x20\x01");

    fixture_init(&f);
    LK_CHECK_NOT_NULL(lk_pb_unpack_any(&f.arena, LK_STR("x/envoy.extensions.filters.http.router.v3.Router"), router,
                                       &f.options, &f.errors));
    LK_CHECK_NOT_NULL(lk_pb_unpack_any(&f.arena, LK_STR("envoy.extensions.filters.http.router.v3.Router"), router,
                                       &f.options, &f.errors));
    LK_CHECK_EQ_UINT(f.errors.count, 0);
    LK_CHECK_NULL(lk_pb_unpack_any(&f.arena, LK_STR("foo.Bar"), router, &f.options, &f.errors));
    LK_CHECK_EQ_INT(f.errors.items[0].code, LK_ERROR_UNSUPPORTED);
    LK_CHECK_CONTAINS(f.errors.items[0].text, "foo.Bar");
    LK_CHECK_NULL(lk_pb_unpack_any(&f.arena, LK_STR("envoy.extensions.filters.http.router.v3.Router"), LK_STR("\x0a"),
                                   &f.options, &f.errors));
    LK_CHECK_EQ_INT(f.errors.items[1].code, LK_ERROR_INVALID);
    fixture_fini(&f);
}

/* A binary TypedStruct of Router around the YAML object. */
static ProtobufCMessage *unpack_typed_struct(struct fixture *f, const char *type, const char *object)
{
    Xds__Type__V3__TypedStruct typed = XDS__TYPE__V3__TYPED_STRUCT__INIT;

    typed.type_url = (char *)(uintptr_t)type;
    typed.value = decode_good(f, "google.protobuf.Struct", object);
    return lk_pb_unpack_any(&f->arena, LK_STR("type.googleapis.com/xds.type.v3.TypedStruct"),
                            lk_pb_pack(&f->arena, &typed.base), &f->options, &f->errors);
}

LK_TEST(pb_pack, a_binary_typed_struct_gives_its_inner_message)
{
    struct fixture f;
    Envoy__Extensions__Filters__Http__Router__V3__Router *router;

    fixture_init(&f);
    router = (void *)unpack_typed_struct(&f, "x/envoy.extensions.filters.http.router.v3.Router",
                                         "suppressEnvoyHeaders: true\nstrict_check_headers: [a, b]\n"
                                         "dynamicStats: false\n");
    LK_CHECK_EQ_PTR(router->base.descriptor, &envoy__extensions__filters__http__router__v3__router__descriptor);
    LK_CHECK(router->suppress_envoy_headers);
    LK_CHECK_EQ_UINT(router->n_strict_check_headers, 2);
    LK_CHECK(!router->dynamic_stats->value);
    fixture_fini(&f);
}

LK_TEST(pb_pack, mistakes_in_a_binary_typed_struct_have_a_path)
{
    struct fixture f;

    fixture_init(&f);
    unpack_typed_struct(&f, "x/envoy.extensions.filters.http.router.v3.Router", "suppres_envoy_headers: true\n");
    check_only_error(&f, 0, "value.suppres_envoy_headers", "did you mean \"suppress_envoy_headers\"");
    fixture_fini(&f);
}

LK_TEST(pb_pack, a_binary_typed_struct_of_unknown_type_is_unsupported_by_name)
{
    struct fixture f;

    fixture_init(&f);
    LK_CHECK_NULL(unpack_typed_struct(&f, "x/foo.Bar", "a: 1\n"));
    check_only_error(&f, 0, "", "type x/foo.Bar is not built in");
    LK_CHECK_EQ_INT(f.errors.items[0].code, LK_ERROR_UNSUPPORTED);
    fixture_fini(&f);
}
