use anyhow::Result;

use super::report::Report;

pub fn draw(_report: &Report) -> Result<String> {
    Ok(String::new())
}
