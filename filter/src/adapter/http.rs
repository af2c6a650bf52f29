//! One HTTP stream: callbacks become events.

use super::host::{EnvoyHost, Shared};
use super::root::Streams;
use super::sys::{self, buffer, map};
use crate::config::{Config, Mode};
use crate::drive::drive;
use crate::event::{Event, Failure, Flow, GrpcAnswer, RequestHead, ResponseHead, Surroundings};
use crate::inspect::SharedProfiles;
use crate::stream::Stream;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::cell::RefCell;
use std::rc::Rc;
use std::str::FromStr;

pub(super) struct Http {
    id: u32,
    mode: Mode,
    shared: Rc<Shared>,
    stream: Rc<RefCell<Stream>>,
    streams: Streams,
    /// The response is one of gRPC.
    speaks_grpc: bool,
}

impl Http {
    pub(super) fn new(
        id: u32,
        config: Rc<Config>,
        shared: Rc<Shared>,
        profiles: SharedProfiles,
        streams: Streams,
    ) -> Self {
        let mode = config.mode;
        let stream = Rc::new(RefCell::new(Stream::new(config, profiles)));
        if let Ok(mut streams) = streams.try_borrow_mut() {
            streams.insert(id, Rc::clone(&stream));
        }
        Self { id, mode, shared, stream, streams, speaks_grpc: false }
    }

    fn on(&mut self, event: Event) -> Action {
        let Ok(mut stream) = self.stream.try_borrow_mut() else {
            return Action::Pause;
        };
        let mut host = EnvoyHost { shared: Rc::clone(&self.shared), stream: self.id };
        match drive(&mut stream, &mut host, event) {
            Flow::Continue => Action::Continue,
            Flow::Pause => Action::Pause,
        }
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        if let Ok(mut streams) = self.streams.try_borrow_mut() {
            streams.remove(&self.id);
        }
    }
}

impl Context for Http {
    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        let message = if status == 0 { sys::buffer(buffer::GRPC_ANSWER, size).ok() } else { None };
        let answer = GrpcAnswer { token, status, message, now: sys::now() };
        self.on(Event::Answered(answer));
    }

    fn on_done(&mut self) -> bool {
        let status = number("response\0code").and_then(|code| u16::try_from(code).ok());
        self.on(Event::Done { now: sys::now(), status });
        true
    }
}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        match request_head(self.id, self.mode) {
            Some(head) => self.on(Event::RequestHeaders { head: Box::new(head), end }),
            None => self.on(Event::HostFailed(Failure::Head)),
        }
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.on(Event::RequestBody { size, end })
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.on(Event::RequestTrailers)
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        // All of them at once: a single one is the first of its name, and a client may take another.
        let headers = sys::headers(map::RESPONSE).unwrap_or_default();
        let content_type = joined(&headers, "content-type");
        self.speaks_grpc =
            content_type.as_deref().is_some_and(|value| value.starts_with(b"application/grpc"));
        let head = ResponseHead {
            code_details: text("response\0code_details"),
            content_length: parsed(joined(&headers, "content-length")),
            content_encoding: joined(&headers, "content-encoding"),
            location: joined(&headers, "location"),
            status: parsed(joined(&headers, ":status")),
            grpc_status: parsed(joined(&headers, "grpc-status").filter(|_| self.speaks_grpc)),
            content_type,
            end,
        };
        self.on(Event::ResponseHeaders(Box::new(head)))
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.on(Event::ResponseBody { size, end })
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        let grpc_status =
            if self.speaks_grpc { parsed(sys::header(map::RESPONSE_TRAILERS, "grpc-status")) } else { None };
        self.on(Event::ResponseTrailers { grpc_status })
    }
}

/// Everything that is needed of a request, copied while Envoy hands it out.
fn request_head(id: u32, mode: Mode) -> Option<RequestHead> {
    let headers = sys::headers(map::REQUEST).ok()?;
    let route = text("xds\0route_name");
    let surroundings = match mode {
        Mode::Call => surroundings(route),
        Mode::Split => Surroundings { route, ..Surroundings::default() },
    };
    let enforcement = match mode {
        Mode::Split => sys::property("metadata\0filter_metadata\0envoy.filters.http.ext_authz\0enforcement"),
        Mode::Call => None,
    };
    Some(RequestHead {
        headers,
        surroundings,
        now: sys::now(),
        stream: id,
        received: if mode == Mode::Call { received() } else { None },
        body_size: if mode == Mode::Split { number("request\0size") } else { None },
        enforcement,
    })
}

/// What the decision point is told besides the headers. Each property is a call out of the VM, so the certificate is
/// asked for only where there is one.
fn surroundings(route: Option<String>) -> Surroundings {
    let mtls = flag("connection\0mtls");
    let of_certificate = |path| if mtls == Some(true) { text(path) } else { None };
    Surroundings {
        source_address: text("source\0address"),
        mtls,
        certificate_valid: if mtls == Some(true) { flag("connection\0peer_certificate_valid") } else { None },
        uri_san: of_certificate("connection\0uri_san_peer_certificate"),
        dns_san: of_certificate("connection\0dns_san_peer_certificate"),
        subject: of_certificate("connection\0subject_peer_certificate"),
        sni: text("connection\0requested_server_name"),
        protocol: text("request\0protocol"),
        route,
        virtual_host: text("xds\0virtual_host_name"),
    }
}

/// The headers of this name, joined by commas.
fn joined(headers: &[(String, Vec<u8>)], name: &str) -> Option<Vec<u8>> {
    let values: Vec<&[u8]> =
        headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_slice()).collect();
    (!values.is_empty()).then(|| values.join(b", ".as_slice()))
}

fn parsed<N: FromStr>(value: Option<Vec<u8>>) -> Option<N> {
    std::str::from_utf8(&value?).ok()?.parse().ok()
}

fn text(path: &str) -> Option<String> {
    sys::property(path).and_then(|bytes| String::from_utf8(bytes).ok())
}

/// A boolean property: one byte.
fn flag(path: &str) -> Option<bool> {
    sys::property(path).and_then(|bytes| bytes.first().map(|byte| *byte != 0))
}

/// `request.total_size` of the stream in effect.
pub(super) fn received() -> Option<u64> {
    number("request\0total_size")
}

/// A number property: 64 bit, little-endian.
fn number(path: &str) -> Option<u64> {
    Some(u64::from_le_bytes(sys::property(path)?.try_into().ok()?))
}
