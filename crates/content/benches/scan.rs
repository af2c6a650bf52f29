//! How fast a document is looked through.

fn main() {
    divan::main();
}
