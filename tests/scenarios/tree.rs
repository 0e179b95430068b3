//! "The tree".

use busway::{Event, EventHandle, Message, Retry};

use crate::runtimes::{Env, Outcome, run};
use crate::support::Gate;

scenarios!(
    s85_one_event,
    s86_a_handler_with_its_bus_and_value,
    s87_an_error_with_kind_and_message,
    s88_children_below_the_handler_that_dispatched_them,
    s89_several_roots,
    s89_what_others_remember_is_below_no_root,
    r45_a_timeout_of_the_last_try,
    s90_durations_in_seconds,
    s91_a_running_handler,
    s86_a_request_with_the_type_of_its_reply,
);

#[derive(Event)]
#[event(output = &'static str)]
struct Root;

struct Greeting;

#[derive(Event)]
struct Child;

#[derive(Event)]
struct Grandchild;

/// The lines without the parts that differ between runs: the end of the id and the time of day.
fn lines(tree: impl std::fmt::Display) -> Vec<String> {
    let tree = tree.to_string();
    tree.lines().map(|line| without_times(&without_ids(line))).collect()
}

fn without_ids(line: &str) -> String {
    let mut parts = line.split('#');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}

/// Removes `[20:22:50.123 (0.004s)]`, asserting that it looks like that.
fn without_times(line: &str) -> String {
    let Some((before, (times, after))) =
        line.split_once(" [").and_then(|(before, rest)| Some((before, rest.split_once(']')?)))
    else {
        return line.to_owned();
    };
    let clock: Vec<_> = times.split(' ').next().unwrap_or_default().split([':', '.']).collect();
    assert_eq!(clock.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 2, 2, 3], "{times}");
    format!("{before}{after}")
}

async fn s85_one_event<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let event = run(&bus, Root).await?;
    assert_eq!(lines(bus.log_tree()), ["└── ✅ Root"]);
    let id = event.id().to_string();
    let text = event.log_tree().to_string();
    assert!(text.starts_with(&format!("└── ✅ Root#{} [", &id[id.len() - 4..])), "{text}");
    let started = event.created_at().to_string();
    assert!(text.contains(&started[11..23]), "{text} at {started}");
    Ok(())
}

async fn s86_a_handler_with_its_bus_and_value<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.handler(|_: EventHandle<Root>| "status: success").named("greet").register();
    run(&bus, Root).await?;
    let expected = ["└── ✅ Root", "    └── ✅ main.greet → \"status: success\""];
    assert_eq!(lines(bus.log_tree()), expected);
    Ok(())
}

async fn s87_an_error_with_kind_and_message<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.handler(|_: EventHandle<Root>| Err::<&str, _>("no luck")).named("fails").register();
    bus.handler(|_: EventHandle<Child>| -> () { panic!("ouch") }).named("panics").register();
    run(&bus, Root).await?;
    run(&bus, Child).await?;
    let expected = [
        "├── ❌ Root",
        "│   └── ❌ main.fails Failed: no luck",
        "└── ❌ Child",
        "    └── ❌ main.panics Panicked: the handler panicked: ouch",
    ];
    assert_eq!(lines(bus.log_tree()), expected);
    Ok(())
}

async fn s88_children_below_the_handler_that_dispatched_them<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let on_root = |root: EventHandle<Root>| async move {
        root.dispatch(Child)?;
        root.run(Child).await?;
        busway::ok("done")
    };
    bus.handler(on_root).named("on_root").register();
    bus.handler(|_: EventHandle<Root>| None::<&str>).named("idle").register();
    let on_child = |child: EventHandle<Child>| child.dispatch(Grandchild).map(drop);
    bus.handler(on_child).named("on_child").register();
    let event = run(&bus, Root).await?;
    let expected = [
        "└── ✅ Root",
        "    ├── ✅ main.on_root → \"done\"",
        "    │   ├── ✅ Child",
        "    │   │   └── ✅ main.on_child",
        "    │   │       └── ✅ Grandchild",
        "    │   └── ✅ Child",
        "    │       └── ✅ main.on_child",
        "    │           └── ✅ Grandchild",
        "    └── ✅ main.idle",
    ];
    assert_eq!(lines(event.log_tree()), expected);
    assert_eq!(lines(bus.log_tree()), expected, "children are no roots");
    Ok(())
}

async fn s89_several_roots<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    run(&bus, Root).await?;
    run(&bus, Child).await?;
    run(&bus, Root).await?;
    assert_eq!(lines(bus.log_tree()), ["├── ✅ Root", "├── ✅ Child", "└── ✅ Root"]);
    Ok(())
}

async fn s89_what_others_remember_is_below_no_root<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let [far, near] = ["far", "near"].map(|name| hub.bus(name).build());
    let other = near.clone();
    far.handler(move |_: EventHandle<Root>| {
        let child = other.dispatch(Child);
        async move { child.map(|_| "sent") }
    })
    .named("send")
    .register();
    near.handler(|child: EventHandle<Child>| async move { child.run(Grandchild).await.map(drop) })
        .named("on_child")
        .register();
    run(&far, Root).await?;
    let below = ["└── ✅ Child", "    └── ✅ near.on_child", "        └── ✅ Grandchild"];
    assert_eq!(lines(near.log_tree()), below);
    assert_eq!(lines(far.log_tree())[2..], below.map(|line| format!("        {line}")));
    Ok(())
}

async fn r45_a_timeout_of_the_last_try<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.handler(|_: EventHandle<Child>| std::future::pending::<()>())
        .retry(Retry::new().retries(1).wait(env.ticks(0)).timeout(env.ticks(1)))
        .named("hangs")
        .register();
    run(&bus, Child).await?;
    let tree = bus.log_tree().to_string();
    assert!(tree.contains("⏰ main.hangs") && tree.contains("gave up after 2 tries"), "{tree}");
    Ok(())
}

async fn s90_durations_in_seconds<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(move |_: EventHandle<Root>| async move {
        env.sleep(2).await;
        "slow"
    });
    run(&bus, Root).await?;
    let text = bus.log_tree().to_string();
    for line in text.lines() {
        let (_, rest) = line.split_once(" (").expect("a duration");
        let (seconds, _) = rest.split_once("s)]").expect("in seconds");
        if E::HAS_PAUSED_CLOCK {
            assert_eq!(seconds, "2.000");
        }
        assert!(seconds.parse::<f64>()? >= env.ticks(2).as_secs_f64());
    }
    Ok(())
}

async fn s91_a_running_handler<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (started, gate) = (Gate::closed(), Gate::closed());
    let (tell, closed) = (started.clone(), gate.clone());
    let waits = move |_: EventHandle<Root>| {
        let (tell, closed) = (tell.clone(), closed.clone());
        async move {
            tell.open();
            closed.pass().await;
        }
    };
    bus.handler(waits).named("waits").register();
    bus.handler(|_: EventHandle<Root>| "next").named("next").register();
    let event = bus.dispatch(Root)?;
    bus.dispatch(Child)?;
    started.pass().await;
    let expected = ["├── 🏃 Root", "│   ├── 🏃 main.waits", "│   └── ⏳ main.next", "└── ⏳ Child"];
    assert_eq!(lines(bus.log_tree()), expected);
    gate.open();
    event.await?;
    Ok(())
}

async fn s86_a_request_with_the_type_of_its_reply<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.consumer("greet", async |_: Message<()>| busway::ok(Greeting))?;
    let _: Greeting = env.task(bus.request("greet", ()).into_future()).await?;
    let tree = bus.log_tree().to_string();
    assert!(
        tree.trim_end().ends_with(&format!(" → {}", std::any::type_name::<Greeting>())),
        "{tree}"
    );
    Ok(())
}
