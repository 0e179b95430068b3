//! Where handlers' values are stored: numbers and the like beside their result, others shared.

use alloc::sync::Arc;
use core::any::{Any, TypeId};

/// A value that a handler returned.
#[derive(Clone)]
pub(crate) enum Value {
    Plain(Plain),
    Shared(Arc<dyn Stored>),
}

impl Value {
    #[inline]
    pub(crate) fn new<T: Send + Sync + 'static>(value: T) -> Self {
        Plain::of(&value).map_or_else(|| Self::Shared(Arc::new(value)), Self::Plain)
    }

    /// The value, if it is of this type.
    #[inline]
    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Plain(value) => value.get(),
            Self::Shared(value) => (**value).as_any().downcast_ref(),
        }
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Plain(value) => value.name(),
            Self::Shared(value) => (**value).type_name(),
        }
    }

    #[inline]
    pub(crate) fn is_a(&self, of_type: TypeId) -> bool {
        match self {
            Self::Plain(value) => value.is_of(of_type),
            Self::Shared(value) => (**value).is_a(of_type),
        }
    }
}

/// Any value that knows the name of its type.
pub(crate) trait Stored: Send + Sync {
    fn is_a(&self, of_type: TypeId) -> bool;
    fn as_any(&self) -> &dyn Any;
    fn type_name(&self) -> &'static str;
}

impl<T: Any + Send + Sync> Stored for T {
    fn is_a(&self, of_type: TypeId) -> bool {
        TypeId::of::<T>() == of_type
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn type_name(&self) -> &'static str {
        core::any::type_name::<T>()
    }
}

macro_rules! plain {
    ($($kind:ident($of_type:ty)),* $(,)?) => {
        /// A value that needs no allocation of its own. None is larger than a result has room for.
        // Its tag is as wide as a word, like that of the outcome it is in.
        #[derive(Clone, Copy)]
        #[repr(u64)]
        pub(crate) enum Plain {
            $($kind($of_type)),*
        }

        impl Plain {
            // Not named like a method of `Stored`, which this type has too, like any value.

            /// The value, if it is of one of these types, which is known where this is compiled.
            #[inline]
            fn of(value: &dyn Any) -> Option<Self> {
                $(if let Some(value) = value.downcast_ref() {
                    return Some(Self::$kind(*value));
                })*
                None
            }

            // Each arm knows its type, so that no `dyn Any` has to be asked.
            #[inline]
            fn get<T: 'static>(&self) -> Option<&T> {
                match self {
                    $(Self::$kind(value) => (value as &dyn Any).downcast_ref()),*
                }
            }

            #[inline]
            fn is_of(&self, of_type: TypeId) -> bool {
                match self {
                    $(Self::$kind(_) => TypeId::of::<$of_type>() == of_type),*
                }
            }

            fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => core::any::type_name::<$of_type>()),*
                }
            }
        }
    };
}

plain!(
    Bool(bool),
    Char(char),
    F32(f32),
    F64(f64),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    Isize(isize),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    Usize(usize),
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::value::Answer;
    use alloc::string::String;

    #[test]
    fn a_value_is_what_it_was_wherever_it_lies() {
        fn check<T: Copy + PartialEq + Send + Sync + 'static>(value: T, is_plain: bool) {
            let stored = Value::new(value).clone();
            assert_eq!(matches!(stored, Value::Plain(_)), is_plain);
            assert!(stored.get() == Some(&value) && stored.get::<String>().is_none());
            assert_eq!(stored.type_name(), core::any::type_name::<T>());
            assert!(stored.is_a(TypeId::of::<T>()) && !stored.is_a(TypeId::of::<String>()));
        }
        check(true, true);
        check('c', true);
        check((1.5f32, 2), false);
        check(-2.5f32, true);
        check(f64::MAX, true);
        check(i8::MIN, true);
        check(i16::MIN, true);
        check(i32::MIN, true);
        check(i64::MIN, true);
        check(isize::MIN, true);
        check(u8::MAX, true);
        check(u16::MAX, true);
        check(u32::MAX, true);
        check(u64::MAX, true);
        check(usize::MAX, true);
        check(u128::MAX, false);
        check("text", false);
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn plain_values_make_no_result_larger() {
        assert_eq!(size_of::<Answer>(), 3 * size_of::<u64>());
    }
}
