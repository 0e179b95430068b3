//! Shows the last lines, and those that come.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use busway_journal::{Kind, Line};

use crate::{Failure, Outcome, clock, lines, seconds, short};

/// How often the file is looked at. There is no portable way to be told that it has grown.
const LOOKS: Duration = Duration::from_millis(200);

pub(crate) fn run(out: &mut impl Write, args: Vec<OsString>) -> Outcome {
    let (mut count, mut once, mut file) = (10, false, None);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("-n") => {
                let number = args.next().and_then(|text| text.to_str()?.parse().ok());
                count = number.ok_or(Failure::Usage)?;
            }
            Some("--once") => once = true,
            _ if file.is_none() => file = Some(PathBuf::from(arg)),
            _ => return Err(Failure::Usage),
        }
    }
    let file = file.ok_or(Failure::Usage)?;
    let from = show_last(out, &file, count)?;
    if once {
        return Ok(ExitCode::SUCCESS);
    }
    follow(out, &file, from)
}

/// Returns where the whole lines of the last file end, in bytes.
fn show_last(out: &mut impl Write, file: &PathBuf, count: usize) -> Result<u64, Failure> {
    let mut last = VecDeque::new();
    let mut replay = lines(file)?;
    let mut end = 0;
    while let Some(line) = replay.next() {
        last.push_back(line?);
        if last.len() > count {
            last.pop_front();
        }
        end = replay.place().filter(|(path, _)| path == file).map_or(0, |(_, offset)| offset);
    }
    last.iter().try_for_each(|line| writeln!(out, "{}", show(line)))?;
    out.flush()?;
    Ok(end)
}

fn follow(out: &mut impl Write, file: &Path, mut offset: u64) -> Outcome {
    let mut rest = Vec::new();
    loop {
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        if len < offset {
            // It was rotated away: a new one has begun.
            offset = 0;
            rest.clear();
        }
        if len > offset {
            let mut source = File::open(file)?;
            source.seek(SeekFrom::Start(offset))?;
            offset += source.take(len - offset).read_to_end(&mut rest)? as u64;
            show_whole(out, &mut rest)?;
        }
        std::thread::sleep(LOOKS);
    }
}

/// Shows the whole lines of what was read, and keeps the beginning of the next.
fn show_whole(out: &mut impl Write, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
    for line in bytes.drain(..=end).as_slice().split(|byte| *byte == b'\n') {
        match Line::parse(line) {
            _ if line.is_empty() => {}
            Ok(line) => writeln!(out, "{}", show(&line))?,
            Err(damage) => writeln!(out, "damaged: {damage}")?,
        }
    }
    Ok(out.flush()?)
}

fn show(line: &Line) -> String {
    let what = match line.kind {
        Kind::Accepted { attempt: 1 } => "accepted".into(),
        Kind::Accepted { attempt } => format!("accepted ({attempt})"),
        _ => line
            .duration()
            .map_or_else(|| "completed".into(), |took| format!("completed ({})", seconds(took))),
    };
    let path = line.path.join(" > ");
    let payload = line.payload();
    format!("{} {}#{} {what} {path} {payload}", clock(line), line.event_type, short(line))
}
