//! Archives: what OPA writes is read, and nothing else gets in.

use crate::common::{Folder, project};
use interdict_policy::{Bundle, RawFile, Source, write_tarball};

const RULES: &str = "package interdict.policy.own\n\nallow contains {\"code\": \"a\", \"message\": \"m\"}\n";

fn file(name: &str, text: &str) -> RawFile {
    RawFile { name: name.into(), bytes: text.into() }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, bytes).unwrap();
    gzip.finish().unwrap()
}

/// One entry exactly as it is told, and the end of the archive when asked for.
fn entry(kind: u8, name: &str, link: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
    header[148..156].copy_from_slice(b"        ");
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut out = header.to_vec();
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    gzip(&[entries.concat(), vec![0; 1024]].concat())
}

fn plain(name: &str) -> Vec<u8> {
    archive(&[entry(b'0', name, "", RULES.as_bytes())])
}

#[track_caller]
fn refused(bytes: &[u8], code: &str) {
    let error = Source::from_tarball("b.tar.gz", bytes)
        .and_then(|source| Bundle::from_source(&source).map(drop))
        .unwrap_err();
    assert_eq!(error.code, code, "{error}");
}

#[test]
fn an_archive_is_the_same_bundle_as_its_folder() {
    let folder = Folder::new(&[
        ("own/own.rego", RULES),
        ("data.yaml", "a: 1\n"),
        (".manifest", "{}"),
        ("README.md", "x"),
    ]);
    let source = Source::read(&[folder.root()], true).unwrap();
    let bytes = write_tarball(&source.roots[0].files).unwrap();
    assert_eq!(bytes, write_tarball(&source.roots[0].files).unwrap(), "the same bytes each time");
    let read = Source::from_tarball("b", &bytes).unwrap();
    assert_eq!(read.roots[0].files, source.roots[0].files);
    let digest = folder.load().unwrap().digest().to_owned();
    assert_eq!(Bundle::from_source(&read).unwrap().digest(), digest);
    let other = Folder::new(&[]);
    let path = other.root().join("b.tar.gz");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(Bundle::load(&[path]).unwrap().digest(), digest);
}

#[test]
fn the_default_bundle_fits_into_an_archive_with_its_tests() {
    let source = Source::read(&[project("policies")], true).unwrap();
    let bytes = write_tarball(&source.roots[0].files).unwrap();
    let candidate = interdict_policy::Candidate::load(&Source::from_tarball("b", &bytes).unwrap()).unwrap();
    assert_eq!(candidate.bundle().digest(), Bundle::load(&[project("policies")]).unwrap().digest());
    assert!(candidate.run_tests(None, None).unwrap().is_success());
}

#[test]
fn names_as_opa_and_tar_write_them_are_read() {
    for name in ["a.rego", "/a.rego", "./a.rego", "x/y/a.rego", "/x/a.rego"] {
        let source = Source::from_tarball("b", &plain(name)).unwrap();
        assert!(!source.roots[0].files[0].name.starts_with(['/', '.']), "{name}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in [
        "../a.rego",
        "x/../../a.rego",
        "x/../a.rego",
        "//etc/a.rego",
        "/../a.rego",
        "x//a.rego",
        "x/./a.rego",
        "..",
        "././a.rego",
        "x\\a.rego",
        "a\n.rego",
        "\u{7f}.rego",
    ] {
        refused(&plain(name), "bundle.file_name");
    }
    refused(&plain(&format!("{}a.rego", "d/".repeat(40))), "bundle.too_deep");
}

#[test]
fn one_name_twice_is_refused_however_it_is_written() {
    for other in ["a.rego", "/a.rego", "./a.rego"] {
        let entries = [entry(b'0', "a.rego", "", RULES.as_bytes()), entry(b'0', other, "", b"package x\n")];
        refused(&archive(&entries), "bundle.duplicate_file");
    }
}

#[test]
fn links_and_devices_are_refused_and_folders_are_not() {
    for kind in [b'1', b'2', b'3', b'4', b'6'] {
        refused(&archive(&[entry(kind, "a.rego", "/etc/passwd", b"")]), "bundle.archive_entry");
    }
    let entries = [entry(b'5', "x/", "", b""), entry(b'0', "x/a.rego", "", RULES.as_bytes())];
    Bundle::from_source(&Source::from_tarball("b", &archive(&entries)).unwrap()).unwrap();
}

#[test]
fn what_is_not_evaluated_here_is_refused() {
    for (name, code) in [
        ("policy.wasm", "bundle.wasm"),
        ("x/policy.wasm", "bundle.wasm"),
        ("patch.json", "bundle.delta"),
        ("plan.json", "bundle.unread_file"),
        ("x/.manifest", "bundle.unread_file"),
        ("x/.signatures.json", "bundle.unread_file"),
        ("config.yaml", "bundle.unread_file"),
    ] {
        refused(&write_tarball(&[file("a.rego", RULES), file(name, "{}")]).unwrap(), code);
    }
}

#[test]
fn broken_archives_are_refused() {
    let good = plain("a.rego");
    for bytes in [
        Vec::new(),
        b"no archive".to_vec(),
        gzip(b"no tar, but long enough to be read as a header, perhaps"),
        good[..good.len() / 2].to_vec(),
        good[..good.len() - 4].to_vec(),
        [good.clone(), b"more".to_vec()].concat(),
    ] {
        refused(&bytes, "bundle.archive");
    }
    let mut flipped = good;
    let place = flipped.len() - 6;
    flipped[place] ^= 1;
    refused(&flipped, "bundle.archive");
}

#[test]
fn an_archive_that_grows_without_end_is_refused_early() {
    let large = vec![b' '; 17 << 20];
    refused(&archive(&[entry(b'0', "a.rego", "", &large)]), "bundle.file_too_big");
    let many: Vec<Vec<u8>> =
        (0..5).map(|at| entry(b'0', &format!("{at}.rego"), "", &large[..15 << 20])).collect();
    refused(&archive(&many), "bundle.file_too_big");
    refused(&gzip(&vec![0; 200 << 20]), "bundle.too_big");
}

#[test]
fn too_many_files_are_refused() {
    let files: Vec<Vec<u8>> = (0..10_001).map(|at| entry(b'0', &format!("{at}.txt"), "", b"")).collect();
    refused(&archive(&files), "bundle.too_many_files");
}
