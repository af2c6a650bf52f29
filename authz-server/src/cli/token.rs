//! `interdict token`: a key, its public half and a token, for people who have no issuer yet.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Failure;
use crate::clock::{Clock, SystemClock};
use crate::identity::config::SignatureAlgorithm;
use crate::identity::mint::{SigningKey, TokenRequest, write_jwks};

pub(super) const HELP: &str = "\
Examples:
  interdict token --key dev.pem --jwks jwks.json --issuer https://dev.test --agent report-bot \\
      --audience https://files.example.com/mcp
  export TOKEN=$(interdict token --key dev.pem --issuer https://dev.test --agent report-bot \\
      --audience https://files.example.com/mcp --lifetime 300)

The server accepts it when `identity.issuers` names the issuer, the algorithm and the file given with --jwks.

Exit codes: 0 printed, 2 usage error or a key that cannot be read or written.";

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// PEM file of the private key; made when there is none.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Write the public key here, as the JWK Set that `identity.issuers[].jwks.file` reads.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// The algorithm.
    #[arg(long, value_enum, default_value_t = Algorithm::Es256)]
    algorithm: Algorithm,
    /// The `iss` claim, as `identity.issuers[].issuer` has it.
    #[arg(long)]
    issuer: String,
    /// The agent: the subject that the registry knows it by.
    #[arg(long, alias = "subject")]
    agent: String,
    /// The `aud` claim: the canonical URI of the MCP server, as in the registry.
    #[arg(long)]
    audience: String,
    /// The person on whose behalf the agent acts.
    #[arg(long)]
    principal: Option<String>,
    /// The `typ` header, where the issuer's configuration asks for one.
    #[arg(long)]
    typ: Option<String>,
    /// How long the token is good, in seconds.
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    lifetime: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    #[value(name = "RS256")]
    Rs256,
    #[value(name = "ES256")]
    Es256,
    #[value(name = "EdDSA")]
    EdDsa,
}

pub(super) fn run(args: &TokenArgs) -> Result<u8, Failure> {
    eprintln!(
        "interdict: warning: this token is for development and tests; whoever has the key file can be any agent"
    );
    let algorithm = match args.algorithm {
        Algorithm::Rs256 => SignatureAlgorithm::Rs256,
        Algorithm::Es256 => SignatureAlgorithm::Es256,
        Algorithm::EdDsa => SignatureAlgorithm::EdDsa,
    };
    let wrong = |error: crate::identity::mint::MintError| Failure::usage(error.to_string());
    let key = SigningKey::load_or_generate(algorithm, &args.key).map_err(wrong)?;
    if let Some(file) = &args.jwks {
        write_jwks(&[&key], file).map_err(wrong)?;
    }
    let request = TokenRequest {
        issuer: &args.issuer,
        subject: &args.agent,
        audience: &args.audience,
        lifetime_seconds: args.lifetime,
        principal: args.principal.as_deref(),
        typ: args.typ.as_deref(),
    };
    let token = key.mint(&request, SystemClock.now()).map_err(wrong)?;
    println!("{token}");
    Ok(0)
}
