//! `server-ssh-rescue`: the machine's own `ssh`, into a server's rescue system, which is known by the host key that its session has published:
//! nobody is asked to trust what they can't check.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use api::rescue::{RescueSession, RescueSessions};
use api::server::{Server, Servers};
use tokio::net::TcpStream;
use tokio::process::Command;
use types::SessionState;
use types::status::RescueNetwork;

use crate::batch::Cx;
use crate::exit::Exit;
use crate::lang::say;
use crate::text;

pub const HELP: &str = "\
The host key that the rescue system must have is the one that its session has published; a known_hosts file with it alone lives as long as the
command. The address is the server's forwarded port of its port 22, which is on the loopback of its host; go there with --jump from another
machine. Without a forwarded port it is the address that the rescue system has told. All after -- goes to ssh. The exit code is that of ssh.

Examples:
  climc server-ssh-rescue web1
  climc server-ssh-rescue web1 -- -i ~/.ssh/rescue_key 'fsck -n /dev/vda1'
  climc server-ssh-rescue web1 --jump ops@node7
  climc server-ssh-rescue web1 --address 192.0.2.7";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id or name
    pub id: String,
    /// Where the rescue system is reached, instead of what is known of it
    #[arg(long, value_name = "HOST[:PORT]")]
    pub address: Option<String>,
    /// Go through this machine, as with ssh -J: the server's host
    #[arg(long, value_name = "USER@HOST")]
    pub jump: Option<String>,
    /// Who to log in as
    #[arg(long, value_name = "NAME", default_value = "root")]
    pub user: String,
    /// Options of ssh, and a command
    #[arg(last = true, value_name = "SSH ARGUMENTS")]
    pub rest: Vec<String>,
}

/// ssh's own failure, as its exit code.
const NO_SESSION: i32 = 255;

pub async fn run(cx: &Cx, args: &Args) -> Result<(), Exit> {
    let server = cx.client.get::<Servers>(&args.id).await?;
    let Some(id) = server.rescue_session_id else {
        return Err(Exit {
            next: Some(format!("climc server-start-rescue {} --wait --ssh-key ~/.ssh/id_ed25519.pub", server.name)),
            ..Exit::failed(say!("{server} is not in rescue", server = server.name))
        });
    };
    let session = cx.client.get::<RescueSessions>(&id.to_string()).await?;
    let key = ready(&server, &session)?;
    let address = match &args.address {
        Some(address) => Address::parse(address)?,
        None => Address::of(&server, &session)?,
    };
    if address.forwarded && args.jump.is_none() {
        reach(&server, &address).await?;
    }
    let alias = format!("lifeboat-rescue-{id}");
    let known = KnownHosts::new(&alias, key)?;
    let mut ssh = Command::new("ssh");
    ssh.args(options(&alias, &known.file(), &address));
    if let Some(jump) = &args.jump {
        ssh.args(["-J", jump]);
    }
    ssh.arg(format!("{}@{}", args.user, address.host)).args(&args.rest);
    // Ctrl-C is for ssh, which gets it from the terminal as well; here it must not end the program before its file is gone.
    let mut interrupts = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let mut child = ssh.spawn().map_err(|error| Exit {
        next: Some(say!(
            "install it (Debian: apt install openssh-client), or use: climc server-console {server}",
            server = server.name
        )),
        ..Exit::failed(say!("ssh can't be started: {error}", error = error))
    })?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = interrupts.recv() => {}
        }
    };
    drop(known);
    match status.code().or_else(|| status.signal().map(|signal| 128 + signal)) {
        Some(0) => Ok(()),
        // ssh(1): it could not log in, or lost the connection.
        Some(NO_SESSION) => Err(Exit {
            code: NO_SESSION,
            message: say!(
                "ssh did not get in, or was cut off; the only host key that is right here is {key}",
                key = text::or_dash(session.ssh_fingerprint.as_ref())
            ),
            next: Some(say!("see who may log in, and how: climc server-rescue-show {server}", server = server.name)),
        }),
        code => Err(Exit::silent(code.unwrap_or(crate::exit::FAILED))),
    }
}

/// The published key of a rescue system that lets somebody in.
fn ready<'s>(server: &Server, session: &'s RescueSession) -> Result<&'s str, Exit> {
    let console = || Some(format!("climc server-console {}", server.name));
    if session.state != SessionState::Active || !session.is_ready {
        return Err(Exit {
            next: Some(format!("climc server-rescue-show {}", server.name)),
            ..Exit::failed(say!(
                "the rescue system of {server} is not up yet, or is booting again",
                server = server.name
            ))
        });
    }
    if session.network == RescueNetwork::None {
        return Err(Exit {
            next: console(),
            ..Exit::failed(say!(
                "the rescue of {server} was started with network none: nobody gets in by ssh, only over its consoles",
                server = server.name
            ))
        });
    }
    session.ssh_host_key.as_deref().ok_or_else(|| Exit {
        next: console(),
        ..Exit::failed(say!(
            "the rescue system of {server} has published no ssh host key: it runs no ssh",
            server = server.name
        ))
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
    /// It is on the loopback of the server's host.
    forwarded: bool,
}

impl Address {
    /// `HOST`, `HOST:PORT`, `[IPV6]:PORT`
    fn parse(text: &str) -> Result<Self, Exit> {
        let bare = |host: &str| Self { host: host.trim_matches(['[', ']']).to_owned(), port: 22, forwarded: false };
        let (host, port) = match text.rsplit_once(':') {
            // An IPv6 address without brackets has no port.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
            _ => (text, "22"),
        };
        let wrong = || Exit::usage(say!("--address {address}: HOST or HOST:PORT is wanted", address = text));
        let address = Self { port: port.parse().map_err(|_| wrong())?, ..bare(host) };
        // Nothing that ssh would take for an option.
        if address.host.is_empty() || address.host.starts_with('-') {
            return Err(wrong());
        }
        Ok(address)
    }

    /// A forwarded port 22, else an address that the rescue system has told.
    fn of(server: &Server, session: &RescueSession) -> Result<Self, Exit> {
        let mut forwards = server.nics.iter().flat_map(|nic| &nic.forwards);
        if let Some(forward) = forwards.find(|forward| forward.guest_port == 22) {
            return Ok(Self { host: "127.0.0.1".into(), port: forward.host_port, forwarded: true });
        }
        let told = session.ready.iter().flat_map(|ready| &ready.addresses);
        let usable =
            told.filter_map(|text| text.split('/').next()?.parse::<std::net::IpAddr>().ok()).find(|ip| match ip {
                std::net::IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
                std::net::IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
            });
        let user_mode = !server.nics.is_empty() && server.nics.iter().all(|nic| !nic.forwards.is_empty());
        match usable {
            Some(ip) if !user_mode => Ok(Self { host: ip.to_string(), port: 22, forwarded: false }),
            _ => Err(Exit {
                next: Some(say!(
                    "name where it is reached with --address HOST:PORT, give the server a port (climc server-attach-network {server} --net hostfwd=2222:22), or use: climc server-console {server}",
                    server = server.name
                )),
                ..Exit::failed(say!(
                    "nobody knows where the rescue system of {server} is reached by ssh",
                    server = server.name
                ))
            }),
        }
    }
}

/// A forwarded port is on the loopback of the server's host, which need not be this machine.
async fn reach(server: &Server, address: &Address) -> Result<(), Exit> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let at = SocketAddr::from(([127, 0, 0, 1], address.port));
    if matches!(tokio::time::timeout(PATIENCE, TcpStream::connect(at)).await, Ok(Ok(_))) {
        return Ok(());
    }
    Err(Exit {
        next: Some(say!(
            "run this on host {host}, or go through it: climc server-ssh-rescue {server} --jump USER@{host}",
            host = server.host,
            server = server.name
        )),
        ..Exit::failed(say!(
            "nothing answers at {address} on this machine: the port is on the loopback of host {host}",
            address = at,
            host = server.host
        ))
    })
}

fn options(alias: &str, file: &str, address: &Address) -> Vec<String> {
    let mut options = vec!["-p".to_owned(), address.port.to_string()];
    for option in [
        format!("UserKnownHostsFile={file}"),
        "GlobalKnownHostsFile=/dev/null".into(),
        "StrictHostKeyChecking=yes".into(),
        "UpdateHostKeys=no".into(),
        "CheckHostIP=no".into(),
        format!("HostKeyAlias={alias}"),
    ] {
        options.extend(["-o".to_owned(), option]);
    }
    options
}

/// A file with one key, in a folder that nobody else can enter; gone with this.
struct KnownHosts(PathBuf);

impl KnownHosts {
    fn new(alias: &str, key: &str) -> Result<Self, Exit> {
        // What comes from the service becomes a line of its own, or nothing.
        let line = text::line(key);
        let folder = std::env::temp_dir().join(format!("climc-{}", uuid::Uuid::new_v4()));
        let unusable =
            |error| Exit::failed(say!("cannot write {path}: {error}", path = folder.display(), error = error));
        DirBuilder::new().mode(0o700).create(&folder).map_err(unusable)?;
        let known = Self(folder.clone());
        fs::write(known.file(), format!("{alias} {line}\n")).map_err(unusable)?;
        Ok(known)
    }

    fn file(&self) -> String {
        self.0.join("known_hosts").display().to_string()
    }
}

impl Drop for KnownHosts {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let address = |host: &str, port| Address { host: host.into(), port, forwarded: false };
        for (text, wanted) in [
            ("192.0.2.7", address("192.0.2.7", 22)),
            ("web1:2222", address("web1", 2222)),
            ("[2001:db8::1]:2222", address("2001:db8::1", 2222)),
            ("2001:db8::1", address("2001:db8::1", 22)),
        ] {
            assert_eq!(Address::parse(text).unwrap(), wanted, "{text}");
        }
        for bad in ["", "web1:", "web1:ssh", "-oProxyCommand=x", ":22"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_file_is_private_and_vanishes() {
        use std::os::unix::fs::MetadataExt;
        let known = KnownHosts::new("a", "ssh-ed25519 AAAA\nb ssh-rsa BBBB").unwrap();
        let folder = known.0.clone();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_to_string(known.file()).unwrap(), "a ssh-ed25519 AAAA b ssh-rsa BBBB\n");
        drop(known);
        assert!(!folder.exists());
    }
}
