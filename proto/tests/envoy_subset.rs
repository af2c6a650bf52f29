//! The subset against the complete API, as the `envoy-types` crate has it.

#![allow(clippy::expect_used)]

use envoy_types::pb as full;
use interdict_proto::envoy::{auth, core};
use prost::Message;
use std::collections::{BTreeMap, HashMap};

/// Encodes with the one, decodes and encodes with the other, decodes with the one again.
fn through_subset<Full: Message + Default, Subset: Message + Default>(message: &Full) -> (Subset, Full) {
    let subset = Subset::decode(message.encode_to_vec().as_slice()).expect("the subset reads it");
    let back = Full::decode(subset.encode_to_vec().as_slice()).expect("the whole reads it");
    (subset, back)
}

fn full_option(
    key: &str,
    value: &str,
    append: Option<bool>,
    action: i32,
) -> full::envoy::config::core::v3::HeaderValueOption {
    #[allow(deprecated)]
    full::envoy::config::core::v3::HeaderValueOption {
        header: Some(full::envoy::config::core::v3::HeaderValue {
            key: key.into(),
            value: value.into(),
            raw_value: Vec::new(),
        }),
        append: append.map(|value| full::google::protobuf::BoolValue { value }),
        append_action: action,
        keep_empty_value: true,
    }
}

#[test]
fn a_check_request_of_envoy_survives_the_subset() {
    use full::envoy::config::core::v3 as c;
    use full::envoy::service::auth::v3 as a;
    let peer = |port| a::attribute_context::Peer {
        address: Some(c::Address {
            address: Some(c::address::Address::SocketAddress(c::SocketAddress {
                protocol: c::socket_address::Protocol::Udp as i32,
                address: "192.0.2.7".into(),
                port_specifier: Some(c::socket_address::PortSpecifier::PortValue(port)),
                ..Default::default()
            })),
        }),
        service: "svc".into(),
        labels: HashMap::from([("k".to_owned(), "v".to_owned())]),
        principal: "spiffe://example.org/agent".into(),
        certificate: "-----BEGIN%20CERTIFICATE-----".into(),
    };
    let request = a::CheckRequest {
        attributes: Some(a::AttributeContext {
            source: Some(peer(4711)),
            destination: Some(peer(443)),
            request: Some(a::attribute_context::Request {
                time: Some(full::google::protobuf::Timestamp { seconds: 1_790_000_000, nanos: 7 }),
                http: Some(a::attribute_context::HttpRequest {
                    id: "id".into(),
                    method: "POST".into(),
                    headers: HashMap::from([("a".to_owned(), "b".to_owned())]),
                    header_map: Some(c::HeaderMap {
                        headers: vec![c::HeaderValue {
                            key: "x".into(),
                            value: String::new(),
                            raw_value: vec![0xff, 0x00],
                        }],
                    }),
                    path: "/mcp?a=b".into(),
                    host: "example.org".into(),
                    scheme: "https".into(),
                    query: "q".into(),
                    fragment: "f".into(),
                    size: -1,
                    protocol: "HTTP/2".into(),
                    body: "text".into(),
                    raw_body: vec![0, 159, 146, 150],
                }),
            }),
            context_extensions: HashMap::from([("interdict.enforcer".to_owned(), "split".to_owned())]),
            tls_session: Some(a::attribute_context::TlsSession { sni: "example.org".into() }),
            ..Default::default()
        }),
    };
    let (subset, back) = through_subset::<_, auth::CheckRequest>(&request);
    assert_eq!(back, request);
    let http = subset.attributes.unwrap().request.unwrap().http.unwrap();
    assert_eq!(http.raw_body, [0, 159, 146, 150]);
    assert_eq!(http.size, -1);
}

#[test]
fn every_arm_of_a_check_response_survives_the_subset() {
    use full::envoy::service::auth::v3 as a;
    use full::google::protobuf::{Struct, Value, value::Kind};
    let denied = || a::DeniedHttpResponse {
        status: Some(full::envoy::r#type::v3::HttpStatus { code: 403 }),
        headers: vec![full_option("content-type", "application/json", None, 2)],
        body: "{}".into(),
    };
    let ok = a::OkHttpResponse {
        headers: vec![full_option("a", "b", Some(true), 0), full_option("a", "c", Some(false), 3)],
        headers_to_remove: vec!["authorization".into()],
        response_headers_to_add: vec![full_option("r", "s", None, 1)],
        query_parameters_to_set: vec![full::envoy::config::core::v3::QueryParameter {
            key: "k".into(),
            value: "v".into(),
        }],
        query_parameters_to_remove: vec!["gone".into()],
        ..Default::default()
    };
    let kinds = [
        Kind::NullValue(0),
        Kind::NumberValue(1.5),
        Kind::StringValue("text".into()),
        Kind::BoolValue(true),
        Kind::ListValue(full::google::protobuf::ListValue {
            values: vec![Value { kind: Some(Kind::BoolValue(false)) }],
        }),
        Kind::StructValue(Struct::default()),
    ];
    let fields = kinds.into_iter().enumerate();
    let fields = fields.map(|(index, kind)| (format!("f{index}"), Value { kind: Some(kind) }));
    let metadata = Struct { fields: fields.collect() };
    use a::check_response::HttpResponse;
    for (code, arm) in [
        (7, Some(HttpResponse::DeniedResponse(denied()))),
        (0, Some(HttpResponse::OkResponse(ok))),
        (13, Some(HttpResponse::ErrorResponse(denied()))),
        (0, None),
    ] {
        let response = a::CheckResponse {
            status: Some(full::google::rpc::Status { code, message: "why".into(), details: Vec::new() }),
            http_response: arm,
            dynamic_metadata: Some(metadata.clone()),
        };
        let (_, back) = through_subset::<_, auth::CheckResponse>(&response);
        assert_eq!(back, response);
    }
}

#[test]
fn the_grpc_service_of_the_subset_is_read_by_the_whole_api() {
    let service = core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(
            core::grpc_service::EnvoyGrpc {
                cluster_name: "interdict".into(),
                authority: "authz.example".into(),
                max_receive_message_length: Some(interdict_proto::envoy::protobuf::UInt32Value {
                    value: 4096,
                }),
            },
        )),
        timeout: Some(interdict_proto::envoy::protobuf::Duration { seconds: 10, nanos: 5 }),
        initial_metadata: vec![core::HeaderValue::raw("k", b"v".to_vec())],
    };
    use full::envoy::config::core::v3 as c;
    let read = c::GrpcService::decode(service.encode_to_vec().as_slice()).unwrap();
    let (_, back) = through_subset::<_, core::GrpcService>(&read);
    assert_eq!(back, read);
    let Some(c::grpc_service::TargetSpecifier::EnvoyGrpc(target)) = read.target_specifier else {
        panic!("another target")
    };
    assert_eq!((target.cluster_name.as_str(), target.authority.as_str()), ("interdict", "authz.example"));
    assert_eq!(target.max_receive_message_length.unwrap().value, 4096);
    assert_eq!(read.timeout.unwrap().nanos, 5);
    assert_eq!(read.initial_metadata[0].raw_value, b"v");
}

#[test]
fn a_status_outside_of_envoys_enum_is_not_lost() {
    use interdict_proto::envoy::types::HttpStatus;
    let written = full::envoy::r#type::v3::HttpStatus { code: 299 }.encode_to_vec();
    assert_eq!(HttpStatus::decode(written.as_slice()).unwrap().code, 299);
}

#[test]
fn a_header_value_in_both_fields_has_no_reading() {
    let mut header = core::HeaderValue::raw("k", b"v".to_vec());
    assert_eq!(header.bytes(), Some(b"v".as_slice()));
    header.value = "w".into();
    assert_eq!(header.bytes(), None);
    header.raw_value.clear();
    assert_eq!(header.bytes(), Some(b"w".as_slice()));
    let _order_is_stable: BTreeMap<String, String> = auth::AttributeContext::default().context_extensions;
}
