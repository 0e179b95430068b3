//! The example `census`, as a program: its output, and how it ends.

#![cfg(all(feature = "tokio", feature = "macros"))]

use core::error::Error;
use core::iter::repeat_n;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

type Tested = Result<(), Box<dyn Error>>;

/// A folder that is removed when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> std::io::Result<Self> {
        let path =
            std::env::temp_dir().join(format!("busway-census-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn folder(&self, name: impl AsRef<Path>) -> std::io::Result<()> {
        fs::create_dir_all(self.0.join(name))
    }

    fn file(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> std::io::Result<()> {
        fs::write(self.0.join(name), contents)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program. `cargo test` builds it beside the tests. `cargo test --test census` does not, so it is
/// built here.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().expect("a test has a path");
        let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps");
        let name = format!("census{}", std::env::consts::EXE_SUFFIX);
        let program = profile.join("examples").join(name);
        if !program.exists() {
            build(profile);
        }
        assert!(program.exists(), "{program:?} is missing: run `cargo build --example census`");
        program
    })
}

fn build(profile: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--example", "census"]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    if let Some(target) = profile.parent() {
        cargo.arg("--target-dir").arg(target);
    }
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(built.is_ok_and(|status| status.success()), "{cargo:?} failed");
}

fn census<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> std::io::Result<Output> {
    Command::new(program()).args(args).output()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The single line of `--json`, from a run without errors.
fn json(path: &Path) -> std::io::Result<String> {
    let output = census([OsStr::new("--json"), path.as_os_str()])?;
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    Ok(stdout(&output))
}

#[test]
fn counts_files_folders_bytes_and_newlines() -> Tested {
    let folder = Folder::new("counts")?;
    folder.folder("a/b/c")?;
    folder.folder("empty")?;
    folder.file("a/one.rs", "fn main() {}\n")?;
    folder.file("a/b/with spaces", "no newline at the end")?;
    folder.file("a/b/new\nline.md", "\n\n\n")?;
    folder.file("a/b/c/binary.rs", b"\0\n\0\n")?;
    folder.file("nothing", "")?;
    assert_eq!(json(&folder.0)?, "{\"files\":5,\"dirs\":5,\"bytes\":41,\"lines\":6}\n");
    Ok(())
}

#[test]
fn one_folder_of_more_files_than_a_batch() -> Tested {
    let folder = Folder::new("batches")?;
    for n in 0..500 {
        folder.file(format!("{n}.txt"), "x\n")?;
    }
    assert_eq!(json(&folder.0)?, "{\"files\":500,\"dirs\":1,\"bytes\":1000,\"lines\":500}\n");
    Ok(())
}

#[test]
fn a_file_larger_than_what_is_read_at_a_time() -> Tested {
    let folder = Folder::new("large")?;
    folder.file("large", "0123456\n".repeat(100_000))?;
    let expected = "{\"files\":1,\"dirs\":0,\"bytes\":800000,\"lines\":100000}\n";
    assert_eq!(json(&folder.0.join("large"))?, expected);
    Ok(())
}

#[test]
fn folders_nested_deeper_than_the_default_limit() -> Tested {
    let folder = Folder::new("deep")?;
    let deepest: PathBuf = repeat_n("d", 1_100).collect();
    folder.folder(&deepest)?;
    folder.file(deepest.join("f"), "here\n")?;
    assert_eq!(json(&folder.0)?, "{\"files\":1,\"dirs\":1101,\"bytes\":5,\"lines\":1}\n");
    Ok(())
}

/// Such a tree is built from below, as no path reaches its end.
#[cfg(target_os = "linux")]
#[test]
fn folders_below_the_longest_path_the_system_takes() -> Tested {
    const HALF: &str = "a-name-of-some-length";
    let folder = Folder::new("long")?;
    let half: PathBuf = repeat_n(HALF, 150).collect();
    folder.folder(Path::new("upper").join(&half))?;
    folder.folder(Path::new("lower").join(&half))?;
    folder.file(Path::new("lower").join(&half).join("f"), "here\n")?;
    fs::rename(folder.0.join("lower"), folder.0.join("upper").join(&half).join("lower"))?;
    assert_eq!(json(&folder.0)?, "{\"files\":1,\"dirs\":303,\"bytes\":5,\"lines\":1}\n");
    Ok(())
}

#[test]
fn the_report_has_the_tree_and_the_languages() -> Tested {
    let folder = Folder::new("report")?;
    folder.folder("src")?;
    folder.file("src/main.rs", "fn main() {}\n")?;
    folder.file("notes.md", "abc\n")?;
    folder.file("picture.md", b"\0\0")?;
    let output = census([&folder.0])?;
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    let report = stdout(&output);
    let rows: Vec<Vec<&str>> =
        report.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        ["Rust", "1", "1", "13"],
        ["Markdown", "1", "1", "4"],
        ["(binary)", "1", "0", "2"],
        ["total", "3", "2", "19"],
    ] {
        assert!(rows.contains(&row.to_vec()), "{row:?} is not in\n{report}");
    }
    for event in [["ScanDir", "src/"], ["ScanFile", "notes.md"]] {
        let is_there = |row: &Vec<&str>| {
            row.windows(2).any(|pair| pair == event) && row.last() == Some(&"completed")
        };
        assert!(rows.iter().any(is_there), "{event:?} is not in\n{report}");
    }
    assert!(report.contains("folders: 2, unreadable: 0\n"), "{report}");
    Ok(())
}

#[cfg(unix)]
#[test]
fn neither_links_nor_sockets_are_counted_and_names_are_bytes() -> Tested {
    use std::os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener};

    let folder = Folder::new("links")?;
    symlink(".", folder.0.join("loop"))?;
    symlink("nowhere", folder.0.join("dangling"))?;
    let _socket = UnixListener::bind(folder.0.join("socket"))?;
    folder.file(OsStr::from_bytes(b"\xff\xfe"), "1\n")?;
    assert_eq!(json(&folder.0)?, "{\"files\":1,\"dirs\":1,\"bytes\":2,\"lines\":1}\n");

    let output = census([folder.0.join("loop").as_os_str(), OsStr::new("--json")])?;
    assert_eq!(stdout(&output), "{\"files\":0,\"dirs\":0,\"bytes\":0,\"lines\":0}\n");
    assert!(stderr(&output).contains("a link, not followed"), "{}", stderr(&output));
    Ok(())
}

#[cfg(unix)]
#[test]
fn the_unreadable_is_reported_and_the_rest_is_counted() -> Tested {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("unreadable")?;
    folder.folder("closed")?;
    folder.file("closed\nfile", "secret\n")?;
    folder.file("open", "read\n")?;
    let set = |name: &str, mode| {
        fs::set_permissions(folder.0.join(name), fs::Permissions::from_mode(mode))
    };
    set("closed", 0)?;
    set("closed\nfile", 0)?;
    if fs::read_dir(folder.0.join("closed")).is_ok() {
        // A user who may read everything finds nothing unreadable here.
        return Ok(());
    }
    let output = census([OsStr::new("--json"), folder.0.as_os_str()])?;
    let closed = census([folder.0.join("closed")])?;
    set("closed", 0o700)?;

    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "{\"files\":2,\"dirs\":2,\"bytes\":5,\"lines\":1}\n");
    let said = stderr(&output);
    assert_eq!(said.matches("Permission denied").count(), 2, "{said}");
    assert!(said.contains("/closed\": ") && said.contains("/closed\\nfile\": "), "{said}");
    assert_eq!((closed.status.code(), stdout(&closed)), (Some(1), String::new()));
    Ok(())
}

/// Files of `/proc` that may be listed but not read, whatever the user.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_does_not_stop_it() -> Tested {
    let output = census(["/proc/self/attr"])?;
    if stderr(&output).contains("No such file") {
        return Ok(());
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let reported = stderr(&output).matches("census: unreadable: \"/proc/self/attr/").count();
    assert!(stdout(&output).contains(&format!("unreadable: {reported}\n")), "{output:?}");
    Ok(())
}

#[test]
fn a_path_that_is_not_there_is_a_failure() -> Tested {
    let folder = Folder::new("missing")?;
    for args in [&["--json"][..], &[]] {
        let missing = folder.0.join("missing");
        let output = census(args.iter().map(OsStr::new).chain([missing.as_os_str()]))?;
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
        assert!(stderr(&output).contains("missing\": "), "{}", stderr(&output));
    }
    Ok(())
}

#[test]
fn a_command_line_it_does_not_understand() -> Tested {
    for (args, said) in [
        (&["--yaml"][..], "unknown option \"--yaml\""),
        (&["-x", "--json"], "unknown option \"-x\""),
        (&["one", "two"], "\"two\" is the second"),
        (&[""], "the path is empty"),
    ] {
        let output = census(args)?;
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()), "{args:?}");
        assert!(stderr(&output).contains(said), "{args:?}: {}", stderr(&output));
    }
    Ok(())
}

#[test]
fn help_and_the_end_of_options() -> Tested {
    let output = census(["--help"])?;
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).starts_with("usage: census [PATH] [--json]"));

    let folder = Folder::new("options")?;
    folder.file("--json", "odd\n")?;
    let output =
        Command::new(program()).current_dir(&folder.0).args(["--json", "--", "--json"]).output()?;
    assert_eq!(stdout(&output), "{\"files\":1,\"dirs\":0,\"bytes\":4,\"lines\":1}\n");

    let output = Command::new(program()).current_dir(&folder.0).arg("--json").output()?;
    assert_eq!(stdout(&output), "{\"files\":1,\"dirs\":1,\"bytes\":4,\"lines\":1}\n");
    Ok(())
}
