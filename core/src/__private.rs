//! For code that `#[derive(Event)]` writes.

/// The methods of an event with a JSON view.
#[cfg(feature = "serde")]
#[doc(hidden)]
#[macro_export]
macro_rules! __json_view {
    () => {
        fn to_json(&self) -> ::core::option::Option<$crate::__private::JsonResult> {
            ::core::option::Option::Some($crate::__private::JsonView::value(self))
        }

        fn to_json_text(&self) -> ::core::option::Option<$crate::__private::JsonTextResult> {
            ::core::option::Option::Some($crate::__private::JsonView::text(self))
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

/// What the JSON text of an event gives.
#[cfg(feature = "serde")]
pub type JsonTextResult = Result<alloc::string::String, serde_json::Error>;

/// A value as JSON. Both methods need one trait, so that the compiler reports a type without it once.
#[cfg(feature = "serde")]
#[diagnostic::on_unimplemented(
    message = "`#[event(json)]` needs `serde::Serialize` of `{Self}`",
    label = "needs `serde::Serialize`",
    note = "derive it: `#[derive(serde::Serialize)]`"
)]
pub trait JsonView {
    /// Returns the JSON.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    fn value(&self) -> JsonResult;

    /// Returns it as text, in the order of its fields.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    fn text(&self) -> JsonTextResult;
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize> JsonView for T {
    fn value(&self) -> JsonResult {
        serde_json::to_value(self)
    }

    fn text(&self) -> JsonTextResult {
        serde_json::to_string(self)
    }
}
