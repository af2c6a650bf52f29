//! The `interdict` command; see [`authz_server::cli`].

fn main() -> std::process::ExitCode {
    authz_server::cli::run()
}
