//! `man`: manual pages, in the language of the help.

use std::path::PathBuf;

use clap::Subcommand;

use crate::exit::Exit;
use crate::lang::say;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the manual page of climc, or write those of all commands into a folder
    #[command(
        after_help = "Examples:\n  climc man | man -l -\n  climc man --dir ~/.local/share/man/man1 && man climc-server-start-rescue"
    )]
    Man(Args),
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write climc.1 and climc-COMMAND.1 into this folder, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), Exit> {
    let mut root = crate::cli::shown();
    root.build();
    let Some(folder) = &args.dir else {
        return Ok(clap_mangen::Man::new(root).render(&mut std::io::stdout())?);
    };
    let failed = |error| Exit::failed(say!("cannot write {path}: {error}", path = folder.display(), error = error));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut pages = 0;
    let subs: Vec<clap::Command> = root.get_subcommands().filter(|sub| sub.get_name() != "help").cloned().collect();
    for (name, command) in std::iter::once(("climc".to_owned(), root))
        .chain(subs.into_iter().map(|sub| (format!("climc-{}", sub.get_name()), sub.clone())))
    {
        // A page is called by what is typed for it: man climc-server-show.
        let command = command.name(name.clone());
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(failed)?;
        std::fs::write(folder.join(format!("{name}.1")), page).map_err(failed)?;
        pages += 1;
    }
    eprintln!("climc: {}", say!("{pages} pages are in {path}", pages = pages, path = folder.display()));
    Ok(())
}
