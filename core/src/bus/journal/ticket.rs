//! What an event of a bus with a journal carries: its payload as text, and what became of its line.

use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use super::lines::Above;
use super::{DurableError, Settings, Sink};
use crate::bus::record::Head;
use crate::bus::send::{NotSent, Options, ParentRef};
use crate::bus::shared::BusShared;
use crate::bus::wakers::{Place, Wakers};
use crate::event::Event;
use crate::machine::BusKey;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

pub(crate) struct Ticket {
    /// The bus it was dispatched on.
    pub(crate) bus: BusKey,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) payload: String,
    pub(crate) timeout: Option<Duration>,
    pub(super) above: Option<Above>,
    pub(crate) settings: Settings,
    settled: Mutex<Option<Result<(), DurableError>>>,
    waiters: Wakers,
    is_awaited: AtomicBool,
}

impl BusShared {
    /// Makes the text of an event to be dispatched, if the bus has a journal for it.
    pub(crate) fn ticket<E: Event>(
        &self,
        event: &E,
        options: &Options,
        parent: Option<ParentRef>,
    ) -> Result<Option<Arc<Ticket>>, NotSent> {
        let Some(link) = self.journal.get().filter(|_| !E::__IS_MESSAGE) else {
            return Ok(None);
        };
        if let Some(failure) = link.sink.failure().filter(|_| link.sink.is_write_ahead()) {
            return Err(NotSent::Journal(failure));
        }
        let text = match event.to_json_text() {
            Some(Ok(text)) => text,
            Some(Err(error)) => return Err(NotSent::NotSerializable(error.into())),
            None => return Err(NotSent::NotSerializable(NO_VIEW.into())),
        };
        link.sink.check(&text).map_err(NotSent::NotSerializable)?;
        let settings = Settings::of(options.overrides.as_deref(), E::LIMIT);
        Ok(Some(Arc::new(Ticket {
            bus: self.key,
            sink: link.sink.clone(),
            payload: text,
            timeout: settings.timeout(E::LIMIT, link.limit),
            above: parent
                .map(|parent| self.hub.above_in_journal(parent.event, parent.link, &link.sink)),
            settings,
            settled: Mutex::new(None),
            waiters: Wakers::new(),
            is_awaited: AtomicBool::new(false),
        })))
    }
}

const NO_VIEW: &str = "the event has no JSON view: its type does not say `#[event(json)]`";

impl Ticket {
    /// Notes what became of the line, once, and wakes the waiters.
    pub(crate) fn settle(&self, outcome: Result<(), DurableError>) {
        self.settled.lock().get_or_insert(outcome);
        self.waiters.wake_all();
    }

    pub(crate) fn settled(&self) -> Option<Result<(), DurableError>> {
        self.settled.lock().clone()
    }

    /// Notes that somebody waits: the sink has to hurry, now and when it gets the line.
    pub(super) fn hurry(&self) {
        if !self.is_awaited.swap(true, Ordering::SeqCst) {
            self.sink.hurry();
        }
    }

    /// Notes that the sink has got the line.
    pub(super) fn handed_on(&self) {
        if self.is_awaited.load(Ordering::SeqCst) {
            self.sink.hurry();
        }
    }

    /// A place to wait for what becomes of the line.
    pub(super) const fn place(&self) -> Place<'_> {
        Place::new(&self.waiters)
    }
}

impl Head {
    pub(crate) fn with_ticket(mut self, ticket: Option<Arc<Ticket>>, attempt: u32) -> Self {
        self.ticket = ticket;
        self.attempt = attempt;
        self
    }
}
