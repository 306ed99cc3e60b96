//! Completions, each in the shell that it is for. bash is needed; zsh and fish are asked where they are installed, and missed loudly.

#[path = "program/mod.rs"]
mod program;
#[path = "../../client/tests/region/mod.rs"]
mod region;

use std::path::Path;
use std::process::{Command, Output};

use program::Program;
use region::{Region, server};
use serde_json::json;

/// Whether a shell is installed.
fn there(shell: &str) -> bool {
    let there = Command::new(shell).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("SKIPPED: {shell} is not installed, its completion is not tried (Debian: apt install {shell})");
    }
    there
}

/// Runs a script of a shell beside the program, on a stack with two servers; answers what it prints.
async fn run(shell: &[&str], script: &str) -> String {
    let region = Region::start().await;
    let servers = [server("web1", "ready", "shutoff"), server("web2", "rescue", "running")];
    region.json("GET /servers", 200, json!({"servers": servers, "total": 2, "limit": 500, "offset": 0}));
    let program = Program::new(&region);
    // Named as zsh wants files of its function path to be; the others do not mind.
    let file = program.path("functions/_climc");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let printed = program.run(&["completion", shell[0]]).await;
    assert!(printed.code == 0 && printed.err.is_empty(), "{printed:?}");
    std::fs::write(&file, &printed.out).unwrap();
    let folder = Path::new(env!("CARGO_BIN_EXE_climc")).parent().unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display());
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(script).env_clear().env("HOME", program.home.path()).env("PATH", path);
    command.envs(program.environment.iter().map(|(k, v)| (k, v))).env("SCRIPT", file).env("TERM", "dumb");
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(status.success() && err.is_empty(), "{out}\n{err}");
    out
}

/// The words that a shell offers, one a line. For each: words so far, what must be offered, what must not.
const WANTED: &[(&str, &[&str], &[&str])] = &[
    ("climc server-start-r", &["server-start-rescue"], &["server-start", "host-list"]),
    ("climc server-start-rescue web", &["web1", "web2"], &["server-list"]),
    ("climc server-start-rescue web1 --disk-mode ", &["rw", "ro", "overlay"], &["web2"]),
    ("climc -o ya", &["yaml"], &["json"]),
    ("climc server-start-rescue --pass", &["--password"], &["--parallel"]),
];

fn check(shell: &str, line: &str, offered: &[&str]) {
    let (_, wanted, unwanted) = WANTED.iter().find(|(known, ..)| *known == line).unwrap();
    for word in *wanted {
        assert!(offered.contains(word), "{shell}: {line}<Tab> does not offer {word}: {offered:?}");
    }
    for word in *unwanted {
        assert!(!offered.contains(word), "{shell}: {line}<Tab> offers {word}: {offered:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bash_completes_commands_names_and_values() {
    for (line, ..) in WANTED {
        // As readline calls it: the words, where the cursor is, and the three arguments of the function.
        let script = format!(
            r#"source "$SCRIPT" && [[ $(complete -p climc) == *"-F _clap_complete_climc climc" ]] || exit 9
            COMP_LINE='{line}' COMP_POINT={point} COMP_TYPE=9
            read -ra COMP_WORDS <<< "$COMP_LINE"; [[ "$COMP_LINE" == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
            _clap_complete_climc climc "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD - 1]}}"
            printf '%s\n' "${{COMPREPLY[@]}}""#,
            point = line.len()
        );
        let out = run(&["bash", "--noprofile", "--norc", "-c"], &script).await;
        check("bash", line, &out.lines().map(str::trim).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fish_completes_commands_names_and_values() {
    if !there("fish") {
        return;
    }
    for (line, ..) in WANTED {
        let out = run(&["fish", "--no-config", "-c"], &format!("source $SCRIPT; complete -C '{line}'")).await;
        // A word, a tab, what it is.
        let offered: Vec<&str> = out.lines().filter_map(|line| line.split('\t').next()).collect();
        check("fish", line, &offered);
    }
}

/// zsh completes only in a line that is edited: a shell of its own behind a pseudo-terminal, whose completion writes down what is offered.
#[tokio::test(flavor = "multi_thread")]
async fn zsh_completes_commands_names_and_values() {
    if !there("zsh") {
        return;
    }
    for (line, ..) in WANTED {
        let script = format!(
            r#"zmodload zsh/zpty && zpty inner zsh -f -i
            zpty -w inner 'PS1= PS2=; autoload -Uz compinit; fpath=(${{SCRIPT:h}} $fpath); compinit -u -D; [[ $_comps[climc] == _climc ]] || exit 9'
            zpty -w inner 'compadd() {{ builtin compadd "$@"; local -a got; builtin compadd -O got "$@"; print -rl -- $got >> $HOME/offered }}'
            zpty -w inner 'done-now() {{ : > $HOME/done }}; zle -N done-now; bindkey "^T" done-now; zstyle ":completion:*" list-prompt ""'
            zpty -w -n inner '{line}'$'\t'$'\x14'
            while [[ ! -e $HOME/done ]] && (( SECONDS < 30 )); do zpty -r -t inner piece >/dev/null || zselect -t 2; done
            zpty -d inner; cat $HOME/offered"#
        );
        let out = run(&["zsh", "-f", "-c"], &format!("zmodload zsh/zselect; {script}")).await;
        check("zsh", line, &out.lines().collect::<Vec<_>>());
    }
}
