//! The modules of a crate as `syn` reads them: what each declares, imports and mentions.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use syn::buffer::{Cursor, TokenBuffer};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, ItemMod, ItemUse, Lit, Meta, UseTree};

/// All modules of one crate, without those that only tests have.
#[derive(Default)]
pub(super) struct Modules {
    pub(super) files: Vec<File>,
    all: Vec<Module>,
    /// The file of each `macro_rules!` by the macro's name.
    macros: HashMap<String, usize>,
}

/// A source file. It defines one module, and those that are written out inside of it.
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

/// What a name stands for in the module that has it.
enum Binding {
    Module(usize),
    Item,
    Import(Vec<String>),
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entity {
    Module(usize),
    /// Something that this file defines.
    ItemOf(usize),
}

/// A file that takes something from another one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Import {
    pub(super) from: usize,
    pub(super) defined_in: usize,
    /// The path as it is written.
    pub(super) path: String,
}

impl Modules {
    /// Reads a crate from its root on. `read` gives the text of a file, if there is one.
    pub(super) fn read(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut modules = Self::default();
        let directory = root.parent().expect("a root is in a directory");
        let text = read(root).unwrap_or_else(|| panic!("{} can't be read", root.display()));
        let mut reader = Reader {
            modules: &mut modules,
            root: directory,
            read,
            module: 0,
            children: directory.to_owned(),
        };
        reader.file(root, &text, Vec::new(), None);
        modules
    }

    /// Every import of one file's item by another file.
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
                // The names that are used through it are mentions; this is for traits, whose
                // names need not be mentioned.
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

    /// What a path leads to, read in a module. A re-export is followed to what it names.
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
                // What is behind an item (a variant, a function of a type) is where the item is.
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

struct Reader<'a> {
    modules: &'a mut Modules,
    /// The directory of the crate's root.
    root: &'a Path,
    read: &'a dyn Fn(&Path) -> Option<String>,
    /// The module that is being read.
    module: usize,
    /// Where the files of its child modules are.
    children: PathBuf,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, text: &str, module_path: Vec<String>, parent: Option<usize>) {
        let file = self.modules.files.len();
        let relative = path.strip_prefix(self.root).unwrap_or(path);
        self.modules.files.push(File {
            path: relative.to_owned(),
            module: module_path,
        });
        let parsed = syn::parse_file(text);
        let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let module = self.open(file, parent);
        let outer = std::mem::replace(&mut self.module, module);
        visit::visit_file(self, &parsed);
        self.module = outer;
    }

    fn open(&mut self, file: usize, parent: Option<usize>) -> usize {
        self.modules.all.push(Module {
            file,
            parent,
            ..Module::default()
        });
        self.modules.all.len() - 1
    }

    fn current(&mut self) -> &mut Module {
        &mut self.modules.all[self.module]
    }

    fn declare(&mut self, name: String, binding: Binding) {
        self.current().names.entry(name).or_default().push(binding);
    }

    fn child_module(&mut self, item: &ItemMod) {
        let name = item.ident.to_string();
        let children = self.children.join(&name);
        if let Some((_, items)) = &item.content {
            let file = self.current().file;
            let module = self.open(file, Some(self.module));
            self.declare(name, Binding::Module(module));
            let outer = std::mem::replace(&mut self.module, module);
            let siblings = std::mem::replace(&mut self.children, children);
            for item in items {
                self.visit_item(item);
            }
            self.module = outer;
            self.children = siblings;
            return;
        }
        let named = item.attrs.iter().find_map(path_of);
        let candidates = match named {
            Some(path) => vec![self.children.join(path)],
            None => vec![
                self.children.join(format!("{name}.rs")),
                children.join("mod.rs"),
            ],
        };
        let found = candidates
            .iter()
            .find_map(|path| Some((path, (self.read)(path)?)));
        let (path, text) = found.unwrap_or_else(|| panic!("no file of {candidates:?} is there"));
        let file = self.current().file;
        let mut module_path = self.modules.files[file].module.clone();
        module_path.push(name.clone());
        let module = self.modules.all.len();
        self.declare(name, Binding::Module(module));
        let siblings = std::mem::replace(&mut self.children, children);
        self.file(path, &text, module_path, Some(self.module));
        self.children = siblings;
    }

    fn use_tree(&mut self, tree: &UseTree, mut path: Vec<String>) {
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.use_tree(&inner.tree, path);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, path.clone());
                }
            }
            UseTree::Glob(_) => self.current().globs.push(path),
            UseTree::Name(inner) => {
                let ident = inner.ident.to_string();
                if ident != "self" {
                    path.push(ident);
                }
                let name = path.last().cloned().unwrap_or_default();
                self.import(name, path);
            }
            UseTree::Rename(inner) => {
                let ident = inner.ident.to_string();
                if ident != "self" {
                    path.push(ident);
                }
                self.import(inner.rename.to_string(), path);
            }
        }
    }

    fn import(&mut self, name: String, path: Vec<String>) {
        self.current().mentions.insert(path.clone());
        self.declare(name, Binding::Import(path));
    }

    /// Every path in the tokens of a macro or an attribute, as far as tokens tell.
    fn tokens(&mut self, cursor: Cursor<'_>, with_literals: bool) {
        let mut rest = cursor;
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        while !rest.eof() {
            if let Some((ident, next)) = rest.ident() {
                if colons != 2 {
                    self.mention(std::mem::take(&mut path));
                }
                path.push(ident.to_string());
                (rest, colons) = (next, 0);
                continue;
            }
            if let Some((punct, next)) = rest.punct() {
                if punct.as_char() == ':' {
                    colons += 1;
                } else {
                    self.mention(std::mem::take(&mut path));
                    colons = 0;
                }
                rest = next;
                continue;
            }
            self.mention(std::mem::take(&mut path));
            colons = 0;
            if let Some((inner, _, _, next)) = rest.any_group() {
                self.tokens(inner, with_literals);
                rest = next;
            } else if let Some((literal, next)) = rest.literal() {
                if with_literals && let Lit::Str(text) = Lit::new(literal) {
                    self.literal(&text.value());
                }
                rest = next;
            } else if let Some((_, next)) = rest.token_tree() {
                rest = next;
            }
        }
        self.mention(path);
    }

    /// A text of an attribute, which may be a path: `#[serde(with = "crate::dates")]`.
    fn literal(&mut self, text: &str) {
        if let Ok(path) = syn::parse_str::<syn::Path>(text) {
            self.visit_path(&path);
        }
    }

    fn mention(&mut self, path: Vec<String>) {
        if !path.is_empty() {
            self.current().mentions.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Union(item) => (&item.attrs, Some(&item.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Mod(item) => (&item.attrs, None),
            Item::Use(item) => (&item.attrs, None),
            _ => return visit::visit_item(self, item),
        };
        if attributes.iter().any(is_cfg_test) {
            return;
        }
        if let Some(name) = name {
            self.declare(name.to_string(), Binding::Item);
        }
        if let Item::Macro(item) = item
            && let Some(name) = &item.ident
        {
            let file = self.current().file;
            self.modules.macros.insert(name.to_string(), file);
            if item.attrs.iter().any(is_exported) && self.module != 0 {
                let import = Binding::Import(vec![name.to_string()]);
                let names = &mut self.modules.all[0].names;
                names.entry(name.to_string()).or_default().push(import);
            }
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.child_module(item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            self.use_tree(&item.tree, Vec::new());
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter();
            self.mention(segments.map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        match item.path.get_ident() {
            // It may have been declared anywhere before, without an import.
            Some(name) => self.mention(vec![format!("{name}!")]),
            None => self.visit_path(&item.path),
        }
        let tokens = TokenBuffer::new2(item.tokens.clone());
        self.tokens(tokens.begin(), false);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        if let Meta::List(list) = &attribute.meta {
            let tokens = TokenBuffer::new2(list.tokens.clone());
            self.tokens(tokens.begin(), true);
        }
    }

    /// `pub(in crate::a)` takes nothing from `a`.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else {
        return false;
    };
    list.path.is_ident("cfg") && list.tokens.to_string() == "test"
}

fn is_exported(attribute: &Attribute) -> bool {
    attribute.path().is_ident("macro_export")
}

/// The file that `#[path = "…"]` names.
fn path_of(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}
