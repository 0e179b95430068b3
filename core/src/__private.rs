//! For code that `#[derive(Event)]` writes.

/// The method of an event with a JSON view.
#[cfg(feature = "serde")]
#[doc(hidden)]
#[macro_export]
macro_rules! __json_view {
    () => {
        fn __json_view(&self) -> ::core::option::Option<&dyn $crate::__private::JsonView> {
            ::core::option::Option::Some(self)
        }
    };
}

/// Without the feature there is no such method.
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

/// A value as JSON. Events have it from one method, so the compiler reports once that a type has none.
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
    fn value(&self) -> Result<serde_json::Value, serde_json::Error>;

    /// Returns it as text, in the order of its fields.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    fn text(&self) -> Result<alloc::string::String, serde_json::Error>;
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize> JsonView for T {
    fn value(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(self)
    }

    fn text(&self) -> Result<alloc::string::String, serde_json::Error> {
        serde_json::to_string(self)
    }
}
