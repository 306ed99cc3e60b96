//! Help and mistakes of usage in Chinese: the same tree of commands, with other words.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::{chinese, say};

/// Every text that [`translate`] would put another in place of.
#[cfg(test)]
pub fn texts(root: &Command, see: &mut dyn FnMut(&str)) {
    let mut told = |text: Option<&clap::builder::StyledStr>| {
        if let Some(text) = text {
            see(&text.to_string());
        }
    };
    told(root.get_about());
    for command in root.get_subcommands() {
        told(command.get_about());
    }
    for command in std::iter::once(root).chain(root.get_subcommands()) {
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            if let Some(help) = arg.get_help() {
                see(&help.to_string());
            }
            if let Some(heading) = arg.get_help_heading() {
                see(heading);
            }
        }
        for unit in [command.get_after_help(), command.get_before_help()].into_iter().flatten() {
            units(&unit.to_string(), &mut |unit| {
                see(unit);
                None
            });
        }
    }
}

/// The command line with Chinese help.
pub fn translate(command: Command) -> Command {
    let root =
        words(command).help_template("{about-with-newline}\n用法：{usage}\n\n{before-help}{all-args}{after-help}");
    let names: Vec<String> = root.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(root, |root, name| {
        root.mut_subcommand(name, |sub| {
            words(sub).help_template("{before-help}{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}")
        })
    })
}

fn words(mut command: Command) -> Command {
    if let Some(about) = command.get_about().map(ToString::to_string) {
        command = command.about(of(&about));
    }
    if let Some(after) = command.get_after_help().map(ToString::to_string) {
        command = command.after_help(prose(&after));
    }
    if let Some(before) = command.get_before_help().map(ToString::to_string) {
        command = command.before_help(prose(&before));
    }
    let flags = [("help", 'h', ArgAction::Help, "显示帮助"), ("version", 'V', ArgAction::Version, "显示版本")];
    let root = command.get_name() == "climc";
    command = command.mut_args(argument).disable_help_flag(true).disable_version_flag(true);
    for (name, short, action, help) in flags.into_iter().filter(|(name, ..)| root || *name == "help") {
        command = command.arg(Arg::new(name).short(short).long(name).action(action).help(help).help_heading("选项"));
    }
    command
}

fn argument(arg: Arg) -> Arg {
    let mut help = arg.get_help().map(|help| of(&help.to_string())).unwrap_or_default();
    let defaults: Vec<String> = arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect();
    // What clap would say in English.
    if !defaults.is_empty() && arg.get_action().takes_values() && !arg.is_hide_default_value_set() {
        help.push_str(&format!(" [默认：{}]", defaults.join(" ")));
    }
    let possible: Vec<String> =
        arg.get_possible_values().iter().filter(|v| !v.is_hide_set()).map(|v| v.get_name().to_owned()).collect();
    if !possible.is_empty() && arg.get_action().takes_values() && !arg.is_hide_possible_values_set() {
        help.push_str(&format!(" [可选值：{}]", possible.join("、")));
    }
    let aliases: Vec<String> = arg.get_visible_aliases().unwrap_or_default().iter().map(|a| format!("--{a}")).collect();
    if !aliases.is_empty() {
        help.push_str(&format!(" [别名：{}]", aliases.join("、")));
    }
    let heading = match (arg.get_help_heading(), arg.is_positional()) {
        (Some(heading), _) => of(heading),
        (None, true) => "参数".to_owned(),
        (None, false) => "选项".to_owned(),
    };
    let mut plain = arg.clone();
    for alias in arg.get_visible_aliases().unwrap_or_default() {
        plain = plain.alias(alias.to_owned());
    }
    let takes = arg.get_action().takes_values();
    plain.help(help).help_heading(heading).hide_default_value(takes).hide_possible_values(takes)
}

fn of(english: &str) -> String {
    chinese(english).unwrap_or(english).to_owned()
}

/// Text with examples: paragraphs are translated, lines that are indented (commands, tables) stay, but for what is said beside them.
fn prose(english: &str) -> String {
    units(english, &mut chinese)
}

/// Goes through the units of a text that are translated by themselves; puts what it is answered in their place.
fn units(english: &str, see: &mut dyn FnMut(&str) -> Option<&'static str>) -> String {
    let mut out = String::new();
    let mut paragraph: Vec<&str> = Vec::new();
    let flush = |paragraph: &mut Vec<&str>, out: &mut String, see: &mut dyn FnMut(&str) -> Option<&'static str>| {
        if paragraph.is_empty() {
            return;
        }
        let whole = paragraph.join(" ");
        match see(&whole) {
            Some(text) => out.push_str(text),
            None => out.push_str(&paragraph.join("\n")),
        }
        out.push('\n');
        paragraph.clear();
    };
    for line in english.lines() {
        if line.is_empty() || line.starts_with(' ') {
            flush(&mut paragraph, &mut out, see);
            // `  command   # words`, `  name   words`
            let (command, said) = beside(line);
            out.push_str(command);
            if let Some(said) = said {
                out.push_str(see(said).unwrap_or(said));
            }
            out.push('\n');
        } else if line.ends_with(':') && line.len() < 60 {
            flush(&mut paragraph, &mut out, see);
            paragraph.push(line);
            flush(&mut paragraph, &mut out, see);
        } else {
            paragraph.push(line);
        }
    }
    flush(&mut paragraph, &mut out, see);
    out.trim_end().to_owned()
}

/// An indented line: what stays, and the words beside it.
fn beside(line: &str) -> (&str, Option<&str>) {
    if let Some(at) = line.find("  # ") {
        return (&line[..at + 4], Some(&line[at + 4..]));
    }
    // A table: a short word, a gap, words.
    let trimmed = line.trim_start();
    let indent = line.len() - trimmed.len();
    match trimmed.split_once(' ') {
        Some((word, rest))
            if word != "climc" && word.len() < 30 && indent == 2 && !rest.trim().is_empty() && is_table(word, rest) =>
        {
            let said = rest.trim_start();
            (&line[..line.len() - said.len()], Some(said))
        }
        _ => (line, None),
    }
}

/// Names of commands and numbers of exit codes begin a row.
fn is_table(word: &str, _rest: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_digit())
        || (word.contains('-') && !word.starts_with('-'))
        || matches!(word, "login" | "completion" | "watch" | "man")
}

/// A mistake of usage, told in Chinese; `None`: clap tells it (help, version).
pub fn mistake(error: &clap::Error) -> Option<String> {
    let get = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join("、"),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        Some(ContextValue::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let (arg, value) = (get(ContextKind::InvalidArg), get(ContextKind::InvalidValue));
    let mut told = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return None;
        }
        ErrorKind::InvalidSubcommand => {
            say!("there is no command '{name}'", name = get(ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingSubcommand => say!("a command is missing"),
        ErrorKind::UnknownArgument => say!("there is no option '{arg}' here", arg = arg),
        ErrorKind::MissingRequiredArgument => say!("this is missing: {arg}", arg = arg),
        ErrorKind::ArgumentConflict => {
            say!("'{arg}' and '{other}' can't be used together", arg = arg, other = get(ContextKind::PriorArg))
        }
        ErrorKind::InvalidValue if value.is_empty() => say!("'{arg}' needs a value", arg = arg),
        ErrorKind::InvalidValue => {
            say!(
                "'{value}' is no value for '{arg}'; possible are: {valid}",
                value = value,
                arg = arg,
                valid = get(ContextKind::ValidValue)
            )
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            say!("'{value}' is no value for '{arg}': {why}", value = value, arg = arg, why = why)
        }
        ErrorKind::TooManyValues => say!("'{value}' is one value too many for '{arg}'", value = value, arg = arg),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            say!("'{arg}' needs another number of values", arg = arg)
        }
        ErrorKind::NoEquals => say!("'{arg}' wants '=' before its value", arg = arg),
        ErrorKind::InvalidUtf8 => say!("the command line is not UTF-8"),
        _ => error.to_string(),
    };
    let near =
        [get(ContextKind::SuggestedSubcommand), get(ContextKind::SuggestedArg), get(ContextKind::SuggestedValue)];
    for near in near.iter().filter(|near| !near.is_empty()) {
        told.push_str(&format!("\n{}", say!("Perhaps you mean: {near}", near = near)));
    }
    let usage = get(ContextKind::Usage);
    if let Some(usage) = usage.trim().strip_prefix("Usage:") {
        told.push_str(&format!("\n\n{}", say!("Usage: {usage}", usage = usage.trim_start())));
    }
    told.push_str(&format!("\n\n{}", say!("For more, try '--help'.")));
    Some(told)
}
