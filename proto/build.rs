//! Generates the Envoy subset from the .proto files beside this script, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=envoy");
    println!("cargo::rerun-if-changed=google");
    let descriptors = protox::compile(
        ["envoy/service/auth/v3/external_auth.proto", "envoy/config/core/v3/base.proto"],
        ["."],
    )?;
    prost_build::Config::new()
        // Hash maps need a random seed, that is one more import for the Wasm module, and encode in random order.
        .btree_map(["."])
        // prost-types would be one more dependency for four small messages.
        .compile_well_known_types()
        .include_file("pb.rs")
        .compile_fds(descriptors)?;
    Ok(())
}
