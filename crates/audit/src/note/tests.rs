use proptest::prelude::*;

use super::*;

/// The example of the Go package that the format comes from.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";
const LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

fn example() -> String {
    format!("{TEXT}\n{LINE}\n")
}

fn keys(of: &[&VerifierKey]) -> Vec<VerifierKey> {
    of.iter().map(|key| (*key).clone()).collect()
}

#[test]
fn the_example_of_the_go_package_verifies_and_is_signed_the_same() {
    let key: VerifierKey = KEY.parse().unwrap();
    assert_eq!(key.to_string(), KEY);
    let note = Note::parse(example().as_bytes()).unwrap();
    assert_eq!(note.text(), TEXT);
    assert_eq!(note.open(std::slice::from_ref(&key)).unwrap().len(), 1);
    let secret = STANDARD.decode(SECRET).unwrap();
    let signer = Signer::new("PeterNeumann", secret[1..].try_into().unwrap()).unwrap();
    assert_eq!(signer.verifier(), &key);
    assert_eq!(signer.sign(TEXT).to_string(), LINE);
    assert_eq!(Note::new(TEXT, signer.sign(TEXT)).unwrap().to_string(), example());
}

#[test]
fn the_text_ends_at_the_last_empty_line() {
    let signer = Signer::new("a", &[1; 32]).unwrap();
    let text = format!("one\n\n{LINE}\n\n\nthree\n");
    let note = Note::new(text.clone(), signer.sign(&text)).unwrap();
    let again = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(again.text(), text);
    assert_eq!(again.signatures().len(), 1, "a line in the text is no signature");
    assert!(again.open(std::slice::from_ref(signer.verifier())).is_ok());
}

#[test]
fn a_note_that_is_not_exactly_one_is_refused() {
    let line = LINE;
    for (wrong, error) in [
        (String::new(), NoteError::Form),
        (TEXT.to_owned(), NoteError::Form),
        (format!("{TEXT}\n{line}"), NoteError::Form),
        (format!("{TEXT}{line}\n"), NoteError::Form),
        (format!("{TEXT}\n"), NoteError::Form),
        (format!("{TEXT}\n\n"), NoteError::Form),
        (format!("{TEXT}\n{line}\n\n"), NoteError::Form),
        (format!("{TEXT}\n{line}\nmore\n"), NoteError::SignatureLine),
        (format!("{TEXT}\n {line}\n"), NoteError::SignatureLine),
        (format!("{TEXT}\n{line} \n"), NoteError::SignatureLine),
        (format!("{TEXT}\n{}\n", line.replace("— ", "- ")), NoteError::SignatureLine),
        (format!("{TEXT}\n{}\n", line.replace("— ", "—")), NoteError::SignatureLine),
        (format!("{TEXT}\n{}\n", line.replace(" x08", "  x08")), NoteError::SignatureLine),
        (format!("{TEXT}\n{}\n", line.replace("AM=", "AM")), NoteError::SignatureLine),
        (format!("{TEXT}\n{}\n", line.replace("AM=", "AN=")), NoteError::SignatureLine),
        (format!("{TEXT}\n— name x08goA==\n").replace("x08goA==", "x08gow=="), NoteError::SignatureLine),
        (format!("{TEXT}\n{}\n", line.replace("PeterNeumann", "Peter+Neumann")), NoteError::KeyName),
        (format!("{TEXT}\n{}\n", line.replace("PeterNeumann", "Peter\u{a0}Neumann")), NoteError::KeyName),
        (format!("{TEXT}\n{}\n", line.replace("PeterNeumann", "")), NoteError::KeyName),
        (format!("{TEXT}\r\n\n{line}\n"), NoteError::NotText),
        (format!("a\tb\n\n{line}\n"), NoteError::NotText),
        (format!("a\0\n\n{line}\n"), NoteError::NotText),
    ] {
        assert_eq!(Note::parse(wrong.as_bytes()), Err(error), "{wrong:?}");
    }
    assert_eq!(Note::parse(&[b"\xff\n\n", LINE.as_bytes(), b"\n"].concat()), Err(NoteError::NotText));
    assert_eq!(Note::parse(&[b'a'; MAX_BYTES + 1]), Err(NoteError::TooLarge));
}

#[test]
fn as_many_signatures_as_allowed_are_read_and_one_more_is_refused() {
    let note = |count: usize| format!("{TEXT}\n{}", format!("{LINE}\n").repeat(count));
    assert_eq!(Note::parse(note(MAX_SIGNATURES).as_bytes()).unwrap().signatures().len(), MAX_SIGNATURES);
    assert_eq!(Note::parse(note(MAX_SIGNATURES + 1).as_bytes()), Err(NoteError::TooManySignatures));
}

#[test]
fn signatures_of_unknown_keys_are_passed_over_even_with_a_known_name_or_a_known_id() {
    let ours = Signer::new("log.test", &[1; 32]).unwrap();
    let same_name = Signer::new("log.test", &[2; 32]).unwrap();
    let mut note = Note::new("text\n", same_name.sign("text\n")).unwrap();
    let trusted = keys(&[ours.verifier()]);
    assert_eq!(note.open(&trusted).unwrap_err(), NoteError::Unsigned);
    let mut same_id = ours.sign("text\n");
    same_id.name = "other.test".to_owned();
    note.add(same_id).unwrap();
    assert_eq!(note.open(&trusted).unwrap_err(), NoteError::Unsigned);
    note.add(ours.sign("text\n")).unwrap();
    assert_eq!(note.open(&trusted).unwrap().len(), 1);
}

#[test]
fn a_wrong_signature_of_a_trusted_key_spoils_the_note() {
    let (one, two) = (Signer::new("one", &[1; 32]).unwrap(), Signer::new("two", &[2; 32]).unwrap());
    let mut note = Note::new("text\n", one.sign("text\n")).unwrap();
    note.add(two.sign("another text\n")).unwrap();
    assert_eq!(note.open(&keys(&[one.verifier(), two.verifier()])).unwrap_err(), NoteError::BadSignature);
    assert_eq!(note.open(&keys(&[two.verifier()])).unwrap_err(), NoteError::BadSignature);
    assert!(note.open(&keys(&[one.verifier()])).is_ok(), "who does not know the second key passes it over");
}

#[test]
fn every_bit_of_text_and_signature_counts() {
    let key: VerifierKey = KEY.parse().unwrap();
    let trusted = [key];
    let note = Note::parse(example().as_bytes()).unwrap();
    for bit in 0..8 * note.signatures[0].bytes.len() {
        let mut damaged = note.clone();
        damaged.signatures[0].bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(damaged.open(&trusted).unwrap_err(), NoteError::BadSignature);
    }
    let mut longer = note.clone();
    longer.signatures[0].bytes.push(0);
    assert_eq!(longer.open(&trusted).unwrap_err(), NoteError::BadSignature);
    let damaged = Note { text: TEXT.replace("think", "thank"), ..note };
    assert_eq!(damaged.open(&trusted).unwrap_err(), NoteError::BadSignature);
}

#[test]
fn a_key_counts_once() {
    let signer = Signer::new("log.test", &[1; 32]).unwrap();
    let mut note = Note::new("text\n", signer.sign("text\n")).unwrap();
    note.add(signer.sign("text\n")).unwrap();
    assert_eq!(note.signatures().len(), 1, "added again, the old one gives way");
    note.signatures.push(signer.sign("text\n"));
    assert_eq!(note.open(&keys(&[signer.verifier()])).unwrap_err(), NoteError::SignedTwice);
    note.signatures.pop();
    let twice = keys(&[signer.verifier(), signer.verifier()]);
    assert_eq!(note.open(&twice).unwrap().len(), 1, "and so does a key that is configured twice");
}

#[test]
fn a_cosignature_is_over_its_time_and_no_signature_of_a_log() {
    let secret = [5; 32];
    let (witness, log) = (Cosigner::new("w.test", &secret).unwrap(), Signer::new("w.test", &secret).unwrap());
    assert_ne!(witness.verifier().id(), log.verifier().id(), "the type is in the id");
    let note = Note::new("text\n", witness.cosign("text\n", 1_679_315_147).unwrap()).unwrap();
    let trusted = keys(&[witness.verifier()]);
    assert_eq!(note.open(&trusted).unwrap()[0].time, Some(1_679_315_147));
    let signed = log.sign("cosignature/v1\ntime 1679315147\ntext\n");
    assert_eq!(note.signatures[0].bytes[8..], signed.bytes, "exactly these bytes are signed");
    assert_eq!(note.signatures[0].bytes[..8], 1_679_315_147_u64.to_be_bytes());
    let mut later = note.clone();
    later.signatures[0].bytes[7] ^= 1;
    assert_eq!(later.open(&trusted).unwrap_err(), NoteError::BadSignature);
    let mut confused = note.clone();
    confused.signatures[0].key_id = log.verifier().id();
    assert_eq!(confused.open(&keys(&[log.verifier()])).unwrap_err(), NoteError::BadSignature);
    assert!(witness.cosign("text\n", 1 << 63).is_none());
}

#[test]
fn a_verifier_key_has_one_spelling() {
    let parse = |text: &str| text.parse::<VerifierKey>();
    for (wrong, error) in [
        ("", NoteError::Key),
        ("PeterNeumann", NoteError::Key),
        ("PeterNeumann+c74f20a3", NoteError::Key),
        ("PeterNeumann+c74f20a3+", NoteError::Key),
        ("PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NoteError::Key),
        ("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NoteError::Key),
        ("PeterNeumann+0c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NoteError::Key),
        ("Petra+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NoteError::Key),
        ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T", NoteError::Key),
        (" PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NoteError::KeyName),
        ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n", NoteError::Key),
        ("PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NoteError::KeyType),
        ("+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NoteError::KeyName),
    ] {
        assert_eq!(parse(wrong), Err(error), "{wrong:?}");
    }
}

#[test]
fn a_key_for_which_anybody_can_sign_is_refused() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(VerifierKey::new("weak", KeyKind::Ed25519, &neutral), Err(NoteError::Key));
    assert_eq!(VerifierKey::new("weak", KeyKind::Cosignature, &[0; 32]), Err(NoteError::Key));
}

#[test]
fn a_secret_key_is_not_printed() {
    let signer = Signer::new("log.test", &[0xab; 32]).unwrap();
    let cosigner = Cosigner::new("w.test", &[0xab; 32]).unwrap();
    for text in [format!("{signer:?}"), format!("{cosigner:?}")] {
        assert!(!text.contains("abab") && !text.contains("171, 171"), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(text in "([^\\x00-\\x1f]{0,20}\n){1,5}", name in "[a-zé/.]{1,9}", secret: [u8; 32], time in 0_u64..1 << 63) {
        let (signer, cosigner) = (Signer::new(&name, &secret).unwrap(), Cosigner::new(&name, &secret).unwrap());
        let mut note = Note::new(text.clone(), signer.sign(&text)).unwrap();
        note.add(cosigner.cosign(&text, time).unwrap()).unwrap();
        let again = Note::parse(note.to_string().as_bytes());
        prop_assert_eq!(again.as_ref(), Ok(&note));
        prop_assert_eq!(note.open(&keys(&[signer.verifier(), cosigner.verifier()])).unwrap().len(), 2);
        for key in [signer.verifier(), cosigner.verifier()] {
            prop_assert_eq!(&key.to_string().parse::<VerifierKey>().unwrap(), key);
        }
    }

    #[test]
    fn whatever_is_read_is_written_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,9}\n{0,3}(— [a-z+ ]{0,4} [A-Za-z0-9+/]{4,9}={0,3}\n{0,2}){0,3}") {
        for input in [bytes.as_slice(), text.as_bytes()] {
            if let Ok(note) = Note::parse(input) {
                prop_assert_eq!(note.to_string().into_bytes(), input);
            }
        }
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn a_damaged_note_is_refused_or_read_with_other_content(at: prop::sample::Index, bit in 0..8_u32) {
        let mut bytes = example().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let trusted = [KEY.parse::<VerifierKey>().unwrap()];
        if let Ok(note) = Note::parse(&bytes) {
            prop_assert_eq!(note.to_string().into_bytes(), bytes);
            prop_assert!(note.open(&trusted).is_err());
        }
    }
}
