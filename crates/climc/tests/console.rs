//! The serial console, for scripts and at a real terminal (a pseudo-terminal of the kernel).

#[path = "program/mod.rs"]
mod program;
#[path = "../../client/tests/region/mod.rs"]
mod region;
#[path = "program/terminal.rs"]
mod terminal;

use std::time::Duration;

use program::Program;
use region::{Region, error};
use rustix::termios::{LocalModes, tcgetattr};
use terminal::{at, terminal};

#[tokio::test]
async fn a_script_ends_when_its_text_was_seen() {
    let region = Region::start().await;
    let program = Program::new(&region);
    let ran = program
        .run_with(&["server-console", "web1", "--after", "# ", "--until", "world", "--timeout", "30"], "hello\n")
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("web1 login: root\n# hello\nworld\n# \n", ""));
}

#[tokio::test]
async fn what_the_console_showed_before_is_no_answer() {
    let region = Region::start().await;
    let program = Program::new(&region);
    // "login:" stands in what the console begins with; with nothing to type it counts, else it does not.
    let looked = program.run(&["server-console", "web1", "--until", "login:", "--timeout", "30"]).await;
    assert_eq!(looked.code, 0, "{looked:?}");
    let typed = program.run_with(&["server-console", "web1", "--until", "login:", "--timeout", "2"], "hello\n").await;
    assert!(typed.code == 3 && typed.out.contains("world"), "{typed:?}");
}

#[tokio::test]
async fn a_script_that_waits_in_vain_is_told_so() {
    let region = Region::start().await;
    let program = Program::new(&region);
    let late = program.run_with(&["server-console", "web1", "--until", "never", "--timeout", "1"], "hello\n").await;
    assert_eq!(late.code, 3, "{late:?}");
    assert!(late.out.contains("world") && late.err.contains("'never' was not seen in the time given"), "{late:?}");
    let closed = program.run_with(&["server-console", "web1", "--until", "never", "--timeout", "30"], "exit\n").await;
    assert!(closed.code == 1 && closed.err.contains("before the console closed"), "{closed:?}");
    let crashed = program.run_with(&["server-console", "web1", "--timeout", "30"], "crash\n").await;
    assert!(crashed.code == 1 && crashed.err.contains("the server was switched off"), "{crashed:?}");
}

#[tokio::test]
async fn without_a_text_a_script_ends_with_silence() {
    let region = Region::start().await;
    let program = Program::new(&region);
    let ran = program.run_with(&["server-console", "web1", "--idle", "1"], "hello\n").await;
    assert!(ran.code == 0 && ran.out.contains("\nworld\n") && !ran.out.contains('\x1b'), "{ran:?}");
    region.json("GET /servers/web2/console", 409, error(409, "InvalidStatusError", "server is ready: start it first"));
    let off = program.run(&["server-console", "web2"]).await;
    assert!(off.code == 1 && off.err.contains("start it first"), "{off:?}");
}

#[tokio::test]
async fn at_a_terminal_keys_go_through_and_ctrl_right_bracket_leaves() {
    let region = Region::start().await;
    let (mut person, terminal) = terminal();
    let before = tcgetattr(&terminal).unwrap();
    assert!(before.local_modes.contains(LocalModes::ECHO | LocalModes::ICANON));
    let program = Program::new(&region);
    let mut child = at(&terminal, program.command(&["server-console", "web1"])).spawn().unwrap();

    assert!(person.sees("# ").await.contains("Ctrl-] leaves"));
    assert!(
        !tcgetattr(&terminal).unwrap().local_modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    );
    // Colours go through as they are, and so do Ctrl-C and Ctrl-D, which are the server's.
    person.types("\x03\x04\rhello\r");
    assert!(person.sees("orld").await.contains("\x1b[31m"));
    person.types("\x1d");
    person.sees("the server goes on").await;
    let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.expect("it does not leave").unwrap();
    assert_eq!(status.code(), Some(0));
    let after = tcgetattr(&terminal).unwrap();
    assert_eq!(
        (after.local_modes, after.input_modes, after.output_modes),
        (before.local_modes, before.input_modes, before.output_modes)
    );
}

#[tokio::test]
async fn the_terminal_is_given_back_when_the_service_ends_it() {
    let region = Region::start().await;
    let (mut person, terminal) = terminal();
    let before = tcgetattr(&terminal).unwrap();
    let program = Program::new(&region);
    let mut child = at(&terminal, program.command(&["server-console", "web1"])).spawn().unwrap();
    person.sees("# ").await;
    person.types("crash\r");
    person.sees("the server was switched off").await;
    let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.expect("it does not end").unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(tcgetattr(&terminal).unwrap().local_modes, before.local_modes);
}

#[tokio::test]
async fn a_password_is_asked_for_and_not_shown() {
    let region = Region::start().await;
    let (mut person, terminal) = terminal();
    let before = tcgetattr(&terminal).unwrap();
    let url = region.auth_url();
    let program = Program::without_credentials().with(&[("OS_AUTH_URL", &url), ("OS_USERNAME", "admin")]);
    let mut child = at(&terminal, program.command(&["login"])).spawn().unwrap();
    person.sees("Password: ").await;
    let hidden = async {
        while tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ECHO) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), hidden).await.expect("the password is shown");
    person.types(&format!("{}\n", region::PASSWORD));
    let seen = person.sees("region_url").await;
    assert!(seen.contains("| admin") && !seen.contains(region::PASSWORD), "{seen}");
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert_eq!(tcgetattr(&terminal).unwrap().local_modes, before.local_modes);
}
