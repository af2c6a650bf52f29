//! The bench bundle, read together with the default one.

use std::path::Path;

use interdict_policy::Bundle;

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
