//! `interdict witness` as whoever runs it meets it: a process that keeps its promise over restarts.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use authz_server::witness::client::{WitnessClient, WitnessError};
use interdict_audit::checkpoint::Checkpoint;
use interdict_audit::merkle::{Hash, Leaves, consistency_proof, leaf_hash, root};
use interdict_audit::note::{Note, Signer};
use serde_json::Value;

fn signer() -> Signer {
    Signer::new("log.test", &[1; 32]).unwrap()
}

fn leaves(words: &[&str]) -> Vec<Hash> {
    words.iter().map(|word| leaf_hash(word.as_bytes())).collect()
}

fn note(leaves: &[Hash]) -> Note {
    let size = leaves.len() as u64;
    let root = root(&Leaves(leaves), size).unwrap();
    Checkpoint { origin: "log.test/acme".to_owned(), size, root }.sign(&signer()).unwrap()
}

fn cosign(client: &WitnessClient, leaves: &[Hash]) -> Result<Note, WitnessError> {
    let mut note = note(leaves);
    let prove =
        |old| consistency_proof(&Leaves(leaves), old, leaves.len() as u64).map_err(|error| error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let signature = runtime.block_on(client.cosign(&note, prove))?;
    note.add(signature).unwrap();
    Ok(note)
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interdict"));
    let log = format!("log.test/*={}", signer().verifier());
    command.current_dir(folder).args(["witness", "--listen", "127.0.0.1:0", "--state", "seen"]);
    command.args(["--key", "witness.key", "--name", "witness.test/w1", "--log", &log]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

struct Process {
    child: Child,
    url: String,
    key: String,
}

impl Process {
    fn start(folder: &Path) -> Self {
        let mut child = command(folder).spawn().unwrap();
        let mut key = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut key).unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it listened");
            let event: Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = event["address"].as_str() {
                break address.to_owned();
            }
        };
        // Somebody has to read on, or the process would wait for us.
        std::thread::spawn(move || log.read_to_string(&mut String::new()));
        Self { child, url: format!("http://{address}/"), key: key.trim().to_owned() }
    }

    fn client(&self) -> WitnessClient {
        WitnessClient::new(&self.url, &self.key).unwrap()
    }

    fn signal(&mut self, name: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_witness_keeps_its_key_and_what_it_saw_over_a_clean_stop_and_over_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Process::start(folder.path());
    let cosigned = cosign(&first.client(), &leaves(&["a", "b", "c"])).unwrap();
    let keys = [signer().verifier().clone(), first.key.parse().unwrap()];
    let (checkpoint, opened) = Checkpoint::open(cosigned.to_string().as_bytes(), &keys).unwrap();
    assert_eq!((checkpoint.size, opened.verified(&keys).unwrap().len()), (3, 2));
    let public = std::fs::read_to_string(folder.path().join("witness.vkey")).unwrap();
    assert_eq!(public.trim(), first.key);
    assert_eq!(first.signal("-TERM"), Some(0), "a clean stop");

    let mut second = Process::start(folder.path());
    assert_eq!(second.key, first.key);
    let rolled_back = cosign(&second.client(), &leaves(&["a", "b"])).unwrap_err();
    assert_eq!(rolled_back, WitnessError::Ahead { size: 3 });
    cosign(&second.client(), &leaves(&["a", "b", "c", "d"])).unwrap();
    assert_eq!(second.signal("-KILL"), None);

    let third = Process::start(folder.path());
    let forked = cosign(&third.client(), &leaves(&["a", "b", "c", "forged", "e"])).unwrap_err();
    assert_eq!(forked, WitnessError::Forked { size: 4 });
    cosign(&third.client(), &leaves(&["a", "b", "c", "d", "e"])).unwrap();
}

#[test]
fn a_second_witness_with_the_same_state_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Process::start(folder.path());
    let second = command(folder.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another witness runs with this state"), "{said}");
}

#[test]
fn a_log_that_is_not_origin_and_key_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in ["log.test", "log.test=key", "log.test=a+00000000+AAAA"] {
        let ran = Command::new(env!("CARGO_BIN_EXE_interdict"))
            .current_dir(folder.path())
            .args(["witness", "--state", "seen", "--key", "witness.key", "--log", wrong])
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(2), "{wrong}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}
