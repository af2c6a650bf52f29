//! One strict reading of an MCP message, or none.
//!
//! An enforcement point and the server behind it must never understand a request differently. This crate therefore
//! accepts a body only if every usual reader would read the same thing from it, and refuses everything else with a
//! stable reason code. It does no I/O, has no dependencies and cannot panic by lint, so that the same code runs in
//! the Wasm filter inside Envoy and in the authorization server.
//!
//! The way of a request:
//!
//! 1. [`read`] looks at the [`Head`] (HTTP method and headers), reads the body with [`json`], fixes the [`Era`],
//!    finds the [`Method`] in a closed table and checks what the MCP revision in force demands.
//! 2. What comes back is a [`Reading`]; each [`Message`] in it keeps the byte span of every value.
//! 3. Everything else is a [`Refusal`], which knows how to answer the client: [`Refusal::reply`].
//! 4. [`mod@reply`] builds the answers a decision needs, [`edit`] changes exactly the bytes that have to change, [`sse`]
//!    takes event streams apart.
//!
//! ```
//! use interdict_mcp::{Head, Limits, Method, Reading, read};
//!
//! let head = Head { method: "POST", path: "/mcp", headers: &[("content-type", b"application/json")] };
//! let body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"add","arguments":{"a":1.0}}}"#;
//! let Ok(Reading::Message(message)) = read(&head, body, &Limits::default()) else { panic!("refused") };
//! assert_eq!(message.method(), Some(Method::ToolsCall));
//! assert_eq!(message.id().unwrap().raw(), "7");
//! assert_eq!(message.arguments().unwrap().get("a").unwrap().raw(), "1.0");
//! ```

mod classify;
pub mod edit;
mod era;
mod head;
pub mod json;
mod message;
mod method;
mod mirror;
mod read;
mod refusal;
pub mod reply;
pub mod sse;
mod uri;

pub use era::Era;
pub use head::Head;
pub use json::{Limits, Numbers};
pub use message::{Batch, Id, Message, MessageKind};
pub use method::Method;
pub use read::{Reading, read};
pub use refusal::Refusal;
