//! What can be said of a call that may fail.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::backoff::Backoff;
use super::slots::{OnLax, Patience, SlotRules};
use super::tries::Rules;
use super::when::{Always, OnlyIf};
use crate::id::mix;
use crate::runtime::{NoRuntime, Runtime};
use crate::semaphore::{SemaphoreError, SemaphoreScope};
use crate::time::Instant;

/// How often, and after which rests, a call that failed is made again; and how many such calls may
/// run at a time (R45, R46).
///
/// It goes around any async function ([`run`](Self::run)), or is an option of a handler
/// ([`HandlerBuilder::retry`](crate::HandlerBuilder::retry)). It is a value: make it once, and use
/// and clone it as often as you like.
///
/// ```
/// use busway_core::Retry;
/// use std::time::Duration;
///
/// let gentle = Retry::new()
///     .retries(5)
///     .wait(Duration::from_millis(200))
///     .backoff_factor(2.0)
///     .max_wait(Duration::from_secs(5))
///     .jitter(0.5)
///     .timeout(Duration::from_secs(2))
///     .semaphore_limit(3)
///     .semaphore_timeout(None)
///     .semaphore_name("the server");
/// ```
///
/// | parameter | unless set |
/// |---|---|
/// | [`retries`](Self::retries) | 3 |
/// | [`wait`](Self::wait), [`backoff_factor`](Self::backoff_factor) | 3 s, 1.0 |
/// | [`max_wait`](Self::max_wait), [`jitter`](Self::jitter) | none |
/// | [`timeout`](Self::timeout) of each try | 5 s |
/// | [`retry_on`](Self::retry_on), [`retry_on_timeout`](Self::retry_on_timeout) | every error, yes |
/// | [`semaphore_limit`](Self::semaphore_limit) | no semaphore |
/// | [`semaphore_scope`](Self::semaphore_scope) | [`Global`](SemaphoreScope::Global) |
/// | [`semaphore_name`](Self::semaphore_name) | the path of the function's type, the handler's name |
/// | [`semaphore_timeout`](Self::semaphore_timeout) | `timeout * (limit - 1)`, at least `timeout` |
/// | [`semaphore_lax`](Self::semaphore_lax) | yes: after that time it goes on without a slot |
/// | [`on_lax`](Self::on_lax) | nobody is told of that |
///
/// `On` says which errors are worth a retry, `R` where the runtime comes from; both are inferred.
#[derive(Clone)]
#[must_use = "a policy does nothing by itself"]
pub struct RetryPolicy<On = Always, R = NotGiven> {
    pub(crate) numbers: Numbers,
    pub(crate) slots: SlotRules,
    pub(crate) on: On,
    pub(crate) runtime: R,
}

/// A [`RetryPolicy`] without a runtime: as it is for handlers, which run on their bus's. To go
/// around a function it is given one with [`RetryPolicy::runtime`]. The `busway` crate has a `Retry`
/// that finds its runtime itself.
pub type Retry<On = Always> = RetryPolicy<On, NotGiven>;

/// The numbers of a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) rules: Rules,
    pub(crate) retry_on_timeout: bool,
    jitter_seed: Option<u64>,
}

/// In the place of a runtime that a policy was not given.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NotGiven;

/// Where a [`RetryPolicy`] gets the runtime from that measures its time.
#[diagnostic::on_unimplemented(
    message = "this retry policy has no runtime to measure its time by",
    note = "give it one with `.runtime(..)`, or use the `Retry` of the crate `busway`, which finds it"
)]
pub trait FindRuntime {
    /// The runtime to use here and now.
    ///
    /// # Errors
    /// There is none.
    fn find_runtime(&self) -> Result<Arc<dyn Runtime>, NoRuntime>;
}

impl FindRuntime for Arc<dyn Runtime> {
    fn find_runtime(&self) -> Result<Self, NoRuntime> {
        Ok(self.clone())
    }
}

/// Asks a function for the runtime. Made by [`RetryPolicy::runtime_source`].
#[derive(Clone, Copy)]
pub struct Source<S>(S);

impl<S: Fn() -> Result<Arc<dyn Runtime>, NoRuntime>> FindRuntime for Source<S> {
    fn find_runtime(&self) -> Result<Arc<dyn Runtime>, NoRuntime> {
        (self.0)()
    }
}

impl<S> fmt::Debug for Source<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl<R: Default> RetryPolicy<Always, R> {
    /// The defaults: four tries with 3 s between them, 5 s for each, and no semaphore.
    pub fn new() -> Self {
        let wait = Duration::from_secs(3);
        let backoff = Backoff { wait, factor: 1.0, max_wait: Duration::MAX, jitter: 0.0 };
        let rules = Rules { retries: 3, timeout: Some(Duration::from_secs(5)), backoff };
        let numbers = Numbers { rules, retry_on_timeout: true, jitter_seed: None };
        Self { numbers, slots: SlotRules::new(), on: Always::new(), runtime: R::default() }
    }
}

impl<R: Default> Default for RetryPolicy<Always, R> {
    fn default() -> Self {
        Self::new()
    }
}

/// When it is tried again.
impl<On, R> RetryPolicy<On, R> {
    /// Tries after the first: 3 unless set.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.numbers.rules.retries = retries;
        self
    }

    /// The rest before the second try: 3 s unless set. Rests are counted from the end of a try.
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.numbers.rules.backoff.wait = wait;
        self
    }

    /// What the rest is multiplied with before each further try: 1.0 unless set, so that all rests
    /// are the same. The rest before try `n + 2` is `wait * backoff_factor^n`.
    ///
    /// A factor that is no number counts as 1, one below 0 as 0. A rest that is too long to be said
    /// is [`Duration::MAX`].
    pub const fn backoff_factor(mut self, factor: f64) -> Self {
        self.numbers.rules.backoff.factor = factor;
        self
    }

    /// No rest is longer: [`Duration::MAX`] unless set.
    pub const fn max_wait(mut self, longest: Duration) -> Self {
        self.numbers.rules.backoff.max_wait = longest;
        self
    }

    /// Up to this part of each rest is taken off at random, so that calls that failed together are
    /// not made again together: 0 for nothing, which it is unless set, 1 for all of it. What is not
    /// between the two counts as the nearer.
    pub const fn jitter(mut self, part: f64) -> Self {
        self.numbers.rules.backoff.jitter = part;
        self
    }

    /// The seed of the jitter, for tests. Unless set, `std` asks the system; without `std` it is 0,
    /// and only the time makes a difference.
    pub const fn jitter_seed(mut self, seed: u64) -> Self {
        self.numbers.jitter_seed = Some(seed);
        self
    }

    /// How long each try may take: 5 s unless set; `None`, or zero, is any time. A try that is over
    /// its time is dropped, and counts as failed.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.numbers.rules.timeout = limit.into().filter(|limit| !limit.is_zero());
        self
    }

    /// Whether a try that was over its time is made again: it is, unless this is set to false.
    pub const fn retry_on_timeout(mut self, on: bool) -> Self {
        self.numbers.retry_on_timeout = on;
        self
    }

    /// Which errors are worth another try: all, unless set. Others end the call at once.
    ///
    /// The predicate takes the function's own error; for handlers a
    /// [`HandlerError`](crate::HandlerError), which [`downcast_ref`] looks into.
    ///
    /// ```
    /// # use busway_core::{HandlerError, Retry};
    /// use std::io::{Error, ErrorKind};
    ///
    /// let fetching = Retry::new().retry_on(|error: &Error| error.kind() != ErrorKind::NotFound);
    /// let handling = Retry::new()
    ///     .retry_on(|error: &HandlerError| error.downcast_ref::<Error>().is_some());
    /// ```
    ///
    /// [`downcast_ref`]: crate::HandlerError::downcast_ref
    pub fn retry_on<E, F: Fn(&E) -> bool>(self, test: F) -> RetryPolicy<OnlyIf<F>, R> {
        let Self { numbers, slots, runtime, .. } = self;
        RetryPolicy { numbers, slots, on: OnlyIf::new(test), runtime }
    }

    /// Asks for the runtime that measures its time each time it is run.
    pub fn runtime_source<S>(self, source: S) -> RetryPolicy<On, Source<S>>
    where
        S: Fn() -> Result<Arc<dyn Runtime>, NoRuntime>,
    {
        let Self { numbers, slots, on, .. } = self;
        RetryPolicy { numbers, slots, on, runtime: Source(source) }
    }

    /// The runtime that measures its time.
    pub fn runtime(self, runtime: impl Runtime) -> RetryPolicy<On, Arc<dyn Runtime>> {
        let Self { numbers, slots, on, .. } = self;
        RetryPolicy { numbers, slots, on, runtime: Arc::new(runtime) }
    }
}

/// How many run at a time.
impl<On, R> RetryPolicy<On, R> {
    /// How many calls may run at a time: there is no semaphore unless this is set; 0 counts as 1.
    ///
    /// **This is not a hard limit by itself.** A call that got no slot within
    /// [`semaphore_timeout`](Self::semaphore_timeout), which is `timeout * (limit - 1)` unless set, goes
    /// on without one, because policies are [lax](Self::semaphore_lax) unless told otherwise: when
    /// calls are slow, or many, more than `limit` of them run. With `.semaphore_timeout(None)` the
    /// limit holds, and the others wait; with `.semaphore_lax(false)` it holds, and they fail.
    ///
    /// ```
    /// # use busway_core::Retry;
    /// let never_more_than_three = Retry::new()
    ///     .semaphore_limit(3)
    ///     .semaphore_timeout(None)
    ///     .semaphore_name("the printers");
    /// ```
    ///
    /// A slot is waited for first come first served, held over all tries and rests, and given back
    /// when the call returns, fails, panics or is dropped. All who name the same
    /// [scope](Self::semaphore_scope) and [name](Self::semaphore_name) share the slots. Give a name:
    /// without one, all function pointers of one type are one semaphore, and so are all boxed
    /// functions of one type.
    ///
    /// A handler that waits for a slot, by its own policy or in a function that it polls, lends its bus
    /// meanwhile, as it does while it awaits an event: who has the slot and awaits an event of that bus
    /// is not held up by who waits for the slot. (Without `std` only by its own policy. Between two
    /// tries a handler keeps its bus.)
    ///
    /// # Calls within calls
    ///
    /// A call that is made inside of one that holds a slot goes along with it, and does not wait for
    /// itself:
    ///
    /// - within the wrapped function, as part of its future, also several with `join!`;
    /// - in the handlers of the events below an invocation that holds one, awaited or not, be it by the
    ///   handler's own policy or by a call within the handler.
    ///
    /// It does **not** reach into tasks that the function spawns; nor, from a function that is called
    /// outside of any handler, into the handlers of the events that it dispatches: the bus does not
    /// know of the call. `policy.run(|| bus.run(Job))`, where the handler of `Job` has the same policy,
    /// waits for itself, as long as the semaphore's timeout and the handler's limit let it. Give the two
    /// different names. (Without `std` the policies of handlers see each other, policies around functions
    /// nothing.)
    ///
    /// # Several limits
    ///
    /// Everybody says the limit for himself: who waits goes in when fewer than his own limit are
    /// inside (of several processes: when one of the first so many slots is free). Use one for a name.
    ///
    /// # Several processes
    ///
    /// Between processes ([`SemaphoreScope::Multiprocess`]) there are locked files: a process that
    /// is killed gives its slots back, and files that are deleted meanwhile let nobody in too many
    /// (on Linux; elsewhere the slots of deleted files are free while they are held). Slots go to
    /// who waits at the turnstile, which processes pass about in the order of their arrival; a
    /// process that is halted there holds up the others. What is not free is waited for by one
    /// thread for each file, `limit` at most, which ends when its file becomes free. Looking for a
    /// free one is some file operations where the call is polled.
    pub const fn semaphore_limit(mut self, limit: usize) -> Self {
        self.slots.limit = Some(limit);
        self
    }

    /// Who shares the slots: all calls of that name in this process, unless set.
    pub fn semaphore_scope(mut self, scope: SemaphoreScope) -> Self {
        self.slots.scope = scope;
        self
    }

    /// What the semaphore is called: best something of your own. Unless set, it is as the *type* of
    /// the function ([`type_name`](core::any::type_name)), and for a handler as that is
    /// [named](crate::HandlerBuilder::named): after the last part of its function's path, so that two
    /// `handle`s of different modules share one semaphore.
    ///
    /// For an `async fn` this is its path, and for a closure that of the function it is in, which all
    /// closures there have in common. A function pointer (`fn() -> …`) or a boxed closure
    /// (`Box<dyn Fn() -> …>`) is named after its signature: **unrelated functions that are passed so
    /// share one semaphore**, and wait for each other.
    pub fn semaphore_name(mut self, name: impl Into<String>) -> Self {
        self.slots.name = Some(name.into());
        self
    }

    /// How long a slot is waited for: `None` is any time. Unless set, it is as long as the others
    /// may take with one try each, `timeout * (limit - 1)`, but at least `timeout`; and any time
    /// when tries may take any.
    ///
    /// Then the call goes on **without a slot**, or, with [`semaphore_lax(false)`](Self::semaphore_lax),
    /// fails. That it is unless set is short when more than a few wait, or when calls need several
    /// tries: `None` makes the limit hold.
    pub fn semaphore_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.slots.patience = limit.into().map_or(Patience::Forever, Patience::For);
        self
    }

    /// Whether a call goes on without a slot when it got none within
    /// [`semaphore_timeout`](Self::semaphore_timeout). It does unless this is set to false, so that
    /// more calls than the limit may run; then it fails with
    /// [`SemaphoreError::TimedOut`](crate::SemaphoreError::TimedOut), and is not tried.
    ///
    /// Of a handler that goes on the bus says so with
    /// [`Warning::WithoutSlot`](crate::Warning::WithoutSlot). Of a function the feature `tracing` says
    /// so with a warning. [`on_lax`](Self::on_lax) is told of both.
    pub const fn semaphore_lax(mut self, lax: bool) -> Self {
        self.slots.lax = lax;
        self
    }

    /// Is told of each call that goes on without a slot because it got none in time, and of the
    /// semaphore that had none. Nobody is unless this is set.
    ///
    /// ```
    /// # use busway_core::Retry;
    /// let policy = Retry::new()
    ///     .semaphore_limit(3)
    ///     .on_lax(|error| eprintln!("{error}; the call goes on without one"));
    /// ```
    pub fn on_lax(mut self, tell: impl Fn(&SemaphoreError) + Send + Sync + 'static) -> Self {
        self.slots.on_lax = Some(OnLax(Arc::new(tell)));
        self
    }

    /// The folder of the locked files of [`SemaphoreScope::Multiprocess`]; it is made when it is not
    /// there. Unless set it is `/tmp/busway-UID`, whatever the environment says. It must be the user's,
    /// who alone may enter it (0700), else the call fails with
    /// [`SemaphoreError::UnsafeFolder`](crate::SemaphoreError::UnsafeFolder). Processes that are to
    /// share slots must use the same folder, on a local disk.
    #[cfg(feature = "std")]
    pub fn semaphore_folder(mut self, folder: impl Into<std::path::PathBuf>) -> Self {
        self.slots.folder = Some(folder.into());
        self
    }
}

impl Numbers {
    /// What decides the jitter, when there is any.
    pub(crate) fn random(&self, now: Instant) -> u64 {
        if self.rules.backoff.jitter > 0.0 {
            mix(self.jitter_seed.unwrap_or_else(seed) ^ now.as_nanos())
        } else {
            0
        }
    }
}

#[cfg(feature = "std")]
fn seed() -> u64 {
    use core::hash::{BuildHasher, Hasher};
    // The keys of a new `RandomState` are the one randomness that std gives away.
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(not(feature = "std"))]
const fn seed() -> u64 {
    0
}

impl<On, R> fmt::Debug for RetryPolicy<On, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("numbers", &self.numbers)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}
