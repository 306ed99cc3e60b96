//! A password that is to be set: asked for on the terminal (twice), else the first line of stdin or of a file. Never an argument, which
//! everybody on the machine could read.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use api::account::check_password;
use types::Secret;

use super::{login, refuse};
use crate::exit::Exit;
use crate::lang::{self, say};

#[derive(Debug, clap::Args)]
pub struct Source {
    /// File whose first line is the password; without it the terminal asks, or else it is the first line of stdin
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Source {
    pub async fn read(&self) -> Result<Secret, Exit> {
        let password = match &self.password_file {
            Some(file) => {
                let text =
                    std::fs::read_to_string(file).map_err(|e| Exit::usage(format!("{}: {e}", file.display())))?;
                first(&text)
            }
            None if std::io::stdin().is_terminal() => {
                let typed = login::ask(lang::text("New password: ")).await?;
                if login::ask(lang::text("Once more: ")).await? != typed {
                    return Err(Exit::usage(say!("the two are not the same")));
                }
                typed
            }
            None => {
                let mut line = String::new();
                std::io::stdin().lock().read_line(&mut line)?;
                first(&line)
            }
        };
        check_password(&password).map_err(|invalid| refuse(&invalid))?;
        Ok(password)
    }
}

fn first(text: &str) -> Secret {
    Secret::new(text.lines().next().unwrap_or_default())
}
