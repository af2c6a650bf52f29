//! Where bundles come from: folders and archives on disk, or a URL.

use std::path::PathBuf;

use interdict_policy::{BundleError, Source};
use sha2::{Digest, Sha256};

use super::remote::{Answer, Remote};
use crate::config::BundleConfig;

/// A source of bundles.
#[derive(Debug)]
pub(crate) enum Origin {
    Paths { paths: Vec<PathBuf>, everything: bool },
    Url(Box<Remote>),
}

/// What tells one content of the source from another.
pub(crate) type Mark = [u8; 32];

/// The content that was looked at last, whether it was taken or not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tried {
    pub(crate) mark: Option<Mark>,
    pub(crate) etag: Option<String>,
}

/// What a look found.
#[derive(Debug)]
pub(crate) enum Found {
    /// The content that was tried before.
    Unchanged,
    /// Files were being written meanwhile; the next look decides.
    Moving,
    /// Another content.
    New(Source, Tried),
}

impl Origin {
    pub(crate) fn new(config: &BundleConfig) -> Result<Self, BundleError> {
        Ok(match &config.url {
            Some(url) => Self::Url(Box::new(Remote::new(url, config)?)),
            None => Self::Paths { paths: config.paths.clone(), everything: config.signature.is_some() },
        })
    }

    pub(crate) fn is_remote(&self) -> bool {
        matches!(self, Self::Url(_))
    }

    /// For people and records.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Paths { paths, .. } => {
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
            }
            Self::Url(remote) => remote.url().to_string(),
        }
    }

    /// Looks once. Blocks.
    pub(crate) fn look(&self, tried: &Tried) -> Result<Found, BundleError> {
        match self {
            Self::Paths { paths, everything } => look_at_paths(paths, *everything, tried),
            Self::Url(remote) => {
                let (bytes, etag) = match remote.get(tried.etag.as_deref())? {
                    Answer::NotModified => return Ok(Found::Unchanged),
                    Answer::Content { bytes, etag } => (bytes, etag),
                };
                let mark: Mark = Sha256::digest(&bytes).into();
                if tried.mark == Some(mark) {
                    return Ok(Found::Unchanged);
                }
                let source = Source::from_tarball(remote.url().as_str(), &bytes)?;
                Ok(Found::New(source, Tried { mark: Some(mark), etag }))
            }
        }
    }
}

/// A bundle half of whose files are the old ones is none that anybody wrote: what changed is read twice.
fn look_at_paths(paths: &[PathBuf], everything: bool, tried: &Tried) -> Result<Found, BundleError> {
    let source = Source::read(paths, everything)?;
    let mark = mark(&source);
    if tried.mark == Some(mark) {
        return Ok(Found::Unchanged);
    }
    if tried.mark.is_some() && self::mark(&Source::read(paths, everything)?) != mark {
        return Ok(Found::Moving);
    }
    Ok(Found::New(source, Tried { mark: Some(mark), etag: None }))
}

fn mark(source: &Source) -> Mark {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for root in &source.roots {
        field(root.label.as_bytes());
        field(&(root.files.len() as u64).to_be_bytes());
        for file in &root.files {
            field(file.name.as_bytes());
            field(&file.bytes);
        }
    }
    hash.finalize().into()
}
