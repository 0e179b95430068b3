//! R41: Python's bubus 1.4.3 reads our lines as its events, and we read those it writes.
//!
//! It needs Python and its package index, so it runs only on request:
//! `cargo test -p busway-journal --test python -- --ignored --nocapture`.
#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use busway_core::{BoxError, EventBus, EventHandle};
use busway_journal::{Journal, Kind, Line, Mode};
use busway_macros::Event;
use busway_tokio::Tokio;
use serde::{Deserialize, Serialize};

#[derive(Debug, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
struct Login {
    name: String,
    tags: Vec<String>,
    at: Option<String>,
    ratio: f64,
}

#[derive(Debug, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core", timeout = "off")]
struct Audit {
    of: String,
}

/// Creates a virtual environment with bubus; prints why when it cannot.
fn python(folder: &Path) -> Option<PathBuf> {
    let venv = folder.join("venv");
    let ran = |command: &mut Command| match command.output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            eprintln!("SKIPPED: {command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(error) => {
            eprintln!("SKIPPED: {command:?} cannot be run: {error}");
            false
        }
    };
    if !ran(Command::new("python3").args(["-m", "venv"]).arg(&venv)) {
        return None;
    }
    let python = venv.join("bin/python");
    let mut pip = Command::new(&python);
    ran(pip.args(["-m", "pip", "install", "--quiet", "bubus==1.4.3"])).then_some(python)
}

fn script(python: &Path, name: &str, path: &Path) -> Result<String, BoxError> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
    let output = Command::new(python).arg(script).arg(path).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The keys of an object, in order.
fn keys(line: &str) -> Result<Vec<String>, BoxError> {
    struct Keys(Vec<String>);
    impl<'de> Deserialize<'de> for Keys {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Keys;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Keys, A::Error> {
                    let mut keys = Vec::new();
                    while let Some((key, serde::de::IgnoredAny)) = map.next_entry()? {
                        keys.push(key);
                    }
                    Ok(Keys(keys))
                }
            }
            from.deserialize_map(Visitor)
        }
    }
    Ok(serde_json::from_str::<Keys>(line)?.0)
}

#[test]
#[ignore = "needs Python and its package index"]
fn r41_bubus_and_we_read_each_other() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let Some(python) = python(folder.path()) else { return Ok(()) };
    let theirs = folder.path().join("theirs.jsonl");
    script(&python, "writes.py", &theirs)?;
    let login_keys = we_read_theirs(&theirs)?;
    they_read_ours(&python, folder.path(), &login_keys)?;
    we_go_on_with_theirs(&theirs)?;
    eprintln!("bubus 1.4.3 and we read each other's lines");
    Ok(())
}

/// Returns the keys of a login, in the order of bubus.
fn we_read_theirs(path: &Path) -> Result<Vec<String>, BoxError> {
    let lines: Vec<Line> = Journal::replay(path)?.collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), 10);
    for pair in lines.chunks(2) {
        let [audit, login] = pair else { panic!("two for each login") };
        assert_eq!((audit.event_type.as_str(), login.event_type.as_str()), ("Audit", "Login"));
        assert_eq!(audit.parent_id, Some(login.id), "the child comes first");
        assert_eq!(audit.kind, Kind::Completed);
        assert_eq!((audit.timeout, login.timeout.map(|it| it.as_secs())), (None, Some(300)));
        assert_eq!(
            (login.schema.as_str(), &login.path[..]),
            ("__main__.Login@1.0.0", &["Main".to_owned()][..])
        );
        assert!(login.created_at < audit.created_at);
        assert_eq!(audit.decode::<Audit>()?.of, login.id.to_string());
        assert_eq!(audit.fields["nested"]["ä \"b\"\n"], serde_json::json!([1, null]));
        let typed: Login = login.decode()?;
        assert!(typed.name.starts_with("user ") && typed.at.is_some());
    }
    keys(fs::read_to_string(path)?.lines().nth(1).ok_or("a login")?)
}

fn they_read_ours(python: &Path, folder: &Path, login_keys: &[String]) -> Result<(), BoxError> {
    for (mode, checksum) in
        [(Mode::Completed, false), (Mode::Completed, true), (Mode::WriteAhead, true)]
    {
        let ours = folder.join(format!("ours-{mode:?}-{checksum}.jsonl"));
        write_ours(&ours, mode, checksum)?;
        let text = fs::read_to_string(&ours)?;
        let back = script(python, "reads.py", &ours)?;
        let count = if mode == Mode::WriteAhead { 12 } else { 6 };
        assert_eq!((text.lines().count(), back.lines().count()), (count, count));
        // Our lines are what bubus would have written for each event.
        assert_eq!(back, text, "{mode:?} {checksum}");
        if mode == Mode::Completed && !checksum {
            let login = text.lines().find(|line| line.contains("\"Login\"")).ok_or("a login")?;
            assert_eq!(keys(login)?, login_keys);
        }
    }
    Ok(())
}

fn write_ours(path: &Path, mode: Mode, checksum: bool) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let journal = Journal::builder(path).mode(mode).checksum(checksum).open()?;
        let bus = EventBus::builder("Main").runtime(Tokio::current()?).journal(&journal).build();
        bus.on(|login: EventHandle<Login>| async move {
            login.run(Audit { of: login.id().to_string() }).await.map(drop)
        });
        for number in 0..3 {
            let (tags, at) = (vec!["ä \"b\"\n\u{1f600}\u{7f}".into()], None);
            let login = Login { name: format!("user {number}"), tags, at, ratio: 1.5 };
            bus.dispatch(login)?.await?;
        }
        Ok(journal.close().await?)
    })
}

/// We continue a journal that bubus has begun.
fn we_go_on_with_theirs(path: &Path) -> Result<(), BoxError> {
    write_ours(path, Mode::Completed, false)?;
    assert_eq!(Journal::replay(path)?.collect::<Result<Vec<_>, _>>()?.len(), 16);
    Ok(())
}
