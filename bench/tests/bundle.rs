//! The bench bundle, read together with the default one.

use std::path::Path;

use interdict_content::engine::CLASSES;
use interdict_policy::{Bundle, Direction};

#[test]
fn the_bench_bundle_loads_beside_the_default_one_and_knows_the_benchs_agent_and_server() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bundle = Bundle::load(&[folder.join("../policies"), folder.join("bundle")]).unwrap();
    assert!(bundle.registry().agent_by_token("https://issuer.bench.example", "bench-agent").is_some());
    assert_eq!(
        bundle.registry().server_for("bench.example", "/mcp").map(|server| server.id.as_str()),
        Some("bench")
    );
}

#[test]
fn the_content_bundles_look_for_every_class_in_their_direction_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, own, other) in [
        ("request", Direction::Request, Direction::Response),
        ("response", Direction::Response, Direction::Request),
    ] {
        let roots = [folder.join("../policies"), folder.join("bundle"), folder.join("content").join(name)];
        let bundle = Bundle::load(&roots).unwrap();
        let looks = |direction| bundle.content().profile("bench", Some("read_report"), direction);
        let classes = looks(own).unwrap().profile().classes.len();
        // Canaries need values of one's own.
        assert_eq!(classes, CLASSES.len() - 1, "{name}");
        assert!(looks(other).is_none(), "{name}");
    }
}
