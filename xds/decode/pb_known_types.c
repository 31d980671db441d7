/* The well-known types, apart from Any. Pure function. */
#include "xds/decode/pb_known_types.h"

#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "proxy/base/mem.h"

bool lk_pb_is_known_type(const ProtobufCMessageDescriptor *desc)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &google__protobuf__duration__descriptor,     &google__protobuf__timestamp__descriptor,
        &google__protobuf__struct__descriptor,       &google__protobuf__value__descriptor,
        &google__protobuf__list_value__descriptor,   &google__protobuf__double_value__descriptor,
        &google__protobuf__float_value__descriptor,  &google__protobuf__int64_value__descriptor,
        &google__protobuf__uint64_value__descriptor, &google__protobuf__int32_value__descriptor,
        &google__protobuf__uint32_value__descriptor, &google__protobuf__bool_value__descriptor,
        &google__protobuf__string_value__descriptor, &google__protobuf__bytes_value__descriptor,
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(types); i++) {
        if (desc == types[i])
            return true;
    }
    return false;
}
