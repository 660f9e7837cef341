//! Parsing the files of a crate with `syn`.

use std::path::{Path, PathBuf};

use syn::buffer::{Cursor, TokenBuffer};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, ItemMod, ItemUse, Lit, Meta, UseTree};

use super::{Binding, File, Module, Modules};

pub(super) struct Reader<'a> {
    modules: &'a mut Modules,
    /// The directory of the crate's root.
    root: &'a Path,
    read: &'a dyn Fn(&Path) -> Option<String>,
    /// The module that is being parsed.
    module: usize,
    /// The directory with the files of its child modules.
    children: PathBuf,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        modules: &'a mut Modules,
        root: &'a Path,
        read: &'a dyn Fn(&Path) -> Option<String>,
    ) -> Self {
        Self {
            modules,
            root,
            read,
            module: 0,
            children: root.to_owned(),
        }
    }

    pub(super) fn file(
        &mut self,
        path: &Path,
        text: &str,
        module_path: Vec<String>,
        parent: Option<usize>,
    ) {
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
        let (path, text) =
            found.unwrap_or_else(|| panic!("none of the files {candidates:?} exists"));
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

    /// Records every path in the tokens of a macro or an attribute.
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

    /// Records a string in an attribute if it is a path, as in `#[serde(with = "crate::dates")]`.
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
            // The macro may be declared in an earlier module, without an import.
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

    /// `pub(in crate::a)` is no import of `a`.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}

/// Returns whether an attribute is `#[cfg(test)]`.
pub(crate) fn is_cfg_test(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else {
        return false;
    };
    list.path.is_ident("cfg") && list.tokens.to_string() == "test"
}

fn is_exported(attribute: &Attribute) -> bool {
    attribute.path().is_ident("macro_export")
}

/// Returns the file that `#[path = "…"]` names.
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
