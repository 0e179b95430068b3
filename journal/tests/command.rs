//! The command, as a person runs it.
#![allow(missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

use busway_core::BoxError;

const EVENTS: [&str; 4] = [
    r#"{"event_type":"Pay","event_id":"06b0229c-2b19-70ca-8000-eb52ca02aaaa","event_path":["Main"],"event_parent_id":"06b0229c-2b16-71ae-8000-0bbff428bbbb","event_created_at":"2026-11-21T23:31:14.500000Z","event_processed_at":"2026-11-21T23:31:14.700000Z","sum":3}"#,
    r#"{"event_type":"Order","event_id":"06b0229c-2b16-71ae-8000-0bbff428bbbb","event_path":["Main","Audit"],"event_parent_id":null,"event_created_at":"2026-11-21T23:31:14.000000Z","event_processed_at":"2026-11-21T23:31:15.000000Z","items":1}"#,
    r#"{"event_type":"Order","event_id":"06b0229c-2b16-71ae-8000-0bbff428cccc","event_path":["Main"],"event_parent_id":null,"event_created_at":"2026-11-21T23:31:16.000000Z","event_processed_at":null,"items":2,"busway_accepted":1}"#,
    r#"{"event_type":"Order","event_id":"06b0229c-2b16-71ae-8000-0bbff428dddd","event_path":["Main"],"event_created_at":"2026-11-21T23:31:17.000000Z","event_processed_at":"2026-11-21T23:31:20.000000Z","items":2}"#,
];

fn run(args: &[&str], file: &Path) -> Result<(Output, String), BoxError> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_busway-journal")).args(args).arg(file).output()?;
    let text = String::from_utf8(output.stdout.clone())?;
    Ok((output, text))
}

fn journal(text: &str) -> Result<(tempfile::TempDir, std::path::PathBuf), BoxError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    std::fs::write(&path, text)?;
    Ok((folder, path))
}

#[test]
fn verify_finds_damage_and_says_where() -> Result<(), BoxError> {
    let text = EVENTS.join("\n") + "\n";
    let (_folder, path) = journal(&text)?;
    let (output, said) = run(&["verify"], &path)?;
    assert!(output.status.success());
    assert_eq!(said, format!("{}: 4 lines are whole\n", path.display()));

    let (_folder, path) = journal(&text[..text.len() - 9])?;
    let (output, said) = run(&["verify"], &path)?;
    assert!(output.status.success(), "a torn end is none");
    assert!(said.contains("3 lines are whole"), "{said}");

    let at = text.find('\n').ok_or("lines")? + 1;
    let (_folder, path) = journal(&text.replace("\"items\":1", "\"items\":"))?;
    let (output, said) = run(&["verify"], &path)?;
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&format!("is damaged at byte {at}: ")), "{said}");
    assert!(said.contains("1 lines before it"), "{said}");
    Ok(())
}

#[test]
fn tree_shows_who_dispatched_whom() -> Result<(), BoxError> {
    let (folder, path) = journal(EVENTS[3])?;
    // An older segment is read before it.
    std::fs::write(folder.path().join("events.jsonl.000001"), EVENTS[..3].join("\n") + "\n")?;
    let (output, said) = run(&["tree"], &path)?;
    assert!(output.status.success());
    let tree = "\
├── ● Order#bbbb [23:31:14.000 (1.000s)] Main > Audit
│   └── ● Pay#aaaa [23:31:14.500 (0.200s)] Main
├── ⏳ Order#cccc [23:31:16.000] Main
└── ● Order#dddd [23:31:17.000 (3.000s)] Main
";
    assert_eq!(said, tree);
    Ok(())
}

#[test]
fn tree_shows_events_that_are_their_own_ancestors_as_roots() -> Result<(), BoxError> {
    let event = |id: char, parent: char| {
        let [id, parent] =
            [id, parent].map(|it| format!("06b0229c-2b16-71ae-8000-00000000000{it}"));
        let keys = format!(r#""event_id":"{id}","event_parent_id":"{parent}""#);
        format!("{{\"event_type\":\"E\",\"event_path\":[\"m\"],{keys}}}\n")
    };
    // Below a circle of two, in it, below a circle of one, in it, and below none.
    let events =
        [('1', '2'), ('2', '3'), ('3', '2'), ('4', '5'), ('5', '5'), ('6', '0'), ('7', '1')];
    let (_folder, path) = journal(&events.map(|(id, parent)| event(id, parent)).concat())?;
    let (output, said) = run(&["tree"], &path)?;
    assert!(output.status.success());
    let tree = "\
├── ● E#0002 [-] m
│   └── ● E#0001 [-] m
│       └── ● E#0007 [-] m
├── ● E#0003 [-] m
├── ● E#0005 [-] m
│   └── ● E#0004 [-] m
└── ● E#0006 [-] m
";
    assert_eq!(said, tree);
    Ok(())
}

#[test]
fn stats_counts_by_type() -> Result<(), BoxError> {
    let (_folder, path) = journal(&(EVENTS.join("\n") + "\n"))?;
    let (output, said) = run(&["stats"], &path)?;
    assert!(output.status.success());
    let rows: Vec<Vec<&str>> = said.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["Order", "2", "1", "1.000s", "3.000s", "3.000s", "3.000s"]);
    assert_eq!(rows[2], ["Pay", "1", "0", "0.200s", "0.200s", "0.200s", "0.200s"]);
    Ok(())
}

#[test]
fn stats_counts_an_event_on_two_buses_once() -> Result<(), BoxError> {
    let (_folder, path) = journal(&format!("{0}\n{0}\n", EVENTS[3]))?;
    let (_, said) = run(&["stats"], &path)?;
    let row = said.lines().nth(1).ok_or("a row")?;
    assert_eq!(row.split_whitespace().take(3).collect::<Vec<_>>(), ["Order", "1", "0"]);
    Ok(())
}

#[test]
fn tail_shows_the_last_lines() -> Result<(), BoxError> {
    let (_folder, path) = journal(&(EVENTS.join("\n") + "\n"))?;
    let (output, said) = run(&["tail", "-n", "2", "--once"], &path)?;
    assert!(output.status.success());
    let expected = "\
23:31:16.000 Order#cccc accepted Main {\"items\":2}
23:31:17.000 Order#dddd completed (3.000s) Main {\"items\":2}
";
    assert_eq!(said, expected);
    Ok(())
}

#[test]
fn tail_follows() -> Result<(), BoxError> {
    use std::io::{BufRead, BufReader, Write};
    let (_folder, path) = journal(&format!("{}\n", EVENTS[0]))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_busway-journal"));
    let mut child = command.arg("tail").arg(&path).stdout(std::process::Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("an output")?).lines();
    assert!(lines.next().ok_or("the first")??.contains("Pay#aaaa"));
    let mut file = std::fs::OpenOptions::new().append(true).open(&path)?;
    let (half, rest) = EVENTS[1].split_at(40);
    write!(file, "{half}")?;
    writeln!(file, "{rest}")?;
    assert!(lines.next().ok_or("the second")??.contains("Order#bbbb"));
    child.kill()?;
    child.wait()?;
    Ok(())
}

#[test]
fn tail_follows_through_rotations() -> Result<(), BoxError> {
    use std::io::{BufRead, BufReader};
    let (folder, path) = journal("")?;
    let numbered = |number: u32| EVENTS[3].replace("\"items\":2", &format!("\"items\":{number}"));
    std::fs::write(&path, numbered(0) + "\n")?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_busway-journal"));
    let mut child = command.arg("tail").arg(&path).stdout(std::process::Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("an output")?).lines();
    assert!(lines.next().ok_or("the first")??.ends_with("{\"items\":0}"));
    // Rotates faster than `tail` looks: the last file is longer than the part that was read.
    for segment in 1..4_u32 {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&path)?;
        let text: String = (1..=segment).map(|at| numbered(10 * segment + at) + "\n").collect();
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        std::fs::rename(&path, folder.path().join(format!("events.jsonl.{segment:06}")))?;
    }
    std::fs::write(&path, [numbered(41), numbered(42), String::new()].join("\n"))?;
    for number in [11, 21, 22, 31, 32, 33, 41, 42] {
        let line = lines.next().ok_or("more")??;
        assert!(line.ends_with(&format!("{{\"items\":{number}}}")), "{number}: {line}");
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// Writes a line into a file, and rotates it.
fn rotate(path: &Path, line: &str, number: u32) -> std::io::Result<()> {
    std::fs::write(path, format!("{line}\n"))?;
    std::fs::rename(path, path.with_extension(format!("jsonl.{number:06}")))
}

#[test]
fn tail_loses_nothing_however_fast_files_are_rotated() -> Result<(), BoxError> {
    use std::io::{BufRead, BufReader};
    const LINES: u32 = 4_000;
    let (_folder, path) = journal("")?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_busway-journal"));
    let mut child = command.arg("tail").arg(&path).stdout(std::process::Stdio::piped()).spawn()?;
    let lines = BufReader::new(child.stdout.take().ok_or("an output")?).lines();
    let writes = std::thread::spawn(move || {
        (1..=LINES).try_for_each(|number| {
            // Long enough for several looks.
            std::thread::sleep(std::time::Duration::from_micros(200));
            let line = EVENTS[3].replace("\"items\":2", &format!("\"items\":{number}"));
            rotate(&path, &line, number)
        })
    });
    for (number, line) in (1..=LINES).zip(lines) {
        let line = line?;
        assert!(line.ends_with(&format!("{{\"items\":{number}}}")), "{number}: {line}");
    }
    writes.join().map_err(|_| "it panicked")??;
    child.kill()?;
    child.wait()?;
    Ok(())
}

#[test]
fn tail_goes_on_where_files_were_removed() -> Result<(), BoxError> {
    use std::io::{BufRead, BufReader};
    let (_folder, path) = journal("")?;
    rotate(&path, EVENTS[0], 1)?;
    rotate(&path, EVENTS[0], 2)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_busway-journal"));
    let mut child = command.arg("tail").arg(&path).stdout(std::process::Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("an output")?).lines();
    let mut next = || -> Result<String, BoxError> { Ok(lines.next().ok_or("a line")??) };
    assert!(next()?.contains("Pay#aaaa") && next()?.contains("Pay#aaaa"));
    // One that it has not read.
    rotate(&path, EVENTS[2], 4)?;
    assert!(next()?.ends_with("events.jsonl.000003 is missing"));
    assert!(next()?.contains("Order#cccc"));
    // All that it has read: numbers begin anew.
    for number in [1, 2, 4] {
        std::fs::remove_file(path.with_extension(format!("jsonl.{number:06}")))?;
    }
    rotate(&path, EVENTS[3], 1)?;
    assert!(next()?.contains("Order#dddd"));
    std::fs::write(&path, format!("{}\n", EVENTS[1]))?;
    assert!(next()?.contains("Order#bbbb"));
    child.kill()?;
    child.wait()?;
    Ok(())
}

#[cfg(unix)]
#[test]
fn tail_passes_a_link_that_leads_nowhere() -> Result<(), BoxError> {
    use std::io::{BufRead, BufReader, Write};
    let (_folder, path) = journal(&format!("{}\n", EVENTS[0]))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_busway-journal"));
    let mut child = command.arg("tail").arg(&path).stdout(std::process::Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("an output")?).lines();
    let mut next = || -> Result<String, BoxError> { Ok(lines.next().ok_or("a line")??) };
    assert!(next()?.contains("Pay#aaaa"));
    std::os::unix::fs::symlink("nowhere", path.with_extension("jsonl.000001"))?;
    assert!(next()?.ends_with("events.jsonl.000001 is missing"));
    let mut file = std::fs::OpenOptions::new().append(true).open(&path)?;
    writeln!(file, "{}", EVENTS[1])?;
    assert!(next()?.contains("Order#bbbb"), "what was shown is not shown again");
    rotate(&path, &[EVENTS[0], EVENTS[1], EVENTS[2]].join("\n"), 2)?;
    assert!(next()?.contains("Order#cccc"));
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// A parent that was dispatched again, and has made its child anew.
const AGAIN: [&str; 5] = [
    r#"{"event_type":"Job","event_id":"06b0229c-2b16-71ae-8000-0bbff428aaaa","event_path":["main"],"event_parent_id":null,"event_created_at":"2026-11-21T23:31:14.000000Z","event_processed_at":null,"busway_accepted":1}"#,
    r#"{"event_type":"Step","event_id":"06b0229c-2b16-71ae-8000-0bbff428bbbb","event_path":["main"],"event_parent_id":"06b0229c-2b16-71ae-8000-0bbff428aaaa","event_created_at":"2026-11-21T23:31:15.000000Z","event_processed_at":null,"busway_accepted":1}"#,
    r#"{"event_type":"Job","event_id":"06b0229c-2b16-71ae-8000-0bbff428aaaa","event_path":["main"],"event_parent_id":null,"event_created_at":"2026-11-21T23:31:14.000000Z","event_processed_at":null,"busway_accepted":2}"#,
    r#"{"event_type":"Step","event_id":"06b0229c-2b16-71ae-8000-0bbff428cccc","event_path":["main"],"event_parent_id":"06b0229c-2b16-71ae-8000-0bbff428aaaa","event_created_at":"2026-11-21T23:31:16.000000Z","event_processed_at":null,"busway_accepted":1}"#,
    "damaged",
];

#[test]
fn children_that_were_made_again_are_not_open() -> Result<(), BoxError> {
    let (_folder, path) = journal(&(AGAIN[..4].join("\n") + "\n"))?;
    let (_, said) = run(&["stats"], &path)?;
    let rows: Vec<Vec<&str>> = said.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..3], ["Job", "0", "1"]);
    assert_eq!(rows[2][..3], ["Step", "0", "1"]);
    let (_, said) = run(&["tree"], &path)?;
    let tree = "\
└── ⏳ Job#aaaa [23:31:14.000] main
    ├── ↺ Step#bbbb [23:31:15.000] main
    └── ⏳ Step#cccc [23:31:16.000] main
";
    assert_eq!(said, tree);
    Ok(())
}

#[test]
fn what_was_given_up_is_shown_and_its_children_are_open() -> Result<(), BoxError> {
    let given_up = r#"{"event_type":"Job","event_schema":"","event_id":"06b0229c-2b16-71ae-8000-0bbff428aaaa","event_path":["main"],"event_parent_id":null,"event_created_at":"2026-11-21T23:31:14.000000Z","event_processed_at":"2026-11-21T23:31:18.000000Z","busway_discarded":true}"#;
    let (_folder, path) = journal(&format!("{}\n{}\n{given_up}\n", AGAIN[0], AGAIN[1]))?;
    let (_, said) = run(&["tail", "-n", "1", "--once"], &path)?;
    assert_eq!(said, "23:31:14.000 Job#aaaa given up main {}\n");
    let (_, said) = run(&["tree"], &path)?;
    let tree = "\
└── ✗ Job#aaaa [23:31:14.000 (4.000s)] main
    └── ⏳ Step#bbbb [23:31:15.000] main
";
    assert_eq!(said, tree);
    Ok(())
}

#[test]
fn what_is_whole_before_damage_is_shown() -> Result<(), BoxError> {
    let (_folder, path) = journal(&(AGAIN.join("\n") + "\n"))?;
    for args in [&["tail"][..], &["tree"], &["stats"]] {
        let (output, said) = run(args, &path)?;
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(said.contains("Step"), "{args:?}: {said}");
        assert!(String::from_utf8(output.stderr)?.contains("is damaged at byte"), "{args:?}");
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn errors_say_what_they_come_from() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    std::fs::create_dir(&path)?;
    let (output, _) = run(&["stats"], &path)?;
    let said = String::from_utf8(output.stderr)?;
    assert!(said.contains("events.jsonl cannot be read: "), "{said}");
    Ok(())
}

#[test]
fn help_is_no_error() -> Result<(), BoxError> {
    for args in [&["--help"][..], &["-h"], &["tail", "--help"]] {
        let (output, said) = run(args, Path::new("no-such-file"))?;
        assert!(output.status.success(), "{args:?}");
        assert!(said.starts_with("usage: "), "{args:?}");
    }
    Ok(())
}

#[test]
fn what_is_not_understood_is_an_error() -> Result<(), BoxError> {
    for args in [&["dance"][..], &["verify"], &["tail", "-n", "x"]] {
        let (output, _) = run(args, Path::new("no-such-file"))?;
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
    Ok(())
}
