//! A folder with a small bundle and a configuration, and the `interdict` command in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const ISSUER: &str = "https://dev.test";
pub(crate) const AUDIENCE: &str = "https://tools.test/mcp";
/// An argument of every call, which no command shows unless it is asked to.
pub(crate) const SECRET: &str = "hunter2";
pub(crate) const RULES: &str = "package interdict.policy.house\n\
    import rego.v1\n\
    allow contains {\"code\": \"house_allow\", \"message\": \"allowed here\"}\n\
    deny contains {\"code\": \"house_deny\", \"message\": \"denied here\"} if input.mcp.tool == \"bad\"\n\
    intercept contains {\"code\": \"house_ask\", \"message\": \"a person decides\"} if input.mcp.tool == \"risky\"\n";
pub(crate) const SERVERS: &str = "servers: [{id: tools, owner: sam, tenant: acme, resource: 'https://tools.test/mcp', \
    hosts: ['*'], paths: [/mcp]}]";
pub(crate) const CONFIG: &str = "listen:\n  grpc: {address: '127.0.0.1:0', drain_seconds: 1}\n  \
    admin: {address: '127.0.0.1:0', token_file: admin.token}\n  metrics: {address: '127.0.0.1:0'}\n\
    bundle: {paths: [bundle], reload_seconds: 0}\n\
    identity: {issuers: [{issuer: 'https://dev.test', algorithm: ES256, jwks: {file: jwks.json}}]}\n\
    decision: {timeout_ms: 10000, memory_bytes: 4294967296}\n";

pub(crate) struct House {
    folder: tempfile::TempDir,
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// The one JSON text that was printed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }

    /// The JSON texts that were printed, one per line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        assert!(!self.out.contains(SECRET) && !self.err.contains(SECRET), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.out.contains(word) || self.err.contains(word), "{word}: {}{}", self.out, self.err);
        }
        self
    }
}

impl House {
    pub(crate) fn new() -> Self {
        let house = Self { folder: tempfile::tempdir().unwrap() };
        house.write(
            "bundle/agents/a.yaml",
            "agents: [{id: bot, owner: olga, tenant: acme, roles: [tester], servers: [tools], \
             identities: [{issuer: 'https://dev.test', subject: bot}]}]",
        );
        house.write("bundle/servers/s.yaml", SERVERS);
        house.write("bundle/house/rules.rego", RULES);
        house.write("admin.token", "a-token-for-tests-only\n");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(house.path("admin.token"), private).unwrap();
        house.configure(CONFIG);
        house
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.path(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    pub(crate) fn configure(&self, text: &str) {
        self.write("interdict.yaml", text);
    }

    pub(crate) fn configuration(&self) -> String {
        std::fs::read_to_string(self.path("interdict.yaml")).unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interdict"));
        command.current_dir(self.folder()).args(arguments).env_remove("INTERDICT_CONFIG");
        command.env_remove("INTERDICT_ADMIN_URL").env_remove("INTERDICT_ADMIN_TOKEN_FILE");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs it until it ends well; a checkpoint may take a second.
    #[track_caller]
    pub(crate) fn until(&self, arguments: &[&str], fits: impl Fn(&Ran) -> bool) -> Ran {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let ran = self.run(arguments);
            if fits(&ran) {
                return ran;
            }
            assert!(Instant::now() < end, "{}{}", ran.out, ran.err);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A token of the agent; makes the key and its public half, too.
    pub(crate) fn token(&self) -> String {
        let key = ["token", "--key", "dev.pem", "--jwks", "jwks.json", "--issuer", ISSUER];
        let ran = self.run(&[&key[..], &["--agent", "bot", "--audience", AUDIENCE]].concat());
        ran.ends(0).says(&["warning"]).out.trim().to_owned()
    }
}
