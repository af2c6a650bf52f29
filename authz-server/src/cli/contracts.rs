//! `interdict contracts`: a first form of contracts, from what a server says of its tools.

mod arguments;
mod draft;
mod live;
#[cfg(test)]
mod tests;
mod words;

use clap::{Args, Subcommand};

use super::{Failure, small_runtime};

const HELP: &str = "\
Examples:
  interdict contracts draft --url http://127.0.0.1:8000/mcp --server files > drafts/files.yaml
  interdict contracts draft --url https://mail.internal/mcp --server mail --header 'authorization: Bearer …'

What a tool does is guessed from its name, its schema and its annotations, which are the server's own words. A bundle refuses a
contract until somebody has read it and put a name under `signed_by`.

Exit codes: 0 printed, 1 the server did not answer as an MCP server, 2 usage error.";

#[derive(Debug, Subcommand)]
pub(super) enum ContractsCommand {
    /// Ask a running MCP server for its tools and print contracts for them, to be corrected and signed.
    #[command(after_help = HELP)]
    Draft(DraftArgs),
}

#[derive(Debug, Args)]
pub(super) struct DraftArgs {
    /// Address of the MCP server (Streamable HTTP).
    #[arg(long, value_name = "URL")]
    url: String,
    /// Its id in the bundle.
    #[arg(long, value_name = "ID", default_value = "SERVER")]
    server: String,
    /// A header for the server, like `authorization: Bearer …`. May be given several times.
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Seconds for everything together.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

pub(super) fn run(command: ContractsCommand) -> Result<u8, Failure> {
    let ContractsCommand::Draft(args) = command;
    let headers = live::headers(&args.header).map_err(Failure::usage)?;
    let url = url::Url::parse(&args.url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| Failure::usage("--url must be an http or https URL"))?;
    let limit = std::time::Duration::from_secs(args.timeout);
    let tools = small_runtime()?
        .block_on(async { tokio::time::timeout(limit, live::tools(url, headers)).await })
        .map_err(|_| Failure::failed(format!("the server did not answer in {} seconds", args.timeout)))?
        .map_err(Failure::failed)?;
    print!("{}", draft::draft(&args.server, &tools));
    Ok(0)
}
