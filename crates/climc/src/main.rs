//! `climc`: the command line. Data goes to stdout, everything else to stderr.
//!
//! Read in this order:
//! * [`cli`]: the whole command line, its groups and its help.
//! * [`connect`]: where the service is and who asks: options, `OS_*` variables, a credentials file.
//! * [`commands`]: one file per resource; a verb is one line in an enum and one in a match.
//! * [`batch`]: a verb on many ids at once, and `--wait`; [`progress`]: stages as lines or drawn.
//! * [`console`]: the serial console, at a terminal and in scripts.
//! * [`output`]: table, json, yaml, kv; [`text`]: what may be shown on a terminal.
//! * [`exit`]: exit codes; [`told`]: failures of requests in words, and the next step; [`traced`]: the command as the beginning of a trace.
//! * [`lang`]: English and Chinese.

mod batch;
mod cli;
mod commands;
mod connect;
mod console;
mod exit;
mod lang;
mod output;
mod progress;
mod text;
mod told;
mod traced;

fn main() {
    if commands::completion::answer() {
        return;
    }
    let code = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli::run(std::env::args_os())),
        Err(error) => {
            eprintln!("climc: {}", lang::say!("cannot start: {error}", error = error));
            exit::FAILED
        }
    };
    // Not by return: a thread may still be reading the terminal.
    std::process::exit(code);
}
