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
├── ✅ Order#bbbb [23:31:14.000 (1.000s)] Main > Audit
│   └── ✅ Pay#aaaa [23:31:14.500 (0.200s)] Main
├── ⏳ Order#cccc [23:31:16.000] Main
└── ✅ Order#dddd [23:31:17.000 (3.000s)] Main
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
fn what_is_not_understood_is_an_error() -> Result<(), BoxError> {
    for args in [&["dance"][..], &["verify"], &["tail", "-n", "x"]] {
        let (output, _) = run(args, Path::new("no-such-file"))?;
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
    Ok(())
}
