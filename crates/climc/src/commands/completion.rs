//! `completion`: what a shell needs to complete commands and options.

use clap::Subcommand;
use clap_complete::Shell;

use crate::exit::Exit;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a completion script for a shell
    #[command(after_help = "Examples:\n  climc completion bash > /etc/bash_completion.d/climc\n  \
        climc completion zsh > ~/.zfunc/_climc\n  climc completion fish > ~/.config/fish/completions/climc.fish")]
    Completion { shell: Shell },
}

pub fn run(shell: Shell) -> Result<(), Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::command(), "climc", &mut script);
    Ok(std::io::Write::write_all(&mut std::io::stdout(), &script)?)
}
