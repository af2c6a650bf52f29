//! Checkpoints (C2SP tlog-checkpoint): the size and the root of a log at one moment, as the text of a signed note.
//!
//! ```text
//! origin
//! 20852163
//! base64 of the root
//! ```
//!
//! Extension lines, which the format allows and advises against, are refused: nobody here could say what they mean, and
//! whoever signed them would vouch for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::merkle::{Hash, MAX_SIZE};
use crate::note::{Note, NoteError, Signer, VerifierKey};

/// What a log says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// Why a text is no checkpoint, or one that nobody trusted signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note is at fault.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not the three lines.
    #[error("the checkpoint does not consist of origin, size and root")]
    Form,
    /// The origin is empty or holds control characters.
    #[error("the origin of the checkpoint is empty or holds control characters")]
    Origin,
    /// The size is not a number as it is written, or beyond 2^63.
    #[error("the size of the checkpoint is not a plain decimal number up to 2^63")]
    Size,
    /// The root is not the base64 of 32 bytes.
    #[error("the root of the checkpoint is not the base64 of 32 bytes")]
    Root,
}

impl CheckpointError {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            CheckpointError::Note(error) => error.code(),
            _ => "audit.checkpoint_malformed",
        }
    }
}

impl Checkpoint {
    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`CheckpointError`] if it is not exactly a checkpoint.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let lines = text.strip_suffix('\n').ok_or(CheckpointError::Form)?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Form);
        };
        if origin.is_empty() || origin.contains(|char: char| char < ' ') {
            return Err(CheckpointError::Origin);
        }
        let size = decimal(size).filter(|size| *size <= MAX_SIZE).ok_or(CheckpointError::Size)?;
        let root = decode_hash(root).ok_or(CheckpointError::Root)?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, encode_hash(&self.root))
    }

    /// The note with the log's signature.
    ///
    /// # Errors
    /// [`CheckpointError`] if this is not a checkpoint that could be read again.
    pub fn sign(&self, signer: &Signer) -> Result<Note, CheckpointError> {
        let text = self.text();
        Self::parse(&text)?;
        let signature = signer.sign(&text);
        Ok(Note::new(text, signature)?)
    }

    /// Reads a note that at least one of `keys` signed. Which of them, and who else, [`Note::verified`] says.
    ///
    /// # Errors
    /// [`CheckpointError`] if it is not exactly a checkpoint, or none of the keys signed it, or a signature of one of
    /// them is wrong.
    pub fn open(note: &[u8], keys: &[VerifierKey]) -> Result<(Self, Note), CheckpointError> {
        let note = Note::parse(note)?;
        note.open(keys)?;
        Ok((Self::parse(note.text())?, note))
    }
}

/// The number that decimal digits without a superfluous zero say.
#[must_use]
pub fn decimal(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let superfluous = text.len() > 1 && text.starts_with('0');
    if plain && !superfluous { text.parse().ok() } else { None }
}

/// A hash in base64.
#[must_use]
pub fn encode_hash(hash: &Hash) -> String {
    STANDARD.encode(hash)
}

/// The hash that standard base64 says; `None` for anything but one spelling of 32 bytes.
#[must_use]
pub fn decode_hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::note::Cosigner;

    const EXAMPLE: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn log() -> Signer {
        Signer::new("example.com/behind-the-sofa", &[7; 32]).unwrap()
    }

    #[test]
    fn the_example_of_the_specification_is_read_and_written_the_same() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
        assert_eq!(checkpoint.size, 20_852_163);
        assert_eq!(checkpoint.text(), EXAMPLE);
    }

    #[test]
    fn what_has_a_second_reading_is_refused() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        let size = |size: &str| Checkpoint::parse(&format!("o\n{size}\n{root}\n"));
        for wrong in
            ["", "01", "00", "+1", "-1", " 1", "1 ", "1_0", "0x1", "1.0", "1e3", "١", "18446744073709551616"]
        {
            assert_eq!(size(wrong), Err(CheckpointError::Size), "{wrong:?}");
        }
        assert_eq!(size("9223372036854775809"), Err(CheckpointError::Size), "beyond 2^63");
        assert!(size("9223372036854775808").is_ok());
        assert!(size("0").is_ok());
        for wrong in [
            "",
            "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I",
            "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=",
            "CsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I=",
            "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jx",
            " CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        ] {
            assert_eq!(Checkpoint::parse(&format!("o\n1\n{wrong}\n")), Err(CheckpointError::Root), "{wrong}");
        }
        assert_eq!(Checkpoint::parse(&format!("\n1\n{root}\n")), Err(CheckpointError::Origin));
        assert_eq!(Checkpoint::parse(&format!("o\r\n1\n{root}\n")), Err(CheckpointError::Origin));
        assert_eq!(Checkpoint::parse(&format!("o\n1\n{root}")), Err(CheckpointError::Form));
        assert_eq!(Checkpoint::parse(&format!("o\n1\n{root}\n\n")), Err(CheckpointError::Form));
        assert_eq!(Checkpoint::parse("o\n1\n"), Err(CheckpointError::Form));
        assert_eq!(Checkpoint::parse(""), Err(CheckpointError::Form));
    }

    #[test]
    fn extension_lines_are_refused() {
        assert_eq!(Checkpoint::parse(&format!("{EXAMPLE}more\n")), Err(CheckpointError::Form));
    }

    #[test]
    fn a_checkpoint_that_could_not_be_read_again_is_not_signed() {
        let of = |origin: &str, size| Checkpoint { origin: origin.into(), size, root: [1; 32] };
        assert_eq!(of("two\nlines", 1).sign(&log()), Err(CheckpointError::Form));
        assert_eq!(of("", 1).sign(&log()), Err(CheckpointError::Origin));
        assert_eq!(of("o", u64::MAX).sign(&log()), Err(CheckpointError::Size));
    }

    #[test]
    fn a_cosigned_checkpoint_opens_with_the_key_of_the_log_and_with_that_of_the_witness() {
        let witness = Cosigner::new("witness.test/w1", &[9; 32]).unwrap();
        let mut note = Checkpoint::parse(EXAMPLE).unwrap().sign(&log()).unwrap();
        note.add(witness.cosign(note.text(), 1_679_315_147).unwrap()).unwrap();
        let bytes = note.to_string().into_bytes();
        for key in [log().verifier(), witness.verifier()] {
            let (checkpoint, opened) = Checkpoint::open(&bytes, std::slice::from_ref(key)).unwrap();
            assert_eq!((checkpoint.size, opened), (20_852_163, note.clone()));
        }
        let both = [log().verifier().clone(), witness.verifier().clone()];
        let times: Vec<_> = note.verified(&both).unwrap().iter().map(|one| one.time).collect();
        assert_eq!(times, [None, Some(1_679_315_147)]);
        let stranger = Signer::new("stranger", &[1; 32]).unwrap();
        let opened = Checkpoint::open(&bytes, std::slice::from_ref(stranger.verifier()));
        assert_eq!(opened, Err(CheckpointError::Note(NoteError::Unsigned)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(origin in "[^\\x00-\\x1f]{1,40}", size in 0..=MAX_SIZE, root: [u8; 32]) {
            let checkpoint = Checkpoint { origin, size, root };
            prop_assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint));
        }

        #[test]
        fn whatever_is_read_is_written_the_same(
            text in prop_oneof![
                any::<String>(),
                "[a-z \\r\\n]{0,3}\n[0-9+ ]{0,3}\n[A-Za-z0-9+/]{42}[A-P]=\n?",
                "o\n[0-9]{1,20}\n[A-Za-z0-9+/]{43}=\n[a-z]{0,2}\n?",
            ],
        ) {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.text(), text);
            }
        }
    }
}
