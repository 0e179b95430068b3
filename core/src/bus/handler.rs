//! The functions that can be registered as handlers.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::TypeId;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::Context;

use super::address::Speaks;
use super::any::AnyEvent;
use super::handle::EventHandle;
use super::handler_future::{Answering, HandlerFuture};
use super::record::{Erased, downcast};
use super::shared::BusShared;
use super::spare::{SMALL, SpareBoxes};
use super::value::{Answer, Reply, Verdict};
use crate::event::Event;
use crate::machine::{InvocationKey, Outcome};

/// A function that can handle events.
///
/// It is async or plain, takes an [`EventHandle`] of its event (or an [`AnyEvent`], for handlers of a
/// name or of every event), and returns a [`Reply`]. Functions, closures and
/// `(Arc<service>, Service::method)` pairs implement it, and nothing else can. `M` distinguishes the
/// kinds and is always inferred. A plain function runs where the bus is polled, so it must not block.
///
/// ```
/// use std::sync::Arc;
/// # use busway_core::{Event, EventHandle, Handler, Reply};
/// # struct Add(u32, u32);
/// # impl Event for Add { type Output = u32; const NAME: &'static str = "Add"; }
/// # impl Reply<Add> for u32 {}
/// # fn is_handler<M>(_: impl Handler<EventHandle<Add>, M>) {}
///
/// async fn add(event: EventHandle<Add>) -> u32 {
///     event.0 + event.1
/// }
/// is_handler(add);
/// is_handler(|event: EventHandle<Add>| event.0 + event.1);
/// is_handler(|event: EventHandle<Add>| async move { Some(event.0) });
///
/// struct Offset(u32);
/// impl Offset {
///     async fn add(self: Arc<Self>, event: EventHandle<Add>) -> Result<u32, std::io::Error> {
///         Ok(event.0 + event.1 + self.0)
///     }
/// }
/// is_handler((Arc::new(Offset(3)), Offset::add));
/// ```
///
/// If an async function "is not a handler", wrap it in [`check_handler`] to have the compiler say why.
///
/// None of the following is a handler. A return type that is not the event's:
///
/// ```compile_fail,E0277
/// # use busway_core::{Event, EventHandle, Handler, Reply};
/// # struct Add(u32, u32);
/// # impl Event for Add { type Output = u32; const NAME: &'static str = "Add"; }
/// # impl Reply<Add> for u32 {}
/// # fn is_handler<M>(_: impl Handler<EventHandle<Add>, M>) {}
/// is_handler(|event: EventHandle<Add>| async move { String::from("three") });
/// ```
///
/// The payload in place of its handle:
///
/// ```compile_fail,E0277
/// # use busway_core::{Event, EventHandle, Handler, Reply};
/// # struct Add(u32, u32);
/// # impl Event for Add { type Output = u32; const NAME: &'static str = "Add"; }
/// # impl Reply<Add> for u32 {}
/// # fn is_handler<M>(_: impl Handler<EventHandle<Add>, M>) {}
/// is_handler(|event: Add| async move { event.0 });
/// ```
///
/// A future that cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// # use busway_core::{Event, EventHandle, Handler, Reply};
/// # struct Add(u32, u32);
/// # impl Event for Add { type Output = u32; const NAME: &'static str = "Add"; }
/// # impl Reply<Add> for u32 {}
/// # fn is_handler<M>(_: impl Handler<EventHandle<Add>, M>) {}
/// is_handler(|event: EventHandle<Add>| async move {
///     let shared = std::rc::Rc::new(event.0);
///     std::future::ready(()).await;
///     *shared
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of `{In}`",
    label = "not a handler",
    note = "a handler is a function of one argument, `EventHandle<MyEvent>` (or `AnyEvent` for `on_name` and `on_any`); `MyEvent` has `#[derive(Event)]`",
    note = "an async handler's future must be `Send`; it returns `()`, the event's output type, or an `Option` or `Result` of these, with an error that `?` turns into a `BoxError`",
    note = "a method takes `self: Arc<Self>` and stands in a pair, `(service, Service::method)`",
    note = "put `check_handler(..)` around an async function or closure (for a method, `check_handler(move |event: EventHandle<MyEvent>| service.clone().method(event))`), and the compiler says which of these it is",
    note = "a body that only panics needs a return type: `|_: EventHandle<MyEvent>| -> u32 {{ todo!() }}`"
)]
pub trait Handler<In: Input, M>: Send + Sync + 'static {
    /// Starts the handler for one event.
    #[doc(hidden)]
    fn start(&self, input: In, first: FirstPoll<'_, '_>) -> Started;
}

/// Returns an async function unchanged, or has the compiler say why it is no [`Handler`].
///
/// A function that is no handler does not compile here either, but the compiler knows what was meant
/// and names what is wrong: the argument, the return type, or a value held across an `.await` that
/// cannot be sent.
///
/// ```
/// use busway_core::{EventBus, check_handler};
/// # use busway_core::{Event, EventHandle, Reply};
/// # struct Add(u32, u32);
/// # impl Event for Add { type Output = u32; const NAME: &'static str = "Add"; }
/// # impl Reply<Add> for u32 {}
///
/// async fn add(event: EventHandle<Add>) -> u32 {
///     event.0 + event.1
/// }
/// let bus = EventBus::builder("main").build();
/// bus.on(check_handler(add));
/// ```
pub fn check_handler<In, F, Fut>(handler: F) -> F
where
    In: Input,
    F: Fn(In) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Reply<In::Of>> + Send + 'static,
{
    handler
}

/// The argument of a handler: [`EventHandle`] or [`AnyEvent`].
#[diagnostic::on_unimplemented(
    message = "a handler does not take `{Self}`",
    label = "this handler's argument",
    note = "it takes an `EventHandle<MyEvent>`, where `MyEvent` has `#[derive(Event)]`, or `AnyEvent` when it is one of `on_name` or `on_any`"
)]
pub trait Input: sealed::Sealed + Sized + Send + 'static {
    /// The type of event that decides what the handler may return.
    type Of;

    #[doc(hidden)]
    type Expects: Expects;

    /// The type that the handler's value must have.
    #[doc(hidden)]
    fn expects(&self) -> Self::Expects;
}

/// The type a value must have, where the return type of a handler does not tell.
pub trait Expects: Send + 'static {
    /// Returns the type and its name.
    fn expected(&self) -> (TypeId, &'static str);
}

/// The output of events of this type, known where the handler is compiled.
#[derive(Debug)]
pub struct OutputOf<E>(PhantomData<fn() -> E>);

impl<E: Event> Expects for OutputOf<E> {
    #[inline]
    fn expected(&self) -> (TypeId, &'static str) {
        (TypeId::of::<E::Output>(), core::any::type_name::<E::Output>())
    }
}

impl Expects for (TypeId, &'static str) {
    fn expected(&self) -> Self {
        *self
    }
}

/// Stands for the event's type in handlers that take events of any type.
#[derive(Debug)]
pub enum Anything {}

impl<E: Event> Input for EventHandle<E> {
    type Of = E;
    type Expects = OutputOf<E>;

    fn expects(&self) -> OutputOf<E> {
        OutputOf(PhantomData)
    }
}

impl Input for AnyEvent {
    type Of = Anything;
    type Expects = (TypeId, &'static str);

    fn expects(&self) -> (TypeId, &'static str) {
        self.record.output()
    }
}

/// A handler that has been started.
#[derive(Debug)]
pub struct Started(pub(crate) Beginning);

/// What became of a handler that was called.
#[derive(Debug)]
pub(crate) enum Beginning {
    /// It ended at once; its outcome is where [`FirstPoll`] said.
    Ended,
    /// It was polled, and waits to be woken.
    Polled(Pin<Box<dyn HandlerFuture>>),
    /// It still has to be polled.
    Unpolled(Pin<Box<dyn HandlerFuture>>),
}

impl Started {
    /// Makes a handler's future. Polls it for the first time here, where its type is known, unless
    /// it is polled elsewhere or large.
    #[inline]
    pub(crate) fn new<F: HandlerFuture + 'static>(
        make: impl FnOnce() -> F,
        first: FirstPoll<'_, '_>,
    ) -> Self {
        match first.place {
            Some((cx, spare)) if size_of::<F>() <= SMALL => {
                Self::polled(make, cx, spare, first.outcome)
            }
            _ => Self(Beginning::Unpolled(Box::pin(make()))),
        }
    }

    // Not in `new`: an unoptimised build would give large futures its frame too.
    #[inline]
    fn polled<F: HandlerFuture + 'static>(
        make: impl FnOnce() -> F,
        cx: &mut Context<'_>,
        spare: &mut SpareBoxes,
        outcome: &mut Option<Outcome<Answer>>,
    ) -> Self {
        match spare.poll(make, cx, outcome) {
            Ok(()) => Self(Beginning::Ended),
            Err(pending) => Self(Beginning::Polled(pending)),
        }
    }
}

/// Marks handlers that are async functions.
#[derive(Debug)]
pub struct IsAsync<Fut>(PhantomData<fn() -> Fut>);

/// Marks handlers that are plain functions.
#[derive(Debug)]
pub struct IsPlain<R>(PhantomData<fn() -> R>);

/// Marks handlers that are methods of a shared value.
#[derive(Debug)]
pub struct IsMethod<M>(PhantomData<fn() -> M>);

impl<In, F, Fut> Handler<In, IsAsync<Fut>> for F
where
    In: Input,
    F: Fn(In) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Reply<In::Of> + Send + Sync + 'static> + Send + 'static,
{
    #[inline]
    fn start(&self, input: In, first: FirstPoll<'_, '_>) -> Started {
        let expects = input.expects();
        running(|| self(input), expects, first)
    }
}

impl<In, F, R> Handler<In, IsPlain<R>> for F
where
    In: Input,
    F: Fn(In) -> R + Send + Sync + 'static,
    R: Reply<In::Of> + Send + Sync + 'static,
{
    #[inline]
    fn start(&self, input: In, first: FirstPoll<'_, '_>) -> Started {
        let expects = input.expects();
        first.ended(self(input).into_verdict().checked(&expects))
    }
}

impl<In, S, F, Fut> Handler<In, IsMethod<IsAsync<Fut>>> for (Arc<S>, F)
where
    In: Input,
    S: ?Sized + Send + Sync + 'static,
    F: Fn(Arc<S>, In) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Reply<In::Of> + Send + Sync + 'static> + Send + 'static,
{
    #[inline]
    fn start(&self, input: In, first: FirstPoll<'_, '_>) -> Started {
        let expects = input.expects();
        running(|| self.1(self.0.clone(), input), expects, first)
    }
}

impl<In, S, F, R> Handler<In, IsMethod<IsPlain<R>>> for (Arc<S>, F)
where
    In: Input,
    S: ?Sized + Send + Sync + 'static,
    F: Fn(Arc<S>, In) -> R + Send + Sync + 'static,
    R: Reply<In::Of> + Send + Sync + 'static,
{
    #[inline]
    fn start(&self, input: In, first: FirstPoll<'_, '_>) -> Started {
        let expects = input.expects();
        first.ended(self.1(self.0.clone(), input).into_verdict().checked(&expects))
    }
}

/// Runs a future and checks its value where the type is known.
#[inline]
fn running<Of, Fut>(
    make: impl FnOnce() -> Fut,
    expects: impl Expects,
    first: FirstPoll<'_, '_>,
) -> Started
where
    Fut: Future<Output: Reply<Of> + Send + Sync + 'static> + Send + 'static,
{
    let checked = move |reply: Fut::Output| reply.into_verdict().checked(&expects);
    Started::new(|| Answering::new(make(), checked), first)
}

/// A handler with its types erased: what the machine keeps.
pub(crate) trait Callable: Send + Sync {
    fn call(
        &self,
        event: Arc<dyn Erased>,
        bus: &Arc<BusShared>,
        by: InvocationKey,
        first: FirstPoll<'_, '_>,
    ) -> Started;

    /// The types it takes and returns, if it is a consumer or a listener.
    fn speaks(&self) -> Option<Speaks> {
        None
    }
}

pub(crate) struct Typed<E, M, F>(F, PhantomData<fn(E) -> M>);
pub(crate) struct Untyped<M, F>(F, PhantomData<fn() -> M>);

impl<E, M, F> Typed<E, M, F> {
    pub(crate) const fn new(handler: F) -> Self {
        Self(handler, PhantomData)
    }
}

impl<M, F> Untyped<M, F> {
    pub(crate) const fn new(handler: F) -> Self {
        Self(handler, PhantomData)
    }
}

impl<E: Event, M, F: Handler<EventHandle<E>, M>> Callable for Typed<E, M, F> {
    fn call(
        &self,
        event: Arc<dyn Erased>,
        bus: &Arc<BusShared>,
        by: InvocationKey,
        first: FirstPoll<'_, '_>,
    ) -> Started {
        let record = downcast(event).expect("the machine checked the type");
        self.0.start(EventHandle::in_handler(record, bus, by), first)
    }
}

impl<M, F: Handler<AnyEvent, M>> Callable for Untyped<M, F> {
    fn call(
        &self,
        event: Arc<dyn Erased>,
        bus: &Arc<BusShared>,
        by: InvocationKey,
        first: FirstPoll<'_, '_>,
    ) -> Started {
        self.0.start(AnyEvent::in_handler(event, bus, by), first)
    }
}

pub(crate) use self::sealed::FirstPoll;

mod sealed {
    use super::{Answer, Beginning, Context, Outcome, SpareBoxes, Started, Verdict};

    pub trait Sealed {}
    /// What polls the future of a handler that starts, unless it is polled elsewhere, and where the
    /// outcome goes if the handler ends at once. Code outside can neither name this nor implement a
    /// trait that takes it.
    pub struct FirstPoll<'a, 'b> {
        pub(crate) place: Option<(&'a mut Context<'b>, &'a mut SpareBoxes)>,
        pub(crate) outcome: &'a mut Option<Outcome<Answer>>,
    }

    impl FirstPoll<'_, '_> {
        /// Records that the handler has ended, with or without a future.
        pub(crate) fn ended(self, verdict: Verdict) -> Started {
            *self.outcome = Some(verdict.0);
            Started(Beginning::Ended)
        }
    }

    impl core::fmt::Debug for FirstPoll<'_, '_> {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("FirstPoll")
        }
    }

    impl<E> Sealed for super::EventHandle<E> {}
    impl Sealed for super::AnyEvent {}
}
