//! The command line: everything that reads files, writes files or prints.

use clap::{Parser, Subcommand};

mod adapters;
mod batch;
mod bench;
mod cache;
mod contact_sheet;
mod convert;
mod demo;
mod detect;
mod detector;
mod device;
mod eval;
mod fetch;
mod form;
mod heat_map;
mod interrupt;
mod labels;
mod model;
mod models;
mod named;
mod output;
mod pictures;
mod pipeline;
mod plan;
mod pyramid;
mod report;
mod summary;
mod train;
mod tune;
mod verify;
mod view;

/// Object detectors with feature pyramids.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Detect(detect::Detect),
    Pyramid(pyramid::Pyramid),
    Convert(convert::Convert),
    Models(models::Models),
    Summary(summary::Summarize),
    Plan(plan::PlanCommand),
    Adapters(adapters::Adapters),
    Verify(verify::Verify),
    Tune(tune::Tune),
    Eval(eval::Eval),
    Train(Box<train::Train>),
    Bench(bench::Bench),
    Demo(demo::Demo),
    View(view::View),
}

/// The command was called wrongly: exit code 2, as for an unknown option.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The work was stopped by Ctrl-C, and what was done is kept: exit code 130, as of a program that
/// Ctrl-C ended.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Stopped(pub String);

/// Do what the command line says.
pub fn run() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Detect(detect) => detect.run(),
        Command::Pyramid(pyramid) => pyramid.run(),
        Command::Convert(convert) => convert.run(),
        Command::Models(models) => models.run(),
        Command::Summary(summary) => summary.run(),
        Command::Plan(plan) => plan.run(),
        Command::Adapters(adapters) => adapters.run(),
        Command::Verify(verify) => verify.run(),
        Command::Tune(tune) => tune.run(),
        Command::Eval(eval) => eval.run(),
        Command::Train(train) => train.run(),
        Command::Bench(bench) => bench.run(),
        Command::Demo(demo) => demo.run(),
        Command::View(view) => view.run(),
    }
}
