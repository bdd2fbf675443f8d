//! Benchmarks that compare this crate with its peers, in one run.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod adapter;
mod attention;
mod conv;
mod engines;
mod json;
#[path = "../../tests/own/networks/mod.rs"]
mod networks;
mod own;
mod peers;
mod pytorch;
#[path = "../../tests/seeded/mod.rs"]
mod seeded;
mod table;
mod times;

/// Benchmarks beside peers: burn-wgpu on the same adapter, PyTorch on the same cores
#[derive(Parser)]
#[command(arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Peers(peers::Peers),
    Own(own::Own),
    Attention(attention::Attention),
    Conv(conv::Convolutions),
    Pytorch(pytorch::Pytorch),
}

/// The command was called wrongly: exit code 2, as for an unknown option.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Peers(peers) => peers.run(),
        Command::Own(own) => own.run(),
        Command::Attention(attention) => attention.run(),
        Command::Conv(convolutions) => convolutions.run(),
        Command::Pytorch(pytorch) => pytorch.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}
