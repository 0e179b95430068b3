//! Scenarios of a journal of completed events: S22–S24.

use std::path::{Path, PathBuf};

use busway::journal::Journal;
use busway::{Event, EventHandle};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::runtimes::{Env, Outcome, run};
use crate::support::Gate;

scenarios!(
    s22_three_events_are_three_lines,
    s23_missing_directories_are_made,
    s24_the_line_comes_with_the_completion,
);

#[derive(Debug, Event, Serialize, Deserialize)]
#[event(json)]
struct UserAction {
    action: String,
    user_id: u32,
}

fn action(action: &str) -> UserAction {
    UserAction { action: action.into(), user_id: 7 }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A path in a folder of its own, which is removed with the first value.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.jsonl");
    (folder, path)
}

async fn s22_three_events_are_three_lines<E: Env>(env: E) -> Outcome {
    let (_folder, path) = place();
    let journal = Journal::open(&path)?;
    let bus = env.builder("main").journal(&journal).build();
    bus.on(|_: EventHandle<UserAction>| {});
    for name in ["login", "view", "logout"] {
        run(&bus, action(name)).await?;
    }
    journal.flush().await?;
    let lines = lines(&path);
    assert_eq!(lines.len(), 3);
    for (line, name) in lines.iter().zip(["login", "view", "logout"]) {
        assert_eq!(line["event_type"], "UserAction");
        assert_eq!((&line["action"], &line["user_id"]), (&name.into(), &7.into()));
        assert_eq!(line["event_path"], serde_json::json!(["main"]));
        let created_at = line["event_created_at"].as_str().expect("a text");
        assert_eq!(created_at.len(), "2026-11-21T20:22:50.123456Z".len());
        assert!(created_at.ends_with('Z') && created_at.as_bytes()[10] == b'T', "{created_at}");
    }
    Ok(())
}

async fn s23_missing_directories_are_made<E: Env>(env: E) -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a/b/c/events.jsonl");
    let journal = Journal::open(&path)?;
    let bus = env.builder("main").journal(&journal).build();
    run(&bus, action("login")).await?.durable().await?;
    assert_eq!(lines(&path).len(), 1);
    Ok(())
}

async fn s24_the_line_comes_with_the_completion<E: Env>(env: E) -> Outcome {
    let (_folder, path) = place();
    let journal = Journal::open(&path)?;
    let bus = env.builder("main").journal(&journal).build();
    let (started, gate) = (Gate::closed(), Gate::closed());
    let (starts, opens) = (started.clone(), gate.clone());
    bus.on(move |_: EventHandle<UserAction>| {
        let (starts, opens) = (starts.clone(), opens.clone());
        async move {
            starts.open();
            opens.pass().await;
        }
    });
    let event = bus.dispatch(action("slow"))?;
    started.pass().await;
    journal.flush().await?;
    assert!(!path.exists(), "nothing has completed");
    gate.open();
    event.durable().await?;
    assert!(event.completed_at().is_some());
    assert_eq!(lines(&path).len(), 1);
    Ok(())
}
