//! The command line.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
usage: census [PATH] [--json]

Counts the files, folders, lines and bytes under PATH (default: the current folder), by language.
Links are not followed. What cannot be read is reported on stderr and does not stop the census.

  --json      print one line instead: {\"files\":N,\"dirs\":N,\"bytes\":N,\"lines\":N}
  -h, --help  print this

Exit status: 0 when PATH was counted, 1 when PATH itself cannot be read, 2 for a wrong command line.
";

/// The parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Count(Args),
    Help,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) path: PathBuf,
    pub(crate) json: bool,
}

/// A command line that cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    UnknownOption(OsString),
    SecondPath(OsString),
    EmptyPath,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOption(option) => write!(f, "unknown option {option:?}"),
            Self::SecondPath(path) => write!(f, "one path at a time, and {path:?} is the second"),
            Self::EmptyPath => f.write_str("the path is empty"),
        }
    }
}

/// Parses the words after the program's name. After `--` every word is a path.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Mistake> {
    let mut path = None;
    let mut json = false;
    let mut options_ended = false;
    for word in words {
        let is_option = !options_ended && word.as_encoded_bytes().starts_with(b"-") && word != "-";
        match word.to_str().filter(|_| is_option) {
            Some("--") => options_ended = true,
            Some("--json") => json = true,
            Some("--help" | "-h") => return Ok(Command::Help),
            _ if is_option => return Err(Mistake::UnknownOption(word)),
            _ if path.is_some() => return Err(Mistake::SecondPath(word)),
            _ if word.is_empty() => return Err(Mistake::EmptyPath),
            _ => path = Some(PathBuf::from(word)),
        }
    }
    Ok(Command::Count(Args { path: path.unwrap_or_else(|| PathBuf::from(".")), json }))
}
