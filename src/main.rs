//! The `kgate` command.

/// Pingora allocates per request; mimalloc makes that a quarter cheaper than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    kgate::cli::main()
}
