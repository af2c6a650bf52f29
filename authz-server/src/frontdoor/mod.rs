//! Doors: wire messages in, wire messages out, no logic.

pub mod ext_authz;
pub mod outcomes;

use std::sync::Arc;

use envoy_types::ext_authz::v3::pb::AuthorizationServer;

use self::ext_authz::ExtAuthz;
use crate::decide::Decider;

/// The gRPC service of Envoy's external authorization, ready to be added to a server. A Check larger than
/// `max_message_bytes` (body, headers and certificate together) is refused by the transport.
pub fn ext_authz_service(decider: Arc<Decider>, max_message_bytes: usize) -> AuthorizationServer<ExtAuthz> {
    AuthorizationServer::new(ExtAuthz::new(decider))
        .max_decoding_message_size(max_message_bytes)
        .max_encoding_message_size(max_message_bytes)
}
