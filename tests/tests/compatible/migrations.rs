//! The database: a migration that was released never changes, and a new one takes nothing away from processes of the release before, which
//! go on working while it runs. One that does, because nothing of that release uses it any more, says so: `-- contract: REASON`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

const FOLDERS: [&str; 2] = ["crates/task-engine/migrations", "crates/db/migrations"];

/// What the release before would stumble over.
const TAKES_AWAY: [&str; 8] = [
    "drop table",
    "drop column",
    "drop function",
    "rename to",
    "rename column",
    "set not null",
    "alter column type",
    "set data type",
];

/// SQL by name of the migration; of a release only its digest is known.
type Migrations = BTreeMap<String, String>;

pub fn of_source(root: &Path) -> Migrations {
    let folders = FOLDERS.iter().flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap().flatten());
    let sql = |path: &Path| std::fs::read_to_string(path.join("up.sql")).unwrap();
    folders.map(|entry| (entry.file_name().to_string_lossy().into_owned(), sql(&entry.path()))).collect()
}

pub fn of_release(folder: &Path) -> Migrations {
    let text = std::fs::read_to_string(folder.join("migrations.txt")).unwrap();
    text.lines().filter_map(|line| line.split_once(' ')).map(|(sum, name)| (name.to_owned(), sum.to_owned())).collect()
}

pub fn write(root: &Path, folder: &Path) {
    let text = of_source(root).iter().fold(String::new(), |mut text, (name, sql)| {
        let _ = writeln!(text, "{} {name}", digest(sql));
        text
    });
    std::fs::write(folder.join("migrations.txt"), text).unwrap();
}

fn digest(sql: &str) -> String {
    types::rescue::hex(&Sha256::digest(sql))
}

pub fn broken(before: &Migrations, now: &Migrations) -> Vec<String> {
    let mut broken = vec![];
    for (name, sum) in before {
        match now.get(name) {
            Some(sql) if digest(sql) == *sum => {}
            Some(_) => broken.push(format!("migration {name} was released, and has changed: write a new one")),
            None => broken.push(format!("migration {name} was released, and is gone")),
        }
    }
    for (name, sql) in now.iter().filter(|(name, _)| !before.contains_key(*name)) {
        let statements = plain(sql);
        for word in TAKES_AWAY.iter().filter(|word| statements.contains(*word)) {
            if !sql.contains("-- contract: ") {
                broken.push(format!("migration {name} has '{word}': the release before may still use it"));
            }
        }
    }
    broken
}

/// Without comments, in lower case, each run of white space as one space.
fn plain(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    lines.flat_map(str::split_whitespace).map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_would_break_a_neighbour_is_found() {
    let of = |list: &[(&str, &str)]| -> Migrations {
        list.iter().map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned())).collect()
    };
    let first = ("1_first", "CREATE TABLE a (b int);");
    let before = of(&[("1_first", &digest(first.1))]);
    let fine = of(&[first, ("2_more", "ALTER TABLE a ADD COLUMN c int; -- we may drop column b later")]);
    assert_eq!(broken(&before, &fine), Vec::<String>::new());
    let told = of(&[first, ("2_less", "-- contract: b is not read since 0.1\nALTER TABLE a DROP COLUMN b;")]);
    assert_eq!(broken(&before, &told), Vec::<String>::new());
    for (now, word) in [
        (of(&[]), "is gone"),
        (of(&[("1_first", "CREATE TABLE a (b bigint);")]), "has changed"),
        (of(&[first, ("2_less", "ALTER TABLE a\n  DROP   column b;")]), "'drop column'"),
        (of(&[first, ("2_other", "ALTER TABLE a RENAME COLUMN b TO c;")]), "'rename column'"),
    ] {
        let found = broken(&before, &now);
        assert!(found.len() == 1 && found[0].contains(word), "{word}: {found:?}");
    }
}
