//! What operators see: [`metrics`] for Prometheus and the set-up of structured [`logs`].

pub mod logs;
pub mod metrics;
mod queue;
