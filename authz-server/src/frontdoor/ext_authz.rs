//! `envoy.service.auth.v3.Authorization`: asked by our filter (mode `call`), or by Envoy's native ext_authz filter
//! with or without our filter behind it (mode `split`, or native alone).

mod check_request;
mod check_response;
mod timeout;

use std::sync::Arc;
use std::time::Instant;

use envoy_types::ext_authz::v3::pb::{Authorization, CheckRequest, CheckResponse};
use tonic::{Request, Response, Status};

pub use self::check_request::decode;
pub use self::check_response::encode;
use crate::decide::Decider;

/// The gRPC service.
#[derive(Debug, Clone)]
pub struct ExtAuthz {
    decider: Arc<Decider>,
}

impl ExtAuthz {
    /// A door to this decider.
    pub fn new(decider: Arc<Decider>) -> Self {
        Self { decider }
    }
}

#[tonic::async_trait]
impl Authorization for ExtAuthz {
    async fn check(&self, call: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let deadline = timeout::of(call.metadata()).map(|timeout| Instant::now() + timeout);
        let answer = match decode(call.into_inner(), deadline) {
            Ok(request) => self.decider.decide(request).await,
            Err(undecodable) => self.decider.refuse(&undecodable).await,
        };
        encode(answer).map(Response::new).map_err(|_| Status::internal("the decision could not be encoded"))
    }
}
