//! An [`Answer`] as a CheckResponse. There is one constructor, and every answer goes through it.
//!
//! Envoy's native filter allows a CheckResponse that is empty, and one with a denied arm and status code 0. So code
//! and arm are set together, here and nowhere else, and `Default` is never used for a whole response.

use envoy_types::ext_authz::v3::pb::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpResponse,
    HttpStatus, OkHttpResponse,
};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use envoy_types::pb::google::rpc;
use interdict_mcp::reply::Reply;
use interdict_proto::enforcement::{Enforcement, EnforcementError};

use crate::request::Answer;

/// An answer that has no form on this wire; the call fails, and Envoy denies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The enforcement contradicts itself.
    #[error("enforcement: {0}")]
    Enforcement(EnforcementError),
    /// A denied body is text on this wire.
    #[error("the reply's body is not UTF-8")]
    BodyNotText,
    /// Verdict and arm do not belong together.
    #[error("only an Allow passes, and an Allow has no reply")]
    Contradiction,
}

/// Translates; decides nothing.
///
/// # Errors
/// [`EncodeError`]; never for an answer of [`crate::decide::Decider`].
pub fn encode(answer: Answer) -> Result<CheckResponse, EncodeError> {
    use interdict_proto::enforcement::Verdict;
    match (answer.enforcement().verdict, &answer) {
        (Verdict::Allow, Answer::Pass { .. })
        | (Verdict::Deny | Verdict::Intercept, Answer::Reply { .. }) => {}
        _ => return Err(EncodeError::Contradiction),
    }
    let (enforcement, arm) = match answer {
        Answer::Pass { set_headers, remove_headers, enforcement } => {
            let headers = set_headers.into_iter().map(|(name, value)| header(name, value)).collect();
            let ok =
                OkHttpResponse { headers, headers_to_remove: remove_headers, ..OkHttpResponse::default() };
            (enforcement, HttpResponse::OkResponse(ok))
        }
        Answer::Reply { reply, enforcement } => (enforcement, HttpResponse::DeniedResponse(denied(reply)?)),
    };
    check_response(&enforcement, arm)
}

/// The one constructor.
fn check_response(enforcement: &Enforcement, arm: HttpResponse) -> Result<CheckResponse, EncodeError> {
    let code = match &arm {
        HttpResponse::OkResponse(_) => tonic::Code::Ok,
        HttpResponse::DeniedResponse(_) | HttpResponse::ErrorResponse(_) => tonic::Code::PermissionDenied,
    };
    let fields = enforcement.metadata().map_err(EncodeError::Enforcement)?;
    let fields = fields
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Value { kind: Some(Kind::StringValue(text)) }));
    Ok(CheckResponse {
        status: Some(rpc::Status {
            code: code.into(),
            message: enforcement.reason.clone(),
            details: Vec::new(),
        }),
        dynamic_metadata: Some(Struct { fields: fields.collect() }),
        http_response: Some(arm),
    })
}

fn denied(reply: Reply) -> Result<DeniedHttpResponse, EncodeError> {
    let mut headers: Vec<_> = reply.headers.into_iter().map(|(name, value)| header(name, value)).collect();
    if let Some(media_type) = reply.content_type {
        headers.push(header("content-type".to_owned(), media_type.to_owned()));
    }
    Ok(DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(reply.status) }),
        headers,
        body: String::from_utf8(reply.body).map_err(|_| EncodeError::BodyNotText)?,
    })
}

fn header(key: String, value: String) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key, value, raw_value: Vec::new() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

#[cfg(test)]
mod tests;
