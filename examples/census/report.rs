//! The report printed at the end.

use std::fmt::Write;
use std::time::Duration;

use busway::{AnyEvent, EventResult};

use crate::outline::Branches;
use crate::scan::{ScanDir, ScanFile};
use crate::totals::{Share, Totals};

/// Columns of a name in the tree.
const NAME_WIDTH: usize = 40;
/// Columns in front of a child.
const FORK_WIDTH: usize = 4;

/// Returns the one line of `--json`.
pub(crate) fn json(totals: &Totals) -> serde_json::Result<String> {
    Ok(serde_json::to_string(totals)? + "\n")
}

/// Returns the event tree and the table of languages.
pub(crate) fn text(root: Option<&AnyEvent>, branches: &Branches, totals: &Totals) -> String {
    let mut out = String::new();
    if let Some(root) = root {
        tree(&mut out, root, branches);
        out.push('\n');
    }
    table(&mut out, totals);
    let Totals { dirs, unreadable, fingerprint, .. } = totals;
    line(&mut out, format_args!("\nfolders: {dirs}, unreadable: {unreadable}"));
    line(&mut out, format_args!("contents (sum of SHA-256): {fingerprint}"));
    out
}

fn tree(out: &mut String, root: &AnyEvent, branches: &Branches) {
    line(out, format_args!("{}", describe(root, NAME_WIDTH + FORK_WIDTH)));
    let kinds = [(&branches.folders, "folders"), (&branches.files, "files")];
    let mut twigs = Vec::new();
    for (few, kind) in kinds {
        twigs.extend(few.kept.iter().map(|event| describe(event, NAME_WIDTH)));
        if few.others > 0 {
            twigs.push(format!("… {} more {kind}", few.others));
        }
    }
    for (n, twig) in twigs.iter().enumerate() {
        let fork = if n + 1 < twigs.len() { "├──" } else { "└──" };
        line(out, format_args!("{fork} {twig}"));
    }
}

/// Describes one event: its type, its subject, how it ended, how long it took.
fn describe(event: &AnyEvent, width: usize) -> String {
    let name = clip(&name_of(event), width);
    let took = event.started_at().zip(event.completed_at());
    let took = took.map_or(Duration::ZERO, |(start, end)| end.since(start));
    let state = match event.results().iter().find_map(EventResult::error) {
        Some(error) => format!("failed: {error}"),
        None => format!("{:?}", event.status()).to_lowercase(),
    };
    format!("{:<8} {name:<width$} {took:>9.1?}  {state}", event.event_type())
}

fn name_of(event: &AnyEvent) -> String {
    let (place, end) = match (event.downcast::<ScanDir>(), event.downcast::<ScanFile>()) {
        (Some(dir), _) => (dir.place.clone(), "/"),
        (_, Some(file)) => (file.place.clone(), ""),
        _ => return String::new(),
    };
    let name = if event.depth() == 0 { place.path().as_os_str() } else { place.name() };
    let text = name.to_string_lossy();
    // Names may hold newlines, or codes that a terminal obeys.
    format!("{}{end}", text.trim_end_matches('/').escape_debug())
}

/// Returns the end of a name that is too long: it tells more than the beginning.
fn clip(name: &str, width: usize) -> String {
    let surplus = name.chars().count().saturating_sub(width);
    match surplus {
        0 => name.to_owned(),
        _ => format!("…{}", name.chars().skip(surplus + 1).collect::<String>()),
    }
}

/// Writes the languages, the largest first.
fn table(out: &mut String, totals: &Totals) {
    let mut rows: Vec<_> = totals.languages.iter().collect();
    rows.sort_by_key(|(name, share)| (core::cmp::Reverse(share.bytes), **name));
    line(out, format_args!("{:<18} {:>10} {:>12} {:>16}", "language", "files", "lines", "bytes"));
    for (name, share) in rows {
        row(out, name, share);
    }
    row(out, "total", &totals.whole());
}

fn row(out: &mut String, name: &str, share: &Share) {
    let Share { files, lines, bytes } = share;
    line(out, format_args!("{name:<18} {files:>10} {lines:>12} {bytes:>16}"));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "{text}");
}

/// Formats a number of bytes for people.
pub(crate) fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut amount = bytes as f64;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for larger in units.take_while(|_| bytes >= 1_000) {
        if amount < 1_000.0 {
            break;
        }
        amount /= 1_000.0;
        unit = larger;
    }
    format!("{amount:.1} {unit}")
}
