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
        place.follow(out)?;
        std::thread::sleep(LOOKS);
    }
}

/// Shows the last lines so far.
fn show_last(out: &mut impl Write, file: &PathBuf, count: usize) -> Result<Place, Failure> {
    let mut place = Place::behind_rotated(file)?;
    let mut last = VecDeque::new();
    let mut replay = lines(file)?;
    let mut end = Ok(());
    while let Some(line) = replay.next() {
        match line {
            Ok(line) => last.push_back(line),
            Err(error) => end = Err(error),
        }
        if last.len() > count {
            last.pop_front();
        }
        if let Some((path, offset)) = replay.place() {
            place.reach(path, offset);
        }
    }
    last.iter().try_for_each(|line| writeln!(out, "{}", show(line)))?;
    out.flush()?;
    end?;
    Ok(place)
}

/// How far a journal has been shown. Files are found by their numbers, one after the other: a listing
/// that is made while files are renamed may lack some of them.
struct Place {
    /// The active file.
    path: PathBuf,
    /// The greatest number of a rotated file that is known.
    rotated: u64,
    /// The file being read: it is the active one, or has been rotated and has this number.
    number: u64,
    /// How much of it was read, in bytes.
    offset: u64,
    /// The beginning of a line.
    rest: Vec<u8>,
}

impl Place {
    /// The beginning of the active file.
    fn behind_rotated(file: &Path) -> Result<Self, Failure> {
        let path = active(file)?;
        let mut place = Self { path, rotated: 0, number: 1, offset: 0, rest: Vec::new() };
        place.rotated = place.numbers()?.last().copied().unwrap_or(0);
        place.number = place.rotated + 1;
        Ok(place)
    }

    /// Goes on to a place in one of the files.
    fn reach(&mut self, path: &Path, offset: u64) {
        if let Some(number) = self.number_of(path) {
            self.rotated = self.rotated.max(number);
            self.number = number;
        } else {
            self.number = self.rotated + 1;
        }
        self.offset = offset;
    }

    /// Shows the lines that were added since.
    fn follow(&mut self, out: &mut impl Write) -> Result<(), Failure> {
        loop {
            let active = open(&self.path)?;
            // Opened after it: while no file has the number, the active one will get it.
            if let Some(rotated) = open(&self.path_of(self.number))? {
                self.show(out, rotated)?;
                self.begin(out, self.number + 1)?;
            } else if !self.skip_removed(out)? {
                return active.map_or(Ok(()), |active| self.show(out, active));
            }
        }
    }

    /// Goes on where files are left, if some were removed before they were read.
    fn skip_removed(&mut self, out: &mut impl Write) -> Result<bool, Failure> {
        let numbers = self.numbers()?;
        let last = numbers.last().copied().unwrap_or(0);
        let Some(next) = numbers.into_iter().find(|number| *number >= self.number) else {
            // All were removed, and the file being read gets the first number.
            let is_renumbered = last + 1 < self.number;
            self.number = if is_renumbered { 1 } else { self.number };
            return Ok(is_renumbered);
        };
        let path = self.path_of(self.number);
        if path.try_exists()? || (next == self.number && !path.is_symlink()) {
            // It was rotated or removed meanwhile.
            return Ok(true);
        }
        writeln!(out, "damaged: {} is missing", path.display())?;
        if next > self.number {
            self.begin(out, next)?;
        } else {
            // A link that leads nowhere has the number; the file being read gets another.
            self.number += 1;
        }
        Ok(true)
    }

    fn begin(&mut self, out: &mut impl Write, number: u64) -> Result<(), Failure> {
        if !self.rest.is_empty() {
            let path = self.path_of(self.number);
            writeln!(out, "damaged: the last line of {} is not whole", path.display())?;
        }
        (self.number, self.offset, self.rest) = (number, 0, Vec::new());
        Ok(())
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

    /// The rotated files, oldest first.
    fn numbers(&self) -> Result<Vec<u64>, Failure> {
        let files = busway_journal::segments(&self.path)?;
        Ok(files.iter().filter_map(|path| self.number_of(path)).collect())
    }

    fn path_of(&self, number: u64) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number:06}"));
        path.into()
    }

    /// The number of a rotated file.
    fn number_of(&self, path: &Path) -> Option<u64> {
        let [name, active] = [path, &self.path].map(|path| path.file_name());
        let number = name?.as_encoded_bytes().strip_prefix(active?.as_encoded_bytes())?;
        str::from_utf8(number.strip_prefix(b".")?).ok()?.parse().ok()
    }
}

/// The path of the active file, whatever link leads to it.
fn active(file: &Path) -> Result<PathBuf, Failure> {
    match file.canonicalize() {
        // It was rotated away, and nothing has been written since.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let rotated = busway_journal::segments(file)?.into_iter().next();
            Ok(rotated.ok_or_else(|| Failure::Missing(file.into()))?.with_extension(""))
        }
        path => Ok(path?),
    }
}

fn open(path: &Path) -> Result<Option<File>, Failure> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => Ok(Some(opened?)),
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
        Kind::Discarded => "given up".into(),
        _ => line
            .duration()
            .map_or_else(|| "completed".into(), |took| format!("completed ({})", seconds(took))),
    };
    let path = line.path.join(" > ");
    let payload = line.payload();
    format!("{} {}#{} {what} {path} {payload}", clock(line), line.event_type, short(line))
}
