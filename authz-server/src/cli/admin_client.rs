//! The admin API from its other side, for commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::{Failure, plain, small_runtime};
use crate::admin::AdminToken;

/// Where the admin API is looked for when nobody says.
const ADDRESS: &str = "http://127.0.0.1:9192";
/// Above these options in every help text.
const HEADING: &str = "Admin API";
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Where the address may stand instead of the command line.
const ADDRESS_VARIABLE: &str = "INTERDICT_ADMIN_URL";

/// Where the admin API is and how its answers are shown.
#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    /// Address of the admin API.
    #[arg(long, env = ADDRESS_VARIABLE, default_value = ADDRESS, global = true, value_name = "URL", help_heading = HEADING)]
    admin: String,
    /// File with the admin token: `listen.admin.token_file` of the server.
    #[arg(long, env = "INTERDICT_ADMIN_TOKEN_FILE", global = true, value_name = "FILE", help_heading = HEADING)]
    token_file: Option<PathBuf>,
    /// Print what the server answered, as JSON.
    #[arg(long, global = true, help_heading = HEADING)]
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
                "name the file with the admin token: --token-file FILE, or INTERDICT_ADMIN_TOKEN_FILE=FILE; it is \
                 `listen.admin.token_file` in the server's configuration",
            ));
        };
        let token = AdminToken::open(file)
            .and_then(|token| token.read())
            .map_err(|error| Failure::usage(format!("--token-file: {error}")))?;
        small_runtime()?.block_on(self.ask(self.url(parts)?, &token, call))
    }

    /// The address of these parts. What stands for another path (`..`, `a/b`) asks nobody: commands check their
    /// arguments first and say it better.
    fn url(&self, parts: &[&str]) -> Result<url::Url, Failure> {
        let is_word = |part: &&str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if let Some(odd) = parts.iter().find(|part| !is_word(part)) {
            return Err(Failure::usage(format!("`{odd}` is no id")));
        }
        let mut url = url::Url::parse(&self.admin)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && !url.cannot_be_a_base())
            .ok_or_else(|| {
                Failure::usage(format!("--admin `{}` must be a URL like {ADDRESS}", self.admin))
            })?;
        url.path_segments_mut()
            .map_err(|()| Failure::usage("--admin must be a URL"))?
            .pop_if_empty()
            .push("v1")
            .extend(parts);
        Ok(url)
    }

    async fn ask(&self, url: url::Url, token: &str, call: Call<'_>) -> Result<String, Failure> {
        // Neither a proxy nor a redirect shall see the token.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
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
        let response = request.bearer_auth(token).send().await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            return Ok(text);
        }
        Err(Failure::failed(match serde_json::from_str::<Refused>(&text) {
            Ok(Refused { error }) if error.code == "admin.unauthorized" => format!(
                "the server does not take this token; --token-file has to name what `listen.admin.token_file` names in \
                 the configuration of the server at {} [{}]",
                self.admin, error.code
            ),
            Ok(Refused { error }) => format!("{} [{}]", error.message, error.code),
            Err(_) => {
                format!("{} answered {status} and is no admin API of Interdict; {}", self.admin, self.found())
            }
        }))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() && !error.is_connect() {
            return Failure::failed(format!(
                "the admin API at {} did not answer within {} seconds; an answer that was being given may still take \
                 effect: look with `list` (`interdict pins list`, `interdict approvals list`, …) before you give it again",
                self.admin,
                PATIENCE.as_secs()
            ));
        }
        Failure::failed(format!(
            "the admin API at {} cannot be reached: {}; {}. Is `interdict serve` running, and is this its \
             `listen.admin.address`? Name another address with --admin URL or {ADDRESS_VARIABLE}=URL",
            self.admin,
            reason(error),
            self.found()
        ))
    }

    /// Where the address comes from.
    fn found(&self) -> String {
        match std::env::var(ADDRESS_VARIABLE) {
            Ok(value) if value == self.admin => format!("the address is from {ADDRESS_VARIABLE}"),
            _ if self.admin == ADDRESS => "that is the default address".to_owned(),
            _ => "the address is from --admin".to_owned(),
        }
    }

    /// Prints the answer when JSON was asked for; whether it did.
    pub(super) fn print_json(&self, text: &str) -> bool {
        if self.json {
            println!("{}", plain::json(text));
        }
        self.json
    }
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
