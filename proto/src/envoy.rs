//! The subset of Envoy's API, by protobuf package.

/// `envoy.service.auth.v3`: the Check call.
pub use crate::pb::envoy::service::auth::v3 as auth;

/// `envoy.config.core.v3`: headers, addresses, `GrpcService`.
pub use crate::pb::envoy::config::core::v3 as core;

/// `envoy.type.v3`: HTTP status.
pub use crate::pb::envoy::r#type::v3 as types;

/// `google.rpc`: status of a call.
pub use crate::pb::google::rpc;

/// `google.protobuf`: Struct, Timestamp, Duration and wrappers.
pub use crate::pb::google::protobuf;

/// Full name of the gRPC service that the filter calls.
pub const AUTHORIZATION_SERVICE: &str = "envoy.service.auth.v3.Authorization";

/// Its one method.
pub const CHECK_METHOD: &str = "Check";

/// Name under which Envoy's native ext_authz filter files the dynamic metadata of an answer.
pub const EXT_AUTHZ_NAMESPACE: &str = "envoy.filters.http.ext_authz";

impl core::HeaderValue {
    /// A header with its value as bytes, as Envoy sends with `encode_raw_headers`.
    pub fn raw(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), value: String::new(), raw_value: value.into() }
    }

    /// The value, from whichever of the two fields holds it; `None` when both do (two readings).
    pub fn bytes(&self) -> Option<&[u8]> {
        match (self.value.is_empty(), self.raw_value.is_empty()) {
            (false, false) => None,
            (false, true) => Some(self.value.as_bytes()),
            (true, _) => Some(&self.raw_value),
        }
    }
}

impl protobuf::Struct {
    /// The string in field `name`; `None` when it is missing or of another type.
    pub fn string(&self, name: &str) -> Option<&str> {
        match self.fields.get(name)?.kind.as_ref()? {
            protobuf::value::Kind::StringValue(text) => Some(text),
            _ => None,
        }
    }

    /// Sets field `name` to a string.
    pub fn set_string(&mut self, name: &str, text: impl Into<String>) {
        let kind = Some(protobuf::value::Kind::StringValue(text.into()));
        self.fields.insert(name.to_owned(), protobuf::Value { kind });
    }
}
