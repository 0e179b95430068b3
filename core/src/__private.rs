//! For code that `#[derive(Event)]` writes.

/// The methods of an event with a JSON view.
#[cfg(feature = "serde")]
#[doc(hidden)]
#[macro_export]
macro_rules! __json_view {
    () => {
        fn to_json(&self) -> ::core::option::Option<$crate::__private::JsonResult> {
            ::core::option::Option::Some($crate::__private::to_json(self))
        }

        fn to_json_text(&self) -> ::core::option::Option<$crate::__private::JsonTextResult> {
            ::core::option::Option::Some($crate::__private::to_json_text(self))
        }
    };
}

/// Without the feature there are no such methods.
#[cfg(not(feature = "serde"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __json_view {
    () => {
        ::core::compile_error!(
            "`#[event(json)]` needs the feature `serde` of `busway`, or of `busway-core` where that is used alone"
        );
    };
}

/// What the JSON view of an event gives.
#[cfg(feature = "serde")]
pub type JsonResult = Result<serde_json::Value, serde_json::Error>;

/// The JSON view of a value.
///
/// # Errors
/// It cannot be written as JSON.
#[cfg(feature = "serde")]
pub fn to_json<T: serde::Serialize>(value: &T) -> JsonResult {
    serde_json::to_value(value)
}

/// What the JSON text of an event gives.
#[cfg(feature = "serde")]
pub type JsonTextResult = Result<alloc::string::String, serde_json::Error>;

/// The JSON text of a value, in the order of its fields.
///
/// # Errors
/// It cannot be written as JSON.
#[cfg(feature = "serde")]
pub fn to_json_text<T: serde::Serialize>(value: &T) -> JsonTextResult {
    serde_json::to_string(value)
}
