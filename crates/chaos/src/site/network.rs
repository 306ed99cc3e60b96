//! Networks that can be cut: a namespace for each host, joined to ours by a pair of virtual interfaces. Ours is the campaign's own, made
//! by [`crate::campaign::inside`], so that nothing here touches the machine's.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Where regions and agents are reached, from every namespace.
pub const HUB: &str = "10.209.255.1";

/// What happens to a host's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The interfaces go down: who sends is told so at once.
    Down,
    /// Packets vanish: who sends waits.
    Silent,
    /// So many of a hundred packets vanish, in either direction.
    Lossy(u8),
}

/// A namespace, as long as the process that holds it.
pub struct Network {
    holder: Child,
    link: String,
    /// The host's address.
    pub address: String,
}

impl Network {
    /// The `number`th, from 1.
    ///
    /// # Errors
    /// What `unshare` and `ip` say.
    pub fn open(number: usize) -> Result<Self> {
        let holder = Command::new("unshare")
            .args(["--net", "sleep", "infinity"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("unshare")?;
        let network = Self { link: format!("lb{number}"), address: format!("10.209.{number}.2"), holder };
        let pid = network.holder.id();
        // It has left our namespace when its own is another.
        let ours = std::fs::read_link("/proc/self/ns/net")?;
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|its| its == ours) {
            ensure!(std::time::Instant::now() < until, "no network namespace");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let (link, pid) = (network.link.as_str(), pid.to_string());
        run(&["ip", "link", "add", link, "type", "veth", "peer", "name", link, "netns", &pid])?;
        run(&["ip", "address", "add", &format!("10.209.{number}.1/30"), "dev", link])?;
        run(&["ip", "link", "set", link, "up"])?;
        network.run_in(&["ip", "link", "set", "lo", "up"])?;
        network.run_in(&["ip", "address", "add", &format!("{}/30", network.address), "dev", link])?;
        network.run_in(&["ip", "link", "set", link, "up"])?;
        network.route(number)?;
        Ok(network)
    }

    fn route(&self, number: usize) -> Result<()> {
        self.run_in(&["ip", "route", "replace", HUB, "via", &format!("10.209.{number}.1")])
    }

    /// What a command begins with that is to run there.
    #[must_use]
    pub fn enter(&self) -> Vec<String> {
        vec!["nsenter".into(), format!("--net=/proc/{}/ns/net", self.holder.id())]
    }

    /// # Errors
    /// What `ip` and `nft` say.
    pub fn cut(&self, cut: Cut) -> Result<()> {
        let (link, table) = (&self.link, self.table());
        let what = match cut {
            Cut::Down => return self.both(&["ip", "link", "set", link, "down"]),
            Cut::Silent => "drop".to_owned(),
            Cut::Lossy(of_hundred) => format!("numgen random mod 100 < {of_hundred} drop"),
        };
        let chain = format!("type filter hook input priority 0; iifname \"{link}\" {what}");
        self.both(&["nft", &format!("table inet {table} {{\nchain input {{\n{chain}\n}}\n}}")])
    }

    /// # Errors
    /// What `ip` and `nft` say.
    pub fn mend(&self, cut: Cut) -> Result<()> {
        match cut {
            Cut::Down => {
                self.both(&["ip", "link", "set", &self.link, "up"])?;
                let number = self.link.trim_start_matches("lb").parse()?;
                // Routes go with the interface.
                self.route(number)
            }
            Cut::Silent | Cut::Lossy(_) => self.both(&["nft", "delete", "table", "inet", &self.table()]),
        }
    }

    fn table(&self) -> String {
        format!("cut_{}", self.link)
    }

    fn both(&self, command: &[&str]) -> Result<()> {
        run(command)?;
        self.run_in(command)
    }

    fn run_in(&self, command: &[&str]) -> Result<()> {
        let enter = self.enter();
        let all: Vec<&str> = enter.iter().map(String::as_str).chain(command.iter().copied()).collect();
        run(&all)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Makes ours ready: loopback, and the address of the hub.
///
/// # Errors
/// What `ip` says.
pub fn prepare() -> Result<()> {
    run(&["ip", "link", "set", "lo", "up"])?;
    run(&["ip", "address", "add", &format!("{HUB}/32"), "dev", "lo"])
}

/// # Errors
/// What the command said.
pub fn run(command: &[&str]) -> Result<()> {
    let output = Command::new(command[0]).args(&command[1..]).output().with_context(|| command.join(" "))?;
    ensure!(output.status.success(), "{}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(())
}
