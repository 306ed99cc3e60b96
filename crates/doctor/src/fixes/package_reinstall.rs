//! Installs the packages of missing files again, with the system's own package manager, from its cache or the network.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::bootloader;
use crate::elf;
use crate::patient::System;
use crate::rules::{init_missing, kernel_truncated, library_missing};
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Install the packages of missing programs, libraries or kernels again";
const LIMIT: Duration = Duration::from_secs(1200);

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let wanted = wanted(surgery);
    if wanted.is_empty() {
        return Err(Stop::Nothing("nothing that belongs to a package is missing".into()));
    }
    let system = surgery.system()?;
    let tree = &system.tree;
    if tree.exists("/usr/bin/apt-get") {
        let packages = owners(system, &wanted);
        if packages.is_empty() {
            return Err(Stop::Refused(format!(
                "no installed package owns {}",
                wanted.into_iter().collect::<Vec<_>>().join(", ")
            )));
        }
        // Without lists nothing can be fetched; what is in the cache needs none.
        let names: Vec<&str> = packages.iter().map(String::as_str).collect();
        let install =
            [&["apt-get", "-y", "-q", "-o", "Dpkg::Options::=--force-confold", "--reinstall", "install"][..], &names]
                .concat();
        if !surgery.dry_run {
            let _ = surgery.chroot(&["apt-get", "-q", "update"], LIMIT);
        }
        surgery.chroot(&install, LIMIT)?;
        return Ok(format!("{} installed again", packages.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let dnf = ["dnf", "yum"].into_iter().find(|name| tree.exists(&format!("/usr/bin/{name}")));
    let Some(dnf) = dnf else {
        return Err(Stop::Refused("the system has no package manager that is known here (apt, dnf)".into()));
    };
    let files: Vec<&str> = wanted.iter().filter(|path| path.starts_with('/')).map(String::as_str).collect();
    let owners = surgery.chroot(&[&["rpm", "-qf", "--qf", "%{NAME}\\n"][..], &files].concat(), LIMIT)?;
    let names: Vec<String> = owners
        .map(|ended| ended.text.lines().filter(|line| !line.contains(' ')).map(String::from).collect())
        .unwrap_or_default();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    surgery.chroot(&[&[dnf, "-y", "reinstall"][..], &names].concat(), LIMIT)?;
    Ok(format!("{} installed again", names.join(", ")))
}

/// Paths, or names of libraries, that are missing or damaged.
fn wanted(surgery: &Surgery<'_>) -> BTreeSet<String> {
    let Some(system) = &surgery.patient.system else { return BTreeSet::new() };
    let mut wanted: BTreeSet<String> = library_missing::missing(system).into_keys().collect();
    let init = init_missing::init(system);
    if init_missing::fault(&system.tree, &init).is_some() {
        wanted.extend([init, "/lib/systemd/systemd".into()]);
    }
    wanted.extend(elf::missing(&system.tree, "/bin/sh").into_keys());
    for kernel in bootloader::entries(system)
        .into_iter()
        .take(1)
        .map(|entry| entry.kernel)
        .filter(|path| system.tree.size(path).is_none())
    {
        wanted.insert(system.tree.link(&kernel).unwrap_or(kernel));
    }
    if let Ok(damaged) = kernel_truncated::probe(surgery.patient) {
        wanted.extend(damaged.iter().filter_map(|text| text.split(": ").next().map(String::from)));
    }
    wanted
}

/// Packages of dpkg's lists that hold a file of that path, or of that name. A path of either form of a merged /usr will do.
fn owners(system: &System, wanted: &BTreeSet<String>) -> BTreeSet<String> {
    let folder = "/var/lib/dpkg/info";
    let fits = |line: &str, want: &String| {
        let want = want.trim_start_matches("/usr");
        let want = if want.starts_with('/') { want.to_owned() } else { format!("/{want}") };
        // A library that is cut off may be a link's target: the name that is asked for is the link's.
        line.ends_with(&want)
    };
    let lists = system.tree.names(folder).into_iter().filter(|name| name.ends_with(".list"));
    lists
        .filter(|name| {
            let text = system.tree.text(&format!("{folder}/{name}")).unwrap_or_default();
            text.lines().any(|line| wanted.iter().any(|want| fits(line, want)))
        })
        .map(|name| name.trim_end_matches(".list").to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn the_owner_is_found_in_dpkgs_lists() {
        let folder = Folder::new();
        folder
            .put("var/lib/dpkg/info/libmount1:amd64.list", "/.\n/usr/lib/x86_64-linux-gnu/libmount.so.1\n")
            .put("var/lib/dpkg/info/systemd-sysv.list", "/sbin\n/sbin/init\n")
            .put("var/lib/dpkg/info/other.list", "/usr/share/doc\n");
        let wanted: BTreeSet<String> = ["libmount.so.1".to_owned(), "/sbin/init".to_owned()].into();
        let owners: Vec<String> = owners(&folder.system(), &wanted).into_iter().collect();
        assert_eq!(owners, ["libmount1:amd64", "systemd-sysv"]);
    }

    #[test]
    fn a_dry_run_names_the_packages() {
        let folder = Folder::new();
        folder.put("usr/bin/apt-get", "").put("var/lib/dpkg/info/systemd-sysv.list", "/sbin/init\n");
        let mut patient = folder.patient();
        let mut surgery = Surgery::new(&mut patient, true);
        assert_eq!(run(&mut surgery).unwrap(), "systemd-sysv installed again");
        assert!(surgery.log[0].ends_with("--reinstall install systemd-sysv"));
    }
}
