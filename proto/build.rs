//! Generates the Envoy subset and our own service from the .proto files beside this script, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=envoy");
    println!("cargo::rerun-if-changed=google");
    println!("cargo::rerun-if-changed=interdict");
    let descriptors = protox::compile(
        [
            "envoy/service/auth/v3/external_auth.proto",
            "envoy/config/core/v3/base.proto",
            "interdict/v1/outcome.proto",
        ],
        ["."],
    )?;
    let mut config = prost_build::Config::new();
    config
        // Hash maps need a random seed, that is one more import for the Wasm module, and encode in random order.
        .btree_map(["."])
        // prost-types would be one more dependency for four small messages.
        .compile_well_known_types()
        .include_file("pb.rs");
    // The decision point serves `Outcomes`; the filter calls it through Envoy and must not know of tonic.
    #[cfg(feature = "server")]
    config.service_generator(tonic_prost_build::configure().build_client(false).service_generator());
    config.compile_fds(descriptors)?;
    Ok(())
}
