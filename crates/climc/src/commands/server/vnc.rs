//! `server-vnc`: a port on this machine's loopback that leads to the server's screen, for any VNC viewer.

use std::net::SocketAddr;

use client::Error;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::batch::Cx;
use crate::exit::Exit;
use crate::lang::say;
use crate::output::{self, Format};

pub const HELP: &str = "\
It listens on a port of this machine's loopback until Ctrl-C, and passes each viewer that connects on to the server's screen. The port has
no password of its own: whoever can connect to this machine's loopback meanwhile can use it.

Examples:
  climc server-vnc web1                       # prints 127.0.0.1:PORT; then: vncviewer 127.0.0.1::PORT
  climc server-vnc web1 --listen 127.0.0.1:5900

The server needs a screen: climc server-change-config web1 --vnc true, then a restart.";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id or name
    pub id: String,
    /// Where to listen; loopback only
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// End after the first viewer
    #[arg(long)]
    pub once: bool,
}

pub async fn run(cx: &Cx, args: &Args) -> Result<(), Exit> {
    if !args.listen.ip().is_loopback() {
        return Err(Exit::usage(say!(
            "--listen {address}: an address of the loopback is wanted, as 127.0.0.1:5900",
            address = args.listen
        )));
    }
    // Whether the screen can be had is known before a viewer comes.
    let mut screen = Some(cx.client.screen(&args.id).await?);
    let listener =
        TcpListener::bind(args.listen).await.map_err(|e| Exit::failed(format!("--listen {}: {e}", args.listen)))?;
    let at = listener.local_addr().map_err(|e| Exit::failed(e.to_string()))?;
    match cx.format {
        Format::Table => println!("{at}"),
        format => output::data(format, &json!({ "address": at, "ip": at.ip(), "port": at.port() }))?,
    }
    let told = say!(
        "the screen of {server} is at {at} until Ctrl-C, as in: vncviewer {ip}::{port}",
        server = crate::text::line(&args.id),
        at = at,
        ip = at.ip(),
        port = at.port()
    );
    eprintln!("climc: {told}");
    loop {
        let viewer = tokio::select! {
            viewer = listener.accept() => viewer.map_err(|e| Exit::failed(e.to_string()))?.0,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        // Only the first one finds a connection that is open already.
        let opened = match screen.take() {
            Some(screen) => screen,
            None => cx.client.screen(&args.id).await?,
        };
        tokio::select! {
            passed = pass(viewer, opened) => if let Err(error) = passed { eprintln!("climc: {}", crate::told::error(&error)) },
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
        if args.once {
            return Ok(());
        }
    }
}

/// Until either side ends.
async fn pass(mut viewer: TcpStream, mut screen: client::Console) -> Result<(), Error> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        tokio::select! {
            read = viewer.read(&mut buffer) => match read {
                Ok(0) | Err(_) => {
                    screen.close().await;
                    return Ok(());
                }
                Ok(n) => screen.send(buffer[..n].to_vec()).await?,
            },
            shown = screen.receive() => match shown? {
                Some(bytes) => if viewer.write_all(&bytes).await.is_err() {
                    screen.close().await;
                    return Ok(());
                },
                None => return Ok(()),
            },
        }
    }
}
