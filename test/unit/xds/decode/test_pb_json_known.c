/* Well-known types, Any and TypedStruct in their JSON forms. */
#include "test/unit/xds/decode/fixture.h"

#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/config/core/v3/extension.pb-c.h"
#include "envoy/extensions/filters/http/router/v3/router.pb-c.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "xds/decode/pb_pack.h"
#include "xds/type/v3/typed_struct.pb-c.h"

#define DURATION "google.protobuf.Duration"
#define EXTENSION "envoy.config.core.v3.TypedExtensionConfig"
#define ROUTER_URL "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"

static void check_duration(const char *text, int64_t seconds, int32_t nanos)
{
    struct fixture f;
    Google__Protobuf__Duration *duration;

    fixture_init(&f);
    duration = decode_good(&f, DURATION, text);
    LK_CHECK_EQ_INT(duration->seconds, seconds);
    LK_CHECK_EQ_INT(duration->nanos, nanos);
    fixture_fini(&f);
}

static void check_bad(const char *type, const char *text, const char *part)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, type, text);
    check_only_error(&f, 1, "", part);
    fixture_fini(&f);
}

LK_TEST(pb_json_known, durations_are_seconds_with_unit_or_an_object)
{
    check_duration("5s", 5, 0);
    check_duration("\"0.25s\"", 0, 250000000);
    check_duration("-1.5s", -1, -500000000);
    check_duration("0.000000001s", 0, 1);
    check_duration(".5s", 0, 500000000);
    check_duration("{seconds: 5, nanos: 7}", 5, 7);
    check_duration("{seconds: \"6\"}", 6, 0);
    check_duration("315576000000s", 315576000000, 0);
}

LK_TEST(pb_json_known, other_durations_are_refused)
{
    check_bad(DURATION, "5", "with its unit");
    check_bad(DURATION, "5m", "expected a duration such as");
    check_bad(DURATION, "s s", "expected a duration");
    check_bad(DURATION, "1.0000000001s", "expected a duration");
    check_bad(DURATION, "1.s", "expected a duration");
    check_bad(DURATION, "315576000001s", "expected a duration");
    check_bad(DURATION, "99999999999999999999s", "expected a duration");
    check_bad(DURATION, "{seconds: 1, nanos: -5}", "differ in sign");
    check_bad(DURATION, "{nanos: 1000000000}", "out of range");
}

LK_TEST(pb_json_known, timestamps_are_rfc_3339)
{
    struct fixture f;
    Google__Protobuf__Timestamp *time;

    fixture_init(&f);
    time = decode_good(&f, "google.protobuf.Timestamp", "2026-02-28T23:59:59.5+01:00");
    LK_CHECK_EQ_INT(time->seconds, 1772319599);
    LK_CHECK_EQ_INT(time->nanos, 500000000);
    fixture_fini(&f);
    check_bad("google.protobuf.Timestamp", "2026-02-29T00:00:00Z", "expected a time such as");
    check_bad("google.protobuf.Timestamp", "2026-02-28 00:00:00Z", "expected a time such as");
    check_bad("google.protobuf.Timestamp", "2026-02-28T24:00:00Z", "expected a time such as");
    check_bad("google.protobuf.Timestamp", "2026-02-28T00:00:00", "expected a time such as");
}

LK_TEST(pb_json_known, wrappers_are_bare_values)
{
    struct fixture f;

    fixture_init(&f);
    LK_CHECK_EQ_UINT(
        ((Google__Protobuf__UInt64Value *)decode_good(&f, "google.protobuf.UInt64Value", "\"18446744073709551615\""))
            ->value,
        UINT64_MAX);
    LK_CHECK(((Google__Protobuf__BoolValue *)decode_good(&f, "google.protobuf.BoolValue", "on"))->value);
    LK_CHECK_NEAR(((Google__Protobuf__DoubleValue *)decode_good(&f, "google.protobuf.DoubleValue", "1.5"))->value, 1.5,
                  0);
    LK_CHECK_STR(((Google__Protobuf__StringValue *)decode_good(&f, "google.protobuf.StringValue", "x"))->value, "x");
    fixture_fini(&f);
    check_bad("google.protobuf.BoolValue", "{value: true}", "expected true or false");
}

static const Google__Protobuf__Value *field_of(const Google__Protobuf__Struct *object, const char *key)
{
    for (size_t i = 0; i < object->n_fields; i++) {
        if (strcmp(object->fields[i]->key, key) == 0)
            return object->fields[i]->value;
    }
    LK_FAIL("no key %s", key);
}

LK_TEST(pb_json_known, a_struct_holds_what_the_yaml_scalars_are)
{
    struct fixture f;
    Google__Protobuf__Struct *object;

    fixture_init(&f);
    object = decode_good(&f, "google.protobuf.Struct", "a: yes\nb: 1.5\nc: 0x10\nd:\ne: [1, {f: x}]\n");
    LK_CHECK_EQ_INT(field_of(object, "a")->kind_case, GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE);
    LK_CHECK_STR(field_of(object, "b")->string_value, "1.5");
    LK_CHECK_NEAR(field_of(object, "c")->number_value, 16, 0);
    LK_CHECK_EQ_INT(field_of(object, "d")->kind_case, GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE);
    LK_CHECK_EQ_UINT(field_of(object, "e")->list_value->n_values, 2);
    fixture_fini(&f);
}

LK_TEST(pb_json_known, json_numbers_in_a_struct_stay_numbers)
{
    struct fixture f;
    Google__Protobuf__Struct *object;

    fixture_init(&f);
    parse(&f, "{\"a\": 1.5, \"b\": 3000000000}", LK_YAML_SYNTAX_JSON);
    object = (Google__Protobuf__Struct *)lk_pb_from_tree(&f.arena, &google__protobuf__struct__descriptor, f.tree,
                                                         &f.options, &f.errors);
    LK_CHECK_NEAR(field_of(object, "a")->number_value, 1.5, 0);
    LK_CHECK_NEAR(field_of(object, "b")->number_value, 3e9, 0);
    fixture_fini(&f);
}

LK_TEST(pb_json_known, an_any_is_packed_as_its_type)
{
    struct fixture f;
    Envoy__Config__Core__V3__TypedExtensionConfig *extension;
    Envoy__Extensions__Filters__Http__Router__V3__Router *router;

    fixture_init(&f);
    extension = decode_good(&f, EXTENSION,
                            "name: r\ntyped_config:\n  \"@type\": " ROUTER_URL "\n  suppressEnvoyHeaders: true\n");
    LK_CHECK_STR(extension->typed_config->type_url, ROUTER_URL);
    router = (void *)lk_pb_unpack(
        &f.arena, &envoy__extensions__filters__http__router__v3__router__descriptor,
        lk_str((const char *)extension->typed_config->value.data, extension->typed_config->value.len), NULL);
    LK_CHECK_NOT_NULL(router);
    LK_CHECK(router->suppress_envoy_headers);
    fixture_fini(&f);
}

LK_TEST(pb_json_known, mistakes_inside_an_any_have_the_whole_path)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, EXTENSION, "typed_config:\n  \"@type\": " ROUTER_URL "\n  suppress: true\n");
    check_only_error(&f, 3, "typed_config.suppress", "unknown field of envoy.extensions.filters.http.router");
    fixture_fini(&f);
}

LK_TEST(pb_json_known, an_any_of_a_well_known_type_has_a_value)
{
    struct fixture f;
    Google__Protobuf__Any *any;

    fixture_init(&f);
    any = decode_good(&f, "google.protobuf.Any",
                      "\"@type\": type.googleapis.com/google.protobuf.StringValue\nvalue: abc\n");
    LK_CHECK_EQ_UINT(any->value.len, 5);
    LK_CHECK_MEM(any->value.data, "\n\003abc", 5);
    decode(&f, "google.protobuf.Any", "\"@type\": type.googleapis.com/google.protobuf.Duration\nseconds: 1\n");
    check_error(&f, 0, 2, "", "unexpected \"seconds\"");
    check_error(&f, 1, 1, "", "\"value\" is missing");
    fixture_fini(&f);
}

LK_TEST(pb_json_known, an_unknown_type_is_unsupported_by_name)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, EXTENSION, "name: x\ntyped_config:\n  \"@type\": type.googleapis.com/foo.Bar\n  x: 1\n");
    check_only_error(&f, 3, "typed_config", "type type.googleapis.com/foo.Bar is not built in");
    LK_CHECK_EQ_INT(f.errors.items[0].code, LK_ERROR_UNSUPPORTED);
    fixture_fini(&f);
}

LK_TEST(pb_json_known, an_unknown_type_beside_is_optional_is_kept_as_a_name)
{
    struct fixture f;
    Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpFilter *filter;

    fixture_init(&f);
    filter = decode_good(&f, "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
                         "name: x\ntyped_config:\n  \"@type\": type.googleapis.com/foo.Bar\n  x: 1\n"
                         "is_optional: true\n");
    LK_CHECK_STR(filter->typed_config->type_url, "type.googleapis.com/foo.Bar");
    LK_CHECK_EQ_UINT(filter->typed_config->value.len, 0);
    LK_CHECK_EQ_UINT(f.errors.warning_count, 1);
    LK_CHECK_STR(f.errors.warnings[0].path, "typed_config");
    fixture_fini(&f);
}

LK_TEST(pb_json_known, an_any_without_type_is_a_mistake_unless_it_is_empty)
{
    check_bad("google.protobuf.Any", "a: 1", "\"@type\" is missing");
    check_bad("google.protobuf.Any", "\"@type\": 5", "expected a type URL");
    check_bad("google.protobuf.Any", "[]", "expected an object with \"@type\"");
    struct fixture f;

    fixture_init(&f);
    decode_good(&f, "google.protobuf.Any", "{}");
    fixture_fini(&f);
}

static void check_typed_struct(const char *package)
{
    struct fixture f;
    Google__Protobuf__Any *any;
    char text[512];

    fixture_init(&f);
    snprintf(text, sizeof(text),
             "\"@type\": type.googleapis.com/%s.TypedStruct\ntype_url: " ROUTER_URL
             "\nvalue:\n  suppressEnvoyHeaders: true\n",
             package);
    any = decode_good(&f, "google.protobuf.Any", text);
    LK_CHECK_STR(any->type_url, ROUTER_URL);
    LK_CHECK_EQ_UINT(any->value.len, 2);
    fixture_fini(&f);
}

LK_TEST(pb_json_known, a_typed_struct_becomes_the_type_it_names)
{
    check_typed_struct("udpa.type.v1");
    check_typed_struct("xds.type.v3");
}

LK_TEST(pb_json_known, mistakes_inside_a_typed_struct_are_found)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, "google.protobuf.Any",
           "\"@type\": type.googleapis.com/xds.type.v3.TypedStruct\ntypeUrl: " ROUTER_URL
           "\nvalue:\n  suppressed: true\n");
    check_only_error(&f, 4, "value.suppressed", "unknown field");
    fixture_fini(&f);
}

LK_TEST(pb_json_known, a_typed_struct_of_unknown_type_is_unsupported_by_name)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, "google.protobuf.Any",
           "\"@type\": type.googleapis.com/xds.type.v3.TypedStruct\ntype_url: a/stats.PluginConfig\n"
           "value: {x: 1}\n");
    check_only_error(&f, 2, "", "type a/stats.PluginConfig is not built in");
    LK_CHECK_EQ_INT(f.errors.items[0].code, LK_ERROR_UNSUPPORTED);
    fixture_fini(&f);
}

LK_TEST(pb_json_known, a_typed_struct_must_name_a_type)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, "google.protobuf.Any", "\"@type\": a/xds.type.v3.TypedStruct\nvalue: {x: 1}\n");
    check_only_error(&f, 1, "", "\"type_url\" is missing");
    fixture_fini(&f);

    fixture_init(&f);
    decode(&f, "google.protobuf.Any", "\"@type\": a/xds.type.v3.TypedStruct\ntype_url: a/udpa.type.v1.TypedStruct\n");
    check_only_error(&f, 2, "", "is not built in");
    fixture_fini(&f);
}
