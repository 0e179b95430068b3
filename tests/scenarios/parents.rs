//! "Parents and children".

use busway::{AnyEvent, Event, EventBus, EventHandle, EventStatus};

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Gate, Log};

scenarios!(
    s59_a_child_knows_its_parent,
    s60_three_levels,
    s61_three_children_of_one_parent,
    s62_parallel_handlers_each_give_the_right_parent,
    s63_an_explicit_parent_is_kept,
    s65_plain_handlers_too,
    s67_children_in_order,
    s68_children_of_children,
    s70_none,
    s71_a_forwarded_event_is_no_child,
    s72_all_children_complete,
);

#[derive(Event)]
struct Parent;

#[derive(Event)]
struct Child(u32);

#[derive(Event)]
struct Grandchild;

/// Dispatches children with the bus alone: the place of the dispatch determines their parent.
fn dispatches(bus: &EventBus, count: u32) -> impl Fn(EventHandle<Parent>) + Send + Sync + 'static {
    let bus = bus.downgrade();
    move |_| {
        let bus = bus.upgrade().expect("the test holds it");
        for number in 0..count {
            bus.dispatch(Child(number)).expect("room");
        }
    }
}

fn children(bus: &EventBus) -> Vec<EventHandle<Child>> {
    let mut children = bus.find::<Child>().all(usize::MAX);
    children.reverse();
    children
}

async fn s59_a_child_knows_its_parent<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let weak = bus.downgrade();
    bus.on(move |_: EventHandle<Parent>| {
        let bus = weak.upgrade().expect("the test holds it");
        async move {
            // After a sleep the handler may be on another thread.
            env.sleep(1).await;
            bus.dispatch(Child(0))?;
            busway::ok(())
        }
    });
    let parent = run(&bus, Parent).await?;
    parent.result_opt()?;
    assert_eq!(children(&bus)[0].parent_id(), Some(parent.id()));
    Ok(())
}

async fn s60_three_levels<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(dispatches(&bus, 1));
    bus.on(|child: EventHandle<Child>| child.dispatch(Grandchild).map(drop));
    let parent = run(&bus, Parent).await?;
    let child = children(&bus).remove(0);
    let grandchild = bus.find::<Grandchild>().newest().expect("dispatched");
    assert_eq!(parent.parent_id(), None);
    assert_eq!(child.parent_id(), Some(parent.id()));
    assert_eq!(grandchild.parent_id(), Some(child.id()));
    assert_eq!([parent.depth(), child.depth(), grandchild.depth()], [0, 1, 2]);
    Ok(())
}

async fn s61_three_children_of_one_parent<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(dispatches(&bus, 3));
    let parent = run(&bus, Parent).await?;
    let parents: Vec<_> = children(&bus).iter().map(EventHandle::parent_id).collect();
    assert_eq!(parents, [Some(parent.id()); 3]);
    Ok(())
}

async fn s62_parallel_handlers_each_give_the_right_parent<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").parallel_handlers().build();
    for number in 0..3 {
        let weak = bus.downgrade();
        bus.on(move |_: EventHandle<Parent>| {
            let bus = weak.upgrade().expect("the test holds it");
            async move {
                // Their polls are mixed.
                for step in 0..3 {
                    env.sleep(1).await;
                    bus.dispatch(Child(number * 10 + step))?;
                }
                busway::ok(())
            }
        });
    }
    let one = bus.event(Parent).parallel().dispatch()?;
    let two = bus.event(Parent).parallel().dispatch()?;
    for parent in [one.await?, two.await?] {
        parent.result_opt()?;
        let mut numbers: Vec<_> =
            parent.children().iter().filter_map(|c| Some(c.downcast::<Child>()?.0)).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 10, 11, 12, 20, 21, 22]);
    }
    Ok(())
}

async fn s63_an_explicit_parent_is_kept<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let other = run(&bus, Grandchild).await?;
    let (weak, wanted) = (bus.downgrade(), other.clone());
    bus.on(move |_: EventHandle<Parent>| {
        let bus = weak.upgrade().expect("the test holds it");
        bus.event(Child(63)).parent(&wanted).dispatch().map(drop)
    });
    let parent = run(&bus, Parent).await?;
    parent.result_opt()?;
    assert_eq!(children(&bus)[0].parent_id(), Some(other.id()));
    assert!(parent.children().is_empty());
    Ok(())
}

async fn s65_plain_handlers_too<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let weak = bus.downgrade();
    bus.on(move |parent: EventHandle<Parent>| {
        let bus = weak.upgrade().expect("the test holds it");
        bus.dispatch(Child(1)).map(drop).map_err(|error| error.to_string())?;
        parent.dispatch(Child(2)).map(drop).map_err(|error| error.to_string())
    });
    let parent = run(&bus, Parent).await?;
    parent.result_opt()?;
    assert!(children(&bus).iter().all(|child| child.parent_id() == Some(parent.id())));
    assert_eq!(parent.children().len(), 2);
    Ok(())
}

async fn s67_children_in_order<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(dispatches(&bus, 3));
    let parent = run(&bus, Parent).await?;
    let numbers: Vec<_> =
        parent.children().iter().filter_map(|child| Some(child.downcast::<Child>()?.0)).collect();
    assert_eq!(numbers, [0, 1, 2]);
    Ok(())
}

async fn s68_children_of_children<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(dispatches(&bus, 2));
    bus.on(|child: EventHandle<Child>| child.dispatch(Grandchild).map(drop));
    let parent = run(&bus, Parent).await?;
    let children = parent.children();
    assert_eq!(children.len(), 2);
    for child in children {
        let [grandchild] = &child.children()[..] else { panic!("one grandchild") };
        assert_eq!(grandchild.event_type(), "Grandchild");
        assert!(grandchild.children().is_empty());
    }
    Ok(())
}

async fn s70_none<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Parent>| {});
    assert!(run(&bus, Parent).await?.children().is_empty());
    Ok(())
}

async fn s71_a_forwarded_event_is_no_child<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (one, two) = (hub.bus("one").build(), hub.bus("two").build());
    one.forward("*", &two)?;
    let seen = Log::<usize>::new();
    let heard = seen.clone();
    two.on(move |event: EventHandle<Parent>| heard.push(event.children().len()));
    let event = run(&one, Parent).await?;
    assert_eq!(seen.items(), [0]);
    assert!(event.children().is_empty());
    assert_eq!((event.parent_id(), event.depth()), (None, 0));
    Ok(())
}

async fn s72_all_children_complete<E: Env>(env: E) -> Outcome {
    // Where upstream asks with a method, the event's own completion is enough here (R16).
    let bus = env.bus("main");
    let all_are = |event: &AnyEvent| event.status() == EventStatus::Completed;
    assert!(run(&bus, Parent).await?.children().iter().all(all_are), "there is none");

    let gate = Gate::closed();
    bus.on(dispatches(&bus, 2));
    bus.on(|child: EventHandle<Child>| child.dispatch(Grandchild).map(drop));
    bus.on(gate.holds::<Grandchild>());
    let expected = bus.expect::<Grandchild>();
    let parent = bus.dispatch(Parent)?;
    let first = expected.await?;
    env.until(|| first.status() == EventStatus::Started).await;
    assert!(!parent.children().iter().all(all_are));
    assert_ne!(parent.status(), EventStatus::Completed);
    gate.open();
    let parent = parent.await?;
    assert!(parent.children().iter().all(all_are));
    assert!(parent.children().iter().flat_map(AnyEvent::children).all(|event| all_are(&event)));
    Ok(())
}
