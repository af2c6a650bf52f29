use super::*;
use std::path::Path;

fn refused(text: &str) -> String {
    Config::parse(text, Path::new("/etc/interdict")).unwrap_err().to_string()
}

#[test]
fn probe() {
    for text in [
        "listen: {grpc: {adress: 1}}",
        "listen:\n  grpc:\n    address: foo",
        "limits: {max_depth: 7, max_depth: 8}",
        "limits: {max_depth: -1}",
        "log: {format: xml}",
        "lisen: 1",
        "limits: {max_depth: x}",
        "a: [",
        "limits: {max_depth: 5000}",
    ] {
        println!("{}", refused(text));
    }
}
