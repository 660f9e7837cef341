//! The statements that Postgres executed for the service, from Postgres's log.
//!
//! A statement begins with a comment that says what it is for: `/* tick */`, `/* sequence */`,
//! `/* budget */`, `/* health */`, `/* metrics */` and `/* task: NAME */` are background work, every other comment names the
//! operation of a request.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use tokio_postgres::{Client, Config, NoTls};

use crate::Installation;
use crate::database::APPLICATION_NAME;
use crate::polling::eventually;

/// The comments of background work (`audit_tree` also of reads of the tree, which no test counts). A
/// comment that begins with `task:` is background work too.
const BACKGROUND: [&str; 6] = [
    "tick",
    "sequence",
    "audit_tree",
    "budget",
    "health",
    "metrics",
];

/// Parts of the statements with which release 0.1, which writes no comments, does background work.
const UNNAMED_BACKGROUND: [&str; 8] = [
    "call_budgets",
    "FOR UPDATE SKIP LOCKED",
    "pg_advisory_xact_lock",
    "SET seq = last.seq",
    "sweeps s",
    "FROM _sqlx_migrations",
    "(account_id, aws_partition) <>",
    "FROM prepared_roles",
];

/// What Postgres's log begins each entry with: process, database and name of the application.
const PREFIX: &str = "|%p|%d|%a|";

/// A place in Postgres's log, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    place: usize,
    pings: usize,
}

/// The statements between two marks. BEGIN and COMMIT count as statements of what their transaction
/// is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statements {
    /// The statements that serve requests, and all that can't be recognised as background work.
    pub of_requests: Vec<String>,
    /// The statements of background work.
    pub of_background: Vec<String>,
    /// How often a client asked only whether its connection works. Postgres logs no such question;
    /// the installation's proxy counts them.
    pub pings: usize,
}

/// The log of an installation's Postgres server, which has every statement.
#[derive(Debug)]
pub struct StatementLog {
    file: PathBuf,
    database: String,
    observer: Client,
}

impl StatementLog {
    /// Makes Postgres log every statement from now on, also on open connections. The installation
    /// needs a server of its own; where it has a proxy too, pings are counted.
    ///
    /// # Panics
    /// When the installation shares its server, or Postgres rejects a setting.
    pub async fn start(installation: &mut Installation) -> Self {
        let file = installation.postgres().log_file();
        let url = installation.database.url();
        let mut config: Config = url.parse().expect("the URL is valid");
        config.application_name(APPLICATION_NAME);
        let database = config.get_dbname().expect("the URL names a database");
        let database = database.to_owned();
        let (observer, connection) = config.connect(NoTls).await.expect("Postgres answers");
        tokio::spawn(connection);
        for setting in [
            &format!("log_line_prefix = '{PREFIX}'"),
            "log_parameter_max_length = 0",
            "log_error_verbosity = terse",
            "log_statement = 'all'",
        ] {
            let set = format!("ALTER SYSTEM SET {setting}");
            observer.batch_execute(&set).await.expect("a setting");
        }
        let reload = "SELECT pg_reload_conf()";
        observer.batch_execute(reload).await.expect("reloaded");
        let log = Self {
            file: file.expect("the server was started by this process"),
            database,
            observer,
        };
        // A connection takes the settings over before its next statement, at the latest when the
        // postmaster has passed the signal on.
        eventually("statements are logged", async || {
            log.observer.batch_execute("SELECT 'settings'").await.ok()?;
            log.text().contains("SELECT 'settings'").then_some(())
        })
        .await;
        log
    }

    /// Marks the present. All statements that began before are before the mark.
    pub async fn mark(&self, installation: &Installation) -> Mark {
        let name = uuid::Uuid::new_v4().to_string();
        let statement = format!("SELECT 'mark {name}'");
        let marked = self.observer.batch_execute(&statement).await;
        marked.expect("Postgres answers");
        let place = eventually("the mark is logged", async || self.text().find(&name)).await;
        Mark {
            place,
            pings: installation.pings(),
        }
    }

    /// Waits until background work has run twice after a mark, so that nothing of a request that was
    /// answered before still runs.
    pub async fn settles(&self, since: Mark) {
        eventually("background work runs", async || {
            let text = self.text();
            let later = transactions(&text, &self.database).into_iter();
            let later = later.filter(|run| run.iter().all(|(place, _)| *place > since.place));
            let runs = later.filter(is_of_background).count();
            (runs >= 2).then_some(())
        })
        .await;
    }

    pub fn between(&self, from: Mark, to: Mark) -> Statements {
        let between = from.place..to.place;
        let mut statements = Statements::read(&self.text(), &self.database, &between);
        statements.pings = to.pings - from.pings;
        statements
    }

    fn text(&self) -> String {
        let bytes = std::fs::read(&self.file).expect("the log can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Statements {
    /// Reads the statements in a part of Postgres's log. The rest of the log shows what transactions
    /// are for of which only a BEGIN or a COMMIT is in this part. Entries of other databases and of
    /// the tests themselves are left out.
    pub fn read(log: &str, database: &str, part: &Range<usize>) -> Self {
        let mut found = Self::default();
        for transaction in transactions(log, database) {
            let list = if is_of_background(&transaction) {
                &mut found.of_background
            } else {
                &mut found.of_requests
            };
            let inside = transaction.into_iter();
            let inside = inside.filter(|(place, _)| part.contains(place));
            list.extend(inside.map(|(_, statement)| statement));
        }
        found
    }
}

impl Statements {
    /// Returns the statements that do not begin with a comment, without BEGIN and COMMIT.
    pub fn without_comment(&self) -> Vec<&str> {
        let all = self.of_requests.iter().chain(&self.of_background);
        let all = all.map(String::as_str);
        all.filter(|statement| !statement.starts_with("/*"))
            .filter(|statement| matches!(Kind::of(statement), Kind::Other))
            .collect()
    }
}

/// The statements of one transaction, each with its place in the log.
type Transaction = Vec<(usize, String)>;

/// Returns the transactions in a log, those without an end last.
fn transactions(log: &str, database: &str) -> Vec<Transaction> {
    let mut found = Vec::new();
    let mut open = BTreeMap::<&str, Transaction>::new();
    for entry in entries(log) {
        if entry.database != database || entry.application == APPLICATION_NAME {
            continue;
        }
        let Some(statement) = statement_of(&entry.message) else {
            continue;
        };
        let kind = Kind::of(&statement);
        let statement = (entry.place, statement);
        match (kind, open.get_mut(entry.process)) {
            (Kind::Begin, _) => drop(open.insert(entry.process, vec![statement])),
            (Kind::End, Some(transaction)) => {
                transaction.push(statement);
                found.extend(open.remove(entry.process));
            }
            (Kind::Other, Some(transaction)) => transaction.push(statement),
            (Kind::End | Kind::Other, None) => found.push(vec![statement]),
        }
    }
    found.extend(open.into_values());
    found
}

/// A statement's place in a transaction.
enum Kind {
    Begin,
    End,
    Other,
}

impl Kind {
    fn of(statement: &str) -> Self {
        match statement.to_ascii_uppercase().as_str() {
            // Behind a transaction pooler the time limits are set in the same message.
            text if text == "BEGIN" || text.starts_with("BEGIN; SET LOCAL") => Self::Begin,
            "COMMIT" | "ROLLBACK" => Self::End,
            _ => Self::Other,
        }
    }
}

fn is_of_background(transaction: &Transaction) -> bool {
    let mut statements = transaction.iter();
    statements.any(|(_, statement)| begins_as_background(statement))
}

fn begins_as_background(statement: &str) -> bool {
    match statement
        .strip_prefix("/*")
        .and_then(|rest| rest.split_once("*/"))
    {
        Some((comment, _)) => {
            let comment = comment.trim();
            BACKGROUND.contains(&comment) || comment.starts_with("task:")
        }
        None => UNNAMED_BACKGROUND
            .iter()
            .any(|part| statement.contains(part)),
    }
}

/// An entry of Postgres's log.
struct Entry<'a> {
    /// Where the entry begins, in bytes.
    place: usize,
    process: &'a str,
    database: &'a str,
    application: &'a str,
    message: String,
}

/// Splits a log at [`PREFIX`]. The other lines of an entry begin with a tab.
fn entries(log: &str) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut place = 0;
    for line in log.split_inclusive('\n') {
        let begin = place;
        place += line.len();
        let line = line.trim_end_matches('\n');
        if let Some(rest) = line.strip_prefix('\t') {
            if let Some(entry) = entries.last_mut() {
                entry.message.push('\n');
                entry.message.push_str(rest);
            }
            continue;
        }
        let mut fields = line.splitn(5, '|').skip(1);
        let mut field = || fields.next();
        if let (Some(process), Some(database), Some(application), Some(message)) =
            (field(), field(), field(), field())
        {
            entries.push(Entry {
                place: begin,
                process,
                database,
                application,
                message: message.to_owned(),
            });
        }
    }
    entries
}

/// Returns the statement of an entry; none for an entry about something else. With the simple
/// protocol Postgres logs `statement: …`, with the extended protocol `execute NAME: …`.
fn statement_of(message: &str) -> Option<String> {
    let message = message.strip_prefix("LOG:")?.trim_start();
    let statement = match message.strip_prefix("statement: ") {
        Some(statement) => statement,
        None => message.strip_prefix("execute ")?.split_once(": ")?.1,
    };
    Some(statement.trim().trim_end_matches(';').to_owned())
}
