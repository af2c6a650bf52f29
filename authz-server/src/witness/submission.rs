//! The body of `add-checkpoint`: the size to start from, a consistency proof, an empty line, a checkpoint.

use interdict_audit::checkpoint::{Checkpoint, CheckpointError, decimal, decode_hash, encode_hash};
use interdict_audit::merkle::Hash;
use interdict_audit::note::{self, Note};

/// The longest proof.
const MAX_PROOF: usize = 63;
/// The largest body: the first line, a proof, and a note.
pub(super) const MAX_BODY_BYTES: usize = 32 + MAX_PROOF * 45 + note::MAX_BYTES;

/// A checkpoint and what it continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Submission {
    pub(super) old: u64,
    pub(super) proof: Vec<Hash>,
    pub(super) note: Note,
    pub(super) checkpoint: Checkpoint,
}

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SubmissionError {
    #[error("the request is not text")]
    NotText,
    #[error("there is no empty line in front of the checkpoint")]
    Form,
    #[error("the first line is not `old` and a size")]
    Old,
    #[error("the proof has more than {MAX_PROOF} lines")]
    TooLong,
    #[error("a line of the proof is not the base64 of 32 bytes")]
    Proof,
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("the old size is larger than the checkpoint")]
    Shrinks,
}

impl Submission {
    pub(super) fn parse(body: &[u8]) -> Result<Self, SubmissionError> {
        let text = std::str::from_utf8(body).map_err(|_| SubmissionError::NotText)?;
        // The first empty line: neither the size nor a hash is empty.
        let (head, note) = text.split_once("\n\n").ok_or(SubmissionError::Form)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| decimal(line.strip_prefix("old ")?));
        let old = old.ok_or(SubmissionError::Old)?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_PROOF {
                return Err(SubmissionError::TooLong);
            }
            proof.push(decode_hash(line).ok_or(SubmissionError::Proof)?);
        }
        let note = Note::parse(note.as_bytes()).map_err(CheckpointError::from)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if old > checkpoint.size {
            return Err(SubmissionError::Shrinks);
        }
        Ok(Self { old, proof, note, checkpoint })
    }
}

/// The body for a note.
pub(super) fn body(old: u64, proof: &[Hash], note: &Note) -> String {
    let proof: String = proof.iter().map(|hash| format!("{}\n", encode_hash(hash))).collect();
    format!("old {old}\n{proof}\n{note}")
}

#[cfg(test)]
mod tests {
    use interdict_audit::note::Signer;

    use super::*;

    fn note(size: u64) -> Note {
        let signer = Signer::new("log.test", &[1; 32]).unwrap();
        Checkpoint { origin: "log.test/acme".into(), size, root: [2; 32] }.sign(&signer).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        for proof in [vec![], vec![[3; 32]], vec![[4; 32]; MAX_PROOF]] {
            let text = body(5, &proof, &note(9));
            let read = Submission::parse(text.as_bytes()).unwrap();
            assert_eq!((read.old, &read.proof, read.checkpoint.size), (5, &proof, 9));
            assert_eq!(body(read.old, &read.proof, &read.note), text);
            assert!(text.len() <= MAX_BODY_BYTES);
        }
    }

    #[test]
    fn a_body_that_is_not_exactly_one_is_refused() {
        let note = note(9);
        let hash = encode_hash(&[3; 32]);
        for (wrong, error) in [
            (String::new(), SubmissionError::Form),
            (format!("old 5\n{note}"), SubmissionError::Proof),
            (format!("\nold 5\n\n{note}"), SubmissionError::Old),
            (format!("old  5\n\n{note}"), SubmissionError::Old),
            (format!("old 05\n\n{note}"), SubmissionError::Old),
            (format!("old -1\n\n{note}"), SubmissionError::Old),
            (format!("old 5 \n\n{note}"), SubmissionError::Old),
            (format!("old 5\r\n\n{note}"), SubmissionError::Old),
            (format!("size 5\n\n{note}"), SubmissionError::Old),
            (format!("old 5\n{hash} \n\n{note}"), SubmissionError::Proof),
            (format!("old 5\n{}\n\n{note}", hash.replace("AwM=", "")), SubmissionError::Proof),
            (format!("old 10\n\n{note}"), SubmissionError::Shrinks),
            (body(5, &[[3; 32]; MAX_PROOF + 1], &note), SubmissionError::TooLong),
        ] {
            assert_eq!(Submission::parse(wrong.as_bytes()), Err(error), "{wrong:?}");
        }
        let checkpoint = Submission::parse(format!("old 5\n\n\n{note}").as_bytes());
        assert!(matches!(checkpoint, Err(SubmissionError::Checkpoint(_))));
        assert_eq!(Submission::parse(b"old 5\n\n\xff"), Err(SubmissionError::NotText));
    }

    #[test]
    fn whatever_is_read_of_a_damaged_body_is_written_the_same() {
        let text = body(5, &[[3; 32], [4; 32]], &note(9)).into_bytes();
        let unchanged = |bytes: &[u8]| {
            if let Ok(read) = Submission::parse(bytes) {
                assert_eq!(body(read.old, &read.proof, &read.note).into_bytes(), bytes);
            }
        };
        for at in 0..text.len() {
            unchanged(&text[..at]);
            unchanged(&[&text[..at], &text[at + 1..]].concat());
            for byte in [b'\n', b' ', b'0', b'=', 0, 0xff, text[at] ^ 1] {
                let mut damaged = text.clone();
                damaged[at] = byte;
                unchanged(&damaged);
                damaged.insert(at, text[at]);
                unchanged(&damaged);
            }
        }
    }
}
