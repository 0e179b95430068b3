//! Looking for events that are there, or will come (R27).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::EventBus;
use super::any::AnyEvent;
use super::expect::{About, Expect, Test};
use super::handle::EventHandle;
use super::record::Erased;
use super::shared::{BusShared, HubState};
use super::watch::Select;
use crate::event::Event;
use crate::machine::{EventKey, EventStatus};

impl EventBus {
    /// Looks for events of type `E`, remembered or still to come (R27).
    pub fn find<E: Event>(&self) -> Find<'_, EventHandle<E>> {
        Find::new(&self.shared, Select::typed())
    }

    /// Looks for events of a name; `*` for any.
    pub fn find_name(&self, name: impl AsRef<str>) -> Find<'_, AnyEvent> {
        Find::new(&self.shared, Select::named(name.as_ref()))
    }

    /// Returns the events the bus remembers, oldest first (R29). Requests and published values are among
    /// them, under the name `busway.message`; [`find_name`](Self::find_name) with `*` leaves them out.
    #[must_use]
    pub fn history(&self) -> Vec<AnyEvent> {
        let shared = &self.shared;
        let records: Vec<_> = {
            let hub = shared.hub.lock();
            let keys: Vec<_> = hub.books.history(shared.key).collect();
            keys.into_iter().filter_map(|key| hub.books.payload(key).cloned()).collect()
        };
        records.into_iter().map(|record| AnyEvent::on(record, shared)).collect()
    }
}

/// A search for events. Made by [`EventBus::find`](super::EventBus::find) and
/// [`EventBus::find_name`](super::EventBus::find_name); what is not set matches everything.
///
/// ```
/// use busway::Event;
///
/// #[derive(Event)]
/// struct Login { user: &'static str }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.run(Login { user: "Ann" }).await?;
/// bus.run(Login { user: "Bob" }).await?;
/// let last = bus.find::<Login>().newest().expect("there are two");
/// assert_eq!(last.user, "Bob");
/// let ann = bus.find::<Login>().matching(|login| login.user == "Ann").newest_or_next().await?;
/// assert_eq!(ann.user, "Ann");
/// assert!(bus.find_name("Logout").all(10).is_empty());
/// # Ok(()) }
/// ```
#[must_use = "nothing is looked for yet"]
pub struct Find<'a, In> {
    bus: &'a Arc<BusShared>,
    select: Select<In>,
    tests: Vec<Test<In>>,
    about: Vec<About>,
}

impl<'a, In: Send + 'static> Find<'a, In> {
    pub(crate) const fn new(bus: &'a Arc<BusShared>, select: Select<In>) -> Self {
        Self { bus, select, tests: Vec::new(), about: Vec::new() }
    }

    /// Matches only events for which `test` is true.
    pub fn matching(mut self, test: impl Fn(&In) -> bool + Send + Sync + 'static) -> Self {
        self.tests.push(Box::new(test));
        self
    }

    /// Matches only events of this status. It is read when the event is offered to the search: one that
    /// has just come may already be `Started` or `Completed` by then, for example if nobody handles it.
    /// So do not set a status where events still to come are looked for.
    pub fn status(self, status: EventStatus) -> Self {
        self.about(move |_, record| super::view::status(record.head()) == status)
    }

    /// Matches only events below this one: its children, and theirs, as far as the links are still
    /// in memory.
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    ///
    /// #[derive(Event)]
    /// struct Order(u32);
    ///
    /// #[derive(Event)]
    /// struct Paid(u32);
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|order: EventHandle<Order>| order.dispatch(Paid(order.0)).map(drop));
    /// let first = bus.run(Order(1)).await?;
    /// bus.run(Order(2)).await?;
    /// let paid = bus.find::<Paid>().child_of(&first).newest().expect("it was paid");
    /// assert_eq!(paid.0, 1);
    /// # Ok(()) }
    /// ```
    pub fn child_of(self, ancestor: impl Into<AnyEvent>) -> Self {
        let ancestor = ancestor.into();
        let is_here = Arc::ptr_eq(ancestor.hub(), &self.bus.hub);
        let ancestor: EventKey = ancestor.record.head().key();
        self.about(move |bus, record| {
            is_here && bus.hub.lock().books.is_below(record.head().key(), ancestor)
        })
    }

    /// Matches only events that were dispatched less than `age` ago.
    pub fn newer_than(self, age: Duration) -> Self {
        self.about(move |bus, record| bus.hub.now().since(record.head().created_at) < age)
    }

    /// Returns the newest remembered match. Events in flight count as far as the bus remembers them
    /// ([`max_history`](super::EventBusBuilder::max_history)).
    ///
    /// # Panics
    /// If a predicate panics.
    #[must_use]
    pub fn newest(self) -> Option<In> {
        self.all(1).pop()
    }

    /// Returns the newest `limit` matches, newest first.
    ///
    /// # Panics
    /// If a predicate panics.
    #[must_use]
    pub fn all(self, limit: usize) -> Vec<In> {
        let Self { bus, select, tests, about } = self;
        let most = if tests.is_empty() && about.is_empty() { limit } else { usize::MAX };
        let candidates = bus.hub.lock().remembered(bus, &select, most);
        let matches = candidates
            .into_iter()
            .filter(|record| about.iter().all(|about| about(bus, &**record)))
            .filter_map(|record| (select.convert)(record, bus))
            .filter(|event| tests.iter().all(|test| test(event)));
        matches.take(limit).collect()
    }

    /// Expects the next match; what is there already does not count.
    pub fn next(self) -> Expect<In> {
        self.expect(false)
    }

    /// Expects the newest match that is there, or else the next one to come, with no gap between.
    pub fn newest_or_next(self) -> Expect<In> {
        self.expect(true)
    }

    fn about(
        mut self,
        about: impl Fn(&Arc<BusShared>, &dyn Erased) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.about.push(Box::new(about));
        self
    }

    fn expect(self, known: bool) -> Expect<In> {
        let Self { bus, select, tests, about } = self;
        let test = (!tests.is_empty())
            .then(|| -> Test<In> { Box::new(move |event| tests.iter().all(|test| test(event))) });
        Expect::new(bus, select, about, test, known)
    }
}

impl HubState {
    /// The newest remembered events of a bus that match `select`, newest first.
    pub(crate) fn remembered<In>(
        &self,
        bus: &BusShared,
        select: &Select<In>,
        most: usize,
    ) -> Vec<Arc<dyn Erased>> {
        let records = self.books.newest(bus.key).filter_map(|key| self.books.payload(key));
        records.filter(|record| select.takes(&***record)).take(most).cloned().collect()
    }
}

impl<In> fmt::Debug for Find<'_, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Find").finish_non_exhaustive()
    }
}
