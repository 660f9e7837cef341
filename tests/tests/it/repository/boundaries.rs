//! Boundaries inside the product: only the lifecycle changes a binding, and only the gateway has the
//! AWS client.
//!
//! Files are parsed with `syn`, which has no type information. A field counts as a binding's by its
//! name, and the arguments of a macro count if they can be parsed as expressions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Fields, Item, Member, Token, UseTree};

use super::linked_packages;

/// The files that may name the AWS client: its owner, the constructors that pass it on, and the
/// server, which creates it.
const MAY_NAME_THE_CLIENT: [&str; 4] = [
    "provisioner/src/aws/gateway.rs",
    "provisioner/src/assembly.rs",
    "provisioner/src/service.rs",
    "server/src/serve.rs",
];

fn crates() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    crates.canonicalize().expect("the directory exists")
}

/// Returns the source files below a directory of `crates/`, with their paths relative to `crates/`.
/// Unit tests are left out.
fn sources(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut next = vec![crates().join(directory)];
    while let Some(path) = next.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("the file can be read");
            next.extend(entries.map(|entry| entry.expect("the file can be read").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
        {
            let text = std::fs::read_to_string(&path).expect("the file can be read");
            let path = path.strip_prefix(crates()).expect("the path is below");
            found.push((path.display().to_string(), text));
        }
    }
    assert!(!found.is_empty(), "{} has no sources", directory.display());
    found
}

/// Returns the names of the fields of the domain's `Binding`.
fn fields_of_binding() -> BTreeSet<String> {
    let path = crates().join("domain/src/binding/record.rs");
    let text = std::fs::read_to_string(path).expect("the file can be read");
    let file = syn::parse_file(&text).expect("the file can be parsed");
    let binding = file.items.iter().find_map(|item| match item {
        Item::Struct(item) if item.ident == "Binding" => Some(&item.fields),
        _ => None,
    });
    let Some(Fields::Named(fields)) = binding else {
        panic!("record.rs has no struct Binding with named fields");
    };
    let names = fields.named.iter().filter_map(|field| field.ident.as_ref());
    names.map(ToString::to_string).collect()
}

/// Finds changes of bindings that only the domain's lifecycle may make.
struct Changes<'a> {
    fields: &'a BTreeSet<String>,
    found: Vec<String>,
}

impl<'a> Changes<'a> {
    fn read(fields: &'a BTreeSet<String>, text: &str) -> Vec<String> {
        let mut changes = Self {
            fields,
            found: Vec::new(),
        };
        changes.visit_file(&syn::parse_file(text).expect("the file can be parsed"));
        changes.found
    }

    /// Records an expression that is assigned to, if it is a field of a binding or a part of one.
    fn written(&mut self, place: &Expr) {
        match place {
            Expr::Field(field) => {
                if let Member::Named(name) = &field.member
                    && self.fields.contains(&name.to_string())
                {
                    self.found.push(format!("writes {name}"));
                }
                self.written(&field.base);
            }
            Expr::Index(index) => self.written(&index.expr),
            Expr::Paren(inner) => self.written(&inner.expr),
            Expr::Unary(inner) => self.written(&inner.expr),
            Expr::Tuple(places) => places.elems.iter().for_each(|place| self.written(place)),
            _ => {}
        }
    }

    fn constructed(&mut self, path: &syn::Path) {
        let mut segments = path.segments.iter().rev();
        let (last, before) = (segments.next(), segments.next());
        if let (Some(variant), Some(of)) = (last, before) {
            let variant = variant.ident.to_string();
            if of.ident == "Lifecycle" && variant.starts_with(char::is_uppercase) {
                self.found.push(format!("constructs Lifecycle::{variant}"));
            }
        }
    }

    fn import(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) if path.ident == "Lifecycle" => {
                self.found.push("imports variants of Lifecycle".to_owned());
            }
            UseTree::Path(path) => self.import(&path.tree),
            UseTree::Rename(name) if name.ident == "Lifecycle" || name.ident == "Binding" => {
                self.found.push(format!("renames {}", name.ident));
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree)),
            UseTree::Rename(_) | UseTree::Name(_) | UseTree::Glob(_) => {}
        }
    }
}

fn is_compound(operator: &BinOp) -> bool {
    matches!(
        operator,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    )
}

impl<'ast> Visit<'ast> for Changes<'_> {
    fn visit_expr(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::Assign(assign) => self.written(&assign.left),
            Expr::Binary(binary) if is_compound(&binary.op) => self.written(&binary.left),
            Expr::Reference(borrow) if borrow.mutability.is_some() => self.written(&borrow.expr),
            Expr::Path(path) => self.constructed(&path.path),
            Expr::Struct(literal) => {
                self.constructed(&literal.path);
                if literal
                    .path
                    .segments
                    .last()
                    .is_some_and(|last| last.ident == "Binding")
                {
                    self.found.push("constructs a Binding".to_owned());
                }
            }
            _ => {}
        }
        visit::visit_expr(self, expression);
    }

    // `syn` treats paths and literals in patterns as expressions, but patterns construct nothing.
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        if called.path.is_ident("matches") {
            return;
        }
        let expressions = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(expressions) = called.parse_body_with(expressions) {
            for expression in &expressions {
                self.visit_expr(expression);
            }
        }
    }
}

#[test]
fn only_the_lifecycle_changes_a_binding() {
    let fields = fields_of_binding();
    for name in ["lifecycle", "generation", "role", "drift"] {
        assert!(fields.contains(name), "{fields:?}");
    }
    let mut found = Vec::new();
    for directory in ["provisioner/src", "store/src"] {
        for (path, text) in sources(Path::new(directory)) {
            let changes = Changes::read(&fields, &text).into_iter();
            // The store constructs bindings from database rows.
            let is_store = path.starts_with("store/");
            let changes = changes.filter(|change| !is_store || change != "constructs a Binding");
            found.extend(changes.map(|change| format!("{path} {change}")));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_way_to_change_a_binding_is_found() {
    let fields = fields_of_binding();
    for (text, expected) in [
        ("fn f() { a.b.generation = 1; }", "writes generation"),
        ("fn f() { a.attempts += 1; }", "writes attempts"),
        ("fn f() { g(&mut a.drift); }", "writes drift"),
        ("fn f() { (a.role, b) = c; }", "writes role"),
        ("fn f() { a.drift[0] = c; }", "writes drift"),
        ("fn f() { a.consistency.reads = c; }", "writes consistency"),
        ("fn f() { assert!({ a.spec = b; true }); }", "writes spec"),
        (
            "fn f() { Lifecycle::Active { a } }",
            "constructs Lifecycle::Active",
        ),
        (
            "fn f() { vec![l::Lifecycle::Gone] }",
            "constructs Lifecycle::Gone",
        ),
        (
            "fn f() { g(Lifecycle::Over(1)) }",
            "constructs Lifecycle::Over",
        ),
        ("fn f() { Binding { id, ..b } }", "constructs a Binding"),
        ("use a::Lifecycle::Active;", "imports variants of Lifecycle"),
        ("use a::{Lifecycle as L};", "renames Lifecycle"),
    ] {
        assert_eq!(Changes::read(&fields, text), [expected], "{text}");
    }
    for text in [
        "fn f() { if let Lifecycle::Active { a } = b.lifecycle { a } }",
        "fn f() { match b { Lifecycle::Gone | Lifecycle::Over(_) => 1 } }",
        "fn f() { matches!(b.lifecycle, Lifecycle::Active { .. }) }",
        "fn f() { Lifecycle::from_stored(a) }",
        "fn f() { a.other = b.generation; }",
        "fn f() { let a = &b.role; }",
    ] {
        assert_eq!(Changes::read(&fields, text), [""; 0], "{text}");
    }
}

/// How often a file imports and mentions the client.
#[derive(Default)]
struct ClientNames {
    imports: usize,
    mentions: usize,
}

impl ClientNames {
    fn read(text: &str) -> Self {
        let mut names = Self::default();
        names.visit_file(&syn::parse_file(text).expect("the file can be parsed"));
        names
    }

    fn import(&mut self, tree: &UseTree, is_of_iam: bool) {
        match tree {
            UseTree::Path(path) => {
                let is_of_iam = is_of_iam || path.ident == "engine_roles_iam";
                self.import(&path.tree, is_of_iam);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, is_of_iam);
                }
            }
            UseTree::Name(name) => self.imports += usize::from(name.ident == "Iam"),
            // Mentions of a renamed client would not be found, so a rename exceeds any limit.
            UseTree::Rename(name) => {
                let is_client = name.ident == "Iam" || name.ident == "engine_roles_iam";
                self.imports += usize::from(is_client) * 100;
            }
            UseTree::Glob(_) => self.imports += usize::from(is_of_iam) * 100,
        }
    }
}

impl<'ast> Visit<'ast> for ClientNames {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, false);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let named = path
            .segments
            .iter()
            .filter(|segment| segment.ident == "Iam");
        self.mentions += named.count();
        visit::visit_path(self, path);
    }
}

/// Returns the sources of all packages that the product links, without the package of the client.
fn sources_of_the_product() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for directory in linked_packages() {
        if !directory.ends_with("crates/iam") {
            found.extend(sources(&directory.join("src")));
        }
    }
    found
}

#[test]
fn only_the_gateway_has_the_client_to_aws() {
    let mut naming = BTreeSet::new();
    for (path, text) in sources_of_the_product() {
        let names = ClientNames::read(&text);
        if names.imports + names.mentions > 0 {
            assert!(
                names.imports <= 1,
                "{path} imports the client more than once or under another name"
            );
            naming.insert(path.clone());
        }
        if path == "provisioner/src/assembly.rs" || path == "provisioner/src/service.rs" {
            assert_eq!(names.mentions, 1, "only the constructor takes the client");
        }
    }
    let allowed = MAY_NAME_THE_CLIENT.map(str::to_owned);
    assert_eq!(naming, BTreeSet::from(allowed));
}

#[test]
fn the_product_never_uses_the_gate_that_admits_every_call() {
    for (path, text) in sources_of_the_product() {
        assert!(!text.contains("OpenGate"), "{path} names OpenGate");
    }
}

#[test]
fn every_way_to_name_the_client_is_found() {
    for text in [
        "use engine_roles_iam::{Gate, Iam};",
        "use engine_roles_iam::*;",
        "use engine_roles_iam as client;",
        "use engine_roles_iam::Iam as Client;",
        "struct A(engine_roles_iam::Iam);",
        "fn f() { Iam::connect() }",
    ] {
        let names = ClientNames::read(text);
        assert!(names.imports + names.mentions > 0, "{text}");
    }
    let other = ClientNames::read("use engine_roles_iam::IamError; fn f(a: IamError) {}");
    assert_eq!(other.imports + other.mentions, 0);
}
