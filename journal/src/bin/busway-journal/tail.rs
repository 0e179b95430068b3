//! Shows the last lines, and follows new ones.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use busway_journal::{Kind, Line};

use crate::{Failure, Outcome, clock, lines, seconds, short};

/// How often the file is checked. There is no portable way to be told that it has grown.
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
    let mut place = show_last(out, &file, count)?;
    if once {
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        place.follow(out, &file)?;
        std::thread::sleep(LOOKS);
    }
}

/// Shows the last lines so far.
fn show_last(out: &mut impl Write, file: &PathBuf, count: usize) -> Result<Place, Failure> {
    loop {
        let closed = closed(file)?;
        let (last, end) = last(file, count);
        // Files that were rotated meanwhile have new names: the lines read may have a gap.
        if closed != self::closed(file)? {
            continue;
        }
        last.iter().try_for_each(|line| writeln!(out, "{}", show(line)))?;
        out.flush()?;
        return Ok(Place { closed: closed.last().cloned(), offset: end?, rest: Vec::new() });
    }
}

/// The last whole lines, and where those of the active file end, in bytes.
fn last(file: &PathBuf, count: usize) -> (VecDeque<Line>, Result<u64, Failure>) {
    let mut last = VecDeque::new();
    let mut read = || {
        let mut replay = lines(file)?;
        let active = busway_journal::segments(file)?.pop();
        let mut end = 0;
        while let Some(line) = replay.next() {
            last.push_back(line?);
            if last.len() > count {
                last.pop_front();
            }
            let place = replay.place().filter(|(path, _)| Some(*path) == active.as_deref());
            end = place.filter(|(path, _)| !is_closed(path)).map_or(0, |(_, offset)| offset);
        }
        Ok(end)
    };
    let end = read();
    (last, end)
}

/// The rotated files, oldest first.
fn closed(file: &Path) -> Result<Vec<PathBuf>, Failure> {
    Ok(busway_journal::segments(file)?.into_iter().filter(|path| is_closed(path)).collect())
}

/// Only rotated files end with a number of six digits or more.
fn is_closed(path: &Path) -> bool {
    let number = path.extension().map(|end| end.as_encoded_bytes()).unwrap_or_default();
    number.len() >= 6 && number.iter().all(u8::is_ascii_digit)
}

/// How far a journal has been shown.
struct Place {
    /// The last file rotated away before the one being read.
    closed: Option<PathBuf>,
    /// How much of the current file was read, in bytes.
    offset: u64,
    /// The beginning of a line.
    rest: Vec<u8>,
}

impl Place {
    /// Shows the lines that were added since.
    fn follow(&mut self, out: &mut impl Write, file: &Path) -> Result<(), Failure> {
        loop {
            let active = match File::open(file) {
                Ok(active) => Some(active),
                // It was rotated away, and nothing has been written since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error.into()),
            };
            // Listed after it was opened: the open file follows all of these.
            let rotated: Vec<_> =
                closed(file)?.into_iter().filter(|path| self.is_before(path)).collect();
            if rotated.is_empty() {
                return active.map_or(Ok(()), |active| self.show(out, active));
            }
            for path in rotated {
                self.show(out, File::open(&path)?)?;
                if !self.rest.is_empty() {
                    writeln!(out, "damaged: the last line of {} is not whole", path.display())?;
                }
                (self.offset, self.rest) = (0, Vec::new());
                self.closed = Some(path);
            }
        }
    }

    fn is_before(&self, path: &Path) -> bool {
        // Numbers have as many digits as they need, so longer ones are greater.
        let key = |path: &Path| (path.as_os_str().len(), path.as_os_str().to_owned());
        self.closed.as_ref().is_none_or(|closed| key(closed) < key(path))
    }

    fn show(&mut self, out: &mut impl Write, mut file: File) -> Result<(), Failure> {
        if file.metadata()?.len() < self.offset {
            // It was emptied, or replaced by another file.
            (self.offset, self.rest) = (0, Vec::new());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        self.offset += file.read_to_end(&mut self.rest)? as u64;
        show_whole(out, &mut self.rest)
    }
}

/// Shows the whole lines read so far, and keeps the beginning of the next.
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
