//! `interdict pins`: what servers say about their tools, held against what was approved.

mod diff;
mod shown;

use clap::{Args, Subcommand, ValueEnum};

use self::shown::{Page, print_line, print_list, print_review};
use super::Failure;
use super::admin_client::{AdminArgs, Call, read};

pub(super) const HELP: &str = "\
Examples:
  export INTERDICT_ADMIN_URL=http://127.0.0.1:9192 INTERDICT_ADMIN_TOKEN_FILE=/etc/interdict/admin.token
  interdict pins list --server files
  interdict pins review --server files
  interdict pins approve --server files --tool read_file --digest 3b0c… --by ana@example.com
  interdict pins approve --server files --all --digest 91fe… --by ana@example.com
  interdict pins approve --server files --kind instructions --digest 77aa… --by ana@example.com
  interdict pins approve --server files --kind prompt --name summarise --digest 02bd… --by ana@example.com
  interdict pins revoke --server files --tool write_file --by ana@example.com

`review` prints the digest that `approve` needs, and the --image where the server has an `image_digest`: what changed since
then is not approved. `--all` takes the digest at the end of a
review of the whole server, and leaves out what is suspicious: that is approved one by one. --tool NAME is short for
--kind tool --name NAME; the other kinds are prompt, template (of resources) and instructions, which have no name.

Exit codes: 0 done (also when nothing waits), 1 refused or not reached, 2 usage error.";

#[derive(Debug, Args)]
pub(super) struct PinsArgs {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    command: PinsCommand,
}

#[derive(Debug, Subcommand)]
enum PinsCommand {
    /// What is known of servers' definitions.
    #[command(after_help = HELP)]
    List {
        /// Only of this MCP server.
        #[arg(long)]
        server: Option<String>,
        /// Only these.
        #[arg(long, value_enum)]
        state: Option<State>,
    },
    /// What waits for a person: the change, and what is suspicious about it.
    #[command(after_help = HELP)]
    Review {
        /// Only of this MCP server.
        #[arg(long)]
        server: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Approve the definition that was reviewed, or keep the approved one.
    #[command(after_help = HELP)]
    Approve {
        /// The MCP server.
        #[arg(long)]
        server: String,
        #[command(flatten)]
        which: Which,
        /// Everything that a review of the server showed and that is not suspicious.
        #[arg(long, conflicts_with_all = ["tool", "kind", "name"])]
        all: bool,
        /// The digest that the review printed, all 64 digits.
        #[arg(long, value_parser = parse_digest)]
        digest: String,
        /// What stood behind the server in that review, where it printed that; the digest for --all is of it already.
        #[arg(long, conflicts_with = "all")]
        image: Option<String>,
        /// Who approves.
        #[arg(long)]
        by: String,
    },
    /// Take an approval back, or refuse what waits.
    #[command(after_help = HELP)]
    Revoke {
        /// The MCP server.
        #[arg(long)]
        server: String,
        #[command(flatten)]
        which: Which,
        /// Who revokes.
        #[arg(long)]
        by: String,
    },
}

/// Which definition.
#[derive(Debug, Args)]
struct Which {
    /// The tool of this name.
    #[arg(long, conflicts_with_all = ["kind", "name"])]
    tool: Option<String>,
    /// What is defined: tool, prompt, template or instructions.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Name of the tool or prompt, or the template; instructions have none.
    #[arg(long, requires = "kind")]
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Pinned,
    Review,
    Revoked,
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Tool,
    Prompt,
    Template,
    Instructions,
}

/// A digest as `review` prints it; `list` shows the beginnings only.
fn parse_digest(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("a digest has 64 hex digits; `interdict pins review` prints it whole".to_owned()),
    }
}

/// The word of a value.
fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl Which {
    /// Kind and name, as the API wants them.
    fn pairs(&self) -> Vec<(&'static str, String)> {
        match (&self.tool, self.kind) {
            (Some(tool), _) => vec![("kind", "tool".to_owned()), ("name", tool.clone())],
            (None, Some(kind)) => {
                let name = self.name.clone().or((kind == Kind::Instructions).then(String::new));
                let name = name.map(|name| ("name", name));
                [("kind", word(kind))].into_iter().chain(name).collect()
            }
            (None, None) => Vec::new(),
        }
    }

    fn body(&self, server: &str, by: &str) -> Result<serde_json::Value, Failure> {
        let mut body = serde_json::json!({ "server": server, "by": by });
        let pairs = self.pairs();
        if pairs.len() < 2 {
            return Err(Failure::usage(
                "say which definition: --tool NAME, --kind prompt|template --name NAME, --kind instructions, or to \
                 approve --all",
            ));
        }
        for (key, value) in pairs {
            if let Some(body) = body.as_object_mut() {
                body.insert(key.to_owned(), value.into());
            }
        }
        Ok(body)
    }
}

impl PinsCommand {
    fn call(&self) -> Result<(Vec<&'static str>, Call<'static>), Failure> {
        let of = |server: &Option<String>| server.clone().map(|server| ("server", server));
        Ok(match self {
            Self::List { server, state } => {
                let state = state.map(|state| ("state", word(state)));
                (vec!["pins"], Call::Get(of(server).into_iter().chain(state).collect()))
            }
            Self::Review { server, which } => {
                let query = of(server).into_iter().chain(which.pairs()).collect();
                (vec!["pins", "review"], Call::Get(query))
            }
            Self::Approve { server, all: true, digest, by, .. } => {
                let body = serde_json::json!({ "server": server, "digest": digest, "by": by });
                (vec!["pins", "approve-all"], Call::Post(body))
            }
            Self::Approve { server, which, digest, image, by, .. } => {
                let mut body = which.body(server, by)?;
                if let Some(body) = body.as_object_mut() {
                    body.insert("digest".to_owned(), digest.as_str().into());
                    body.extend(image.iter().map(|image| ("image".to_owned(), image.as_str().into())));
                }
                (vec!["pins", "approve"], Call::Post(body))
            }
            Self::Revoke { server, which, by } => {
                (vec!["pins", "revoke"], Call::Post(which.body(server, by)?))
            }
        })
    }
}

pub(super) fn run(args: &PinsArgs) -> Result<u8, Failure> {
    let (parts, call) = args.command.call()?;
    let text = args.admin.call(&parts, call)?;
    if args.admin.print_json(&text) {
        return Ok(0);
    }
    match &args.command {
        PinsCommand::List { .. } => print_list(&read(&text)?),
        PinsCommand::Approve { all: true, .. } => {
            let page: Page = read(&text)?;
            page.pins.iter().for_each(print_line);
            if page.more {
                println!("More wait; review again.");
            }
        }
        PinsCommand::Review { server, .. } => print_review(&read(&text)?, server.as_deref()),
        PinsCommand::Approve { .. } | PinsCommand::Revoke { .. } => print_line(&read(&text)?),
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_whole_or_refused() {
        let digest = "0F".repeat(32);
        assert_eq!(parse_digest(&format!(" {digest} ")), Ok("0f".repeat(32)));
        for text in ["", "0f0f0f0f0f0f", &"g".repeat(64), &"0".repeat(65)] {
            assert!(parse_digest(text).is_err(), "{text}");
        }
    }
}
