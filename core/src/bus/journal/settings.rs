//! What an event decides for itself, and keeps when it is dispatched again.

use core::time::Duration;

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
    /// What is in the overrides of an event whose type sets this limit. A dispatch adds that to them.
    pub(super) fn of(overrides: Option<&Overrides>, of_type: Limit) -> Self {
        overrides.map_or_else(Self::default, |own| {
            let Overrides { limit, concurrency, handler_order, completion, .. } = *own;
            let limit = if limit == of_type { Limit::Inherit } else { limit };
            Self { limit, concurrency, handler_order, completion }
        })
    }

    /// The limit of each invocation: its own, or its type's, or its bus's.
    pub(super) fn timeout(&self, of_type: Limit, of_bus: Limit) -> Option<Duration> {
        let limit = [self.limit, of_type].into_iter().find(|limit| *limit != Limit::Inherit);
        match limit.unwrap_or(of_bus) {
            Limit::After(limit) if !limit.is_zero() => Some(limit),
            _ => None,
        }
    }
}

impl<E: Event> EventBuilder<'_, E> {
    /// Sets what an event decided for itself when it was dispatched before; a journal records that.
    /// What it had left open stays as it is here.
    pub fn settings(mut self, settings: Settings) -> Self {
        if settings != Settings::default() {
            let Settings { limit, concurrency, handler_order, completion } = settings;
            let own = self.overrides();
            if limit != Limit::Inherit {
                own.limit = limit;
            }
            own.concurrency = concurrency.or(own.concurrency);
            own.handler_order = handler_order.or(own.handler_order);
            own.completion = completion.or(own.completion);
        }
        self
    }
}
