//! Clients that others wrote.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

/// One way to fetch a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    TftpHpa,
    /// Block size and window.
    Atftp(u16, u16),
    CurlTftp(u16),
    BusyboxTftp(u16),
    CurlHttp,
    BusyboxHttp,
}

pub const ALL: [Client; 9] = [
    Client::TftpHpa,
    Client::Atftp(512, 1),
    Client::Atftp(1428, 16),
    Client::Atftp(8192, 64),
    Client::CurlTftp(512),
    Client::CurlTftp(8192),
    Client::BusyboxTftp(1428),
    Client::CurlHttp,
    Client::BusyboxHttp,
];

impl Client {
    /// Fetches `name` to `to`.
    pub fn fetch(self, tftp: SocketAddr, http: SocketAddr, name: &str, to: &Path) -> Output {
        let (ip, port) = (tftp.ip().to_string(), tftp.port().to_string());
        let to = to.to_str().unwrap();
        let size = |size: u16| size.to_string();
        let (program, package, arguments): (&str, &str, Vec<String>) = match self {
            Self::TftpHpa => {
                ("tftp", "tftp-hpa", [&ip, &port, "-m", "binary", "-c", "get", name, to].map(str::to_owned).into())
            }
            Self::Atftp(blksize, window) => {
                let options = [format!("blksize {blksize}"), format!("windowsize {window}")];
                let mut all = vec!["--option".to_owned(), options[0].clone()];
                if window > 1 {
                    all.extend(["--option".to_owned(), options[1].clone()]);
                }
                all.extend(["--get", "-r", name, "-l", to, &ip, &port].map(str::to_owned));
                ("atftp", "atftp", all)
            }
            Self::CurlTftp(blksize) => {
                let url = format!("tftp://{tftp}/{name}");
                let all = ["-sS", "--max-time", "100", "--tftp-blksize", &size(blksize), "-o", to, &url];
                ("curl", "curl", all.map(str::to_owned).into())
            }
            Self::BusyboxTftp(blksize) => {
                let all = ["tftp", "-g", "-b", &size(blksize), "-r", name, "-l", to, &ip, &port];
                ("busybox", "busybox-static", all.map(str::to_owned).into())
            }
            Self::CurlHttp => {
                let url = format!("http://{http}/tftp/{name}");
                (
                    "curl",
                    "curl",
                    ["-sSf", "--noproxy", "*", "--max-time", "100", "-o", to, &url].map(str::to_owned).into(),
                )
            }
            Self::BusyboxHttp => {
                let url = format!("http://{http}/tftp/{name}");
                ("busybox", "busybox-static", ["wget", "-q", "-Y", "off", "-O", to, &url].map(str::to_owned).into())
            }
        };
        // A client that hangs ends the test, and does not outlive it.
        let output = Command::new("timeout").arg("60").arg(program).args(arguments).output().expect("coreutils");
        assert!(
            output.status.code() != Some(127),
            "{program} is wanted for this test: make deps, or apt-get install {package}"
        );
        output
    }
}
