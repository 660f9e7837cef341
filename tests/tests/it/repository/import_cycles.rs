//! The files of a crate do not import each other, neither directly nor through other files.
//!
//! Imports between a module and its descendants do not count. A name that is imported from the root
//! or through a re-export counts as an import of the file that defines it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::metadata;
use super::modules::{File, Modules};

/// The files of a crate and their imports of each other.
struct ImportGraph {
    files: Vec<File>,
    /// The import paths as they are written, by importing file and then by defining file.
    edges: BTreeMap<usize, BTreeMap<usize, BTreeSet<String>>>,
}

impl ImportGraph {
    fn read(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let modules = Modules::read(root, read);
        let mut edges = BTreeMap::<_, BTreeMap<_, BTreeSet<_>>>::new();
        for import in modules.imports() {
            let from = &modules.files[import.from].module;
            let to = &modules.files[import.defined_in].module;
            if !from.starts_with(to) && !to.starts_with(from) {
                let paths = edges.entry(import.from).or_default();
                let paths = paths.entry(import.defined_in).or_default();
                paths.insert(import.path);
            }
        }
        Self {
            files: modules.files,
            edges,
        }
    }

    /// Returns one shortest cycle, as text, for each set of files that import each other.
    fn cycles(&self) -> Vec<String> {
        let mut reported = BTreeSet::new();
        let mut cycles = Vec::new();
        for file in 0..self.files.len() {
            if reported.contains(&file) {
                continue;
            }
            if let Some(cycle) = self.shortest_path(file, file) {
                let same_set = (0..self.files.len()).filter(|other| {
                    self.shortest_path(file, *other).is_some()
                        && self.shortest_path(*other, file).is_some()
                });
                reported.extend(same_set);
                cycles.push(self.as_text(&cycle));
            }
        }
        cycles
    }

    /// Returns the files on a shortest path between two files, both ends included. The path has at
    /// least one edge, also from a file to itself.
    fn shortest_path(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut came_from = BTreeMap::new();
        let mut next = VecDeque::from([from]);
        while let Some(file) = next.pop_front() {
            for imported in self.edges.get(&file).into_iter().flat_map(BTreeMap::keys) {
                if came_from.contains_key(imported) {
                    continue;
                }
                came_from.insert(*imported, file);
                next.push_back(*imported);
            }
            if came_from.contains_key(&to) {
                break;
            }
        }
        let mut path = vec![to];
        let mut previous = *came_from.get(&to)?;
        while previous != from {
            path.push(previous);
            previous = came_from[&previous];
        }
        path.push(from);
        path.reverse();
        Some(path)
    }

    fn as_text(&self, cycle: &[usize]) -> String {
        let mut text = self.files[cycle[0]].path.display().to_string();
        for pair in cycle.windows(2) {
            let paths = self.edges[&pair[0]][&pair[1]].iter();
            let paths = paths.map(String::as_str).collect::<Vec<_>>().join(", ");
            let file = self.files[pair[1]].path.display();
            text = format!("{text} → {file} ({paths})");
        }
        text
    }
}

/// Returns the root files of all targets of the workspace.
fn roots() -> Vec<PathBuf> {
    let metadata = metadata();
    let targets = metadata
        .packages
        .iter()
        .flat_map(|package| &package.targets);
    targets
        .map(|target| target.src_path.clone().into_std_path_buf())
        .collect()
}

#[test]
fn no_files_of_a_crate_import_each_other() {
    let mut cycles = Vec::new();
    for root in roots() {
        let graph = ImportGraph::read(&root, &|path| std::fs::read_to_string(path).ok());
        for cycle in graph.cycles() {
            cycles.push(format!("{}: {cycle}", root.display()));
        }
    }
    assert!(cycles.is_empty(), "\n{}", cycles.join("\n"));
}

/// Returns the cycles of a crate with the given files, each as its path and its text.
fn cycles_of(files: &[(&str, &str)]) -> Vec<String> {
    let read = |path: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned())
    };
    ImportGraph::read(Path::new("lib.rs"), &read).cycles()
}

#[test]
fn files_that_import_each_other_are_a_cycle() {
    let found = cycles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::{self, B as Other}; pub struct A;"),
        ("b.rs", "use super::a::A; pub struct B;"),
    ]);
    assert_eq!(found, ["a.rs → b.rs (crate::b::B) → a.rs (super::a::A)"]);
}

#[test]
fn a_cycle_of_more_than_two_files_is_found() {
    let found = cycles_of(&[
        ("lib.rs", "mod a; mod b; mod c; mod apart;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::c::C; pub struct B;"),
        ("c.rs", "use crate::a::A; pub struct C;"),
        ("apart.rs", "use crate::a::A;"),
    ]);
    let cycle = "a.rs → b.rs (crate::b::B) → c.rs (crate::c::C) → a.rs (crate::a::A)";
    assert_eq!(found, [cycle]);
}

#[test]
fn an_inline_path_is_an_import() {
    let found = cycles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A(crate::b::B);"),
        (
            "b.rs",
            "use crate::a; pub struct B; fn f() { println!(\"{}\", a::A::new().text()) }",
        ),
    ]);
    assert_eq!(found, ["a.rs → b.rs (crate::b::B) → a.rs (a::A::new)"]);
}

#[test]
fn an_attribute_that_names_a_function_is_an_import() {
    let found = cycles_of(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "struct A { #[serde(with = \"crate::b::date\")] a: u8 } pub const C: u8 = 1;",
        ),
        ("b.rs", "use crate::a::C; pub fn date() {}"),
    ]);
    assert_eq!(found, ["a.rs → b.rs (crate::b::date) → a.rs (crate::a::C)"]);
}

#[test]
fn a_name_imported_from_the_root_counts_as_an_import_of_the_defining_file() {
    let found = cycles_of(&[
        ("lib.rs", "mod a; mod b; pub use a::A; pub use b::inner::B;"),
        ("a.rs", "use crate::B; pub struct A;"),
        ("b.rs", "pub mod inner;"),
        ("b/inner.rs", "use crate::A; pub struct B;"),
    ]);
    let cycle = "a.rs → b/inner.rs (crate::B) → a.rs (crate::A)";
    assert_eq!(found, [cycle]);
}

#[test]
fn a_function_named_like_its_module_counts_as_an_import_of_its_file() {
    let found = cycles_of(&[
        ("lib.rs", "mod a; mod b; pub use a::a;"),
        ("a.rs", "use crate::b::B; pub fn a() {}"),
        ("b.rs", "pub struct B; fn f() { crate::a() }"),
    ]);
    assert_eq!(found, ["a.rs → b.rs (crate::b::B) → a.rs (crate::a)"]);
}

#[test]
fn a_name_from_a_glob_import_is_an_import() {
    let found = cycles_of(&[
        ("lib.rs", "mod a; mod b; mod all;"),
        ("all.rs", "pub use crate::a::A; pub use crate::b::*;"),
        ("a.rs", "use crate::all::*; pub struct A(B);"),
        ("b.rs", "use crate::all::A; pub struct B;"),
    ]);
    assert_eq!(found, ["a.rs → b.rs (B) → a.rs (crate::all::A)"]);
    let found = cycles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::*; pub struct A;"),
        ("b.rs", "use crate::a::A; pub trait B {}"),
    ]);
    assert_eq!(found, ["a.rs → b.rs (crate::b) → a.rs (crate::a::A)"]);
}

#[test]
fn a_call_of_another_files_macro_is_an_import() {
    let found = cycles_of(&[
        ("lib.rs", "#[macro_use] mod a; mod b;"),
        (
            "a.rs",
            "macro_rules! m { () => { $crate::b::B } } pub(crate) use m;",
        ),
        ("b.rs", "pub struct B; fn f() { crate::a::m!(); }"),
    ]);
    assert_eq!(found, ["a.rs → b.rs (crate::b::B) → a.rs (crate::a::m)"]);
    let found = cycles_of(&[
        ("lib.rs", "#[macro_use] mod a; mod b;"),
        ("a.rs", "macro_rules! m { () => { crate::b::B } }"),
        ("b.rs", "pub struct B; fn f() { let m = 1; m!(); }"),
    ]);
    assert_eq!(found, ["a.rs → b.rs (crate::b::B) → a.rs (m!)"]);
}

#[test]
fn imports_between_a_module_and_its_descendants_are_not_a_cycle() {
    let found = cycles_of(&[
        ("lib.rs", "mod a; pub struct Root; use a::child::Child;"),
        ("a/mod.rs", "pub mod child; use child::Child; pub struct A;"),
        (
            "a/child.rs",
            "use super::A; use crate::Root; pub struct Child;",
        ),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn sibling_modules_that_import_each_other_are_a_cycle() {
    let found = cycles_of(&[
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; mod c; pub use b::B; use c::C;"),
        ("a/b.rs", "use super::C; pub struct B;"),
        ("a/c.rs", "use super::*; pub struct C(B);"),
    ]);
    assert_eq!(found, ["a/b.rs → a/c.rs (super::C) → a/b.rs (B)"]);
}

#[test]
fn imports_in_test_code_are_not_a_cycle() {
    let found = cycles_of(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "pub struct A; #[cfg(test)] mod tests { use crate::b::B; } \
             #[cfg(test)] fn f() { crate::b::g() } #[cfg(test)] mod missing;",
        ),
        ("b.rs", "use crate::a::A; pub struct B; pub fn g() {}"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}
