//! A witness over HTTP, honest logs, and logs that lie.

use std::sync::atomic::{AtomicUsize, Ordering};

use interdict_audit::merkle::{Hash, Leaves, consistency_proof, leaf_hash, root};
use interdict_audit::note::Signer;
use jiff::{SignedDuration, Timestamp};

use super::client::{WitnessClient, WitnessError};
use super::*;
use crate::clock::FixedClock;

const ORIGIN: &str = "log.test/acme";

/// A log in memory.
#[derive(Clone)]
struct Log {
    origin: String,
    signer: Signer,
    leaves: Vec<Hash>,
}

impl Log {
    fn new() -> Self {
        let signer = Signer::new("log.test", &[1; 32]).unwrap();
        Self { origin: ORIGIN.to_owned(), signer, leaves: Vec::new() }
    }

    fn grow(&mut self, count: usize, word: &str) -> &mut Self {
        let at = self.leaves.len();
        self.leaves.extend((at..at + count).map(|at| leaf_hash(format!("{word} {at}").as_bytes())));
        self
    }

    fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    fn note(&self) -> Note {
        let root = root(&Leaves(&self.leaves), self.size()).unwrap();
        Checkpoint { origin: self.origin.clone(), size: self.size(), root }.sign(&self.signer).unwrap()
    }

    fn prove(&self, old: u64) -> Result<Vec<Hash>, String> {
        consistency_proof(&Leaves(&self.leaves), old, self.size()).map_err(|error| error.to_string())
    }

    fn body(&self, old: u64) -> String {
        submission::body(old, &self.prove(old).unwrap(), &self.note())
    }

    async fn cosign(&self, client: &WitnessClient) -> Result<Signature, WitnessError> {
        client.cosign(&self.note(), |old| self.prove(old)).await
    }
}

/// A witness on a port of its own.
struct House {
    folder: tempfile::TempDir,
    clock: Arc<FixedClock>,
    running: Running,
    key: VerifierKey,
}

fn known() -> Vec<KnownLog> {
    let key = Log::new().signer.verifier().clone();
    vec![KnownLog { origin: "log.test/*".to_owned(), key }]
}

fn open(folder: &Path, clock: Arc<FixedClock>) -> Result<Witness, StateError> {
    let cosigner = cosigner(&folder.join("witness.key"), Some("witness.test/w1")).unwrap();
    Witness::open(&folder.join("state"), cosigner, known(), clock)
}

impl House {
    async fn new() -> Self {
        let clock = Arc::new(FixedClock::new(Timestamp::from_second(1_700_000_000).unwrap()));
        Self::at(tempfile::tempdir().unwrap(), clock).await
    }

    async fn at(folder: tempfile::TempDir, clock: Arc<FixedClock>) -> Self {
        let witness = Arc::new(open(folder.path(), Arc::clone(&clock)).unwrap());
        let key = witness.verifier().clone();
        let running = Running::start("127.0.0.1:0".parse().unwrap(), witness).await.unwrap();
        Self { folder, clock, running, key }
    }

    async fn restart(self) -> Self {
        let Self { folder, clock, running, .. } = self;
        running.shutdown().await;
        Self::at(folder, clock).await
    }

    fn url(&self) -> String {
        format!("http://{}", self.running.address())
    }

    fn client(&self) -> WitnessClient {
        WitnessClient::new(&self.url(), &self.key.to_string()).unwrap()
    }

    async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, String, String) {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let answer = client.post(format!("{}/add-checkpoint", self.url())).body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (status, kind, answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn an_honest_log_grows_and_every_checkpoint_is_cosigned() {
    let house = House::new().await;
    let client = house.client();
    let mut log = Log::new();
    for count in [0, 1, 1, 5, 300, 1] {
        log.grow(count, "entry");
        let cosignature = log.cosign(&client).await.unwrap();
        let mut note = log.note();
        note.add(cosignature).unwrap();
        let keys = [log.signer.verifier().clone(), house.key.clone()];
        let (checkpoint, opened) = Checkpoint::open(note.to_string().as_bytes(), &keys).unwrap();
        assert_eq!(checkpoint.size, log.size());
        let times: Vec<_> = opened.verified(&keys).unwrap().iter().map(|one| one.time).collect();
        assert_eq!(times, [None, Some(1_700_000_000)]);
    }
}

#[tokio::test]
async fn the_same_checkpoint_again_gets_a_cosignature_with_the_time_of_now() {
    let house = House::new().await;
    let client = house.client();
    let mut log = Log::new();
    let first = log.grow(3, "entry").cosign(&client).await.unwrap();
    house.clock.advance(SignedDuration::from_secs(60));
    let second = log.cosign(&client).await.unwrap();
    assert_ne!(first, second);
    let note = Note::new(log.note().text(), second).unwrap();
    assert_eq!(note.verified(std::slice::from_ref(&house.key)).unwrap()[0].time, Some(1_700_000_060));
}

#[tokio::test]
async fn a_client_that_knows_nothing_learns_the_size_from_the_witness() {
    let house = House::new().await;
    let mut log = Log::new();
    log.grow(7, "entry").cosign(&house.client()).await.unwrap();
    let asked = AtomicUsize::new(0);
    log.grow(4, "entry");
    let prove = |old| {
        asked.fetch_add(1, Ordering::Relaxed);
        log.prove(old)
    };
    house.client().cosign(&log.note(), prove).await.unwrap();
    assert_eq!(asked.into_inner(), 2);
}

#[tokio::test]
async fn what_was_seen_survives_a_restart() {
    let house = House::new().await;
    let mut log = Log::new();
    log.grow(10, "entry").cosign(&house.client()).await.unwrap();
    let house = house.restart().await;
    assert_eq!(house.post(log.body(0)).await, (409, "text/x.tlog.size".into(), "10\n".into()));
    let mut fork = Log::new();
    fork.grow(12, "forged");
    assert_eq!(fork.cosign(&house.client()).await, Err(WitnessError::Forked { size: 10 }));
    log.grow(1, "entry").cosign(&house.client()).await.unwrap();
}

#[tokio::test]
async fn a_fork_is_refused_at_the_same_size_and_at_a_larger_one() {
    let house = House::new().await;
    let mut log = Log::new();
    log.grow(10, "entry").cosign(&house.client()).await.unwrap();
    let mut fork = Log::new();
    fork.grow(9, "entry").grow(1, "forged");
    assert_eq!(house.post(fork.body(10)).await, (409, "text/x.tlog.size".into(), "10\n".into()));
    assert_eq!(fork.cosign(&house.client()).await, Err(WitnessError::Forked { size: 10 }));
    fork.grow(5, "entry");
    assert_eq!(house.post(fork.body(10)).await.0, 422);
    let error = fork.cosign(&house.client()).await.unwrap_err();
    assert_eq!((error.code(), error.contradicts()), ("audit.forked", true));
    log.grow(1, "entry").cosign(&house.client()).await.unwrap();
}

#[tokio::test]
async fn a_log_that_was_rolled_back_is_told_so() {
    let house = House::new().await;
    let mut log = Log::new();
    let old = log.grow(5, "entry").clone();
    log.grow(5, "entry").cosign(&house.client()).await.unwrap();
    for from in 0..=5 {
        assert_eq!(house.post(old.body(from)).await, (409, "text/x.tlog.size".into(), "10\n".into()));
    }
    assert_eq!(old.cosign(&house.client()).await, Err(WitnessError::Ahead { size: 10 }));
    assert_eq!(house.post(log.body(10)).await.0, 200, "the witness did not go back");
}

#[tokio::test]
async fn of_two_racing_forks_one_wins_and_only_one() {
    let house = House::new().await;
    for round in 0..20 {
        let mut log = Log::new();
        log.origin = format!("log.test/{round}");
        log.grow(4, "entry").cosign(&house.client()).await.unwrap();
        let (mut left, mut right) = (log.clone(), log.clone());
        left.grow(3, "left");
        right.grow(3, "right");
        let bodies = [left.body(4), right.body(4), left.body(4), right.body(4)];
        let [a, b, c, d] = bodies.map(|body| house.post(body));
        let (a, b, c, d) = tokio::join!(a, b, c, d);
        let statuses = [a.0, b.0, c.0, d.0];
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 3, "{statuses:?}");
    }
}

#[tokio::test]
async fn a_stranger_gets_nothing_and_leaves_no_trace() {
    let house = House::new().await;
    let mut log = Log::new();
    log.grow(3, "entry");
    log.origin = "other.test/acme".to_owned();
    assert_eq!(house.post(log.body(0)).await.0, 404);
    log.origin = "log.test".to_owned();
    assert_eq!(house.post(log.body(0)).await.0, 404, "a pattern covers what is below");
    log.origin = ORIGIN.to_owned();
    log.signer = Signer::new("log.test", &[9; 32]).unwrap();
    assert_eq!(house.post(log.body(0)).await.0, 403);
    let forged = log.note().to_string().replace("\n3\n", "\n4\n");
    assert_eq!(house.post(format!("old 0\n\n{forged}")).await.0, 403);
    let files: Vec<_> = std::fs::read_dir(house.folder.path().join("state")).unwrap().collect();
    assert_eq!(files.len(), 1, "the lock alone");
}

#[tokio::test]
async fn a_log_may_change_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH));
    let new_key = Signer::new("log.test", &[9; 32]).unwrap();
    let mut logs = known();
    logs.push(KnownLog { origin: ORIGIN.to_owned(), key: new_key.verifier().clone() });
    let cosigner = cosigner(&folder.path().join("witness.key"), None).unwrap();
    let witness = Witness::open(&folder.path().join("state"), cosigner, logs, clock).unwrap();
    let mut log = Log::new();
    witness.add_checkpoint(log.grow(3, "entry").body(0).as_bytes()).unwrap();
    log.signer = new_key;
    witness.add_checkpoint(log.grow(3, "entry").body(3).as_bytes()).unwrap();
    log.origin = "log.test/other".to_owned();
    assert_eq!(witness.add_checkpoint(log.body(0).as_bytes()), Err(Refusal::BadSignature));
}

#[tokio::test]
async fn garbage_and_huge_bodies_are_refused() {
    let house = House::new().await;
    let log = Log::new().grow(3, "entry").clone();
    for body in ["", "old 0", "old 0\n\n", "{}", "old 0\n\nx\n1\n", &"\n".repeat(1000)] {
        assert_eq!(house.post(body.to_owned()).await.0, 400, "{body:?}");
    }
    assert_eq!(house.post(log.body(0).replace("old 0", "old 4")).await.0, 400, "a tree does not shrink");
    assert_eq!(house.post(vec![0xff_u8; 64]).await.0, 400);
    assert_eq!(house.post(vec![b'a'; submission::MAX_BODY_BYTES + 1]).await.0, 413);
    assert_eq!(house.post(log.body(0)).await.0, 200);
}

#[tokio::test]
async fn a_proof_that_does_not_belong_is_refused_and_nothing_changes() {
    let house = House::new().await;
    let mut log = Log::new();
    log.grow(5, "entry").cosign(&house.client()).await.unwrap();
    log.grow(4, "entry");
    let note = log.note();
    let proof = log.prove(5).unwrap();
    let reversed: Vec<Hash> = proof.iter().rev().copied().collect();
    let more = [proof.clone(), vec![[0; 32]]].concat();
    for wrong in [&[][..], &proof[1..], &reversed, &more] {
        assert_eq!(house.post(submission::body(5, wrong, &note)).await.0, 422);
    }
    assert_eq!(house.post(log.body(5)).await.0, 200);
}

#[tokio::test]
async fn the_first_checkpoint_needs_no_proof_and_takes_none() {
    let house = House::new().await;
    let log = Log::new().grow(4, "entry").clone();
    assert_eq!(house.post(submission::body(0, &[[0; 32]], &log.note())).await.0, 422);
    assert_eq!(house.post(log.body(4)).await, (409, "text/x.tlog.size".into(), "0\n".into()));
    assert_eq!(house.post(log.body(0)).await.0, 200);
}

#[tokio::test]
async fn nothing_is_signed_that_cannot_be_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path(), Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH))).unwrap();
    let log = Log::new().grow(4, "entry").clone();
    // A draft that is a folder cannot be written, whoever runs the test.
    let name = interdict_audit::hex::encode(<sha2::Sha256 as sha2::Digest>::digest(ORIGIN));
    let draft = folder.path().join("state").join(name).with_extension("draft");
    std::fs::create_dir(&draft).unwrap();
    assert_eq!(witness.add_checkpoint(log.body(0).as_bytes()), Err(Refusal::Unavailable));
    std::fs::remove_dir(&draft).unwrap();
    assert!(witness.add_checkpoint(log.body(0).as_bytes()).is_ok(), "as if nothing had been asked");
}

#[tokio::test]
async fn a_witness_that_would_have_to_forget_does_not_start() {
    let house = House::new().await;
    let clock = Arc::clone(&house.clock);
    let path = house.folder.path().to_owned();
    Log::new().grow(4, "entry").cosign(&house.client()).await.unwrap();
    let held = open(&path, Arc::clone(&clock)).unwrap_err().to_string();
    assert!(held.contains("another witness runs"), "{held}");
    house.running.shutdown().await;
    let file = std::fs::read_dir(path.join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|file| file.extension().is_some_and(|suffix| suffix == "note"))
        .unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    for damaged in [String::new(), text.replace("\n4\n", "\n3\n")] {
        std::fs::write(&file, damaged).unwrap();
        let error = open(&path, Arc::clone(&clock)).unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
    }
    std::fs::write(&file, &text).unwrap();
    let other = path.join("state").join(format!("{}.note", "0".repeat(64)));
    std::fs::write(&other, &text).unwrap();
    assert!(open(&path, Arc::clone(&clock)).unwrap_err().to_string().contains("another origin"));
    std::fs::remove_file(&other).unwrap();
    assert!(open(&path, clock).is_ok());
}

#[tokio::test]
async fn an_answer_that_is_no_cosignature_of_this_checkpoint_is_not_taken() {
    let liar = Signer::new("witness.test/w1", &[3; 32]).unwrap();
    let real = Cosigner::new("witness.test/w1", &[4; 32]).unwrap();
    let mut log = Log::new();
    let old = log.grow(3, "entry").note();
    log.grow(3, "entry");
    let stale = real.cosign(old.text(), 1).unwrap();
    let late = real.cosign(log.note().text(), 1).unwrap();
    for (status, answer, expected) in [
        (200, String::new(), Err("audit.witness_bad_answer")),
        (200, format!("{}\n", liar.sign(log.note().text())), Err("audit.witness_bad_answer")),
        (200, format!("{stale}\n"), Err("audit.witness_bad_answer")),
        (200, "a".repeat(70_000), Err("audit.witness_bad_answer")),
        (200, format!("{}\n{late}\n", liar.sign(log.note().text())), Ok(())),
        (409, "x\n".to_owned(), Err("audit.witness_bad_answer")),
        (409, "1\n".to_owned(), Err("audit.witness_bad_answer")),
        (409, "6\n".to_owned(), Err("audit.forked")),
        (409, "7\n".to_owned(), Err("audit.rolled_back")),
        (500, "a\u{1b}[0m".to_owned(), Err("audit.witness_refused")),
        (302, String::new(), Err("audit.witness_refused")),
    ] {
        let status = axum::http::StatusCode::from_u16(status).unwrap();
        let said = answer.clone();
        let app = axum::Router::new()
            .route("/prefix/add-checkpoint", axum::routing::post(move || async move { (status, said) }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/prefix/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        let client = WitnessClient::new(&url, &real.verifier().to_string()).unwrap();
        let taken = log.cosign(&client).await.map(drop).map_err(|error| error.code());
        assert_eq!(taken, expected, "{status} {answer:.80}");
        server.abort();
    }
    let nobody = WitnessClient::new("http://127.0.0.1:9/", &real.verifier().to_string()).unwrap();
    assert_eq!(log.cosign(&nobody).await.unwrap_err().code(), "audit.witness_unreachable");
    assert!(WitnessClient::new("http://127.0.0.1:9/", &liar.verifier().to_string()).is_err());
    assert!(WitnessClient::new("mailto:w", &real.verifier().to_string()).is_err());
}

#[test]
fn a_known_log_is_an_origin_and_the_key_of_a_log() {
    let key = Log::new().signer.verifier().to_string();
    let log: KnownLog = format!("log.test/*={key}").parse().unwrap();
    assert!(log.covers("log.test/acme") && !log.covers("log.test/a/b"));
    for other in
        ["log.test", "log.test/", "log.testing/acme", "x/log.test/acme", "log.test/*x".trim_end_matches("*x")]
    {
        assert!(!log.covers(other), "{other}");
    }
    let exact: KnownLog = format!("log.test/acme={key}").parse().unwrap();
    assert!(exact.covers(ORIGIN) && !exact.covers("log.test/acme/b"));
    let witness = Cosigner::new("w", &[1; 32]).unwrap().verifier().to_string();
    for wrong in ["", "log.test", "=x", &format!("={key}"), &format!("o={witness}"), "o=x+00000000+AAAA"] {
        assert!(wrong.parse::<KnownLog>().is_err(), "{wrong}");
    }
}
