//! The settings for a call that may fail.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::backoff::Backoff;
use super::slots::{OnLax, Patience, SlotRules};
use super::tries::Rules;
use super::when::{Always, OnlyIf};
use crate::id::{mix, random_seed};
use crate::runtime::{NoRuntime, Runtime};
use crate::semaphore::{SemaphoreError, SemaphoreScope};
use crate::time::Instant;

/// How often and after which rests a failed call is retried, and how many such calls may run at a time
/// (R45, R46).
///
/// It wraps any async function ([`run`](Self::run)), or is an option of a handler
/// ([`HandlerBuilder::retry`](crate::HandlerBuilder::retry)). It is a value: make it once, then use and
/// clone it as often as you like.
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
/// | parameter | default |
/// |---|---|
/// | [`retries`](Self::retries) | 3 |
/// | [`wait`](Self::wait), [`backoff_factor`](Self::backoff_factor) | 3 s, 1.0 |
/// | [`max_wait`](Self::max_wait), [`jitter`](Self::jitter) | none |
/// | [`timeout`](Self::timeout) of each try | 5 s |
/// | [`retry_on`](Self::retry_on), [`retry_on_timeout`](Self::retry_on_timeout) | every error, yes |
/// | [`semaphore_limit`](Self::semaphore_limit) | no semaphore |
/// | [`semaphore_scope`](Self::semaphore_scope) | [`Global`](SemaphoreScope::Global) |
/// | [`semaphore_name`](Self::semaphore_name) | the path of the function's type; the handler's name |
/// | [`semaphore_timeout`](Self::semaphore_timeout) | `timeout * (limit - 1)`, at least `timeout` |
/// | [`semaphore_lax`](Self::semaphore_lax) | yes: after that time the call goes on without a slot |
/// | [`on_lax`](Self::on_lax) | none |
///
/// `On` decides which errors are retried, `R` where the runtime comes from; both are inferred.
///
/// Three tries, of which the last succeeds:
///
/// ```
/// use busway::Retry;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let policy = Retry::new().wait(Duration::from_secs(1)).backoff_factor(2.0);
/// let mut answers = ["down", "still down", "7"].into_iter();
/// let fetch = || {
///     let answer = answers.next().unwrap_or_default();
///     async move { answer.parse::<u32>() }
/// };
/// let start = tokio::time::Instant::now();
/// assert_eq!(policy.run(fetch).await?, 7);
/// assert_eq!(start.elapsed().as_secs(), 1 + 2);
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a policy does nothing by itself"]
pub struct RetryPolicy<On = Always, R = NotGiven> {
    pub(crate) numbers: Numbers,
    pub(crate) slots: SlotRules,
    pub(crate) on: On,
    pub(crate) runtime: R,
}

/// A [`RetryPolicy`] without a runtime. Handlers take it as it is, since they run on their bus's
/// runtime. To wrap a function, give it one with [`RetryPolicy::runtime`]. The `busway` crate has a
/// `Retry` that finds its runtime itself.
pub type Retry<On = Always> = RetryPolicy<On, NotGiven>;

/// The numbers of a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) rules: Rules,
    pub(crate) retry_on_timeout: bool,
    jitter_seed: Option<u64>,
}

/// Stands in for a runtime that a policy was not given.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NotGiven;

/// Finds the runtime that measures a [`RetryPolicy`]'s time.
#[diagnostic::on_unimplemented(
    message = "this retry policy has no runtime to measure its time by",
    note = "give it one with `.runtime(..)`, or use the `Retry` of the crate `busway`, which finds it"
)]
pub trait FindRuntime {
    /// Returns the runtime to use here and now.
    ///
    /// # Errors
    /// There is no runtime.
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
    /// Creates the default policy: four tries with 3 s between them, 5 s for each, and no semaphore.
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

/// When a call is retried.
impl<On, R> RetryPolicy<On, R> {
    /// Sets the number of tries after the first. Defaults to 3.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.numbers.rules.retries = retries;
        self
    }

    /// Sets the rest before the second try. Defaults to 3 s. Rests are counted from the end of a try.
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.numbers.rules.backoff.wait = wait;
        self
    }

    /// Sets the factor by which the rest is multiplied before each further try. Defaults to 1.0, so
    /// that all rests are the same. The rest before try `n + 2` is `wait * backoff_factor^n`.
    ///
    /// A NaN factor counts as 1, a negative one as 0. A rest too long for a duration is
    /// [`Duration::MAX`].
    pub const fn backoff_factor(mut self, factor: f64) -> Self {
        self.numbers.rules.backoff.factor = factor;
        self
    }

    /// Sets the longest rest. Defaults to [`Duration::MAX`].
    pub const fn max_wait(mut self, longest: Duration) -> Self {
        self.numbers.rules.backoff.max_wait = longest;
        self
    }

    /// Sets the share of each rest, at most, that is taken off at random, so that calls that failed
    /// together are not retried together: from 0 for none, the default, to 1 for all of it. Other
    /// values count as the nearer of the two.
    pub const fn jitter(mut self, part: f64) -> Self {
        self.numbers.rules.backoff.jitter = part;
        self
    }

    /// Sets the seed of the jitter, for tests. By default, `std` asks the system; without `std` it is
    /// 0, and only the time makes a difference.
    pub const fn jitter_seed(mut self, seed: u64) -> Self {
        self.numbers.jitter_seed = Some(seed);
        self
    }

    /// Sets how long each try may take. Defaults to 5 s; `None` or zero is no limit. A try that exceeds
    /// it is dropped, and counts as failed.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.numbers.rules.timeout = limit.into().filter(|limit| !limit.is_zero());
        self
    }

    /// Sets whether a try that exceeded its time is retried. Defaults to true.
    pub const fn retry_on_timeout(mut self, on: bool) -> Self {
        self.numbers.retry_on_timeout = on;
        self
    }

    /// Sets which errors are retried. Defaults to all. Other errors end the call at once.
    ///
    /// The predicate takes the function's own error. For handlers it takes a
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

    /// Sets a function that is asked for the runtime that measures the time, on each run.
    pub fn runtime_source<S>(self, source: S) -> RetryPolicy<On, Source<S>>
    where
        S: Fn() -> Result<Arc<dyn Runtime>, NoRuntime>,
    {
        let Self { numbers, slots, on, .. } = self;
        RetryPolicy { numbers, slots, on, runtime: Source(source) }
    }

    /// Sets the runtime that measures the time.
    pub fn runtime(self, runtime: impl Runtime) -> RetryPolicy<On, Arc<dyn Runtime>> {
        let Self { numbers, slots, on, .. } = self;
        RetryPolicy { numbers, slots, on, runtime: Arc::new(runtime) }
    }
}

/// How many calls run at a time.
impl<On, R> RetryPolicy<On, R> {
    /// Sets how many calls may run at a time. By default there is no semaphore; 0 counts as 1.
    ///
    /// **This is not a hard limit by itself.** Policies are [lax](Self::semaphore_lax) by default: a
    /// call that gets no slot within [`semaphore_timeout`](Self::semaphore_timeout), by default
    /// `timeout * (limit - 1)`, goes on without one. When calls are slow, or many, more than `limit` of
    /// them run. With `.semaphore_timeout(None)` the limit holds and the others wait; with
    /// `.semaphore_lax(false)` it holds and they fail.
    ///
    /// ```
    /// # use busway_core::Retry;
    /// let never_more_than_three = Retry::new()
    ///     .semaphore_limit(3)
    ///     .semaphore_timeout(None)
    ///     .semaphore_name("the printers");
    /// ```
    ///
    /// Slots are granted first come first served, held over all tries and rests, and given back when
    /// the call returns, fails, panics or is dropped. All calls with the same
    /// [scope](Self::semaphore_scope) and [name](Self::semaphore_name) share the slots. Give a name:
    /// without one, all function pointers of one type are one semaphore, and so are all boxed functions
    /// of one type.
    ///
    /// A handler that waits for a slot, by its own policy or in a function that it polls, lends its bus
    /// meanwhile, as it does while it awaits an event. So it does not hold up a slot's holder that
    /// awaits an event of that bus. (Without `std`, only by its own policy. Between two tries a handler
    /// keeps its bus.)
    ///
    /// # Calls within calls
    ///
    /// A call made inside a call that holds a slot shares that slot, and does not wait for itself:
    ///
    /// - within the wrapped function, as part of its future, also several with `join!`;
    /// - in the handlers of the events below an invocation that holds one, awaited or not, whether by
    ///   the handler's own policy or by a call within the handler.
    ///
    /// This does **not** reach into tasks that the function spawns. Nor does it reach from a function
    /// called outside of any handler into the handlers of the events it dispatches, since the bus does
    /// not know of the call. `policy.run(|| bus.run(Job))`, where the handler of `Job` has the same
    /// policy, waits for itself, as long as the semaphore's timeout and the handler's limit let it.
    /// Give the two different names. (Without `std`, the policies of handlers see each other; policies
    /// around functions see nothing.)
    ///
    /// # Several limits
    ///
    /// Each caller sets its own limit: a waiting call goes in when fewer than its own limit are inside
    /// (with several processes: when one of the first that many slots is free). Use one limit for a
    /// name.
    ///
    /// # Several processes
    ///
    /// Between processes ([`SemaphoreScope::Multiprocess`]) there are locked files. A process that is
    /// killed gives its slots back, and files deleted meanwhile let no extra call in (on Linux;
    /// elsewhere the slots of deleted files are free while they are held). Slots go to the process at
    /// the turnstile, which processes pass about in order of arrival; a process that is halted there
    /// holds up the others. One thread for each busy file, `limit` at most, waits for it and ends when
    /// the file becomes free. Looking for a free slot takes some file operations where the call is
    /// polled.
    pub const fn semaphore_limit(mut self, limit: usize) -> Self {
        self.slots.limit = Some(limit);
        self
    }

    /// Sets which calls share the slots. Defaults to all calls of that name in this process.
    pub fn semaphore_scope(mut self, scope: SemaphoreScope) -> Self {
        self.slots.scope = scope;
        self
    }

    /// Sets the semaphore's name; best choose one of your own. By default it is the name of the
    /// function's *type* ([`type_name`](core::any::type_name)), and for a handler the handler's
    /// [name](crate::HandlerBuilder::named) without a line: the last part of its function's path, so
    /// that two functions `handle` of different modules share one semaphore, and so do all closures of a
    /// function.
    ///
    /// For an `async fn` the type's name is its path. For a closure it is the path of the function it
    /// is in, which all closures there have in common. A function pointer (`fn() -> …`) or a boxed
    /// closure (`Box<dyn Fn() -> …>`) is named after its signature: **unrelated functions passed that
    /// way share one semaphore**, and wait for each other.
    pub fn semaphore_name(mut self, name: impl Into<String>) -> Self {
        self.slots.name = Some(name.into());
        self
    }

    /// Sets how long to wait for a slot; `None` is no limit. The default is as long as the others may
    /// take with one try each, `timeout * (limit - 1)`, but at least `timeout`; it is no limit when
    /// tries have none.
    ///
    /// After that, the call goes on **without a slot**, or, with
    /// [`semaphore_lax(false)`](Self::semaphore_lax), fails. The default is short when more than a few
    /// wait, or when calls need several tries: `None` makes the limit hold.
    pub fn semaphore_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.slots.patience = limit.into().map_or(Patience::Forever, Patience::For);
        self
    }

    /// Sets whether a call goes on without a slot when it got none within
    /// [`semaphore_timeout`](Self::semaphore_timeout). Defaults to true, so that more calls than the
    /// limit may run. If false, the call fails with
    /// [`SemaphoreError::TimedOut`](crate::SemaphoreError::TimedOut), and is not tried.
    ///
    /// When a handler goes on, the bus gives [`Warning::WithoutSlot`](crate::Warning::WithoutSlot).
    /// When a function does, the feature `tracing` logs a warning. [`on_lax`](Self::on_lax) is told of
    /// both.
    pub const fn semaphore_lax(mut self, lax: bool) -> Self {
        self.slots.lax = lax;
        self
    }

    /// Sets a function that is called for each call that goes on without a slot because it got none in
    /// time, with the semaphore that had none. By default there is none.
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

    /// Sets the folder of the locked files of [`SemaphoreScope::Multiprocess`]; it is created if
    /// missing. Defaults to `/tmp/busway-UID`, whatever the environment says. It must belong to the
    /// user, who alone may enter it (0700), else the call fails with
    /// [`SemaphoreError::UnsafeFolder`](crate::SemaphoreError::UnsafeFolder). Processes that are to
    /// share slots must use the same folder, on a local disk.
    #[cfg(feature = "std")]
    pub fn semaphore_folder(mut self, folder: impl Into<std::path::PathBuf>) -> Self {
        self.slots.folder = Some(folder.into());
        self
    }
}

impl Numbers {
    /// Returns a number for the jitter, if there is any.
    pub(crate) fn random(&self, now: Instant) -> u64 {
        if self.rules.backoff.jitter > 0.0 {
            mix(self.jitter_seed.unwrap_or_else(random_seed) ^ now.as_nanos())
        } else {
            0
        }
    }
}

impl<On, R> fmt::Debug for RetryPolicy<On, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("numbers", &self.numbers)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}
