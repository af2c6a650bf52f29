//! The cases of `tests/vectors/audit`: what an auditor may be handed, and what the verifier has to say to it.

use interdict_audit::record::Kind;
use serde_json::json;

use super::{Folder, Log, NAME, bundle_digest, decision_id, kept_bundle, log_key, witness};

/// A package and its verdict.
pub struct Case {
    pub name: &'static str,
    /// What happened to the log or to the package.
    pub why: &'static str,
    pub exit: u8,
    /// The finding that there must be; empty for a whole one.
    pub code: &'static str,
    pub folder: Folder,
    /// Files to spoil after writing: name and new content, `None` = removed.
    pub spoil: Vec<(&'static str, Option<&'static str>)>,
}

fn case(name: &'static str, exit: u8, code: &'static str, why: &'static str, folder: Folder) -> Case {
    Case { name, why, exit, code, folder, spoil: Vec::new() }
}

pub fn all() -> Vec<Case> {
    let mut cases = whole();
    cases.extend(rewritten_history());
    cases.extend(lying_packages());
    cases.extend(unusable());
    cases
}

fn whole() -> Vec<Case> {
    let log = Log::story();
    let size = log.entries.len();
    let kept = log.note(7, &log_key(1));
    let mut witnessed = log.whole();
    witnessed.notes.pop();
    witnessed.notes.push(log.cosigned(size, &log_key(1), &[1, 2]));
    witnessed.trust.witnesses = vec![witness(1).verifier().to_string(), witness(2).verifier().to_string()];
    witnessed.trust.quorum = 2;
    let mut since = log.package(&[(9, size)], &[size]).keep(log.note(7, &log_key(1)));
    since.package.consistency = vec![log.consistency(7)];
    vec![
        case("whole", 0, "", "the whole log", log.whole()),
        case(
            "one-decision",
            0,
            "",
            "one decision and its outcome, proved against the tree",
            log.package(&[(4, 6)], &[size]),
        ),
        case(
            "two-stretches",
            0,
            "",
            "two stretches of the log with one checkpoint",
            log.package(&[(2, 4), (12, 15)], &[size]),
        ),
        case(
            "kept-checkpoint",
            0,
            "",
            "the auditor kept a checkpoint, and the log still contains what it says",
            log.whole().keep(kept),
        ),
        case(
            "kept-checkpoint-proved",
            0,
            "",
            "the kept checkpoint lies before the stretch; a proof connects them",
            since,
        ),
        case(
            "kept-checkpoint-same-size",
            0,
            "",
            "a stretch of the log; the checkpoint that everything is proved against is the one that the auditor kept",
            log.package(&[(9, size)], &[size]).keep(log.note(size, &log_key(1))),
        ),
        case("witnessed", 0, "", "two witnesses cosigned the tree", witnessed),
        case("rotated-key", 0, "", "the log changed its key; old and new one signed there", rotated(true, 2)),
    ]
}

/// A log that changes from key 1 to key 2 after its entries, and whose end is signed by the key of that number.
fn rotated(vouched: bool, end: u8) -> Folder {
    let mut log = Log::story();
    let keys = [log_key(1), log_key(2)];
    log.add(Kind::Key, &json!({
        "event": "rotated", "key": keys[1].verifier().to_string(), "previous": keys[0].verifier().to_string(),
    }));
    let at = log.entries.len();
    log.add(Kind::Stop, &json!({ "clean": true, "replica": "interdict-0" }));
    let size = log.entries.len();
    let mut folder = log.package(&[(0, size)], &[5]);
    let mut note = log.checkpoint(at).sign(&keys[1]).unwrap();
    if vouched {
        note.add(keys[0].sign(&log.checkpoint(at).text())).unwrap();
    }
    folder.notes.push(note.to_string());
    folder.notes.push(log.note(size, &log_key(end)));
    folder
}

/// What an administrator of the database can do to the log.
fn rewritten_history() -> Vec<Case> {
    let log = Log::story();
    let size = log.entries.len();
    let honest = log.whole();
    // Entry 12 is the denied decision; whoever did something wants it to have been allowed.
    let edit = |text: &str, new: &str| {
        let mut folder = honest.clone();
        let record = String::from_utf8(folder.records[12].clone()).unwrap();
        assert!(record.contains(text), "{record}");
        folder.records[12] = record.replacen(text, new, 1).into_bytes();
        folder
    };
    let rewrite = |change: fn(&mut Vec<serde_json::Value>)| {
        let log = log.rewritten(change);
        let size = log.entries.len();
        // The proofs fit the new history, the signatures are those of the old one.
        let mut folder = log.package(&[(0, size)], &[]);
        folder.notes = honest.notes.clone();
        folder
    };
    let mut deleted = honest.clone();
    deleted.records.remove(12);
    let mut inserted = honest.clone();
    inserted.records.insert(12, honest.records[11].clone());
    let mut reordered = honest.clone();
    reordered.records.swap(4, 6);
    let mut cut = honest.clone();
    cut.records.truncate(size - 3);
    let mut short = log.clone();
    short.entries.truncate(12);
    let key = log_key(1);
    let mut fork = log.rewritten(|entries| entries[14]["body"]["verdict"] = "deny".into());
    fork.add(Kind::Stop, &json!({ "clean": false, "replica": "interdict-0" }));
    let mut forked = honest.clone();
    forked.notes.push(fork.note(15, &key));
    forked.notes.push(log.note(15, &key));
    let mut foreign = Log::new(NAME, "other");
    foreign.entries = log.entries.clone();
    let mut backwards = Log::story();
    let late = String::from_utf8(backwards.entries[16].clone()).unwrap();
    backwards.entries[16] = late.replacen("2026-11-", "2025-11-", 1).into_bytes();
    vec![
        case(
            "edited-verdict",
            1,
            "verify.root",
            "a denied call is made an allowed one",
            edit("\"verdict\":\"deny\"}],", "\"verdict\":\"allow\"}],"),
        ),
        case("edited-agent", 1, "verify.root", "somebody else is made the agent", edit("billing", "bil1ing")),
        case(
            "edited-time",
            1,
            "verify.root",
            "it is made to have happened later",
            edit("14:30:01.6", "14:30:01.7"),
        ),
        case(
            "body-changed-hash-kept",
            1,
            "verify.chain",
            "the body is changed and every stored hash is left as it was",
            edit("policy.amount_too_high", "policy.amount_too_hihg"),
        ),
        case("deleted", 1, "verify.sequence", "a record is taken out", deleted.clone()),
        case(
            "deleted-kept-checkpoint",
            1,
            "verify.sequence",
            "a record is taken out; the auditor kept the checkpoint of the whole log",
            deleted.keep(log.note(size, &log_key(1))),
        ),
        case(
            "deleted-and-chained",
            1,
            "verify.root",
            "a record is taken out, the rest numbered and chained anew",
            rewrite(|entries| {
                entries.remove(12);
            }),
        ),
        case("inserted", 1, "verify.sequence", "a record is put in", inserted),
        case(
            "inserted-and-chained",
            1,
            "verify.root",
            "a record is put in, the rest numbered and chained anew",
            rewrite(|entries| {
                let copy = entries[11].clone();
                entries.insert(12, copy);
            }),
        ),
        case(
            "edited-and-chained",
            1,
            "verify.root",
            "a record is edited, the rest chained anew",
            rewrite(|entries| entries[12]["body"]["verdict"] = "allow".into()),
        ),
        case("reordered", 1, "verify.sequence", "two records change places", reordered),
        case("truncated", 1, "verify.truncated", "the last records are missing", cut),
        case(
            "truncated-with-checkpoints",
            1,
            "verify.truncated",
            "records and checkpoints of the end are gone; the auditor kept a later checkpoint",
            short.whole().keep(log.note(size, &key)),
        ),
        case(
            "rolled-back",
            1,
            "verify.inconsistent",
            "an old copy of the log was put back and written on; the auditor kept a checkpoint of what is gone",
            fork.whole().keep(log.note(size, &key)),
        ),
        case("forked", 1, "verify.fork", "two histories of one length are signed", forked),
        case(
            "other-tenant",
            1,
            "verify.tenant",
            "the records of one tenant are shown as those of another",
            foreign.whole(),
        ),
        case(
            "clock-backwards",
            1,
            "verify.time",
            "a record claims to be older than the one in front of it",
            {
                let mut folder = backwards.whole();
                folder.records = backwards.entries.clone();
                folder
            },
        ),
        case("replaced-key", 1, "verify.signature", "everything is rewritten and signed by another key", {
            let log = log.rewritten(|entries| entries[12]["body"]["verdict"] = "allow".into());
            let mut folder = log.package(&[(0, size)], &[]);
            folder.notes = vec![log.note(size, &log_key(9))];
            folder.package.log_key = log_key(9).verifier().to_string();
            folder
        }),
        case(
            "rotated-without-old-key",
            1,
            "verify.key_rotation",
            "a key record names a new key, and the old one did not sign there",
            rotated(false, 2),
        ),
        case(
            "rotated-and-signed-by-the-old-key",
            1,
            "verify.signature",
            "the log changed its key, and somebody with the old one signed on",
            rotated(true, 1),
        ),
        case(
            "checkpoint-edited",
            1,
            "verify.signature",
            "a record is edited, the rest chained anew, and the new root put into the signed checkpoint",
            {
                let log = log.rewritten(|entries| entries[12]["body"]["verdict"] = "allow".into());
                let mut folder = log.package(&[(0, size)], &[]);
                let signatures = honest.notes.last().unwrap().split_once("\n\n").unwrap().1;
                folder.notes = vec![format!("{}\n{signatures}", log.checkpoint(size).text())];
                folder
            },
        ),
        case("flipped-byte", 1, "verify.bad_record", "one bit of a record is another", {
            let mut folder = honest.clone();
            folder.records[12][0] ^= 1;
            folder
        }),
    ]
}

/// What a server can put into a package that it makes itself.
fn lying_packages() -> Vec<Case> {
    let log = Log::story();
    let size = log.entries.len();
    let part = log.package(&[(4, 6)], &[size]);
    let with = |folder: &Folder, change: &dyn Fn(&mut Folder)| {
        let mut folder = folder.clone();
        change(&mut folder);
        folder
    };
    let edited = |folder: &mut Folder| {
        let record = String::from_utf8(folder.records[0].clone()).unwrap();
        folder.records[0] = record.replacen("pay_invoice", "get_invoice", 1).into_bytes();
    };
    let zeros = "0".repeat(64);
    let mut other = Log::story();
    other.name = "interdict-00000000000000bb".to_owned();
    let mut since = log.package(&[(9, size)], &[size]).keep(log.note(7, &log_key(1)));
    since.package.consistency = vec![log.consistency(7)];
    vec![
        case(
            "part-edited",
            1,
            "verify.root",
            "one decision is shown, with another tool",
            with(&part, &edited),
        ),
        case(
            "proof-element-changed",
            1,
            "verify.root",
            "a hash of the proof is another",
            with(&part, &|folder| folder.package.segments[0].left[0] = zeros.clone()),
        ),
        case(
            "proof-element-extra",
            1,
            "verify.bad_proof",
            "a proof with a hash too many",
            with(&part, &|folder| folder.package.segments[0].right.push(zeros.clone())),
        ),
        case(
            "proof-element-missing",
            1,
            "verify.bad_proof",
            "a proof with a hash too few",
            with(&part, &|folder| {
                folder.package.segments[0].left.pop();
            }),
        ),
        case(
            "moved-in-the-log",
            1,
            "verify.sequence",
            "a decision is shown at a place where it did not stand",
            with(&part, &|folder| folder.records.swap(0, 1)),
        ),
        case(
            "no-checkpoint",
            1,
            "verify.no_anchor",
            "nobody signed the tree that the package is proved against",
            with(&part, &|folder| folder.notes = vec![log.note(5, &log_key(1))]),
        ),
        case(
            "other-log",
            1,
            "verify.origin",
            "the checkpoint is of another log",
            with(&part, &|folder| folder.notes = vec![other.note(size, &log_key(1))]),
        ),
        case(
            "other-origin",
            1,
            "verify.origin",
            "the package says that it is of a tenant, its log is of another",
            with(&part, &|folder| folder.package.tenant = "beta".to_owned()),
        ),
        case(
            "kept-checkpoint-other-origin",
            1,
            "verify.origin",
            "history was rewritten and signed under another name of the log, about which the auditor kept nothing",
            {
                let mut moved =
                    log.rewritten(|entries| entries[12]["body"]["reason"] = "policy.other".into());
                moved.name = format!("{}/x", moved.name);
                moved.whole().keep(log.note(7, &log_key(1)))
            },
        ),
        case(
            "extra-records",
            1,
            "verify.extra_records",
            "there are records that no proof covers",
            with(&part, &|folder| folder.records.push(log.entries[6].clone())),
        ),
        case(
            "two-readings",
            1,
            "verify.bad_record",
            "a record with a member twice: people see one, programs the other",
            with(&part, &|folder| {
                let record = String::from_utf8(folder.records[0].clone()).unwrap();
                folder.records[0] =
                    record.replacen("\"verdict\":", "\"verdict\":\"deny\",\"verdict\":", 1).into_bytes();
            }),
        ),
        case(
            "witness-missing",
            1,
            "verify.witness_quorum",
            "a witness that has to cosign did not",
            with(&part, &|folder| {
                folder.trust.witnesses = vec![witness(1).verifier().to_string()];
                folder.trust.quorum = 1;
            }),
        ),
        case(
            "witness-forged",
            1,
            "verify.witness",
            "a cosignature is of another tree",
            with(&part, &|folder| {
                let other = log.checkpoint(5);
                let mut note = log.checkpoint(size).sign(&log_key(1)).unwrap();
                note.add(witness(1).cosign(&other.text(), 1_795_271_500).unwrap()).unwrap();
                folder.notes = vec![note.to_string()];
                folder.trust.witnesses = vec![witness(1).verifier().to_string()];
            }),
        ),
        case(
            "witness-twice",
            1,
            "verify.witness",
            "two witnesses have to cosign, and one of them did it twice",
            with(&part, &|folder| {
                let once = log.cosigned(size, &log_key(1), &[1]);
                let again = witness(1).cosign(&log.checkpoint(size).text(), 1_795_271_501).unwrap();
                folder.notes = vec![format!("{once}{again}\n")];
                folder.trust.witnesses = [1, 2].map(|number| witness(number).verifier().to_string()).to_vec();
                folder.trust.quorum = 2;
            }),
        ),
        case(
            "checkpoint-malformed",
            1,
            "verify.checkpoint",
            "beside a true checkpoint there is one of two lines",
            with(&part, &|folder| {
                let origin = log.origin();
                let signed = log_key(1).sign(&format!("{origin}\n17\n"));
                folder.notes.push(format!("{origin}\n17\n\n{signed}\n"));
            }),
        ),
        case(
            "consistency-forged",
            1,
            "verify.inconsistent",
            "the kept checkpoint is of a history that was rewritten",
            with(&since, &|folder| {
                let fork = log.rewritten(|entries| entries[3]["body"]["bytes"] = 1.into());
                folder.trust.checkpoints[0].note = fork.note(7, &log_key(1));
            }),
        ),
        case(
            "bundle-edited",
            1,
            "verify.bundle",
            "the policy that is shown is not the one that decided",
            with(&part, &|folder| {
                folder.bundles = vec![(bundle_digest(), kept_bundle().replacen("olga", "0lga", 1))]
            }),
        ),
        case(
            "bundle-missing",
            1,
            "verify.bundle_missing",
            "the policy that decided is not in the package",
            with(&part, &|folder| {
                folder.bundles.clear();
                folder.package.bundles.clear();
            }),
        ),
        case("bundle-unknown", 1, "verify.bundle_missing", "a decision names a policy that nobody has", {
            let log = log.rewritten(|entries| {
                entries[4]["body"]["judgements"][0]["bundle"] = "ab".repeat(32).into();
                assert_eq!(entries[4]["body"]["decision_id"], decision_id(2));
            });
            log.package(&[(4, 6)], &[size])
        }),
    ]
}

fn unusable() -> Vec<Case> {
    let folder = || Log::story().package(&[(4, 6)], &[17]);
    let spoil = |name: &'static str, code: &'static str, why: &'static str, file: &'static str, text| Case {
        spoil: vec![(file, text)],
        ..case(name, 2, code, why, folder())
    };
    let mut version = folder();
    version.package.v = 2;
    let mut overlapping = Log::story().package(&[(2, 6), (4, 8)], &[17]);
    overlapping.package.bundles.clear();
    let mut empty = folder();
    (empty.package.segments, empty.records) = (Vec::new(), Vec::new());
    let mut twice = folder();
    twice.package.bundles.push(bundle_digest());
    let mut nobody = folder();
    nobody.trust.log_keys.clear();
    vec![
        spoil("no-package", "verify.unreadable", "there is no package.json", "package.json", None),
        spoil(
            "garbage-package",
            "verify.bad_file",
            "package.json is not JSON",
            "package.json",
            Some("{\"v\":1,"),
        ),
        spoil("no-records", "verify.unreadable", "there is no records.jsonl", "records.jsonl", None),
        spoil(
            "garbage-checkpoints",
            "verify.bad_file",
            "checkpoints.jsonl is not JSON",
            "checkpoints.jsonl",
            Some("notes\n"),
        ),
        spoil("no-trust", "verify.unreadable", "nobody says whose signatures count", "trust.json", None),
        case("other-version", 2, "verify.bad_package", "a package of a later version", version),
        case("overlapping-segments", 2, "verify.bad_package", "segments that overlap", overlapping),
        case("empty-package", 2, "verify.bad_package", "nothing is shown, under a true checkpoint", empty),
        case(
            "bundle-named-twice",
            2,
            "verify.bad_package",
            "one bundle is to be read again and again",
            twice,
        ),
        case("trust-names-nobody", 2, "verify.bad_trust", "a trust file without a key", nobody),
        case(
            "unproven-checkpoint",
            2,
            "verify.unproven_checkpoint",
            "the auditor kept a checkpoint, and the package does not connect with it",
            folder().keep(Log::story().note(3, &log_key(1))),
        ),
    ]
}
