//! The core's seam for journals, with hand-written sinks: quick ones, slow ones, bad ones.

use std::sync::{Arc, Mutex};

use busway_core::journal::{DurableError, Entry, Feed, Receipt, Sink, SinkError};
use busway_core::{BoxError, Cause, EventBus, EventHandle, Hub};
use busway_tokio::Tokio;

use crate::events::{Job, Outcome, Step, builder, job, soon};

/// What a sink does with a line.
type Answer = fn(&str, Receipt);

struct Hand {
    answer: Answer,
    /// How often it was told that a caller waits.
    hurried: Mutex<usize>,
    feeds: Mutex<Vec<Feed>>,
}

impl Sink for Hand {
    fn is_write_ahead(&self) -> bool {
        true
    }

    fn check(&self, payload: &str) -> Result<(), BoxError> {
        if payload.contains("\"number\":13") { Err("unlucky".into()) } else { Ok(()) }
    }

    fn text(&self, entry: &Entry<'_>) -> String {
        match entry.completed_at {
            None => format!("{} {}", entry.event_type, entry.payload),
            Some(_) => String::new(),
        }
    }

    fn write(&self, acceptance: String, receipt: Receipt) {
        match acceptance.is_empty() {
            true => receipt.durable(),
            false => (self.answer)(&acceptance, receipt),
        }
    }

    fn hurry(&self) {
        *self.hurried.lock().unwrap() += 1;
    }

    fn joined(&self, feed: Feed) {
        self.feeds.lock().unwrap().push(feed);
    }
}

fn bus_with(answer: Answer) -> (EventBus, Arc<Hand>) {
    let hand = Arc::new(Hand { answer, hurried: Mutex::new(0), feeds: Mutex::default() });
    let sink: Arc<dyn Sink> = hand.clone();
    let bus = builder("main").journal(sink).build();
    bus.on(|_: EventHandle<Job>| {});
    bus.on(|_: EventHandle<Step>| {});
    (bus, hand)
}

#[tokio::test]
async fn r42_a_sink_may_answer_at_once() -> Outcome {
    let (bus, _) = bus_with(|_, receipt| receipt.durable());
    let event = bus.dispatch(job(1))?;
    soon(event.durable()).await?;
    assert_eq!(soon(event).await?.results().len(), 1);
    assert!(bus.dispatch(job(13)).is_err());
    Ok(())
}

#[tokio::test]
async fn r44_a_sink_may_fail_at_once() -> Outcome {
    let error: Answer = |_, receipt| {
        let error: SinkError = Arc::new(std::fmt::Error);
        receipt.failed(error);
    };
    let (bus, _) = bus_with(error);
    let event = bus.dispatch(job(1))?;
    assert!(matches!(soon(event.durable()).await, Err(DurableError::Failed(_))));
    assert_eq!(soon(event).await?.cause(), Some(Cause::NotWritten));
    // The sink itself has not failed: the next event is tried.
    assert!(bus.dispatch(job(2)).is_ok());
    Ok(())
}

#[tokio::test]
async fn r44_a_receipt_that_is_dropped_is_a_journal_that_was_closed() -> Outcome {
    let (bus, _) = bus_with(|_, receipt| drop(receipt));
    let event = bus.dispatch(job(1))?;
    assert!(matches!(soon(event.durable()).await, Err(DurableError::Closed)));
    assert_eq!(soon(event).await?.cause(), Some(Cause::NotWritten));
    Ok(())
}

#[tokio::test]
async fn r44_a_sink_that_panics_loses_its_line_and_no_other() -> Outcome {
    let (bus, _) = bus_with(|text, receipt| match text.contains("\"number\":1,") {
        true => panic!("a sink may not"),
        false => receipt.durable(),
    });
    let (first, second) = (bus.dispatch(job(1))?, bus.dispatch(job(2))?);
    assert_eq!(soon(first).await?.cause(), Some(Cause::NotWritten));
    assert_eq!(soon(second).await?.cause(), None);
    Ok(())
}

#[tokio::test]
async fn r42_a_sink_may_answer_from_any_thread() -> Outcome {
    let (bus, hand) = bus_with(|_, mut receipt| {
        std::thread::spawn(move || {
            receipt.written();
            receipt.durable();
        });
    });
    for number in 20..60 {
        let event = bus.dispatch(job(number))?;
        soon(event.durable()).await?;
        soon(event).await?;
    }
    assert!(*hand.hurried.lock().unwrap() >= 1);
    Ok(())
}

#[tokio::test]
async fn r42_written_lets_the_handlers_start_before_it_is_on_disk() -> Outcome {
    static KEPT: Mutex<Vec<Receipt>> = Mutex::new(Vec::new());
    let (bus, _) = bus_with(|_, mut receipt| {
        receipt.written();
        KEPT.lock().unwrap().push(receipt);
    });
    let event = bus.dispatch(job(1))?;
    soon(event.clone()).await?;
    let waits = soon(async {
        tokio::select! {
            biased;
            _ = event.durable() => false,
            () = tokio::task::yield_now() => true,
        }
    });
    assert!(waits.await, "it is written, and not on disk");
    let kept = std::mem::take(&mut *KEPT.lock().unwrap());
    kept.into_iter().for_each(Receipt::durable);
    soon(event.durable()).await?;
    Ok(())
}

#[tokio::test]
async fn r12_what_a_sink_dispatches_is_written_after_it() -> Outcome {
    static BUS: Mutex<Option<EventBus>> = Mutex::new(None);
    static ORDER: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let (bus, _) = bus_with(|text, receipt| {
        ORDER.lock().unwrap().push(text.to_owned());
        if text.starts_with("Job ") {
            let bus = BUS.lock().unwrap().clone();
            let child = bus.map(|bus| bus.dispatch(Step { of: 1 }));
            assert!(child.is_some_and(|child| child.is_ok()));
        }
        receipt.durable();
    });
    *BUS.lock().unwrap() = Some(bus.clone());
    soon(bus.dispatch(job(1))?).await?;
    assert!(soon(bus.wait_until_idle(None)).await?);
    let order = ORDER.lock().unwrap().clone();
    assert_eq!(order, [r#"Job {"number":1,"title":"job 1"}"#, r#"Step {"of":1}"#]);
    drop(BUS.lock().unwrap().take());
    Ok(())
}

#[tokio::test]
async fn r44_a_feed_counts_what_was_noted_and_handed_on() -> Outcome {
    use std::task::{Context, Waker};
    static SEEN: Mutex<Vec<(u64, bool, bool)>> = Mutex::new(Vec::new());
    static FEED: Mutex<Option<Feed>> = Mutex::new(None);
    let (bus, hand) = bus_with(|_, receipt| {
        if let Some(feed) = &*FEED.lock().unwrap() {
            let noted = feed.noted();
            let cx = Context::from_waker(Waker::noop());
            let [before, this] =
                [noted - 1, noted].map(|until| feed.poll_handed_on(until, &cx).is_ready());
            SEEN.lock().unwrap().push((noted, before, this));
        }
        receipt.durable();
    });
    let feed = hand.feeds.lock().unwrap()[0].clone();
    *FEED.lock().unwrap() = Some(feed.clone());
    soon(bus.dispatch(job(1))?).await?;
    soon(std::future::poll_fn(|cx| feed.poll_handed_on(2, cx))).await;
    assert_eq!(*SEEN.lock().unwrap(), [(1, true, false)], "while it is being handed on");
    assert_eq!(feed.noted(), 2, "its completion too");
    Ok(())
}

#[tokio::test]
async fn r44_the_buses_of_a_hub_have_one_feed() -> Outcome {
    let (bus, hand) = bus_with(|_, receipt| receipt.durable());
    let sink: Arc<dyn Sink> = hand.clone();
    let second = bus.hub().bus("second").journal(sink.clone()).build();
    let other = builder("other").journal(sink).build();
    let feeds = hand.feeds.lock().unwrap().clone();
    let same: Vec<_> = feeds.iter().map(|feed| feed.is_of_same_hub(&feeds[0])).collect();
    assert_eq!(same, [true, true, false]);
    drop((second, other));
    Ok(())
}

/// Notes the paths of the events whose lines it gets.
#[derive(Default)]
struct Paths(Mutex<Vec<String>>);

impl Sink for Paths {
    fn is_write_ahead(&self) -> bool {
        false
    }

    fn text(&self, entry: &Entry<'_>) -> String {
        entry.path.join(" ")
    }

    fn write(&self, path: String, receipt: Receipt) {
        self.0.lock().unwrap().push(path);
        receipt.durable();
    }
}

/// A bus that is gone leaves nothing behind that a later one could be mistaken for.
#[tokio::test]
async fn r41_a_bus_without_a_journal_writes_into_nobodys() -> Outcome {
    let hub = Hub::builder().runtime_source(Tokio::latch).build();
    let paths = Arc::new(Paths::default());
    let sink: Arc<dyn Sink> = paths.clone();
    let with = |n| hub.bus(format!("with{n:03}")).journal(sink.clone()).build();
    let with: Vec<_> = (0..16).map(with).collect();
    // An expectation of a bus that is gone keeps the place of that bus.
    let expects: Vec<_> = with.iter().map(|bus| bus.expect::<Step>()).collect();
    drop(with);
    let others: Vec<_> = (0..64).map(|n| hub.bus(format!("none{n:03}")).build()).collect();
    for other in &others {
        soon(other.run(job(1))).await?;
    }
    drop(expects);
    assert_eq!(*paths.0.lock().unwrap(), Vec::<String>::new());
    Ok(())
}

/// Notes the buses of the hub while one of them gets it as its journal.
struct Looks(Hub, Mutex<Vec<String>>);

impl Sink for Looks {
    fn is_write_ahead(&self) -> bool {
        true
    }

    fn text(&self, _: &Entry<'_>) -> String {
        String::new()
    }

    fn write(&self, _: String, receipt: Receipt) {
        receipt.durable();
    }

    fn joined(&self, _: Feed) {
        let names = self.0.buses().iter().map(EventBus::name).collect();
        *self.1.lock().unwrap() = names;
    }
}

/// Nobody could dispatch on it: the lines of such events would be nobody's.
#[tokio::test]
async fn r44_a_bus_is_not_found_before_it_has_its_journal() -> Outcome {
    let hub = Hub::builder().runtime_source(Tokio::latch).build();
    let first = hub.bus("first").build();
    let looks = Arc::new(Looks(hub.clone(), Mutex::default()));
    let sink: Arc<dyn Sink> = looks.clone();
    let second = hub.bus("second").journal(sink).build();
    assert_eq!(*looks.1.lock().unwrap(), [first.name()]);
    assert_eq!(hub.buses().len(), 2);
    soon(second.run(job(1))).await?;
    Ok(())
}
