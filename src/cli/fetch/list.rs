//! The list of published weights.

use anyhow::Result;
use fpn_wgpu::models::Source;
use fpn_wgpu::weights::fetch::WeightsFolder;
use fpn_wgpu::weights::official;

use crate::cli::output::say;
use crate::cli::report::{align_right, new_table};

/// A line for each, with its licence and whether it is here.
pub fn list() -> Result<()> {
    let folder = WeightsFolder::usual()?;
    let mut table = new_table(["model", "weights", "file", "MB", "licence", "here"]);
    for known in official::all() {
        let file = known.file;
        let is_here = folder.has(file);
        table.add_row([
            known.model.name().to_owned(),
            file.name.to_owned(),
            file.file_name.to_owned(),
            file.megabytes
                .map_or("–".to_owned(), |size| format!("{size:.1}")),
            file.licence.to_owned(),
            match (is_here, file.source) {
                (true, _) => "yes".to_owned(),
                (false, Source::Folder(_)) => "no".to_owned(),
                (false, Source::Page(page)) => format!("to be fetched by hand from {page}"),
            },
        ]);
    }
    align_right(&mut table, 3..4);
    say(table)?;
    if let Some(usual) = official::usual("coco") {
        say(format_args!(
            "--weights coco without --model: {}.",
            usual.model
        ))?;
    }
    say(format_args!("Kept in {}.", folder.path().display()))
}
