//! The outputs that have not been taken yet.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::output::{Done, Dropped, Ended, Note, Output, WideNote};
use super::short_queue::ShortQueue;
use super::warning::Warning;
use super::{BusKey, InvocationKey, Machine};

/// Outputs not taken yet.
pub(crate) struct Said<P, R, H> {
    notes: ShortQueue<Note>,
    wide: VecDeque<WideNote<P, R, H>>,
    /// The number of notes of invocations that go on.
    resumed: usize,
    /// Payloads of events that nothing refers to any more, to be handed out.
    pub(super) forgotten: ShortQueue<P>,
}

// A derived impl would ask `P`, `R` and `H` for the same trait.
impl<P, R, H> Default for Said<P, R, H> {
    fn default() -> Self {
        let (notes, forgotten) = (ShortQueue::new(), ShortQueue::new());
        Self { notes, wide: VecDeque::new(), resumed: 0, forgotten }
    }
}

impl<P: Clone, R, H> Said<P, R, H> {
    /// Adds a completed event whose results are not in the books.
    pub(super) fn completed(&mut self, done: Done<'_, P, R>) {
        let told = Ended::Told(Box::new(done.into_completed()));
        self.say(Output::Completed(told));
    }
}

impl<P, R, H> Said<P, R, H> {
    fn say(&mut self, note: WideNote<P, R, H>) {
        self.wide.push_back(note);
        self.notes.push(Note::Wide);
    }
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Takes the outputs of the inputs so far, in order. Outputs that are not taken stay.
    pub fn outputs(&mut self) -> impl Iterator<Item = Output<P, R, H>> {
        core::iter::from_fn(|| self.next_output())
    }

    /// Returns whether there are outputs to take.
    #[must_use]
    #[inline]
    pub fn has_outputs(&self) -> bool {
        !self.said.notes.is_empty() || !self.said.forgotten.is_empty()
    }

    /// Does the same, but ignores forgotten payloads.
    #[inline]
    pub(crate) const fn has_said(&self) -> bool {
        !self.said.notes.is_empty()
    }

    /// Returns whether an output tells an invocation to go on.
    #[inline]
    pub(crate) const fn resumes(&self) -> bool {
        self.said.resumed > 0
    }

    /// Takes the oldest output.
    #[inline]
    pub fn next_output(&mut self) -> Option<Output<P, R, H>> {
        self.next_said(|done| done.into_completed()).or_else(|| {
            self.next_forgotten().map(|payload| Output::Dropped(Dropped::Payload(payload)))
        })
    }

    /// Takes the payload of a forgotten event, if there is one. It is the direct way to what
    /// [`Output::Dropped`] would hand out.
    #[inline]
    pub(crate) fn next_forgotten(&mut self) -> Option<P> {
        self.said.forgotten.pop()
    }

    /// Takes all other forgotten payloads, if there are any.
    #[inline]
    pub(crate) fn more_forgotten(&mut self) -> Option<VecDeque<P>> {
        (!self.said.forgotten.is_empty()).then(|| self.said.forgotten.take())
    }

    /// Takes the next output, if it is a completed event whose rows name its path.
    #[inline]
    pub(crate) fn next_completed<C>(
        &mut self,
        make: impl FnOnce(Done<'_, P, R>) -> C,
    ) -> Option<C> {
        let Some(&Note::Completed(event)) = self.said.notes.first() else { return None };
        self.said.notes.pop();
        Some(self.hand_out(event, None, make))
    }

    /// Takes the next output, if it tells an invocation of this bus to go on.
    #[inline]
    pub(crate) fn next_resumed(&mut self, of: BusKey) -> Option<InvocationKey> {
        match self.said.notes.first() {
            Some(&Note::Resumed(bus, invocation)) if bus == of => {
                self.said.notes.pop();
                self.said.resumed -= 1;
                Some(invocation)
            }
            _ => None,
        }
    }

    /// Takes the oldest output, except forgotten payloads. A completed event's is made in place.
    pub(crate) fn next_said<C>(
        &mut self,
        make: impl FnOnce(Done<'_, P, R>) -> C,
    ) -> Option<Output<P, R, H, C>> {
        Some(match self.said.notes.pop()? {
            Note::Completed(event) => Output::Completed(self.hand_out(event, None, make)),
            Note::Ready(bus) => Output::Ready { bus },
            Note::Resumed(bus, invocation) => {
                self.said.resumed -= 1;
                Output::Resumed { bus, invocation }
            }
            Note::Wide => return self.next_wide(make),
        })
    }

    #[cold]
    #[inline(never)]
    fn next_wide<C>(
        &mut self,
        make: impl FnOnce(Done<'_, P, R>) -> C,
    ) -> Option<Output<P, R, H, C>> {
        let note = self.said.wide.pop_front()?;
        Some(note.map_completed(|ended| match ended {
            Ended::Held(event, path) => self.hand_out(event, Some(path), make),
            Ended::Told(mut completed) => make(completed.as_done()),
        }))
    }

    #[inline]
    pub(super) fn note(&mut self, note: Note) {
        self.said.notes.push(note);
    }

    /// Reports that a waiting invocation goes on.
    pub(super) fn say_resumed(&mut self, bus: BusKey, invocation: InvocationKey) {
        self.said.resumed += 1;
        self.note(Note::Resumed(bus, invocation));
    }

    #[inline(never)]
    pub(super) fn say(&mut self, note: WideNote<P, R, H>) {
        self.said.say(note);
    }

    pub(super) fn warn(&mut self, warning: Warning) {
        self.say(Output::Warning(Box::new(warning)));
    }
}
