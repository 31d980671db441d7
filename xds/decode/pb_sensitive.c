/*
 * The fields that Envoy's API marks as sensitive, of the messages that we have, and our own secrets. A test checks
 * that each name exists.
 */
#include "xds/decode/pb_sensitive.h"

#include "envoy/config/core/v3/grpc_service.pb-c.h"
#include "envoy/config/trace/v3/skywalking.pb-c.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb-c.h"
#include "lanekeeper/lane/v1/lane.pb-c.h"
#include "proxy/base/mem.h"

#include <string.h>

static const struct {
    const ProtobufCMessageDescriptor *message;
    const char *field;
} sensitive[] = {
    {&envoy__extensions__transport_sockets__tls__v3__tls_certificate__descriptor, "private_key"},
    {&envoy__extensions__transport_sockets__tls__v3__tls_certificate__descriptor, "pkcs12"},
    {&envoy__extensions__transport_sockets__tls__v3__tls_certificate__descriptor, "password"},
    {&envoy__extensions__transport_sockets__tls__v3__private_key_provider__descriptor, "typed_config"},
    {&envoy__extensions__transport_sockets__tls__v3__tls_session_ticket_keys__descriptor, "keys"},
    {&envoy__extensions__transport_sockets__tls__v3__generic_secret__descriptor, "secret"},
    {&envoy__extensions__transport_sockets__tls__v3__generic_secret__descriptor, "secrets"},
    {&envoy__extensions__filters__http__ext_authz__v3__check_settings__descriptor, "context_extensions"},
    {&envoy__config__trace__v3__client_config__descriptor, "backend_token"},
    {&envoy__config__core__v3__grpc_service__google_grpc__ssl_credentials__descriptor, "private_key"},
    {&lanekeeper__lane__v1__secret_header__descriptor, "value"},
};

bool lk_pb_is_sensitive(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(sensitive); i++) {
        if (sensitive[i].message == desc && strcmp(sensitive[i].field, field->name) == 0)
            return true;
    }
    return false;
}
