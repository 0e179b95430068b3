//! Checks every line.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::{Outcome, lines, told};

pub(crate) fn run(out: &mut impl Write, files: Vec<PathBuf>) -> Outcome {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let mut replay = lines(&file)?;
        let mut count = 0u64;
        let mut damage = None;
        for line in &mut replay {
            match line {
                Ok(_) => count += 1,
                Err(error) => damage = Some(error),
            }
        }
        match (damage, replay.torn()) {
            (Some(error), _) => {
                writeln!(out, "{}; {count} lines before it are whole", told(&error))?;
                code = ExitCode::FAILURE;
            }
            (None, Some(torn)) => writeln!(
                out,
                "{}: {count} lines are whole; {} bytes of a torn line at byte {} will be cut off",
                file.display(),
                torn.len,
                torn.offset
            )?,
            (None, None) => writeln!(out, "{}: {count} lines are whole", file.display())?,
        }
    }
    Ok(code)
}
