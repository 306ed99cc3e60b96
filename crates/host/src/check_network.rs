//! The part of `host check` about bridges: those that the configuration names, and those that guests here are to be on.

use std::collections::BTreeMap;
use std::path::Path;

use types::desc::NicBackend;

use crate::check::{Finding, broken, good, poor};
use crate::config::Config;
use crate::guest::desc::Stored;
use crate::guest::paths::servers;

const PART: &str = "bridge";

/// One interface, as `ip -json -details link show` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    bridge: bool,
    up: bool,
}

/// What guests want of one name: for each use, who.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted {
    tap: Option<String>,
    macvtap: Option<String>,
}

/// Looks at each.
pub fn bridges(config: &Config) -> Vec<Finding> {
    let wanted = wanted(&servers(&config.workspace));
    let named = &config.network.bridges;
    if named.is_empty() && wanted.is_empty() {
        return vec![good(PART, "none is configured, none is wanted: guests have QEMU's user networking")];
    }
    let links = match links(&config.network.ip) {
        Ok(links) => links,
        Err(problem) => return vec![broken(PART, problem, "apt-get install iproute2, or set [network] ip")],
    };
    let none = Wanted::default();
    let others = wanted.keys().filter(|name| !named.contains(name));
    let of = |name: &String| judge(name, named.contains(name), wanted.get(name).unwrap_or(&none), links.get(name));
    named.iter().chain(others).map(of).collect()
}

/// Decides.
fn judge(name: &str, allowed: bool, wanted: &Wanted, link: Option<&Link>) -> Finding {
    let user = wanted.tap.as_ref().or(wanted.macvtap.as_ref());
    if let Some(user) = user.filter(|_| !allowed) {
        let seen = format!("{user} is to be on {name}, which guests may not use here");
        return broken(PART, seen, format!("add \"{name}\" to [network] bridges"));
    }
    match (link, &wanted.tap) {
        (None, _) => {
            let whose = user.map(|user| format!("; {user} can't start")).unwrap_or_default();
            let mend =
                format!("ip link add {name} type bridge && ip link set {name} up, or take it out of [network] bridges");
            broken(PART, format!("{name} is not there{whose}"), mend)
        }
        (Some(Link { bridge: false, .. }), Some(user)) => broken(
            PART,
            format!("{name} is no bridge, but {user} is to have a tap on it"),
            "name a bridge, or give the NIC the backend macvtap",
        ),
        (Some(Link { up: false, .. }), _) => {
            poor(PART, format!("{name} is down: guests on it reach nobody"), format!("ip link set {name} up"))
        }
        (Some(Link { bridge, .. }), _) => {
            good(PART, format!("{name}, {}", if *bridge { "a bridge" } else { "an interface for macvtaps" }))
        }
    }
}

/// What the descs in a folder of guests name. One that can't be read is the agent's to tell of.
fn wanted(servers: &Path) -> BTreeMap<String, Wanted> {
    let mut all = BTreeMap::<String, Wanted>::new();
    for entry in std::fs::read_dir(servers).into_iter().flatten().flatten() {
        let Ok(Some(stored)) = Stored::read(&entry.path().join("desc")) else { continue };
        for nic in &stored.desc.nics {
            let Some(name) = &nic.bridge else { continue };
            let who = || format!("NIC {} of guest {} ({})", nic.index, stored.desc.id, stored.desc.name);
            let wanted = all.entry(name.clone()).or_default();
            match nic.backend {
                NicBackend::Tap => wanted.tap.get_or_insert_with(who),
                NicBackend::Macvtap => wanted.macvtap.get_or_insert_with(who),
                NicBackend::User => continue,
            };
        }
    }
    all
}

fn links(ip: &Path) -> Result<BTreeMap<String, Link>, String> {
    let output = std::process::Command::new(ip).args(["-json", "-details", "link", "show"]).output();
    let output = output.map_err(|error| format!("{} does not run: {error}", ip.display()))?;
    if !output.status.success() {
        return Err(format!("{}: {}", ip.display(), String::from_utf8_lossy(&output.stderr).trim()));
    }
    let told: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{} is not understood: {error}", ip.display()))?;
    let link = |it: &serde_json::Value| {
        let up = it["flags"].as_array().is_some_and(|flags| flags.contains(&"UP".into()));
        Some((it["ifname"].as_str()?.to_owned(), Link { bridge: it["linkinfo"]["info_kind"] == "bridge", up }))
    };
    Ok(told.iter().filter_map(link).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;
    use crate::config::NetworkConfig;
    use crate::guest::desc::tests::sample;
    use types::desc::{Desc, NicDesc};

    #[test]
    fn the_table() {
        let some = |who: &str| Some(who.to_owned());
        let (nobody, tap) = (Wanted::default(), Wanted { tap: some("NIC 0 of web1"), macvtap: None });
        let macvtap = Wanted { tap: None, macvtap: some("NIC 0 of web2") };
        let link = |bridge, up| Some(Link { bridge, up });
        let table = [
            (true, &nobody, link(true, true), Level::Good, "a bridge"),
            (true, &tap, link(true, true), Level::Good, "a bridge"),
            (true, &macvtap, link(false, true), Level::Good, "an interface"),
            (true, &tap, link(true, false), Level::Poor, "is down"),
            (true, &tap, link(false, true), Level::Broken, "is no bridge"),
            (true, &nobody, None, Level::Broken, "is not there"),
            (true, &tap, None, Level::Broken, "web1 can't start"),
            (false, &tap, link(true, true), Level::Broken, "may not use"),
            (false, &macvtap, None, Level::Broken, "may not use"),
        ];
        for (allowed, wanted, link, level, words) in table {
            let finding = judge("br0", allowed, wanted, link.as_ref());
            assert!(finding.level == level && finding.seen.contains(words), "{words}: {finding}");
            assert_eq!(finding.mend.is_empty(), level == Level::Good, "{finding}");
        }
    }

    #[test]
    fn names_come_from_the_configuration_and_from_descs_and_are_looked_up_on_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let config = |bridges: &[&str], ip: &str| Config {
            workspace: folder.path().to_owned(),
            network: NetworkConfig { bridges: bridges.iter().map(|it| (*it).to_owned()).collect(), ip: ip.into() },
            ..Config::default()
        };
        let levels = |config: &Config| bridges(config).iter().map(|it| it.level).collect::<Vec<_>>();
        assert_eq!(levels(&config(&[], "/no/such/ip")), [Level::Good], "nothing is asked for");
        assert_eq!(levels(&config(&["lo"], "/no/such/ip")), [Level::Broken]);
        assert_eq!(levels(&config(&["lo", "lb-none"], "ip")), [Level::Good, Level::Broken]);

        let desc = sample();
        let on = |index, name: &str| NicDesc {
            index,
            backend: NicBackend::Tap,
            bridge: Some(name.into()),
            forwards: Vec::new(),
            ..desc.nics[0].clone()
        };
        let stored = Stored::new(Desc { nics: vec![on(0, "lo"), on(1, "lb-other")], ..desc.clone() });
        let guest = servers(folder.path()).join(desc.id.to_string());
        std::fs::create_dir_all(&guest).unwrap();
        stored.write(&guest.join("desc")).unwrap();
        let found = bridges(&config(&["lo"], "ip"));
        assert_eq!(found.iter().map(|it| it.level).collect::<Vec<_>>(), [Level::Broken, Level::Broken]);
        assert!(found[0].seen.contains("no bridge") && found[0].seen.contains(&desc.id.to_string()), "{}", found[0]);
        assert!(found[1].seen.contains("lb-other, which guests may not use"), "{}", found[1]);
    }
}
