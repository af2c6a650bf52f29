//! The admin API from its other side, for commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::{Failure, small_runtime};
use crate::admin::AdminToken;

/// Where the admin API is and how its answers are shown.
#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    /// Address of the admin API.
    #[arg(
        long,
        env = "INTERDICT_ADMIN_URL",
        default_value = "http://127.0.0.1:9192",
        global = true,
        value_name = "URL"
    )]
    admin: String,
    /// File with the admin token.
    #[arg(long, env = "INTERDICT_ADMIN_TOKEN_FILE", global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print what the server answered, as JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// One call.
pub(super) enum Call<'c> {
    /// Reads.
    Get(Vec<(&'c str, String)>),
    /// Changes.
    Post(serde_json::Value),
}

#[derive(Debug, Deserialize)]
struct Refused {
    error: RefusedError,
}

#[derive(Debug, Deserialize)]
struct RefusedError {
    code: String,
    message: String,
}

impl AdminArgs {
    /// Calls the path `/v1/<parts>` and returns the text of the answer.
    pub(super) fn call(&self, parts: &[&str], call: Call<'_>) -> Result<String, Failure> {
        let Some(file) = &self.token_file else {
            return Err(Failure::usage(
                "name the token file with --token-file or INTERDICT_ADMIN_TOKEN_FILE",
            ));
        };
        let token = AdminToken::open(file)
            .and_then(|token| token.read())
            .map_err(|error| Failure::usage(format!("token file: {error}")))?;
        let mut url = url::Url::parse(&self.admin)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && !url.cannot_be_a_base())
            .ok_or_else(|| {
                Failure::usage(format!("--admin `{}` must be a URL like http://127.0.0.1:9192", self.admin))
            })?;
        let base = url.to_string();
        url.path_segments_mut()
            .map_err(|()| Failure::usage("--admin must be a URL"))?
            .pop_if_empty()
            .push("v1")
            .extend(parts);
        small_runtime()?.block_on(ask(&base, url, &token, call))
    }
}

async fn ask(base: &str, url: url::Url, token: &str, call: Call<'_>) -> Result<String, Failure> {
    // Neither a proxy nor a redirect shall see the token.
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(15))
        .build()
        .map_err(|error| Failure::failed(format!("no HTTP client: {error}")))?;
    let request = match call {
        Call::Get(query) => {
            let mut url = url;
            if !query.is_empty() {
                url.query_pairs_mut().extend_pairs(query);
            }
            http.get(url)
        }
        Call::Post(body) => http.post(url).json(&body),
    };
    let response = request
        .bearer_auth(token)
        .send()
        .await
        .map_err(|error| Failure::failed(format!("{base}: {}", reason(&error))))?;
    let status = response.status();
    let text = response.text().await.map_err(|error| Failure::failed(reason(&error)))?;
    if status.is_success() {
        return Ok(text);
    }
    Err(Failure::failed(match serde_json::from_str::<Refused>(&text) {
        Ok(refused) => format!("{} [{}]", refused.error.message, refused.error.code),
        Err(_) => format!("the server answered {status}"),
    }))
}

/// The innermost cause says what happened ("connection refused").
pub(super) fn reason(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Reads an answer of the server.
pub(super) fn read<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::failed(format!("the answer cannot be read: {error}")))
}
