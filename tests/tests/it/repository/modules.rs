//! The modules of a crate, parsed with `syn`: what each declares, imports and mentions.

mod reader;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use reader::Reader;
pub(super) use reader::is_cfg_test;

/// All modules of a crate, except for test modules.
#[derive(Default)]
pub(super) struct Modules {
    pub(super) files: Vec<File>,
    all: Vec<Module>,
    /// The file of each `macro_rules!` by the macro's name.
    macros: HashMap<String, usize>,
}

/// A source file, which defines one module and the inline modules in that module.
pub(super) struct File {
    /// Relative to the directory of the crate's root.
    pub(super) path: PathBuf,
    /// The path of the module that the file defines; empty for the crate's root.
    pub(super) module: Vec<String>,
}

#[derive(Default)]
struct Module {
    file: usize,
    parent: Option<usize>,
    names: HashMap<String, Vec<Binding>>,
    globs: Vec<Vec<String>>,
    mentions: BTreeSet<Vec<String>>,
}

/// What a name refers to in a module.
enum Binding {
    Module(usize),
    Item,
    Import(Vec<String>),
}

/// What a path refers to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entity {
    Module(usize),
    /// Something that this file defines.
    ItemOf(usize),
}

/// An import of one file from another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Import {
    pub(super) from: usize,
    pub(super) defined_in: usize,
    /// The path as it is written.
    pub(super) path: String,
}

impl Modules {
    /// Parses a crate from its root file on. `read` returns the text of a file, or `None` when the file
    /// does not exist.
    pub(super) fn read(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut modules = Self::default();
        let directory = root.parent().expect("a root file has a directory");
        let text = read(root).unwrap_or_else(|| panic!("{} can't be read", root.display()));
        Reader::new(&mut modules, directory, read).file(root, &text, Vec::new(), None);
        modules
    }

    /// Returns every import of an item of one file by another file.
    pub(super) fn imports(&self) -> BTreeSet<Import> {
        let mut imports = BTreeSet::new();
        for (at, module) in self.all.iter().enumerate() {
            let mut add = |path: &[String], entities: Vec<Entity>| {
                for entity in entities {
                    if let Entity::ItemOf(defined_in) = entity
                        && defined_in != module.file
                    {
                        imports.insert(Import {
                            from: module.file,
                            defined_in,
                            path: path.join("::"),
                        });
                    }
                }
            };
            for path in &module.mentions {
                add(path, self.resolve(at, path, &mut Vec::new()));
            }
            for path in &module.globs {
                let globbed = self.resolve(at, path, &mut Vec::new());
                // Names used through the glob are mentions. The glob itself is recorded for traits,
                // which are used without mentioning their names.
                let globbed = globbed.into_iter().map(|entity| match entity {
                    Entity::Module(module) if self.all[module].defines_items() => {
                        Entity::ItemOf(self.all[module].file)
                    }
                    other => other,
                });
                add(path, globbed.collect());
            }
        }
        imports
    }

    /// Resolves a path in a module. Re-exports are followed.
    fn resolve(&self, module: usize, path: &[String], seen: &mut Vec<Place>) -> Vec<Entity> {
        let mut segments = path.iter().map(String::as_str).peekable();
        let mut at = module;
        let mut is_anchored = false;
        while let Some(segment) = segments.peek() {
            at = match *segment {
                "crate" => 0,
                "self" => at,
                "super" => match self.all[at].parent {
                    Some(parent) => parent,
                    None => return Vec::new(),
                },
                _ => break,
            };
            is_anchored = true;
            segments.next();
        }
        let Some(first) = segments.next() else {
            let found = is_anchored.then_some(Entity::Module(at));
            return found.into_iter().collect();
        };
        let (name, is_called) = match first.strip_suffix('!') {
            Some(name) => (name, true),
            None => (first, false),
        };
        let mut found = self.lookup(at, name, seen);
        if found.is_empty() && is_called {
            found.extend(self.macros.get(name).map(|file| Entity::ItemOf(*file)));
        }
        for segment in segments {
            let step = found.into_iter().flat_map(|entity| match entity {
                Entity::Module(inner) => self.lookup(inner, segment, seen),
                // A variant or an associated function is in the file of its type.
                item @ Entity::ItemOf(_) => vec![item],
            });
            found = step.collect();
        }
        found
    }

    fn lookup(&self, at: usize, name: &str, seen: &mut Vec<Place>) -> Vec<Entity> {
        let module = &self.all[at];
        let place = (at, name.to_owned());
        let follows = !seen.contains(&place);
        seen.push(place);
        let mut found = Vec::new();
        for binding in module.names.get(name).into_iter().flatten() {
            match binding {
                Binding::Module(inner) => found.push(Entity::Module(*inner)),
                Binding::Item => found.push(Entity::ItemOf(module.file)),
                // `mod a; pub use a::a;` looks up `a` for `a`.
                Binding::Import(path) if follows => found.extend(self.resolve(at, path, seen)),
                Binding::Import(_) => {}
            }
        }
        if found.is_empty() && follows {
            for path in &module.globs {
                for entity in self.resolve(at, path, seen) {
                    if let Entity::Module(globbed) = entity {
                        found.extend(self.lookup(globbed, name, seen));
                    }
                }
            }
        }
        seen.pop();
        found
    }
}

/// A name that is being looked up in a module.
type Place = (usize, String);

impl Module {
    fn defines_items(&self) -> bool {
        let mut bindings = self.names.values().flatten();
        bindings.any(|binding| matches!(binding, Binding::Item))
    }
}
