//! R42: what an event keeps when it is given back, to which bus, and with or without its parent.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use busway_core::{BoxError, Completion, Concurrency, EventBus, EventHandle, Hub, Limit, Message};
use busway_journal::{
    DiscardError, JournalError, Kind, Line, Mode, RecoverError, Settings, SyncPolicy, Types,
};
use busway_macros::Event;
use busway_tokio::Tokio;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::disk::Disk;
use crate::events::{Job, Outcome, Step, ahead, builder, bus, job, on, soon};

fn types() -> Types {
    Types::new().with::<Job>().with::<Step>()
}

#[tokio::test]
async fn r42_its_own_settings_come_back() -> Outcome {
    let disk = Disk::default();
    {
        let bus = bus(&ahead(&disk));
        bus.on(|_: EventHandle<Job>| pending::<()>());
        let first = bus.event(job(1)).limit(Duration::from_millis(20)).parallel().first();
        let (first, second) = (first.dispatch()?, bus.event(job(2)).limit(Limit::Off).dispatch()?);
        for event in [first, second, bus.dispatch(job(3))?] {
            soon(event.durable()).await?;
        }
    }
    let journal = ahead(&disk.after_power_loss(0));
    let bus = builder("main").limit(Duration::from_millis(1)).journal(&journal).build();
    let starts = Arc::new(Mutex::new(Vec::new()));
    let started = starts.clone();
    bus.on(move |job: EventHandle<Job>| {
        started.lock().unwrap().push((job.number, job.attempt()));
        async move {
            match job.number {
                2 => tokio::time::sleep(Duration::from_millis(50)).await,
                _ => pending().await,
            }
        }
    });
    let again = soon(journal.recover().dispatch(&bus, &types())).await;
    let mut ends = Vec::new();
    for event in &again.events {
        soon(event).await?;
        ends.push(event.results()[0].error().map(|error| error.to_string()));
    }
    let [first, second, third] = &ends[..] else { panic!("{again:?}") };
    assert_eq!(first.as_deref(), Some("timed out after 20ms"));
    assert_eq!((second.as_deref(), third.as_deref()), (None, Some("timed out after 1ms")));
    // The first one takes no slot: the second did not wait for its end.
    let seconds_start = again.events[1].started_at();
    assert!(seconds_start < again.events[0].completed_at(), "{again:?}");
    assert_eq!(*starts.lock().unwrap(), [(1, 2), (2, 2), (3, 2)]);
    assert_eq!(bus.dispatch(job(4))?.attempt(), 1);
    Ok(())
}

/// A bus without a journal, which sends everything on to one of this name with the journal of a disk.
fn front_and_store(disk: &Disk) -> Result<(EventBus, EventBus), BoxError> {
    let hub = Hub::builder().runtime(Tokio::current()?).build();
    let (front, store) = (hub.bus("front").build(), hub.bus("store").journal(ahead(disk)).build());
    front.forward("*", &store)?;
    Ok((front, store))
}

/// Waits until so many lines are on disk.
async fn written(disk: &Disk, lines: usize) {
    let wait = async {
        while disk.after_power_loss(0).lines().len() < lines {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(wait).await;
}

#[tokio::test]
async fn r42_settings_come_back_from_a_bus_without_a_journal() -> Outcome {
    let disk = Disk::default();
    {
        let (front, _store) = front_and_store(&disk)?;
        front.event(job(1)).limit(Duration::from_secs(7)).parallel().dispatch()?;
        front.event(Step { of: 1 }).first().dispatch()?;
        front.dispatch(Step { of: 2 })?;
        front
            .event(Step { of: 3 })
            .limit(Limit::Off)
            .deadline(Duration::from_secs(9))
            .dispatch()?;
        written(&disk, 8).await;
    }
    let lines: Result<Vec<_>, _> =
        disk.lines().iter().map(|line| Line::parse(line.as_bytes())).collect();
    let lines = lines?;
    let (accepted, completed): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| matches!(line.kind, Kind::Accepted { .. }));
    for lines in [&accepted, &completed] {
        let seconds: Vec<_> =
            lines.iter().map(|line| line.timeout.map(|limit| limit.as_secs_f64())).collect();
        assert_eq!(seconds, [Some(7.0), Some(1.5), Some(1.5), None]);
    }
    let given: Vec<_> = accepted.iter().map(|line| line.settings).collect();
    let limits: Vec<_> = given.iter().map(|given| given.limit).collect();
    let own = Limit::After(Duration::from_secs(7));
    assert_eq!(limits, [own, Limit::Inherit, Limit::Inherit, Limit::Off], "a type's is no own one");
    assert_eq!(given[0].concurrency, Some(Concurrency::Parallel));
    assert_eq!(given[1].completion, Some(Completion::First));
    assert_eq!(given[2], Settings::default());
    Ok(())
}

#[tokio::test]
async fn r42_settings_leave_open_what_they_do_not_set() -> Outcome {
    let bus = builder("main").build();
    bus.on(|_: EventHandle<Job>| pending::<()>());
    let mut settings = Settings::default();
    settings.completion = Some(Completion::First);
    let job = bus.event(job(1)).limit(Duration::from_millis(1)).settings(settings);
    let job = soon(job.run()).await?;
    assert!(job.check().is_err(), "its own limit holds");
    Ok(())
}

#[tokio::test]
async fn r42_it_belongs_to_the_first_bus_with_the_journal() -> Outcome {
    let disk = Disk::default();
    {
        let (front, store) = front_and_store(&disk)?;
        let last = store.hub().bus("last").journal(ahead(&Disk::default())).build();
        store.forward("*", &last)?;
        last.on(|_: EventHandle<Job>| pending::<()>());
        let came = store.expect::<Job>();
        front.dispatch(job(1))?;
        let event = soon(came).await?;
        while event.path().len() < 3 {
            tokio::task::yield_now().await;
        }
    }
    let journal = ahead(&disk.after_power_loss(0));
    let store = builder("store").journal(&journal).build();
    let again = soon(journal.recover().dispatch(&store, &types())).await;
    assert_eq!((again.events.len(), again.others.len()), (1, 0), "{again:?}");
    Ok(())
}

#[tokio::test]
async fn r42_buses_of_one_name_are_not_guessed_between() -> Outcome {
    let disk = Disk::default();
    {
        let bus = bus(&ahead(&disk));
        bus.on(|_: EventHandle<Job>| pending::<()>());
        soon(bus.dispatch(job(1))?.durable()).await?;
    }
    let journal = ahead(&disk.after_power_loss(0));
    let [one, other] = [(); 2].map(|()| builder("main").journal(&journal).build());
    let again = soon(journal.recover().dispatch_all(&[&one, &other, &one], &types())).await;
    let [(left, RecoverError::AmbiguousBus { name })] = &again.failed[..] else {
        panic!("{again:?}")
    };
    assert_eq!((left.line.event_type.as_str(), name.as_str()), ("Job", "main"));
    soon(soon(left.dispatch::<Job>(&one)).await?).await?;
    Ok(())
}

#[tokio::test]
async fn r42_a_child_that_no_handler_made_is_given_back() -> Outcome {
    let disk = Disk::default();
    {
        let bus = bus(&ahead(&disk));
        bus.on(|_: EventHandle<Job>| pending::<()>());
        let parent = bus.dispatch(job(1))?;
        soon(parent.durable()).await?;
        let child = bus.event(Step { of: 1 }).parent(&parent).dispatch()?;
        soon(child.durable()).await?;
        assert_eq!(child.parent_id(), Some(parent.id()));
    }
    let journal = ahead(&disk.after_power_loss(0));
    let bus = bus(&journal);
    let again = soon(journal.recover().dispatch(&bus, &types())).await;
    let names: Vec<_> = again.events.iter().map(|event| event.event_type()).collect();
    assert_eq!((names.as_slice(), again.left.len()), (&["Job", "Step"][..], 0));
    Ok(())
}

/// What is dispatched again on this bus, and what is left.
async fn again(disk: &Disk, bus: &str) -> (Vec<String>, usize) {
    let journal = ahead(&disk.after_power_loss(0));
    let bus = builder(bus).journal(&journal).build();
    let again = soon(journal.recover().dispatch(&bus, &types())).await;
    let names = again.events.iter().map(|event| event.event_type().to_owned());
    (names.collect(), again.left.len())
}

#[tokio::test]
async fn r42_what_a_request_from_outside_made_is_given_back() -> Outcome {
    let disk = Disk::default();
    {
        let bus = bus(&ahead(&disk));
        bus.on(|_: EventHandle<Job>| pending::<()>());
        bus.on(|_: EventHandle<Step>| pending::<()>());
        let to = bus.clone();
        bus.consumer("steps", move |message: Message<u32>| {
            let step = to.dispatch(Step { of: *message });
            async move {
                step?.durable().await?;
                busway_core::ok(())
            }
        })?;
        let parent = bus.dispatch(job(1))?;
        soon(parent.durable()).await?;
        let came = bus.expect::<Step>();
        let request = tokio::spawn(async move { parent.request::<u32, ()>("steps", 1).await });
        let step = soon(came).await?;
        soon(step.durable()).await?;
        request.abort();
    }
    assert_eq!(again(&disk, "main").await, (vec!["Job".into(), "Step".into()], 0));
    Ok(())
}

#[tokio::test]
async fn r42_what_a_request_of_a_handler_made_is_made_again() -> Outcome {
    let disk = Disk::default();
    {
        let bus = bus(&ahead(&disk));
        bus.on(|job: EventHandle<Job>| async move {
            job.request::<u32, ()>("steps", job.number).await?;
            busway_core::ok(())
        });
        bus.on(|_: EventHandle<Step>| pending::<()>());
        let to = bus.clone();
        bus.consumer("steps", move |message: Message<u32>| {
            let step = to.dispatch(Step { of: *message });
            async move {
                step?.await?;
                busway_core::ok(())
            }
        })?;
        let came = bus.expect::<Step>();
        bus.dispatch(job(1))?;
        soon(soon(came).await?.durable()).await?;
    }
    assert_eq!(again(&disk, "main").await, (vec!["Job".into()], 0));
    Ok(())
}

#[tokio::test]
async fn r42_what_came_from_a_bus_without_a_journal_is_given_back() -> Outcome {
    for is_outside in [true, false] {
        let disk = Disk::default();
        {
            let (front, store) = front_and_store(&disk)?;
            let from = front.clone();
            store.on(move |job: EventHandle<Job>| {
                let step = from.event(Step { of: 1 }).parent(&job);
                let made = (!is_outside).then(|| step.dispatch().map(drop));
                async move {
                    made.transpose()?;
                    pending::<Outcome>().await
                }
            });
            let parent = store.dispatch(job(1))?;
            soon(parent.durable()).await?;
            if is_outside {
                front.event(Step { of: 1 }).parent(&parent).dispatch()?;
            }
            written(&disk, 2).await;
        }
        let names: &[&str] = if is_outside { &["Job", "Step"] } else { &["Job"] };
        assert_eq!(
            again(&disk, "store").await,
            (names.iter().copied().map(String::from).collect(), 0)
        );
    }
    Ok(())
}

#[tokio::test]
async fn r42_a_child_on_another_bus_is_given_back_only_if_it_is_not_made_again() -> Outcome {
    let disk = Disk::default();
    {
        let hub = Hub::builder().runtime(Tokio::current()?).build();
        let journal = ahead(&disk);
        let [jobs, steps] = ["jobs", "steps"].map(|name| hub.bus(name).journal(&journal).build());
        steps.on(|_: EventHandle<Step>| pending::<()>());
        jobs.on(move |job: EventHandle<Job>| {
            let step = steps.event(Step { of: job.number }).parent(&job).dispatch();
            async move {
                step?.await?;
                busway_core::ok(())
            }
        });
        jobs.dispatch(job(1))?;
        written(&disk, 2).await;
    }
    let only_steps = Types::new().with::<Step>();
    for (names, types, expected) in [
        (&["jobs"][..], types(), [1, 0, 0, 0]),
        (&["jobs", "steps"], types(), [1, 0, 0, 0]),
        (&["jobs"], only_steps.clone(), [0, 1, 1, 0]),
        (&["jobs", "steps"], only_steps.clone(), [0, 1, 0, 1]),
        (&["steps"], types(), [0, 0, 1, 1]),
    ] {
        let journal = ahead(&disk.after_power_loss(0));
        let buses: Vec<_> =
            names.iter().map(|name| builder(name).journal(&journal).build()).collect();
        let buses: Vec<_> = buses.iter().collect();
        let again = soon(journal.recover().dispatch_all(&buses, &types)).await;
        let counts = [again.events.len(), again.failed.len(), again.others.len(), again.left.len()];
        assert_eq!(counts, expected, "{names:?}");
    }
    Ok(())
}

/// A handler that delivers its own event again makes it its own parent.
#[tokio::test]
async fn r42_an_event_that_is_its_own_parent_is_given_back() -> Outcome {
    let disk = Disk::default();
    {
        let bus = bus(&ahead(&disk));
        bus.on(|job: EventHandle<Job>| async move {
            if job.attempt() == 1 {
                let again = self::job(job.number);
                job.event(again).id(job.id()).attempt(2).dispatch()?.durable().await?;
            }
            pending::<Outcome>().await
        });
        bus.dispatch(job(1))?;
        let mut events = bus.events_of::<Job>(8, busway_core::Overflow::DropNewest);
        soon(soon(events.next()).await.ok_or("the second delivery")?.durable()).await?;
    }
    let journal = ahead(&disk.after_power_loss(0));
    let bus = bus(&journal);
    let again = soon(journal.recover().dispatch(&bus, &types())).await;
    assert_eq!((again.events.len(), again.left.len()), (1, 0), "{again:?}");
    Ok(())
}

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
struct Anything(Value);

#[tokio::test]
async fn r42_null_is_not_an_empty_object() -> Outcome {
    let disk = Disk::default();
    {
        let bus = bus(&ahead(&disk));
        bus.on(|_: EventHandle<Anything>| pending::<()>());
        for value in [Value::Null, Value::Object(Default::default())] {
            soon(bus.dispatch(Anything(value))?.durable()).await?;
        }
    }
    let left: Vec<_> = ahead(&disk.after_power_loss(0)).recover().into_iter().collect();
    let values: Result<Vec<_>, _> =
        left.iter().map(|left| left.line.decode::<Anything>()).collect();
    assert_eq!(values?, [Anything(Value::Null), Anything(Value::Object(Default::default()))]);
    Ok(())
}

#[tokio::test]
async fn r42_what_is_given_up_is_not_given_back() -> Outcome {
    let disk = Disk::default();
    {
        let bus = bus(&ahead(&disk));
        bus.on(|_: EventHandle<Job>| pending::<()>());
        for number in 1..=2 {
            soon(bus.dispatch(job(number))?.durable()).await?;
        }
    }
    let disk = disk.after_power_loss(0);
    let journal = ahead(&disk);
    let left = journal.recover();
    soon(journal.discard(&left.events()[0])).await?;
    let disk = disk.after_power_loss(0);
    let left = ahead(&disk).recover();
    assert_eq!((left.len(), &left.events()[0].line.fields["number"]), (1, &Value::from(2)));
    let lines: Result<Vec<_>, _> =
        disk.lines().iter().map(|line| Line::parse(line.as_bytes())).collect();
    let kinds: Vec<_> = lines?.iter().map(|line| line.kind).collect();
    assert_eq!(kinds[2], Kind::Discarded);

    soon(journal.clone().close()).await?;
    let error = soon(journal.discard(&left.events()[0])).await.unwrap_err();
    let DiscardError::Journal(closed) = &error else { panic!("{error:?}") };
    assert!(matches!(**closed, JournalError::Closed), "{closed:?}");
    Ok(())
}

/// A disk with this many accepted jobs, and a child of the first one.
async fn with_jobs(count: u32) -> Result<Disk, BoxError> {
    let disk = Disk::default();
    let bus = bus(&ahead(&disk));
    bus.on(|job: EventHandle<Job>| async move {
        if job.number == 1 {
            job.dispatch(Step { of: 1 })?;
        }
        pending::<Outcome>().await
    });
    bus.on(|_: EventHandle<Step>| pending::<()>());
    let came = bus.expect::<Step>();
    for number in 1..=count {
        soon(bus.dispatch(job(number))?.durable()).await?;
    }
    soon(soon(came).await?.durable()).await?;
    Ok(disk.after_power_loss(0))
}

#[tokio::test]
async fn r42_children_of_what_is_given_up_are_given_back() -> Outcome {
    let disk = with_jobs(1).await?;
    let only_steps = Types::new().with::<Step>();
    {
        let journal = ahead(&disk);
        let again = soon(journal.recover().dispatch(&bus(&journal), &only_steps)).await;
        assert_eq!((again.failed.len(), again.left.len()), (1, 1), "{again:?}");
        soon(journal.discard(&again.failed[0].0)).await?;
    }
    let journal = ahead(&disk.after_power_loss(0));
    let again = soon(journal.recover().dispatch(&bus(&journal), &only_steps)).await;
    assert_eq!((again.events.len(), again.failed.len(), again.left.len()), (1, 0, 0), "{again:?}");
    assert_eq!(again.events[0].event_type(), "Step");
    Ok(())
}

#[tokio::test]
async fn r42_a_journal_of_what_completed_gives_nothing_up() -> Outcome {
    let left = ahead(&with_jobs(1).await?).recover();
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).open()?;
    let outcome = soon(journal.discard(&left.events()[0])).await;
    assert!(matches!(outcome, Err(DiscardError::NotWriteAhead)), "{outcome:?}");
    soon(journal.close()).await?;
    assert!(disk.lines().is_empty());
    Ok(())
}

#[tokio::test]
async fn r42_giving_up_hurries_and_tells_what_became_of_its_own_line() -> Outcome {
    let disk = with_jobs(2).await?;
    let ahead = on(&disk, Mode::WriteAhead).sync(SyncPolicy::OnClose);
    let journal = ahead.open()?;
    let left = journal.recover();
    soon(journal.discard(&left.events()[0])).await?;
    assert_eq!(disk.after_power_loss(0).lines(), disk.lines());
    disk.look().fails.sync = true;
    let outcome = soon(journal.discard(&left.events()[1])).await;
    let Err(DiscardError::Journal(error)) = &outcome else { panic!("{outcome:?}") };
    assert!(matches!(**error, JournalError::Sync { .. }), "{error:?}");
    Ok(())
}

/// A front without the journal sends jobs on to two buses that share it.
fn shop(disk: &Disk) -> Result<(busway_journal::Journal, [EventBus; 3]), BoxError> {
    let journal = ahead(disk);
    let hub = Hub::builder().runtime(Tokio::current()?).build();
    let front = hub.bus("front").build();
    let [store, mail] = ["store", "mail"].map(|name| hub.bus(name).journal(&journal).build());
    for bus in [&store, &mail] {
        front.forward("*", bus)?;
    }
    Ok((journal, [front, store, mail]))
}

/// The disk after a job was accepted, and a step that a handler of the front made of it.
async fn cut_off_in_the_shop() -> Result<Disk, BoxError> {
    let disk = Disk::default();
    {
        let (_, [front, store, mail]) = shop(&disk)?;
        let steps = store.downgrade();
        front.on(move |job: EventHandle<Job>| {
            let store = steps.upgrade();
            async move {
                let step = Step { of: job.number };
                store.ok_or("gone")?.dispatch(step).map(drop).map_err(BoxError::from)
            }
        });
        store.on(|_: EventHandle<Step>| pending::<()>());
        mail.on(|_: EventHandle<Job>| pending::<()>());
        front.dispatch(job(1))?;
        written(&disk, 3).await;
    }
    Ok(disk.after_power_loss(0))
}

#[tokio::test]
async fn r42_what_handlers_before_the_journal_made_is_given_back() -> Outcome {
    let disk = cut_off_in_the_shop().await?;
    let (journal, [_front, store, mail]) = shop(&disk)?;
    let again = soon(journal.recover().dispatch_all(&[&store, &mail], &types())).await;
    let mut names: Vec<_> = again.events.iter().map(|event| event.event_type()).collect();
    names.sort_unstable();
    assert_eq!((names.as_slice(), again.left.len()), (&["Job", "Step"][..], 0), "{again:?}");
    Ok(())
}

#[tokio::test]
async fn r42_a_bus_that_sends_on_to_several_sends_it_on_again() -> Outcome {
    let disk = cut_off_in_the_shop().await?;
    let (journal, [front, store, mail]) = shop(&disk)?;
    let came = [&store, &mail].map(|bus| bus.expect::<Job>());
    let buses = [&front, &store, &mail];
    let again = soon(journal.recover().dispatch_all(&buses, &types())).await;
    assert_eq!((again.failed.len(), again.others.len()), (0, 0), "{again:?}");
    for came in came {
        assert_eq!(soon(came).await?.attempt(), 2);
    }
    Ok(())
}
