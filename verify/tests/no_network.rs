//! Capability E3: an auditor runs the verifier on a machine that he trusts, so it must not be able to talk to anybody.

#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// What opens sockets, speaks to servers, or runs the tasks that do.
const NETWORK: [&str; 14] = [
    "async-std",
    "aws-lc-rs",
    "axum",
    "curl",
    "h2",
    "hyper",
    "mio",
    "native-tls",
    "reqwest",
    "rustls",
    "socket2",
    "tokio",
    "tonic",
    "ureq",
];

#[test]
fn nothing_in_the_dependency_tree_of_the_verifier_is_network_code_or_a_database() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "-p",
            "interdict-verify",
            "-e",
            "normal,build",
            "--prefix",
            "none",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("names are ASCII");
    let crates: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains(&"interdict-audit"), "this is the tree of the verifier:\n{tree}");
    for name in crates {
        assert!(!NETWORK.contains(&name), "{name} is in the tree:\n{tree}");
        assert!(!name.contains("sqlite"), "{name} is in the tree:\n{tree}");
    }
}

#[test]
fn the_sources_of_the_verifier_and_of_its_library_name_no_socket() {
    for folder in ["verify/src", "crates/audit/src"] {
        for file in sources(&root().join(folder)) {
            let text = std::fs::read_to_string(&file).expect("sources are text");
            for word in ["std::net", "std::os::unix::net", "TcpStream", "UdpSocket", "UnixStream"] {
                assert!(!text.contains(word), "{} names {word}", file.display());
            }
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    assert!(!found.is_empty(), "{} holds sources", folder.display());
    found
}
