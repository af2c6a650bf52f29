//! Host calls of the proxy-wasm ABI 0.2.1, each with a result instead of the SDK's panic.
//!
//! The SDK turns every status that it does not expect into a panic, and a panic ends the VM of the worker. Here every
//! status but 0 is [`Refused`]. The imports are the same as the SDK's, so they add nothing to the import list but
//! `proxy_get_buffer_status` and the local reply's details, which the SDK does not offer.
//!
//! The only `unsafe` of the project: calls with pointers into our own live slices, and buffers that Envoy wrote into
//! memory which it got from our own allocator (`proxy_on_memory_allocate`).
#![allow(unsafe_code)]

use crate::drive::Refused;
use std::ptr::null_mut;
use std::time::Duration;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_buffer_status(kind: u32, size: *mut usize, flags: *mut u32) -> u32;
    fn proxy_set_buffer_bytes(kind: u32, start: usize, size: usize, data: *const u8, length: usize) -> u32;
    fn proxy_get_header_map_pairs(kind: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        kind: u32,
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        kind: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        kind: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(kind: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_continue_stream(kind: u32) -> u32;
    fn proxy_close_stream(kind: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_grpc_call(
        upstream: *const u8,
        upstream_size: usize,
        service: *const u8,
        service_size: usize,
        method: *const u8,
        method_size: usize,
        metadata: *const u8,
        metadata_size: usize,
        message: *const u8,
        message_size: usize,
        timeout_milliseconds: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

/// Buffers.
pub(super) mod buffer {
    pub(in crate::adapter) const REQUEST_BODY: u32 = 0;
    pub(in crate::adapter) const RESPONSE_BODY: u32 = 1;
    pub(in crate::adapter) const GRPC_ANSWER: u32 = 5;
    pub(in crate::adapter) const PLUGIN_CONFIGURATION: u32 = 7;
}

/// Header maps.
pub(super) mod map {
    pub(in crate::adapter) const REQUEST: u32 = 0;
    pub(in crate::adapter) const RESPONSE: u32 = 2;
    pub(in crate::adapter) const RESPONSE_TRAILERS: u32 = 3;
}

/// Log levels.
pub(super) mod level {
    pub(in crate::adapter) const WARN: u32 = 3;
    pub(in crate::adapter) const ERROR: u32 = 4;
}

/// Metric kinds.
pub(super) mod metric {
    pub(in crate::adapter) const COUNTER: u32 = 0;
    pub(in crate::adapter) const HISTOGRAM: u32 = 2;
}

const REQUEST_STREAM: u32 = 0;
const NO_GRPC_STATUS: i32 = -1;

fn ok(status: u32) -> Result<(), Refused> {
    if status == 0 { Ok(()) } else { Err(Refused) }
}

/// Takes over a buffer that Envoy allocated in our memory.
fn take(status: u32, data: *mut u8, size: usize) -> Result<Vec<u8>, Refused> {
    ok(status)?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: Envoy got `data` from `proxy_on_memory_allocate(size)`, a boxed slice of exactly `size` bytes, wrote all
    // of it and gave it up.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

pub(super) fn log(level: u32, message: &str) {
    // SAFETY: the pointer and size are those of a live slice.
    let _ = unsafe { proxy_log(level, message.as_ptr(), message.len()) };
}

pub(super) fn now() -> u64 {
    let mut time = 0;
    // SAFETY: Envoy writes one u64.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut time) };
    ok(status).map_or(0, |()| time)
}

pub(super) fn set_tick_period(milliseconds: u32) -> Result<(), Refused> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_set_tick_period_milliseconds(milliseconds) })
}

pub(super) fn buffer(kind: u32, length: usize) -> Result<Vec<u8>, Refused> {
    buffer_part(kind, 0, length)
}

pub(super) fn buffer_part(kind: u32, start: usize, length: usize) -> Result<Vec<u8>, Refused> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: Envoy writes a pointer and a size.
    let status = unsafe { proxy_get_buffer_bytes(kind, start, length, &raw mut data, &raw mut size) };
    take(status, data, size)
}

pub(super) fn buffer_size(kind: u32) -> Result<usize, Refused> {
    let (mut size, mut flags) = (0, 0);
    // SAFETY: Envoy writes two words.
    ok(unsafe { proxy_get_buffer_status(kind, &raw mut size, &raw mut flags) })?;
    Ok(size)
}

pub(super) fn replace_buffer(kind: u32, length: usize, bytes: &[u8]) -> Result<(), Refused> {
    // SAFETY: the pointer and size are those of a live slice.
    ok(unsafe { proxy_set_buffer_bytes(kind, 0, length, bytes.as_ptr(), bytes.len()) })
}

pub(super) fn headers(kind: u32) -> Result<Vec<(String, Vec<u8>)>, Refused> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: Envoy writes a pointer and a size.
    let status = unsafe { proxy_get_header_map_pairs(kind, &raw mut data, &raw mut size) };
    crate::pairs::decode(&take(status, data, size)?).ok_or(Refused)
}

pub(super) fn header(kind: u32, name: &str) -> Option<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the pointer and size are those of a live slice; Envoy writes a pointer and a size.
    let status =
        unsafe { proxy_get_header_map_value(kind, name.as_ptr(), name.len(), &raw mut data, &raw mut size) };
    take(status, data, size).ok()
}

pub(super) fn add_header(kind: u32, name: &str, value: &[u8]) -> Result<(), Refused> {
    // SAFETY: pointers and sizes are those of live slices.
    ok(unsafe { proxy_add_header_map_value(kind, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

pub(super) fn set_header(kind: u32, name: &str, value: &[u8]) -> Result<(), Refused> {
    // SAFETY: pointers and sizes are those of live slices.
    ok(unsafe {
        proxy_replace_header_map_value(kind, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

pub(super) fn remove_header(kind: u32, name: &str) -> Result<(), Refused> {
    // SAFETY: the pointer and size are those of a live slice.
    ok(unsafe { proxy_remove_header_map_value(kind, name.as_ptr(), name.len()) })
}

/// A property; its parts are separated by NUL. `None` when it is missing or cannot be read.
pub(super) fn property(path: &str) -> Option<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the pointer and size are those of a live slice; Envoy writes a pointer and a size.
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    take(status, data, size).ok()
}

pub(super) fn set_property(path: &str, value: &[u8]) -> Result<(), Refused> {
    // SAFETY: pointers and sizes are those of live slices.
    ok(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

pub(super) fn resume_request() -> Result<(), Refused> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_continue_stream(REQUEST_STREAM) })
}

pub(super) fn reset() -> Result<(), Refused> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_close_stream(REQUEST_STREAM) })
}

pub(super) fn local_reply(
    status: u16,
    details: &str,
    headers: &[(String, Vec<u8>)],
    body: &[u8],
) -> Result<(), Refused> {
    let headers = crate::pairs::encode(headers).ok_or(Refused)?;
    // SAFETY: pointers and sizes are those of live slices.
    ok(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    })
}

pub(super) fn set_effective_context(context: u32) -> Result<(), Refused> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_set_effective_context(context) })
}

/// Whom to call.
pub(super) struct Call<'a> {
    /// A serialized `GrpcService`.
    pub(super) service: &'a str,
    pub(super) name: &'a str,
    pub(super) method: &'a str,
}

/// Makes a call for the context `root` while another one is in effect. The SDK does not know its token and passes over the
/// answer.
pub(super) fn tell(
    root: u32,
    current: u32,
    call: &Call<'_>,
    message: &[u8],
    timeout: Duration,
) -> Result<(), Refused> {
    let metadata = crate::pairs::encode(&[]).ok_or(Refused)?;
    let timeout = u32::try_from(timeout.as_millis()).map_err(|_| Refused)?;
    let mut token = 0;
    set_effective_context(root)?;
    // SAFETY: pointers and sizes are those of live slices; Envoy writes one word.
    let status = unsafe {
        proxy_grpc_call(
            call.service.as_ptr(),
            call.service.len(),
            call.name.as_ptr(),
            call.name.len(),
            call.method.as_ptr(),
            call.method.len(),
            metadata.as_ptr(),
            metadata.len(),
            message.as_ptr(),
            message.len(),
            timeout,
            &raw mut token,
        )
    };
    set_effective_context(current)?;
    ok(status)
}

pub(super) fn define_metric(kind: u32, name: &str) -> Result<u32, Refused> {
    let mut id = 0;
    // SAFETY: the pointer and size are those of a live slice; Envoy writes one word.
    ok(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

pub(super) fn increment_metric(id: u32, by: usize) -> Result<(), Refused> {
    let by = i64::try_from(by).map_err(|_| Refused)?;
    // SAFETY: no pointers.
    ok(unsafe { proxy_increment_metric(id, by) })
}

pub(super) fn record_metric(id: u32, value: u64) -> Result<(), Refused> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_record_metric(id, value) })
}
