//! The built module: its imports, exports and size. Runs when INTERDICT_WASM names it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;

/// Imports that Envoy 1.36 to 1.40 offers and that the module may have. One that Envoy does not know makes the module
/// fail to load. The SDK imports calls that the filter never makes; `capability_restriction_config` takes those away.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "env",
        &[
            "proxy_add_header_map_value",
            "proxy_call_foreign_function",
            "proxy_close_stream",
            "proxy_continue_stream",
            "proxy_define_metric",
            "proxy_dequeue_shared_queue",
            "proxy_done",
            "proxy_enqueue_shared_queue",
            "proxy_get_buffer_bytes",
            "proxy_get_buffer_status",
            "proxy_get_current_time_nanoseconds",
            "proxy_get_header_map_pairs",
            "proxy_get_header_map_value",
            "proxy_get_metric",
            "proxy_get_property",
            "proxy_get_shared_data",
            "proxy_get_status",
            "proxy_grpc_call",
            "proxy_grpc_cancel",
            "proxy_grpc_close",
            "proxy_grpc_send",
            "proxy_grpc_stream",
            "proxy_http_call",
            "proxy_increment_metric",
            "proxy_log",
            "proxy_record_metric",
            "proxy_register_shared_queue",
            "proxy_remove_header_map_value",
            "proxy_replace_header_map_value",
            "proxy_resolve_shared_queue",
            "proxy_send_local_response",
            "proxy_set_buffer_bytes",
            "proxy_set_effective_context",
            "proxy_set_header_map_pairs",
            "proxy_set_property",
            "proxy_set_shared_data",
            "proxy_set_tick_period_milliseconds",
        ],
    ),
    ("wasi_snapshot_preview1", &["environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"]),
];

/// The pattern matcher of the content rules and its Unicode tables are a good half of it.
const MAX_BYTES: usize = 3_000_000;

fn module() -> Option<Vec<u8>> {
    let path = std::env::var_os("INTERDICT_WASM")?;
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => panic!("INTERDICT_WASM names {}, but: {error}", path.display()),
    }
}

/// Reads just enough of the binary format (WebAssembly 1.0, section 5).
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap();
        self.0 = rest;
        *first
    }
    fn number(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }
    fn bytes(&mut self, count: usize) -> &'b [u8] {
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        bytes
    }
    fn name(&mut self) -> String {
        let count = self.number();
        String::from_utf8(self.bytes(count).to_vec()).unwrap()
    }
}

fn section(module: &[u8], wanted: u8) -> Reader<'_> {
    assert_eq!(module[..8], *b"\0asm\x01\0\0\0");
    let mut reader = Reader(&module[8..]);
    while !reader.0.is_empty() {
        let id = reader.byte();
        let size = reader.number();
        let content = reader.bytes(size);
        if id == wanted {
            return Reader(content);
        }
    }
    panic!("no section {wanted}")
}

fn imports(module: &[u8]) -> BTreeSet<(String, String)> {
    let mut reader = section(module, 2);
    let count = reader.number();
    let all = (0..count).map(|_| {
        let pair = (reader.name(), reader.name());
        assert_eq!(reader.byte(), 0, "{pair:?} is not a function");
        reader.number();
        pair
    });
    all.collect()
}

fn exports(module: &[u8]) -> BTreeSet<String> {
    let mut reader = section(module, 7);
    let count = reader.number();
    let all = (0..count).map(|_| {
        let name = reader.name();
        reader.byte();
        reader.number();
        name
    });
    all.collect()
}

#[test]
fn rule_22_the_module_imports_nothing_that_envoy_does_not_offer() {
    let Some(module) = module() else { return };
    for (from, name) in imports(&module) {
        let offered = ALLOWED.iter().any(|(module, names)| *module == from && names.contains(&name.as_str()));
        assert!(offered, "the module imports {from}.{name}");
    }
}

#[test]
fn rule_22_the_module_keeps_its_size_budget() {
    let Some(module) = module() else { return };
    assert!(module.len() < MAX_BYTES, "{} bytes", module.len());
}

#[test]
fn rule_18_every_shipped_capability_is_one_of_the_modules() {
    let Some(module) = module() else { return };
    let mut known: BTreeSet<String> = imports(&module).into_iter().map(|(_, name)| name).collect();
    known.extend(exports(&module));
    for file in ["call.yaml", "split.yaml"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let (_, list) = text.split_once("allowed_capabilities:\n").unwrap();
        let lines = list.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let names = lines.map_while(|line| line.strip_suffix(": {}"));
        let names: Vec<&str> = names.collect();
        assert!(names.len() > 30);
        for name in names {
            assert!(known.contains(name), "{file} allows {name}, which the module does not have");
        }
    }
}

#[test]
fn rule_25_the_sdk_is_recent_enough() {
    let lock = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    let (_, after) = lock.split_once("name = \"proxy-wasm\"\nversion = \"").unwrap();
    let version: Vec<u32> =
        after.split('"').next().unwrap().split('.').map(|part| part.parse().unwrap()).collect();
    assert!(version >= vec![0, 2, 5], "{version:?}");
}
