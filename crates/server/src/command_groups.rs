//! The groups in which `--help` lists the commands.

use clap::Command;
use clap::builder::StyledStr;

/// The headings and the commands below each. A command that no group names is in the last one.
const GROUPS: [(&str, &[&str]); 3] = [
    (
        "Server commands, which use the database and AWS directly",
        &["serve", "migrate", "check", "keys", "orphans"],
    ),
    (
        "Client commands, which ask a running service over HTTP",
        &[
            "status",
            "healthcheck",
            "login",
            "log-level",
            "role",
            "audit",
        ],
    ),
    (
        "Other commands",
        &["policy", "openapi", "completions", "man"],
    ),
];

/// Returns the program with a help that lists the commands in groups. (clap has headings for flags
/// only.)
pub(crate) fn in_groups(program: Command) -> Command {
    let text = help(&program);
    program.help_template(text)
}

fn help(program: &Command) -> StyledStr {
    use std::fmt::Write;

    let style = *program.get_styles().get_header();
    let literal = *program.get_styles().get_literal();
    let mut text = StyledStr::new();
    let mut add = |part: std::fmt::Arguments<'_>| {
        text.write_fmt(part).expect("text can be written to memory");
    };
    add(format_args!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n"
    ));
    let commands = || {
        program
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
    };
    let width = commands().map(|command| command.get_name().len()).max();
    for (heading, names) in GROUPS {
        add(format_args!("\n{style}{heading}:{style:#}\n"));
        for command in commands().filter(|command| group(command.get_name()) == names) {
            let (name, about) = (command.get_name(), command.get_about());
            let about = about.map(ToString::to_string).unwrap_or_default();
            let padding = width.unwrap_or_default() - name.len();
            add(format_args!(
                "  {literal}{name}{literal:#}{:padding$}  {about}\n",
                ""
            ));
        }
    }
    add(format_args!(
        "\n{style}Options:{style:#}\n{{options}}{{after-help}}"
    ));
    text
}

/// Returns the commands of the group in which a command is.
fn group(name: &str) -> &'static [&'static str] {
    let mut groups = GROUPS.iter().map(|(_, names)| *names);
    let found = groups.clone().find(|names| names.contains(&name));
    found.unwrap_or_else(|| groups.next_back().expect("there are groups"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn each_command_is_in_one_group_and_each_name_is_a_command() {
        let program = Cli::command();
        let commands: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
        let named = || GROUPS.iter().flat_map(|(_, names)| names.iter().copied());
        assert_eq!(named().count(), named().collect::<BTreeSet<_>>().len());
        let named: BTreeSet<&str> = named().collect();
        assert_eq!(commands.into_iter().collect::<BTreeSet<_>>(), named);
    }

    #[test]
    fn the_help_lists_each_command_below_the_heading_of_its_group() {
        let help = in_groups(Cli::command()).render_help().to_string();
        let place = |text: &str| {
            help.find(text)
                .unwrap_or_else(|| panic!("no {text}: {help}"))
        };
        for (heading, names) in GROUPS {
            for name in names {
                assert!(place(heading) < place(&format!("\n  {name} ")), "{help}");
            }
        }
        assert!(place("\n  orphans ") < place(GROUPS[1].0), "{help}");
        assert!(place("\n  role ") < place(GROUPS[2].0), "{help}");
        assert!(place("Options:") < place("--version"), "{help}");
    }
}
