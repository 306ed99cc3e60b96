//! Who may get into a rescue system, and what anybody else can find out: the host key is known before anybody connects and stays over boots;
//! the session's secrets stand in one file of its host while the session lasts, and nowhere afterwards. Real programs, Postgres and QEMU.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use api::server::StartRescue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::guest::{Guest, wait_task};
use e2e::{Stack, until};
use lifeboat::ssh::Key;
use pg_cluster::Cluster;
use types::rescue::{BootSecrets, hex, ssh_fingerprint};

/// A boot of the rescue system on a busy machine.
const BOOT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn only_the_host_key_of_the_api_is_met_and_no_secret_leaves_its_file() {
    let stack = Stack::up().await.unwrap();
    let mut web = Guest::off(&stack, "web1").await.unwrap();
    let key = Key::generate(&stack.state.path("keys")).await.unwrap();
    let wanted = StartRescue {
        ssh_keys: vec![key.public().unwrap()],
        password: Some("generate".parse().unwrap()),
        ..StartRescue::default()
    };
    let accepted = stack.client.perform("web1", &wanted).await.unwrap();
    let password = accepted.extra.rescue_session.and_then(|s| s.password).expect("the password is in the first answer");

    // As soon as the API tells the key; mostly the rescue system is still booting.
    let told = until(BOOT, "the host key in the API", async || Ok(web.session().await?.ssh_host_key)).await.unwrap();
    let login = key.login(web.ssh_port, &told).unwrap();
    wait_task(&stack, accepted.task.unwrap().id).await.unwrap();
    let session = web.session().await.unwrap();
    assert_eq!(session.ssh_host_key.as_ref(), Some(&told), "the proof names the key that was told before");
    assert_eq!(session.ssh_fingerprint, ssh_fingerprint(&told));
    // With StrictHostKeyChecking=yes.
    assert_eq!(login.run("id -u").await.unwrap().trim(), "0");

    let limit = Duration::from_secs(120);
    for (prompt, line) in [("login:", "root"), ("assword:", password.expose()), ("# ", "reboot")] {
        web.screen.until(&[prompt], limit).await.unwrap();
        web.screen.type_line(line);
    }
    let again = async || {
        let session = web.session().await?;
        Ok((session.boot == 2 && session.is_ready).then_some(session))
    };
    let session = until(BOOT, "the second boot's proof", again).await.unwrap();
    assert_eq!(session.ssh_host_key.as_ref(), Some(&told));
    assert_eq!(login.run("id -u").await.unwrap().trim(), "0", "nobody is warned after a reboot");

    let file = web.folder().join("rescue/secrets.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let secrets: BootSecrets = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let host_key = secrets.host_key.expect("a host key");
    assert_eq!(host_key.line().as_ref(), Some(&told));
    let needles = needles(&[
        password.expose(),
        secrets.password_hash.expect("a hash").expose(),
        secrets.key.expose(),
        host_key.seed.expose(),
    ]);
    let id = session.id.to_string();
    let found = search(&stack, &needles, &id).await;
    assert_eq!(
        found,
        [file.display().to_string()],
        "while the session lasts its secrets stand in one file, and nowhere else"
    );

    stack.climc(&["server-stop-rescue", "web1", "--wait"]).await.unwrap();
    assert!(!file.exists() && !web.folder().join("rescue").exists());
    assert_eq!(search(&stack, &needles, &id).await, [""; 0], "and then nowhere");
    let sealed = format!("select credentials is null from rescue_sessions where id = '{id}'");
    let psql = pg_cluster::Binaries::find().unwrap().psql;
    assert_eq!(output(Command::new(psql).arg(database(&stack)).args(["-Atc", &sealed])), b"t\n");
    login.run("true").await.expect_err("nobody is there any more");
}

/// Secrets in the forms in which they could lie about: as they are, and as bytes columns and JSON would have them.
fn needles(secrets: &[&str]) -> String {
    let forms = |secret: &&str| {
        assert!(secret.len() >= 8, "too short to look for");
        [(*secret).to_owned(), hex(secret.as_bytes()), BASE64_STANDARD.encode(secret).trim_end_matches('=').to_owned()]
    };
    secrets.iter().flat_map(forms).collect::<Vec<_>>().join("\n")
}

/// Where one of them is found: in the files of all programs (configuration, logs, descs, guests' folders), the database, processes'
/// arguments and environments, answers of the API.
async fn search(stack: &Stack, needles: &str, session: &str) -> Vec<String> {
    let root = stack.state.root();
    let mut found = Vec::new();
    let mut grep = Command::new("grep");
    grep.args([
        "-raFl",
        "--exclude=*.qcow2",
        "--exclude=kernel",
        "--exclude=initramfs",
        "--exclude-dir=store",
        "-f",
        "-",
    ]);
    let (hits, _) = fed(grep.arg(root), needles.as_bytes());
    found.extend(String::from_utf8(hits).unwrap().lines().map(str::to_owned));

    let dump = output(tool("pg_dump").arg(database(stack)));
    assert!(dump.len() > 1000 && contains(&dump, session), "the dump has the session's row");
    let mut look = |place: String, content: &[u8]| {
        if needles.lines().any(|needle| contains(content, needle)) {
            found.push(place);
        }
    };
    look("the database".into(), &dump);

    let mut ours = 0;
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        for what in ["cmdline", "environ"] {
            let content = std::fs::read(process.path().join(what)).unwrap_or_default();
            ours += usize::from(contains(&content, &root.display().to_string()));
            look(format!("{} of {:?}", what, process.file_name()), &content);
        }
    }
    assert!(ours > 3, "there were processes to look at");

    let all = api::ListQuery { limit: 200, ..api::ListQuery::default() };
    for plural in ["servers", "rescuesessions", "tasks", "events"] {
        let rows = stack.client.rows(plural, &all).await.unwrap();
        assert!(!rows.is_empty(), "{plural}");
        rows.iter().for_each(|row| look(format!("/{plural}"), row.to_string().as_bytes()));
    }
    for detail in ["rescue", "tasks", "desc", "metadata"] {
        let answer = stack.client.detail::<api::server::Servers>("web1", detail).await.unwrap();
        look(format!("/servers/web1/{detail}"), answer.to_string().as_bytes());
    }
    found
}

fn contains(content: &[u8], needle: &str) -> bool {
    content.windows(needle.len()).any(|window| window == needle.as_bytes())
}

fn database(stack: &Stack) -> String {
    let folder: PathBuf = stack.state.path("postgres");
    Cluster::running(&folder).unwrap().expect("the private Postgres runs").url("lifeboat")
}

/// Beside the server's own programs, as their versions must fit.
fn tool(name: &str) -> Command {
    let server = pg_cluster::Binaries::find().unwrap().postgres;
    Command::new(server.parent().unwrap_or(Path::new("/")).join(name))
}

fn output(command: &mut Command) -> Vec<u8> {
    let (printed, done) = fed(command, b"");
    assert!(done, "{command:?}");
    printed
}

/// What it prints, given this to read; whether it ended with 0.
fn fed(command: &mut Command, input: &[u8]) -> (Vec<u8>, bool) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().expect("a pipe").write_all(input).unwrap();
    let done = child.wait_with_output().unwrap();
    (done.stdout, done.status.success())
}
