//! docs/diagnosis.md holds every code and every fix, as the rules' data have them. `UPDATE_DOCS=1 cargo test -p doctor --test docs`
//! writes the tables anew.

use doctor::{fixes, rules};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/diagnosis.md");
const BEGIN: &str = "<!-- made from the rules' data: UPDATE_DOCS=1 cargo test -p doctor --test docs -->\n";
const END: &str = "<!-- end -->\n";

fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|").replace('\n', " ")
}

fn tables() -> String {
    let rules = rules::all();
    let mut text = String::from(
        "## What is looked for\n\n| code | severity | what it means | what to do | fixes |\n|---|---|---|---|---|\n",
    );
    for rule in &rules {
        let data = &rule.data;
        let fixes: Vec<String> = data.fixes.iter().map(|fix| format!("`{}`", fix.code)).collect();
        let fixes = if fixes.is_empty() { "none: by hand".into() } else { fixes.join(", ") };
        text += &format!(
            "| `{}` | {} | {} | {} | {fixes} |\n",
            data.code,
            data.severity,
            cell(&data.title),
            cell(&data.what_to_do)
        );
    }
    text += "\n## What can be repaired\n\n| fix | what it does | mends | safe? | why |\n|---|---|---|---|---|\n";
    for fix in fixes::all() {
        for rule in &rules {
            for offer in rule.data.fixes.iter().filter(|offer| offer.code == fix.code) {
                let safe = if offer.safe { "safe" } else { "ask" };
                text += &format!(
                    "| `{}` | {} | `{}` | {safe} | {} |\n",
                    fix.code,
                    cell(fix.title),
                    rule.data.code,
                    cell(&offer.reason)
                );
            }
        }
    }
    text
}

#[test]
fn the_page_holds_every_rule_and_fix() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page marks where its tables begin");
    let (made, after) = rest.split_once(END).expect("the page marks where its tables end");
    let wanted = tables();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
        return;
    }
    assert!(made == wanted, "docs/diagnosis.md is out of date: UPDATE_DOCS=1 cargo test -p doctor --test docs");
}
