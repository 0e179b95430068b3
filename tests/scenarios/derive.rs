//! `#[derive(Event)]`, and the same code written by hand.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use busway::{AnyEvent, Event, EventHandle, HandlerError, Limit, Reply, ResultError};

use crate::runtimes::{Env, Outcome, run};
use crate::support::collecting;

scenarios!(
    derive_output_decides_what_handlers_return,
    derive_timeout_limits_each_invocation,
    derive_works_on_generics,
    derive_works_on_enums_and_unit_structs,
    derive_with_another_path_to_the_crate,
    derive_by_hand,
    derive_where_names_are_shadowed,
    derive_in_a_macro,
    derive_with_an_output_of_ones_own_called_result,
    derive_with_the_event_as_its_output,
);

#[derive(Event)]
#[event(output = (u8, Vec<Option<&'static str>>))]
struct Odd;

#[derive(Event)]
struct Told;

#[derive(Event)]
#[event(output = ())]
struct SaysNothing;

#[derive(Event)]
#[event(name = "billing.paid", version = "2.1", timeout = "1.5m")]
struct Paid;

#[derive(Event)]
#[event(timeout = "off")]
#[event(output = u32)]
struct TwoAttributes;

#[derive(Event)]
#[event(output = Vec<T>)]
struct Wraps<T: Clone + Debug, const N: usize>([T; N])
where
    T: Send + Sync + 'static;

#[derive(Event, Clone, Copy, Debug, PartialEq)]
#[event(output = Signal)]
enum Signal {
    Start,
    Stop { code: i32 },
}

/// Only the derive's own paths lead to the crate.
mod elsewhere {
    pub(super) mod inner {
        pub(crate) use busway::*;
    }

    #[derive(inner::Event)]
    #[event(crate = "inner", output = u32, timeout = "2s")]
    pub(super) struct Local(pub(super) u32);
}

/// The generated code must not see these.
mod shadowed {
    #![allow(dead_code)]

    pub(super) struct Option;
    pub(super) struct Result;
    pub(super) struct Some;
    pub(super) mod core {}
    pub(super) mod std {}
    pub(super) trait Send {}
    pub(super) trait Sync {}
    pub(super) trait Event {}
    pub(super) trait Reply {}
    pub(super) struct Limit;
    #[allow(non_camel_case_types)]
    pub(super) struct usize;
    #[allow(non_camel_case_types)]
    pub(super) struct str;

    #[derive(busway::Event)]
    #[event(output = u32, timeout = "1s", bytes = bytes)]
    pub(super) struct Hidden(pub(super) u32);

    fn bytes(_: &Hidden) -> ::core::primitive::usize {
        1
    }
}

/// Nor may it need what is in the prelude.
mod bare {
    #![no_implicit_prelude]

    #[derive(::busway::Event, ::core::clone::Clone)]
    #[event(output = Self, timeout = "off", bytes = Self::heap)]
    pub(super) struct Bare<T: Bound = u8, const N: usize = 1>(pub(super) [T; N])
    where
        [T; N]: ::core::clone::Clone;

    pub(super) trait Bound:
        ::core::clone::Clone + ::core::marker::Send + ::core::marker::Sync + 'static
    {
    }

    impl Bound for u8 {}

    impl<T: Bound, const N: usize> Bare<T, N> {
        fn heap(&self) -> usize {
            N
        }
    }

    #[cfg(feature = "serde")]
    #[derive(::busway::Event, ::serde::Serialize)]
    #[event(json)]
    pub(super) struct Seen;
}

/// A type from a `macro_rules!` fragment comes in an invisible group.
macro_rules! event {
    ($name:ident -> $out:ty) => {
        #[derive(Event)]
        #[event(output = $out)]
        struct $name;
    };
}

event!(Counts -> u32);
event!(CountsNothing -> ());
event!(CountsItself -> Arc<Self>);
event!(CountsInParentheses -> (()));

mod game {
    #[derive(Clone, Debug, PartialEq)]
    pub(super) struct Result {
        pub(super) score: u32,
    }
}

#[derive(Event)]
#[event(output = game::Result)]
struct Play;

#[derive(Event, Clone, Debug, PartialEq)]
#[event(output = Self)]
struct Doubles(u32);

#[derive(Event, Clone, Debug, PartialEq)]
#[event(output = Vec<Self>)]
struct Splits<T, const N: usize = 2>([T; N])
where
    T: Clone + Send + Sync + 'static;

/// The generated code names deprecated types.
mod deprecated {
    #![deny(deprecated)]

    #[deprecated]
    #[derive(busway::Event)]
    #[event(output = u32)]
    pub(super) struct Old;

    #[deprecated]
    #[derive(Clone)]
    pub(super) struct OldOutput;

    #[derive(busway::Event)]
    #[event(output = OldOutput)]
    pub(super) struct New;
}

#[allow(non_camel_case_types)]
#[derive(Event)]
struct r#yield;

struct ByHand(u32);

impl Event for ByHand {
    type Output = u32;
    const NAME: &'static str = "ByHand";
    const LIMIT: Limit = Limit::After(Duration::from_secs(3));
}

impl Reply<ByHand> for u32 {}

#[test]
fn derive_writes_the_constants() {
    assert_eq!((Odd::NAME, Odd::LIMIT), ("Odd", Limit::Inherit));
    assert_eq!((Paid::NAME, Paid::LIMIT), ("billing.paid", Limit::After(Duration::from_secs(90))));
    assert_eq!(Paid::SCHEMA, "scenarios::derive.Paid@2.1");
    assert_eq!((TwoAttributes::NAME, TwoAttributes::LIMIT), ("TwoAttributes", Limit::Off));
    assert_eq!((ByHand::SCHEMA, ByHand(1).bytes()), ("", size_of::<ByHand>()));
    assert_eq!(elsewhere::Local::LIMIT, Limit::After(Duration::from_secs(2)));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(Told::SCHEMA, format!("scenarios::derive.Told@{version}"));
    assert_eq!(elsewhere::Local::SCHEMA, format!("scenarios::derive::elsewhere.Local@{version}"));
}

#[test]
fn derive_counts_what_a_function_returns() {
    assert_eq!(shadowed::Hidden(0).bytes(), size_of::<shadowed::Hidden>() + 1);
    assert_eq!(bare::Bare([0u8; 3]).bytes(), 3 + 3);
}

#[test]
#[cfg(feature = "serde")]
fn derive_gives_a_json_view_without_a_prelude() {
    assert_eq!(bare::Seen.to_json().unwrap().unwrap(), serde_json::Value::Null);
}

#[test]
fn derive_names_raw_types_as_they_are_said() {
    assert_eq!(r#yield::NAME, "yield");
    assert!(r#yield::SCHEMA.starts_with("scenarios::derive.yield@"));
}

#[test]
#[allow(deprecated)]
fn derive_takes_deprecated_types() {
    assert_eq!((deprecated::Old::NAME, deprecated::New::NAME), ("Old", "New"));
    let _ = (deprecated::Old, deprecated::OldOutput, deprecated::New);
}

async fn derive_output_decides_what_handlers_return<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Odd>| (1, vec![]));
    bus.on(|_: EventHandle<Odd>| async { Some((2, vec![None, Some("text")])) });
    bus.on(|_: EventHandle<Odd>| Ok::<_, String>(None::<(u8, Vec<_>)>));
    assert_eq!(run(&bus, Odd).await?.results_list()?, [(1, vec![]), (2, vec![None, Some("text")])]);
    Ok(())
}

async fn derive_timeout_limits_each_invocation<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<TwoAttributes>| 1);
    assert_eq!(run(&bus, TwoAttributes).await?.result()?, 1);
    if E::HAS_PAUSED_CLOCK {
        bus.on(|_: EventHandle<Paid>| std::future::pending::<()>());
        let watch = env.watch();
        let event = run(&bus, Paid).await?;
        watch.took(Duration::from_secs(90));
        assert!(matches!(event.results()[0].error(), Some(HandlerError::TimedOut { .. })));
    }
    Ok(())
}

async fn derive_works_on_generics<E: Env>(env: E) -> Outcome {
    let (builder, warnings) = collecting(env.builder("main"));
    let bus = builder.build();
    bus.on(|event: EventHandle<Wraps<u8, 2>>| event.0.to_vec());
    bus.on(|event: EventHandle<Wraps<String, 1>>| async move { Some(event.0.to_vec()) });
    // One name, two types: each handler sees its own (R1).
    assert_eq!(Wraps::<u8, 2>::NAME, Wraps::<String, 1>::NAME);
    assert_eq!(run(&bus, Wraps([7u8, 8])).await?.results_list()?, [[7, 8]]);
    assert_eq!(run(&bus, Wraps(["seven".to_owned()])).await?.results_list()?, [["seven"]]);
    assert_eq!(warnings.items(), [""; 0], "they share it on purpose");
    Ok(())
}

async fn derive_works_on_enums_and_unit_structs<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|signal: EventHandle<Signal>| match *signal {
        Signal::Start => Signal::Stop { code: 0 },
        other => other,
    });
    assert_eq!(run(&bus, Signal::Start).await?.result()?, Signal::Stop { code: 0 });
    assert_eq!(run(&bus, Signal::Stop { code: 3 }).await?.result()?, Signal::Stop { code: 3 });
    bus.on(|_: EventHandle<Told>| ());
    bus.on(|_: EventHandle<SaysNothing>| async { Ok::<(), String>(()) });
    assert!(matches!(run(&bus, Told).await?.result(), Err(ResultError::Empty)));
    assert_eq!(run(&bus, SaysNothing).await?.result_opt()?, None);
    Ok(())
}

async fn derive_with_another_path_to_the_crate<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|local: EventHandle<elsewhere::Local>| local.0);
    assert_eq!(run(&bus, elsewhere::Local(4)).await?.result()?, 4);
    Ok(())
}

async fn derive_by_hand<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|event: EventHandle<ByHand>| event.0);
    bus.on_name("ByHand", |event: AnyEvent| event.downcast::<ByHand>().map(|event| event.0 + 1));
    assert_eq!(run(&bus, ByHand(5)).await?.results_list()?, [5, 6]);
    Ok(())
}

async fn derive_where_names_are_shadowed<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|hidden: EventHandle<shadowed::Hidden>| hidden.0);
    assert_eq!(run(&bus, shadowed::Hidden(6)).await?.result()?, 6);
    bus.on(|bare: EventHandle<bare::Bare>| bare::Bare([bare.0[0] + 1]));
    assert_eq!(run(&bus, bare::Bare([7])).await?.result()?.0, [8]);
    Ok(())
}

async fn derive_in_a_macro<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Counts>| 8);
    assert_eq!(run(&bus, Counts).await?.result()?, 8);
    assert_eq!(run(&bus, CountsNothing).await?.result_opt()?, None);
    bus.on(|_: EventHandle<CountsItself>| Arc::new(CountsItself));
    assert!(run(&bus, CountsItself).await?.result_opt()?.is_some());
    assert_eq!(run(&bus, CountsInParentheses).await?.result_opt()?, None);
    Ok(())
}

async fn derive_with_an_output_of_ones_own_called_result<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Play>| game::Result { score: 9 });
    bus.on(|_: EventHandle<Play>| Ok::<_, String>(Some(game::Result { score: 10 })));
    let scores: Vec<_> = run(&bus, Play).await?.results_list()?;
    assert_eq!(scores.iter().map(|result| result.score).collect::<Vec<_>>(), [9, 10]);
    Ok(())
}

async fn derive_with_the_event_as_its_output<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|event: EventHandle<Doubles>| Doubles(2 * event.0));
    bus.on(|event: EventHandle<Splits<u8>>| async move { Some(vec![(*event).clone()]) });
    assert_eq!(run(&bus, Doubles(4)).await?.result()?, Doubles(8));
    assert_eq!(run(&bus, Splits([1u8, 2])).await?.result()?, [Splits([1, 2])]);
    Ok(())
}

#[cfg(feature = "serde")]
mod json {
    use busway::Event;
    use serde::Serialize;
    use serde_json::json;

    use crate::runtimes::{Env, Outcome, run};

    scenarios!(derive_json_gives_a_view);

    #[derive(Event, Serialize)]
    #[event(json)]
    struct Seen {
        a: u32,
        b: Option<&'static str>,
    }

    #[derive(Event, Serialize)]
    struct Unseen;

    #[derive(Event, Serialize)]
    #[event(json)]
    struct Fails(#[serde(serialize_with = "fail")] u8);

    fn fail<S: serde::Serializer>(_: &u8, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("cannot be written"))
    }

    async fn derive_json_gives_a_view<E: Env>(env: E) -> Outcome {
        let bus = env.bus("main");
        let seen = run(&bus, Seen { a: 1, b: None }).await?;
        let view = seen.as_any().to_json().ok_or("it has one")??;
        assert_eq!(view, json!({"a": 1, "b": null}));
        assert!(run(&bus, Unseen).await?.as_any().to_json().is_none());
        let error = run(&bus, Fails(1)).await?.as_any().to_json().ok_or("it has one")?.unwrap_err();
        assert_eq!(error.to_string(), "cannot be written");
        Ok(())
    }
}
