//! Which calls share the slots of a semaphore.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use core::any::{Any, TypeId};
use core::fmt;

/// Which calls share the slots of a semaphore: all that name the same scope and the same
/// [name](crate::RetryPolicy::semaphore_name). Calls on a `testing` runtime share them among themselves
/// only.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum SemaphoreScope {
    /// All calls in this process.
    #[default]
    Global,
    /// All calls for one type. Made by [`class`](Self::class).
    Class(Class),
    /// All calls for one value. Made by [`instance`](Self::instance).
    Instance(Instance),
    /// All calls in all processes of this user on this machine, through locked files in a
    /// folder, the policy's `semaphore_folder` (Unix only, with `std`). See
    /// [`semaphore_limit`](crate::RetryPolicy::semaphore_limit) for what it can promise.
    Multiprocess,
}

/// A type, as a [scope](SemaphoreScope).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class(TypeId);

/// A value, as a [scope](SemaphoreScope). It does not keep the value alive.
#[derive(Clone)]
pub struct Instance(Weak<dyn Any + Send + Sync>);

impl SemaphoreScope {
    /// Returns the scope of a type: all its values share the slots.
    ///
    /// ```
    /// # use busway_core::SemaphoreScope;
    /// struct Client;
    /// let scope = SemaphoreScope::class::<Client>();
    /// ```
    #[must_use]
    pub fn class<T: 'static>() -> Self {
        Self::Class(Class(TypeId::of::<T>()))
    }

    /// Returns the scope of one value. Clones of the [`Arc`] are the same value.
    ///
    /// ```
    /// # use busway_core::SemaphoreScope;
    /// # use std::sync::Arc;
    /// struct Client;
    /// let client = Arc::new(Client);
    /// let scope = SemaphoreScope::instance(&client);
    /// ```
    #[must_use]
    pub fn instance<T: Send + Sync + 'static>(value: &Arc<T>) -> Self {
        let value: Arc<dyn Any + Send + Sync> = value.clone();
        Self::Instance(Instance(Arc::downgrade(&value)))
    }
}

impl Instance {
    /// No other value has this address while a clone of this is held.
    fn address(&self) -> usize {
        self.0.as_ptr().cast::<()>().addr()
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instance({:#x})", self.address())
    }
}

/// A folder for locked files.
#[cfg(feature = "std")]
pub(crate) type Folder = std::path::PathBuf;
/// There are no files without `std`.
#[cfg(not(feature = "std"))]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Folder {}

/// Identifies a semaphore.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Global(World, String),
    Class(World, Class, String),
    Instance(World, usize, String),
    Multiprocess(Option<Folder>, String),
}

/// Whose calls share slots: those of a test runtime, or all others. Waiting for a slot of another runtime
/// takes no virtual time, or all of it.
type World = Option<usize>;

impl Key {
    /// The semaphore that a call on this thread uses.
    pub(crate) fn here(scope: &SemaphoreScope, name: String, folder: Option<Folder>) -> Self {
        #[cfg(feature = "test-util")]
        let world = crate::testing::here();
        #[cfg(not(feature = "test-util"))]
        let world = None;
        match scope {
            SemaphoreScope::Global => Self::Global(world, name),
            SemaphoreScope::Class(class) => Self::Class(world, *class, name),
            SemaphoreScope::Instance(instance) => Self::Instance(world, instance.address(), name),
            SemaphoreScope::Multiprocess => Self::Multiprocess(folder, name),
        }
    }
}
