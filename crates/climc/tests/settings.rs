//! Where the service is and who asks: profiles, variables, options; and manual pages, which need no service.

#[path = "program/mod.rs"]
mod program;
#[path = "../../client/tests/region/mod.rs"]
mod region;

use std::process::Command;

use program::Program;
use region::{PASSWORD, Region};
use serde_json::json;

/// Two services, each a profile; the first is the default.
async fn two() -> (Region, Region, Program) {
    let (one, two) = (Region::start().await, Region::start().await);
    for region in [&one, &two] {
        region.json("GET /hosts", 200, json!({"hosts": [], "total": 0, "limit": 20, "offset": 0}));
    }
    let profile = |name: &str, region: &Region| {
        let url = region.auth_url();
        format!(
            "[profile.{name}]\nauth_url = '{url}'\nusername = 'admin'\npassword = '{PASSWORD}'\nproject_name = '{name}'\n"
        )
    };
    let program = Program::without_credentials();
    let file = program.path(".config/lifeboat/climc.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, format!("default = 'one'\n{}{}", profile("one", &one), profile("two", &two))).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, private).unwrap();
    (one, two, program)
}

#[tokio::test]
async fn a_profile_is_chosen_by_option_by_variable_or_by_default() {
    let (one, two, program) = two().await;
    let asked = |region: &Region| region.seen("GET /hosts").len();
    let ran = program.run(&["host-list"]).await;
    assert_eq!((ran.code, ran.err.as_str(), asked(&one), asked(&two)), (0, "", 1, 0), "{ran:?}");
    assert_eq!(program.run(&["--profile", "two", "host-list"]).await.code, 0);
    assert_eq!((asked(&one), asked(&two)), (1, 1));
    let login: serde_json::Value = serde_json::from_str(&two.seen("POST /v3/auth/tokens")[0].body).unwrap();
    assert_eq!(login["auth"]["scope"]["project"]["name"], "two");

    let listed = program.run(&["profile-list", "-o", "json"]).await;
    assert_eq!((&listed.json()[0]["name"], &listed.json()[0]["default"]), (&json!("one"), &json!(true)));
    let program = program.with(&[("LIFEBOAT_PROFILE", "two")]);
    assert_eq!(program.run(&["host-list"]).await.code, 0);
    assert_eq!((asked(&one), asked(&two)), (1, 2));
    // A variable counts before a profile that a variable names; an option before both.
    let url = one.auth_url();
    let variables = program.with(&[
        ("OS_AUTH_URL", &url),
        ("OS_PASSWORD", PASSWORD),
        ("OS_USERNAME", "admin"),
        ("OS_TENANT_NAME", "p"),
    ]);
    assert_eq!(variables.run(&["host-list"]).await.code, 0);
    assert_eq!((asked(&one), asked(&two)), (2, 2));
    assert_eq!(variables.run(&["host-list", "--profile", "two"]).await.code, 0);
    assert_eq!((asked(&one), asked(&two)), (2, 3));
}

#[tokio::test]
async fn a_profile_that_is_not_there_or_not_understood_is_named() {
    let (_one, _two, program) = two().await;
    let ran = program.run(&["--profile", "three", "host-list"]).await;
    assert!(ran.code == 2 && ran.err.contains("'three'") && ran.err.contains("one, two"), "{ran:?}");
    let file = program.path("broken.toml");
    std::fs::write(&file, "[profile.a]\npasword = 'hunter2'\n").unwrap();
    let ran = program.run(&["--config", file.to_str().unwrap(), "host-list"]).await;
    assert!(ran.code == 2 && ran.err.contains("line 2") && !ran.err.contains("hunter2"), "{ran:?}");
}

#[tokio::test]
async fn a_token_of_another_tool_is_taken() {
    let region = Region::start().await;
    region.json("GET /hosts", 200, json!({"hosts": [], "total": 0, "limit": 20, "offset": 0}));
    let program = Program::new(&region);
    assert_eq!(program.run(&["host-list"]).await.code, 0);
    let url = region.auth_url();
    let with_token = Program::without_credentials().with(&[("OS_AUTH_URL", &url), ("OS_AUTH_TOKEN", "token-1")]);
    let ran = with_token.run(&["host-list"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert_eq!(region.seen("POST /v3/auth/tokens").len(), 1, "nobody logs in with a token at hand");
}

#[tokio::test]
async fn the_language_follows_the_locale() {
    let region = Region::start().await;
    let program = Program::new(&region).with(&[("LC_ALL", "zh_CN.UTF-8")]);
    let help = program.run(&["help"]).await;
    assert!(help.code == 0 && help.out.contains("列出服务器") && help.out.contains("退出码："), "{help:?}");
    let missing = program.run(&["server-show", "web9"]).await;
    assert!(
        missing.code == 1 && missing.err.contains("没有这样的东西") && missing.err.contains("下一步："),
        "{missing:?}"
    );
    let mistyped = program.run(&["server-lst"]).await;
    assert!(mistyped.code == 2 && mistyped.err.contains("server-list"), "{mistyped:?}");
    let english = program.with(&[("LC_ALL", "C.UTF-8")]).run(&["server-show", "web9"]).await;
    assert!(english.err.contains("server web9 not found") && english.err.contains("Next: "), "{english:?}");
}

/// Every command has a page that the formatter of manual pages reads without a complaint.
#[tokio::test]
async fn manual_pages_are_for_every_command_and_well_formed() {
    let program = Program::without_credentials();
    let folder = program.path("man1");
    let ran = program.run(&["man", "--dir", folder.to_str().unwrap()]).await;
    assert!(ran.code == 0 && ran.out.is_empty(), "{ran:?}");
    let help = program.run(&["help"]).await.out;
    let commands: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|word| word.contains("-") && !word.starts_with('-'))
        .collect();
    assert!(commands.len() > 80, "{}", commands.len());
    for command in &commands {
        assert!(folder.join(format!("climc-{command}.1")).exists(), "{command} has no page");
    }
    if !Command::new("groff").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: groff is not installed, manual pages are not formatted (Debian: apt install groff-base)");
        return;
    }
    for (page, text) in [
        ("climc.1", "Drives Lifeboat"),
        ("climc-server-start-rescue.1", "with their own disks, into the rescue system"),
        ("climc-server-console.1", "The key that leaves"),
    ] {
        let output =
            Command::new("groff").args(["-man", "-Tutf8", "-Kutf8", "-ww"]).arg(folder.join(page)).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && err.is_empty(), "{page}: {err}");
        assert!(out.contains(text), "{page}: {out}");
    }
}
