//! `interdict bundle`: what publishers of policies need.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use interdict_policy::{Bundle, BundleError, RawFile, SIGNATURES, Source, Term, write_tarball};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Failure, configuration, plain};
use crate::bundle::{Examined, Examiner, signature};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{BundleConfig, SignatureConfig};
use crate::identity::config::SignatureAlgorithm;
use crate::identity::mint::SigningKey;

const HELP: &str = "\
Examples:
  openssl genpkey -algorithm ed25519 -out signer.pem
  openssl pkey -in signer.pem -pubout -out signer.pub.pem
  interdict bundle build policies my-bundle --output bundle.tar.gz
  interdict bundle sign --key signer.pem --expires-in-days 30 bundle.tar.gz
  interdict bundle verify --key signer.pub.pem bundle.tar.gz

docs/bundles.md says what a signature protects against.

Exit codes: 0 done, 1 no server would take it, 2 usage or configuration error.";

const MANIFEST: &str = ".manifest";

#[derive(Debug, Subcommand)]
#[command(after_help = HELP)]
pub(super) enum BundleCommand {
    /// Print the digest of a bundle, or with --list the list of files that it is computed from.
    #[command(after_help = HELP)]
    Digest(DigestArgs),
    /// Put folders into one archive, an OPA bundle.
    #[command(after_help = HELP)]
    Build(BuildArgs),
    /// Sign a folder or an archive: writes its term into `.manifest` and the signature into `.signatures.json`.
    #[command(after_help = HELP)]
    Sign(SignArgs),
    /// Say whether a server would take a bundle into force, and what it is.
    #[command(after_help = HELP)]
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(super) struct DigestArgs {
    /// Folders and archives, merged as the server merges them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print the canonical list of files instead.
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// Folders and archives.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The archive.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// A folder or an archive.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// PEM file of the private key (PKCS#8): Ed25519, P-256 or RSA.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Sequence of this version; one more than the manifest has, when absent.
    #[arg(long, value_name = "NUMBER")]
    sequence: Option<u64>,
    /// From when on it may be in force.
    #[arg(long, value_name = "TIME")]
    not_before: Option<Timestamp>,
    /// Until when it may be in force.
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in_days")]
    expires_at: Option<Timestamp>,
    /// The same as a number of days from now.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    expires_in_days: u16,
    /// A name for people; what the manifest has, when absent.
    #[arg(long)]
    revision: Option<String>,
    /// The key's name, for `bundle.signature.key_id`.
    #[arg(long)]
    key_id: Option<String>,
    /// The scope, for `bundle.signature.scope`.
    #[arg(long)]
    scope: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Folders and archives.
    #[arg(value_name = "PATH", required_unless_present = "config")]
    paths: Vec<PathBuf>,
    /// Take everything from this configuration file.
    #[arg(long, short, env = "INTERDICT_CONFIG", value_name = "FILE", conflicts_with_all = ["key", "key_id", "scope"])]
    config: Option<PathBuf>,
    /// PEM file of the public key; without it no signature is asked for.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What `bundle.signature.key_id` would be.
    #[arg(long, requires = "key")]
    key_id: Option<String>,
    /// What `bundle.signature.scope` would be.
    #[arg(long, requires = "key")]
    scope: Option<String>,
}

pub(super) fn run(command: BundleCommand) -> Result<u8, Failure> {
    match command {
        BundleCommand::Digest(args) => digest(&args),
        BundleCommand::Build(args) => build(&args),
        BundleCommand::Sign(args) => sign(&args),
        BundleCommand::Verify(args) => verify(args),
    }
}

fn refused(error: BundleError) -> Failure {
    Failure::failed(error.to_string())
}

fn digest(args: &DigestArgs) -> Result<u8, Failure> {
    let bundle = Bundle::load(&args.paths).map_err(refused)?;
    if args.list {
        println!("{}", String::from_utf8_lossy(&bundle.file_list()));
    } else {
        println!("{}", bundle.digest());
    }
    Ok(0)
}

fn build(args: &BuildArgs) -> Result<u8, Failure> {
    let source = Source::read(&args.paths, true).map_err(refused)?;
    let merged = merge(source)?;
    let archive = archive(&args.output, &merged)?;
    // What no server would read is not worth publishing; a signature comes later.
    let source = Source::from_tarball(&args.output.display().to_string(), &archive).map_err(refused)?;
    let examined = unsigned()?.examine_alone(&source, SystemClock.now()).map_err(refused)?;
    write(&args.output, &archive)?;
    println!("{} {}", examined.bundle.digest(), args.output.display());
    Ok(0)
}

/// The files of several roots as one. A signature over one of them is none over the whole.
fn merge(source: Source) -> Result<Vec<RawFile>, Failure> {
    let one = source.roots.len() == 1;
    let mut files: Vec<RawFile> = Vec::new();
    for file in source.roots.into_iter().flat_map(|root| root.files) {
        if file.name == SIGNATURES && !one {
            continue;
        }
        if let Some(known) = files.iter().find(|known| known.name == file.name) {
            // A note decides nothing; the first one stays.
            let decides = interdict_policy::is_decisive(&file.name).map_err(refused)?;
            if decides || file.name.ends_with(".rego") {
                let message = format!("`{}` is in two of the folders; rename one of them", known.name);
                return Err(Failure::failed(message));
            }
            continue;
        }
        files.push(file);
    }
    Ok(files)
}

fn sign(args: &SignArgs) -> Result<u8, Failure> {
    let now = SystemClock.now();
    let key = private_key(&args.key)?;
    let source = Source::read(std::slice::from_ref(&args.path), true).map_err(refused)?;
    let mut files: Vec<RawFile> = source.roots.into_iter().flat_map(|root| root.files).collect();
    files.retain(|file| file.name != SIGNATURES);
    let manifest = manifest(args, &files, now)?;
    files.retain(|file| file.name != MANIFEST);
    files.push(RawFile { name: MANIFEST.into(), bytes: manifest });

    let archive = archive(&args.path, &files)?;
    let source = Source::from_tarball(&args.path.display().to_string(), &archive).map_err(refused)?;
    let examined = unsigned()?.examine_alone(&source, args.not_before.unwrap_or(now)).map_err(refused)?;
    let signatures =
        signature::sign(&files, &key, args.key_id.as_deref(), args.scope.as_deref()).map_err(refused)?;
    files.push(RawFile { name: SIGNATURES.into(), bytes: signatures });
    if args.path.is_dir() {
        for file in files.iter().filter(|file| [MANIFEST, SIGNATURES].contains(&&*file.name)) {
            write(&args.path.join(&file.name), &file.bytes)?;
        }
    } else {
        write(&args.path, &self::archive(&args.path, &files)?)?;
    }
    describe(&examined);
    Ok(0)
}

/// The manifest with the term of this version in it.
fn manifest(args: &SignArgs, files: &[RawFile], now: Timestamp) -> Result<Vec<u8>, Failure> {
    let wrong = || Failure::failed("`.manifest` is no JSON object with an object `metadata`");
    let mut manifest: Value = match files.iter().find(|file| file.name == MANIFEST) {
        Some(file) => serde_json::from_slice(&file.bytes).map_err(|_| wrong())?,
        None => json!({}),
    };
    let members = manifest.as_object_mut().ok_or_else(wrong)?;
    if let Some(revision) = &args.revision {
        members.insert("revision".into(), json!(revision));
    }
    let metadata = members.entry("metadata").or_insert_with(|| json!({}));
    let metadata = metadata.as_object_mut().ok_or_else(wrong)?;
    let before = metadata.get("interdict").and_then(|term| term.get("sequence")).and_then(Value::as_u64);
    let in_days = SignedDuration::from_hours(24 * i64::from(args.expires_in_days));
    let whole_second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let expires_at = match args.expires_at {
        Some(at) => at,
        None => whole_second.checked_add(in_days).map_err(|error| Failure::usage(error.to_string()))?,
    };
    let sequence = args.sequence.unwrap_or_else(|| before.map_or(1, |before| before.saturating_add(1)));
    let term = Term { sequence, not_before: args.not_before, expires_at };
    metadata.insert("interdict".into(), json!(term));
    let mut text =
        serde_json::to_vec_pretty(&manifest).map_err(|error| Failure::failed(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

fn private_key(file: &Path) -> Result<SigningKey, Failure> {
    let pem = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    [SignatureAlgorithm::EdDsa, SignatureAlgorithm::Es256, SignatureAlgorithm::Rs256]
        .into_iter()
        .find_map(|algorithm| SigningKey::from_pem(algorithm, &pem))
        .ok_or_else(|| {
            let what = "holds no PKCS#8 private key of Ed25519, P-256 or RSA, as `openssl genpkey` writes it";
            Failure::usage(format!("{}: {what}", file.display()))
        })
}

fn verify(args: VerifyArgs) -> Result<u8, Failure> {
    let config = match &args.config {
        Some(file) => configuration(file)?.bundle,
        None => BundleConfig {
            signature: args.key.map(|key_file| SignatureConfig {
                key_file,
                key_id: args.key_id,
                scope: args.scope,
            }),
            ..BundleConfig::default()
        },
    };
    let paths = if args.paths.is_empty() { &config.paths } else { &args.paths };
    if paths.is_empty() {
        return Err(Failure::usage("the configuration names a URL; fetch the bundle and name the file"));
    }
    let source = Source::read(paths, true).map_err(refused)?;
    let examiner = Examiner::new(&config).map_err(|error| Failure::usage(error.to_string()))?;
    describe(&examiner.examine_alone(&source, SystemClock.now()).map_err(refused)?);
    Ok(0)
}

fn unsigned() -> Result<Examiner, Failure> {
    Examiner::new(&BundleConfig::default()).map_err(refused)
}

fn describe(examined: &Examined) {
    let bundle = &examined.bundle;
    println!("digest      {}", bundle.digest());
    if let Some(revision) = bundle.manifest().and_then(|manifest| manifest.revision.as_deref()) {
        println!("revision    {}", plain::line(revision));
    }
    if let Some(term) = bundle.manifest().and_then(|manifest| manifest.term()) {
        println!("sequence    {}", term.sequence);
        if let Some(start) = term.not_before {
            println!("not before  {start}");
        }
        println!("expires at  {}", term.expires_at);
    }
    if let Some(signed) = &examined.signed {
        println!("signed by   {}", plain::line(&signed.by));
    }
    println!("tests       {} passed", examined.tests);
    for warning in bundle.warnings() {
        println!("warning     {}", plain::line(warning));
    }
    if let Some(slow) = super::config::slow(bundle.notes()) {
        println!("note        {slow}");
    }
}

fn archive(path: &Path, files: &[RawFile]) -> Result<Vec<u8>, Failure> {
    write_tarball(files).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

/// Whole or not at all, for a server that reads it meanwhile.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("{}: {error}", path.display()));
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!(".{}.new", name.trim_start_matches('.')));
    let mut file = std::fs::File::create(&new).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&new, path).map_err(failed)
}
