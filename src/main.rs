//! The `fpn` command.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    let Err(error) = cli::run() else {
        return ExitCode::SUCCESS;
    };
    if error.is::<cli::Stopped>() {
        eprintln!("{error}");
        return ExitCode::from(130);
    }
    eprintln!("error: {error:#}");
    ExitCode::from(if error.is::<cli::Usage>() { 2 } else { 1 })
}
