//! What an event decides for itself, and keeps when it is dispatched again.

use crate::bus::event_builder::EventBuilder;
use crate::event::Event;
use crate::machine::{Completion, Concurrency, HandlerOrder, Limit, Overrides};

/// The settings of one event, in place of its type's and its bus's. Its deadline is not among them: it
/// belongs to one delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The limit of each invocation.
    pub limit: Limit,
    /// How it excludes other events.
    pub concurrency: Option<Concurrency>,
    /// How its handlers follow each other.
    pub handler_order: Option<HandlerOrder>,
    /// When its handlers are done.
    pub completion: Option<Completion>,
}

impl Settings {
    pub(super) fn of(overrides: Option<&Overrides>) -> Self {
        overrides.map_or_else(Self::default, |own| {
            let Overrides { limit, concurrency, handler_order, completion, .. } = *own;
            Self { limit, concurrency, handler_order, completion }
        })
    }
}

impl<E: Event> EventBuilder<'_, E> {
    /// Sets what an event decided for itself when it was dispatched before; a journal records that.
    pub fn settings(mut self, settings: Settings) -> Self {
        if settings != Settings::default() {
            let Settings { limit, concurrency, handler_order, completion } = settings;
            let own = self.overrides();
            own.limit = limit;
            own.concurrency = concurrency;
            own.handler_order = handler_order;
            own.completion = completion;
        }
        self
    }
}
