//! Tells a file's language from its name.

use std::path::Path;

/// The name of files that are not text.
pub(crate) const BINARY: &str = "(binary)";
/// The name of files that cannot be read.
pub(crate) const UNREADABLE: &str = "(unreadable)";
/// The name of text files whose name tells nothing.
pub(crate) const OTHER: &str = "(other)";

/// Returns the language of a text file.
pub(crate) fn of(path: &Path) -> &'static str {
    let text = |part: Option<&std::ffi::OsStr>| Some(part?.to_str()?.to_ascii_lowercase());
    let by_name = text(path.file_name()).and_then(|name| by_name(&name));
    let by_extension = || text(path.extension()).and_then(|ext| by_extension(&ext));
    by_name.or_else(by_extension).unwrap_or(OTHER)
}

fn by_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "makefile" | "gnumakefile" => "Make",
        "cmakelists.txt" => "CMake",
        "dockerfile" | "containerfile" => "Dockerfile",
        "cargo.lock" | "poetry.lock" => "TOML",
        "gemfile" | "rakefile" => "Ruby",
        "justfile" => "Just",
        ".bashrc" | ".bash_profile" | ".profile" | ".zshrc" => "Shell",
        ".gitignore" | ".gitattributes" | ".gitmodules" | ".editorconfig" => "Settings",
        "license" | "copying" | "readme" | "changelog" | "authors" | "notice" => "Text",
        _ => return None,
    })
}

fn by_extension(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "adoc" | "asciidoc" => "AsciiDoc",
        "asm" | "s" => "Assembly",
        "bat" | "cmd" => "Batch",
        "c" | "h" => "C",
        "cc" | "cpp" | "cxx" | "hh" | "hpp" | "hxx" => "C++",
        "cs" => "C#",
        "clj" | "cljs" | "edn" => "Clojure",
        "cmake" => "CMake",
        "cfg" | "conf" | "ini" | "properties" => "Settings",
        "css" | "less" | "scss" => "CSS",
        "csv" | "tsv" => "Table",
        "dart" => "Dart",
        "diff" | "patch" => "Diff",
        "el" | "lisp" | "scm" => "Lisp",
        "erl" | "hrl" => "Erlang",
        "ex" | "exs" => "Elixir",
        "f" | "f90" | "for" => "Fortran",
        "go" => "Go",
        "hs" => "Haskell",
        "htm" | "html" | "xhtml" => "HTML",
        "java" => "Java",
        "cjs" | "js" | "jsx" | "mjs" => "JavaScript",
        "json" | "jsonc" | "jsonl" => "JSON",
        "jl" => "Julia",
        "kt" | "kts" => "Kotlin",
        "lua" => "Lua",
        "m4" | "ac" | "am" => "Autotools",
        "mk" => "Make",
        "markdown" | "md" => "Markdown",
        "ml" | "mli" => "OCaml",
        "nix" => "Nix",
        "php" => "PHP",
        "pl" | "pm" => "Perl",
        "proto" => "Protobuf",
        "ps1" => "PowerShell",
        "py" | "pyi" => "Python",
        "r" => "R",
        "rb" => "Ruby",
        "rs" => "Rust",
        "rst" => "reStructuredText",
        "scala" => "Scala",
        "bash" | "sh" | "zsh" => "Shell",
        "sql" => "SQL",
        "svg" | "xml" | "xsd" | "xsl" => "XML",
        "swift" => "Swift",
        "bib" | "cls" | "sty" | "tex" => "TeX",
        "toml" => "TOML",
        "text" | "txt" => "Text",
        "cts" | "mts" | "ts" | "tsx" => "TypeScript",
        "vue" => "Vue",
        "wat" | "wast" => "WebAssembly text",
        "yaml" | "yml" => "YAML",
        "zig" => "Zig",
        _ => return None,
    })
}
