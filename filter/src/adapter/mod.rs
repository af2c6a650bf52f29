//! The proxy-wasm side: callbacks become events, actions become host calls. No logic here.

mod host;
mod http;
mod root;
mod sys;

use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}
