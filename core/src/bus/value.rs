//! What handlers return: values, none, errors.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::TypeId;
use core::error::Error;
use core::fmt;

use super::guard;
use super::handler::{Anything, Expects};
use super::stored::Value;
use crate::machine::Outcome;

/// Any error, as handlers return it. The type that `?` converts errors into.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What a handler may return for an event of type `E`: nothing, `E::Output`, an `Option` or a
/// `Result` of these.
///
/// `()` and `None` are no value, whatever the event. `#[derive(Event)]` writes the impl for the
/// event's own output; by hand it is `impl Reply<MyEvent> for MyOutput {}`. Handlers of a name or of
/// every event return [`AnyValue::new`], or a common type, which needs no wrapper.
#[diagnostic::on_unimplemented(
    message = "a handler of `{E}` cannot return `{Self}`",
    label = "this handler's return type",
    note = "it may return `()`, the event's output type, or an `Option` or `Result` of these, with an error that `?` turns into a `BoxError`",
    note = "the output type is set with `#[event(output = …)]`; a handler of a name or `*` can wrap any value in `AnyValue::new`"
)]
pub trait Reply<E>: Sized {
    /// Converts it into the answer that the bus keeps.
    fn into_verdict(self) -> Verdict
    where
        Self: Send + Sync + 'static,
    {
        Verdict::value(self)
    }
}

/// What a handler's return value amounts to.
pub struct Verdict(pub(crate) Outcome<Answer>);

impl Verdict {
    /// Returns a verdict without a value.
    #[must_use]
    pub const fn none() -> Self {
        Self(Outcome::Empty)
    }

    /// Returns a verdict with this value.
    #[must_use]
    #[inline]
    pub fn value<T: Send + Sync + 'static>(value: T) -> Self {
        Self(Outcome::Value(Answer::Value(Value::new(value))))
    }

    /// Returns a verdict with this error.
    #[must_use]
    pub fn failed(error: impl Into<BoxError>) -> Self {
        Self(Outcome::Failed(Answer::Failed(Arc::from(error.into()))))
    }

    pub(crate) fn panicked(message: &str) -> Self {
        Self(Outcome::Failed(Answer::Panicked(message.into())))
    }

    /// Turns a value into an error if it is not of the type that the event's handlers answer with.
    /// An event that declares no output accepts any value.
    #[inline(always)]
    pub(crate) fn checked(self, expects: &impl Expects) -> Self {
        let (wanted, expected) = expects.expected();
        match &self.0 {
            Outcome::Value(Answer::Value(value))
                if wanted != TypeId::of::<()>() && !value.is_a(wanted) =>
            {
                let other = OtherType { expected, found: value.type_name() };
                self.replaced_by(other)
            }
            _ => self,
        }
    }

    #[cold]
    fn replaced_by(self, other: OtherType) -> Self {
        guard::discard(self);
        Self(Outcome::Failed(Answer::OtherType(Arc::new(other))))
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Outcome::Empty => "Verdict(none)",
            Outcome::Value(_) => "Verdict(value)",
            _ => "Verdict(error)",
        })
    }
}

/// A value of any type, for handlers of a name or of every event.
///
/// ```
/// use busway_core::AnyValue;
///
/// let value = AnyValue::new(7u32);
/// assert_eq!(value.downcast_ref::<u32>(), Some(&7));
/// ```
#[derive(Clone)]
pub struct AnyValue(Value);

impl AnyValue {
    pub(crate) const fn from_value(value: Value) -> Self {
        Self(value)
    }

    /// Wraps a value.
    #[must_use]
    pub fn new<T: Send + Sync + 'static>(value: T) -> Self {
        Self(Value::new(value))
    }

    /// Returns the value, if it is a `T`.
    #[must_use]
    pub fn downcast_ref<T: 'static>(&self) -> Option<&T> {
        self.0.get()
    }

    /// Returns the name of the value's type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.0.type_name()
    }
}

impl fmt::Debug for AnyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyValue").field(&self.type_name()).finish()
    }
}

/// Ends a closure that uses `?`: gives the compiler the error type it cannot infer.
///
/// ```
/// let parse = |text: &str| busway_core::ok(text.parse::<u32>()?);
/// assert_eq!(parse("7").unwrap(), 7);
/// assert!(parse("seven").is_err());
/// ```
///
/// # Errors
/// None: the result is `Ok`.
pub const fn ok<T>(value: T) -> Result<T, BoxError> {
    Ok(value)
}

/// A value that is not of the type the event's handlers answer with.
pub(crate) struct OtherType {
    pub(crate) expected: &'static str,
    pub(crate) found: &'static str,
}

/// The result the machine keeps for an invocation.
#[derive(Clone)]
pub(crate) enum Answer {
    Value(Value),
    Failed(Arc<dyn Error + Send + Sync>),
    Panicked(Arc<str>),
    OtherType(Arc<OtherType>),
}

impl Answer {
    /// Whether dropping it drops, or may drop, a user's value.
    pub(crate) const fn owns_something(&self) -> bool {
        matches!(self, Self::Value(Value::Shared(_)) | Self::Failed(_))
    }
}

impl<E> Reply<E> for () {
    fn into_verdict(self) -> Verdict {
        Verdict::none()
    }
}

impl<E, T: Reply<E> + Send + Sync + 'static> Reply<E> for Option<T> {
    fn into_verdict(self) -> Verdict {
        self.map_or(Verdict::none(), T::into_verdict)
    }
}

impl<E, T, X> Reply<E> for Result<T, X>
where
    T: Reply<E> + Send + Sync + 'static,
    X: Into<BoxError>,
{
    fn into_verdict(self) -> Verdict {
        self.map_or_else(Verdict::failed, T::into_verdict)
    }
}

impl Reply<Anything> for AnyValue {
    fn into_verdict(self) -> Verdict {
        Verdict(Outcome::Value(Answer::Value(self.0)))
    }
}

macro_rules! stand_for_themselves {
    ($($of_type:ty),* $(,)?) => {$(
        impl Reply<Anything> for $of_type {}
    )*};
}

stand_for_themselves!(
    bool,
    char,
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    String,
    &'static str,
);

impl<T: Send + Sync + 'static> Reply<Anything> for Vec<T> {}
impl<T: Send + Sync + 'static> Reply<Anything> for VecDeque<T> {}
impl<T: Send + Sync + 'static> Reply<Anything> for BTreeSet<T> {}
impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Reply<Anything> for BTreeMap<K, V> {}
#[cfg(feature = "std")]
impl<K: Send + Sync + 'static, V: Send + Sync + 'static, S: Send + Sync + 'static> Reply<Anything>
    for std::collections::HashMap<K, V, S>
{
}
#[cfg(feature = "serde")]
impl Reply<Anything> for serde_json::Value {}
