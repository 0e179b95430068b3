//! Events as a text tree, for logs and for people.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::time::Duration;

use hashbrown::HashSet;

use super::EventBus;
use super::record::Erased;
use super::results::EventResult;
use super::shared::HubShared;
use super::view;
use crate::machine::{Cause, EventKey, EventStatus, HandlerKey, ResultStatus};
use crate::time::Timestamp;

impl EventBus {
    /// Returns the events the bus remembers as text trees. The roots are those with no remembered
    /// ancestor. Lines are indented by level, so the text of a chain grows with the square of its depth.
    #[must_use]
    pub fn log_tree(&self) -> LogTree {
        let shared = &self.shared;
        let hub = shared.hub.lock();
        let remembered: HashSet<_> = hub.books.history(shared.key).collect();
        let parent = |event: &EventKey| hub.books.parent(*event);
        let is_root = |event: &EventKey| {
            !core::iter::successors(parent(event), parent).any(|above| remembered.contains(&above))
        };
        let roots = hub.books.history(shared.key).filter(is_root);
        let roots = roots.filter_map(|event| hub.books.payload(event).cloned()).collect();
        LogTree::new(shared.hub.clone(), roots)
    }
}

/// Events and what became of them, with the marks of bubus: `✅` done, `🏃` running, `⏳` pending, `❌`
/// failed, `⏰` timed out, `🛑` ended from outside. Made by
/// [`EventHandle::log_tree`](super::EventHandle::log_tree) and
/// [`EventBus::log_tree`](super::EventBus::log_tree).
///
/// The time in brackets is in UTC: when an event was dispatched, or a handler started. It is
/// followed by how long that ran, or, for an event that never started, how long it was there.
///
/// Events that are no longer in memory are missing. Nothing is formatted before it is displayed.
///
/// ```
/// use busway::{Event, EventHandle};
///
/// #[derive(Event)]
/// #[event(output = &'static str)]
/// struct Login;
///
/// #[derive(Event)]
/// struct LoadUser;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.handler(|login: EventHandle<Login>| login.dispatch(LoadUser).map(|_| "Ann"))
///     .named("log_in")
///     .register();
/// let tree = bus.run(Login).await?.log_tree().to_string();
/// let lines: Vec<&str> = tree.lines().collect();
/// // └── ✅ Login#9e2c [20:22:50.123 (0.004s)]
/// //     └── ✅ main.log_in#1 [20:22:50.123 (0.001s)] → "Ann"
/// //         └── ✅ LoadUser#51d7 [20:22:50.124 (0.003s)]
/// assert!(lines[0].starts_with("└── ✅ Login#"));
/// assert!(lines[1].ends_with("→ \"Ann\""));
/// assert!(lines[2].starts_with("        └── ✅ LoadUser#"));
/// # Ok(()) }
/// ```
pub struct LogTree {
    hub: Arc<HubShared>,
    roots: Vec<Arc<dyn Erased>>,
}

/// How many characters of a value or an error are shown.
const WIDTH: usize = 80;

impl LogTree {
    pub(crate) const fn new(hub: Arc<HubShared>, roots: Vec<Arc<dyn Erased>>) -> Self {
        Self { hub, roots }
    }
}

/// A line still to be written, with its prefix.
struct Line {
    prefix: String,
    is_last: bool,
    node: Node,
}

enum Node {
    Event(Arc<dyn Erased>),
    Handler(EventResult, Vec<Arc<dyn Erased>>),
}

impl fmt::Display for LogTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A list of pending lines instead of recursion: trees can be deep.
        let mut lines = Vec::new();
        push(&mut lines, "", self.roots.iter().cloned().map(Node::Event).collect());
        while let Some(Line { prefix, is_last, node }) = lines.pop() {
            let branch = if is_last { "└── " } else { "├── " };
            f.write_str(&prefix)?;
            f.write_str(branch)?;
            let below = format!("{prefix}{}", if is_last { "    " } else { "│   " });
            match node {
                Node::Event(record) => {
                    self.event_line(f, &*record)?;
                    push(&mut lines, &below, self.below_event(&record));
                }
                Node::Handler(result, children) => {
                    self.handler_line(f, &result)?;
                    push(&mut lines, &below, children.into_iter().map(Node::Event).collect());
                }
            }
            f.write_char('\n')?;
        }
        Ok(())
    }
}

impl LogTree {
    /// `✅ UserLogin#3f9a [20:22:50.123 (0.004s)]`
    fn event_line(&self, f: &mut fmt::Formatter<'_>, record: &dyn Erased) -> fmt::Result {
        let head = record.head();
        let status = view::status(head);
        let id = format!("{}", head.id());
        let tail = id.get(id.len().saturating_sub(4)..).unwrap_or(&id);
        write!(
            f,
            "{} {}#{tail} [{}",
            self.event_mark(record, status),
            record.label(),
            time_of_day(self.hub.wall(head.created_at))
        )?;
        if let Some(frozen) = head.frozen() {
            let since = frozen.started_at.unwrap_or(head.created_at);
            write!(f, " ({})", seconds(frozen.completed_at.since(since)))?;
        }
        f.write_char(']')?;
        match head.cause() {
            Some(cause) => write!(f, " {cause}"),
            None => Ok(()),
        }
    }

    /// `✅ Main.on_login#2 [20:22:50.123 (0.004s)] → Session`
    fn handler_line(&self, f: &mut fmt::Formatter<'_>, result: &EventResult) -> fmt::Result {
        let mark = result_mark(result);
        write!(
            f,
            "{mark} {}.{}#{}",
            result.bus_name(),
            result.handler_name(),
            result.handler_id().get()
        )?;
        if let Some(started) = result.started_at() {
            write!(f, " [{}", time_of_day(started))?;
            if let Some(ended) = result.completed_at() {
                write!(f, " ({})", seconds(ended.since(started)))?;
            }
            f.write_char(']')?;
        }
        match (result.error(), result.shown()) {
            (Some(error), _) => write!(f, " {} {}", error.kind(), shorten(&format!("{error}"))),
            (None, Some(value)) => write!(f, " → {}", shorten(&value)),
            (None, None) => Ok(()),
        }
    }

    /// The handlers with what they dispatched, then the children that no handler dispatched.
    fn below_event(&self, record: &Arc<dyn Erased>) -> Vec<Node> {
        let head = record.head();
        let mut by_handler: BTreeMap<Option<HandlerKey>, Vec<Arc<dyn Erased>>> = BTreeMap::new();
        for child in view::child_records(head) {
            let handler = child.head().parent().and_then(|parent| parent.handler);
            by_handler.entry(handler).or_default().push(child);
        }
        let mut nodes = Vec::new();
        for result in view::results(head) {
            let children = by_handler.remove(&Some(result.handler_id())).unwrap_or_default();
            nodes.push(Node::Handler(result, children));
        }
        nodes.extend(by_handler.into_values().flatten().map(Node::Event));
        nodes
    }

    fn event_mark(&self, record: &dyn Erased, status: EventStatus) -> &'static str {
        let results = || view::results(record.head());
        match (status, record.head().cause()) {
            (_, Some(Cause::Deadline)) => "⏰",
            (_, Some(_)) => "🛑",
            (EventStatus::Pending, _) => "⏳",
            (EventStatus::Started, _) => "🏃",
            (EventStatus::Completed, _) if results().iter().any(EventResult::is_failure) => "❌",
            (EventStatus::Completed, _) => "✅",
        }
    }
}

/// The time of day, to milliseconds.
fn time_of_day(at: Timestamp) -> String {
    let text = format!("{at}");
    text.get(11..23).map_or_else(String::new, String::from)
}

fn push(lines: &mut Vec<Line>, prefix: &str, nodes: Vec<Node>) {
    // Lines are taken from the end.
    for (at, node) in nodes.into_iter().rev().enumerate() {
        lines.push(Line { prefix: prefix.into(), is_last: at == 0, node });
    }
}

fn result_mark(result: &EventResult) -> &'static str {
    use super::error::HandlerError;
    let error = result.error();
    match (result.status(), error.as_ref().map(HandlerError::last)) {
        (ResultStatus::Pending, _) => "⏳",
        (ResultStatus::Started, _) => "🏃",
        (_, Some(HandlerError::TimedOut { .. })) => "⏰",
        (_, Some(HandlerError::Aborted { .. } | HandlerError::Cancelled { .. })) => "🛑",
        (_, Some(_)) => "❌",
        (_, None) => "✅",
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3}s", duration.as_secs_f64())
}

fn shorten(text: &str) -> String {
    let line = text.replace('\n', " ");
    if line.chars().count() <= WIDTH {
        return line;
    }
    line.chars().take(WIDTH - 1).chain(['…']).collect()
}

impl fmt::Debug for LogTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogTree").field("roots", &self.roots.len()).finish_non_exhaustive()
    }
}
