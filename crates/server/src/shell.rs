//! The commands `completions` and `man`: files that the program's packages install.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

/// The arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Command whose page is printed, such as `role put` [default: the page of the whole program]
    command: Vec<String>,
    /// Write the pages of all commands into this directory instead, which is made if it is missing
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// Prints a completion script.
pub(crate) fn completions(args: &CompletionsArgs, mut program: Command) -> anyhow::Result<()> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    print(&script)
}

/// Prints a manual page, or writes all.
pub(crate) fn man(args: &ManArgs, mut program: Command) -> anyhow::Result<()> {
    if let Some(directory) = &args.dir {
        let written = std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(program, directory));
        return written.with_context(|| format!("can't write to {}", directory.display()));
    }
    program.build();
    let mut command = &program;
    for name in &args.command {
        let found = command.find_subcommand(name);
        command =
            found.with_context(|| format!("{} has no command {name:?}", command.get_name()))?;
    }
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    print(&page)
}

/// Prints generated text; a reader that wants no more of it is not an error.
fn print(text: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(text);
    Ok(crate::print::line(text.trim_end())?)
}
