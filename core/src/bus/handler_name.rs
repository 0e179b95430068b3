//! The names of handlers that were given none: those of their functions.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::panic::Location;

/// The name of a function, `Type::method` for a method. A closure has the name of the function that
/// contains it, and the line of the caller: two closures of a function are two handlers. A value that
/// only points to a function, such as a box, has the name of its type, and the line.
pub(crate) struct HandlerName {
    pub(crate) function: String,
    line: Option<u32>,
}

impl HandlerName {
    /// The name of a handler that was given none.
    #[track_caller]
    pub(crate) fn of<F>() -> Self {
        Self::read(core::any::type_name::<F>(), size_of::<F>() > 0, Location::caller().line())
    }

    pub(crate) const fn given(name: String) -> Self {
        Self { function: name, line: None }
    }

    /// Reads what the compiler writes: `m::plain`, `m::generic<A, B>`, `<S as m::Trait>::method`,
    /// `m::S<A>::method`, any of them with `::{{closure}}`, and for a method with its value
    /// `(alloc::sync::Arc<m::S>, m::S::method)`. Functions themselves have no size.
    fn read(path: &str, has_size: bool, line: u32) -> Self {
        let pair = path.strip_prefix('(').and_then(|pair| pair.strip_suffix(')'));
        let path = pair.map_or(path, second);
        let function = path.trim_end_matches("::{{closure}}");
        let (owner, name) = split_last(function);
        let is_closure = function.len() < path.len();
        let is_value = has_size && pair.is_none() && !is_closure;
        let is_pointer = POINTERS.iter().any(|start| path.starts_with(start));
        if is_pointer || (is_value && name.starts_with(char::is_uppercase)) {
            return Self { function: path.into(), line: Some(line) };
        }
        let function = match type_of(owner) {
            "" => name.into(),
            owner => format!("{owner}::{name}"),
        };
        Self { function, line: is_closure.then_some(line) }
    }
}

/// How the types of pointers to functions begin.
const POINTERS: [&str; 4] = ["fn(", "for<", "unsafe ", "extern "];

impl fmt::Display for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// The second of two types.
fn second(pair: &str) -> &str {
    let mut depth = 0;
    for (at, _) in pair.match_indices(['<', '>', '(', ')', '[', ']', ',']) {
        match &pair[at..=at] {
            "<" | "(" | "[" => depth += 1,
            // The arrow of a function's type is no bracket.
            ">" if pair[..at].ends_with('-') => {}
            ">" | ")" | "]" => depth -= 1,
            "," if depth == 0 => return pair[at + 1..].trim_start(),
            _ => {}
        }
    }
    pair
}

/// The name of a type, given as `m::S<A>` or `<m::S<A> as m::Trait>`; empty for a module.
fn type_of(owner: &str) -> &str {
    let implemented = owner.strip_prefix('<').and_then(|owner| owner.split(" as ").next());
    let (_, name) = split_last(implemented.unwrap_or(owner));
    if name.starts_with(char::is_uppercase) { name } else { "" }
}

/// The last part of a path, without its generics, and what is before it.
fn split_last(path: &str) -> (&str, &str) {
    let (mut depth, mut end) = (0, path.len());
    for (at, _) in path.rmatch_indices(['<', '>', ':']) {
        match &path[at..=at] {
            "<" => {
                depth -= 1;
                if depth == 0 {
                    end = at;
                }
            }
            ">" if !path[..at].ends_with('-') => depth += 1,
            ":" if depth == 0 => {
                return (path[..at].trim_end_matches(':'), &path[at + 1..end]);
            }
            _ => {}
        }
    }
    ("", &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::string::ToString;
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    fn name_of<F>(_: F) -> String {
        HandlerName::read(core::any::type_name::<F>(), size_of::<F>() > 0, 7).to_string()
    }

    struct Service;

    impl Service {
        fn handle(&self) {}
    }

    struct Cache<T>(T);

    impl<T> Cache<T> {
        fn load(&self) {}

        fn convert<A, B>(&self) {}

        fn closure(self) -> impl Fn(T) {
            |_| {}
        }
    }

    trait Handles {
        fn handles(&self) {}

        fn registers() -> String {
            name_of(|| {})
        }
    }

    impl Handles for Service {}

    impl<T> Handles for Cache<T> {}

    fn plain() {}

    fn generic<T>(_: T) {}

    fn two<A, B>(_: A, _: B) {}

    #[test]
    fn handlers_are_named_after_their_functions() {
        assert_eq!(name_of(plain), "plain");
        assert_eq!(name_of(generic::<Arc<Service>>), "generic");
        assert_eq!(name_of((Arc::new(Service), Service::handle)), "Service::handle");
        assert_eq!(name_of((Arc::new(Service), plain)), "plain");
        assert_eq!(name_of(|| Service.handle()), "handlers_are_named_after_their_functions:7");
        assert_eq!(name_of(|| || ()), "handlers_are_named_after_their_functions:7");
        assert_eq!(name_of(two::<fn() -> u8, fn(u8) -> Arc<u8>>), "two");
        // What names slots of semaphores has no line, which another build may have elsewhere.
        let closure = HandlerName::read("m::main::{{closure}}", false, 7);
        assert_eq!((&*closure.function, &*closure.to_string()), ("main", "main:7"));
    }

    #[test]
    fn what_points_to_a_function_is_named_after_its_type() {
        assert_eq!(name_of(plain as fn()), "fn():7");
        assert_eq!(name_of((Arc::new(Service), generic as fn(u8))), "fn(u8):7");
        let by_reference: fn(&u8) = |_| {};
        // Compilers write the lifetime differently.
        let name = name_of(by_reference);
        assert!(name.contains("fn(&'") && name.ends_with(" u8):7"), "{name}");
        let boxed: Box<dyn Fn()> = Box::new(plain);
        assert_eq!(name_of(boxed), "alloc::boxed::Box<dyn core::ops::function::Fn()>:7");
    }

    #[test]
    fn a_name_may_begin_with_a_capital() {
        static MADE: fn() -> String = || {
            let number = 7;
            name_of(move || number)
        };
        #[allow(non_snake_case)]
        fn Shouts() {}
        assert_eq!(MADE(), "MADE:7");
        assert_eq!(
            (name_of(Shouts), name_of((Arc::new(Service), Shouts))),
            ("Shouts".into(), "Shouts".into())
        );
    }

    #[test]
    fn methods_of_traits_and_generic_types_too() {
        assert_eq!(name_of(<Service as Handles>::handles), "Service::handles");
        assert_eq!(name_of((Arc::new(Service), <Service as Handles>::handles)), "Service::handles");
        assert_eq!(Service::registers(), "Service::registers:7");
        assert_eq!(Cache::<(u8, u8)>::registers(), "Cache::registers:7");
        assert_eq!(name_of((Arc::new(Cache(7u8)), Cache::<u8>::load)), "Cache::load");
        assert_eq!(name_of(Cache::<u8>::convert::<Vec<u8>, fn() -> u16>), "Cache::convert");
        let pair = (Arc::new(Cache(7u8)), Cache::<u8>::convert::<u8, u16>);
        assert_eq!(name_of(pair), "Cache::convert");
        assert_eq!(name_of(Cache([7u8; 2]).closure()), "Cache::closure:7");
    }
}
