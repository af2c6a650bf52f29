//! The decision point: it answers Envoy's external-authorization call with Allow, Deny or Intercept.
//!
//! The folders follow the way of a request: [`frontdoor`] → [`identity`] → [`facts`] → [`decide`] → [`record`].

pub mod action;
pub mod admin;
pub mod audit;
pub mod bundle;
pub mod cli;
pub mod clock;
pub mod config;
pub mod content;
pub mod decide;
pub mod facts;
mod files;
pub mod frontdoor;
pub mod identity;
pub mod intercept;
pub mod pins;
pub mod record;
pub mod reply;
pub mod request;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod totals;
pub mod upstream_credential;
pub mod witness;
