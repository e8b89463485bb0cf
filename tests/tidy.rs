//! The house rules, checked on every `cargo test`: floors, sizes, banned calls, honest tests, clean prose. Each rule is a
//! function from a file to its complaints and is itself tested on planted bad code. What must not live here: the rules,
//! which are in `tests/tidy/`.

#[path = "tidy/calls.rs"]
mod calls;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/prose.rs"]
mod prose;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;

use std::fs;
use std::path::Path;
use std::process::Command;

use source::Source;

type RustRule = fn(&Source<'_>) -> Vec<String>;
type TextRule = fn(&str, &str) -> Vec<String>;

const RUST_RULES: [RustRule; 8] = [
    sizes::introduction,
    sizes::file_length,
    sizes::function_length,
    floors::arrows,
    floors::pure_core,
    calls::banned_calls,
    calls::unsafe_files,
    calls::honest_tests,
];

const TEXT_RULES: [TextRule; 3] = [prose::private_places, prose::registries, prose::undone];

/// Folders that no one tracks; only looked at where git cannot say what is tracked.
const UNTRACKED: [&str; 6] = [".git", "target", "data", "node_modules", "web/dist", "corpus"];

#[test]
fn the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = texts(root);
    files.sort();
    assert!(
        files.iter().any(|(path, _)| path == "src/lib.rs"),
        "the check found no source to check"
    );

    let mut complaints = Vec::new();
    for (path, text) in &files {
        complaints.extend(TEXT_RULES.iter().flat_map(|rule| rule(path, text)));
    }
    let rust: Vec<&(String, String)> = files.iter().filter(|(path, _)| path.ends_with(".rs")).collect();
    let declared: Vec<String> = rust
        .iter()
        .flat_map(|(path, text)| Source::new(path, text).test_modules())
        .collect();
    for (path, text) in rust {
        let source = if is_declared(path, &declared) {
            Source::only_tests(path, text)
        } else {
            Source::new(path, text)
        };
        complaints.extend(RUST_RULES.iter().flat_map(|rule| rule(&source)));
    }
    assert!(
        complaints.is_empty(),
        "\n{}\n{} complaints",
        complaints.join("\n"),
        complaints.len()
    );
}

/// Does some file declare this one under `#[cfg(test)]`?
fn is_declared(path: &str, declared: &[String]) -> bool {
    declared.iter().any(|module| {
        path.strip_prefix(module.as_str())
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    })
}

/// Every text file that is tracked or about to be, with its path from the root.
fn texts(root: &Path) -> Vec<(String, String)> {
    let mut names = Vec::new();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output();
    match listed {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => {
            names.extend(
                String::from_utf8_lossy(&output.stdout)
                    .split_terminator('\0')
                    .map(str::to_owned),
            );
        }
        // An unpacked archive, or a machine without git.
        _ => walk(root, "", &mut names),
    }
    names
        .into_iter()
        .filter_map(|name| Some((text(&root.join(&name))?, name)))
        .map(|(text, name)| (name, text))
        .collect()
}

/// Nothing for what is not text, and for a file deleted but not yet from the index.
fn text(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    if bytes.contains(&0) {
        None
    } else {
        String::from_utf8(bytes).ok()
    }
}

fn walk(root: &Path, folder: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(folder)).expect("the source tree can be read") {
        let entry = entry.expect("the source tree can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() {
            name.clone()
        } else {
            format!("{folder}/{name}")
        };
        let kind = entry.file_type().expect("the source tree can be read");
        if kind.is_file() {
            names.push(path);
        } else if kind.is_dir()
            && !UNTRACKED
                .iter()
                .any(|untracked| *untracked == name || *untracked == path)
        {
            walk(root, &path, names);
        }
    }
}

/// Shows a rule a planted file and says what it should have done.
mod planted {
    use super::{RustRule, Source};

    #[track_caller]
    pub fn refused(rule: RustRule, path: &str, text: &str) {
        let complaints = rule(&Source::new(path, text));
        assert!(!complaints.is_empty(), "let pass in {path}: {text}");
        assert!(
            complaints.iter().all(|c| c.starts_with(path)),
            "names no place: {complaints:?}"
        );
    }

    #[track_caller]
    pub fn clean(rule: RustRule, path: &str, text: &str) {
        let complaints = rule(&Source::new(path, text));
        assert!(complaints.is_empty(), "refused in {path}: {text}\n{complaints:?}");
    }
}

#[test]
fn without_git_the_same_files_are_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut walked = Vec::new();
    walk(root, "", &mut walked);
    for (name, _) in texts(root).iter().filter(|(name, _)| name.ends_with(".rs")) {
        assert!(walked.contains(name), "{name} is missed where there is no git");
    }
    assert!(!walked.iter().any(|name| name.starts_with("target/")));
}

#[test]
fn a_test_module_in_its_own_file_counts_as_tests() {
    let parent = Source::new("src/hub/mod.rs", "#[cfg(test)] mod story; mod tail;");
    let declared = parent.test_modules();
    assert!(is_declared("src/hub/story.rs", &declared) && is_declared("src/hub/story/deep.rs", &declared));
    assert!(!is_declared("src/hub/tail.rs", &declared) && !is_declared("src/hub/story_book.rs", &declared));
}
