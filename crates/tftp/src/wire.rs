//! The socket of one transfer: sends what is due, a window at a time where the kernel can cut one buffer into datagrams (UDP segmentation
//! offload, Linux 4.18), and waits for an answer.
//!
//! The socket blocks, and so does the thread that owns it: with one block under way at a time each block costs one call to send and one to
//! receive, and nothing else.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::io::Errno;
use socket2::SockRef;

use crate::sender::{Datagram, Head};

/// Long enough for any answer of a client; a longer packet is cut off, which spoils no packet that a client may send.
const LARGEST_ANSWER: usize = 1024;
/// Datagrams in one call: `UDP_MAX_SEGMENTS` of older kernels.
const MOST_SEGMENTS: usize = 64;
/// Bytes in one call: what fits one IP packet with an IPv6 header and some options.
const MOST_BYTES: usize = 65_000;

pub(crate) struct Wire<'a> {
    socket: &'a UdpSocket,
    offload: bool,
    /// The socket's time-out as it is set.
    timeout: Duration,
    buffer: [u8; LARGEST_ANSWER],
}

/// Path MTU in bytes, as the kernel believes at this moment. The socket is connected.
pub(crate) fn path_mtu(socket: &UdpSocket) -> io::Result<u32> {
    let mtu = match socket.local_addr()? {
        SocketAddr::V4(_) => rustix::net::sockopt::ip_mtu(socket)?,
        SocketAddr::V6(_) => rustix::net::sockopt::ipv6_mtu(socket)?,
    };
    Ok(mtu)
}

impl<'a> Wire<'a> {
    pub(crate) fn new(socket: &'a UdpSocket) -> Self {
        Self { socket, offload: true, timeout: Duration::ZERO, buffer: [0; LARGEST_ANSWER] }
    }

    /// Sends in order. What finds no room in a queue on the way is as good as lost, and sent again like that.
    pub(crate) fn send(&mut self, outgoing: &mut Vec<Datagram>) -> io::Result<()> {
        let mut rest = outgoing.as_slice();
        while !rest.is_empty() {
            let count = if self.offload { together(rest) } else { 1 };
            let (now, later) = rest.split_at(count);
            let sent = if count > 1 { self.send_together(now) } else { self.send_one(&now[0]) };
            match sent {
                Ok(()) | Err(Errno::NOBUFS) => rest = later,
                // The way to this client can't cut: a block larger than the MTU, or a device without checksums of its own.
                Err(Errno::INVAL | Errno::IO | Errno::MSGSIZE | Errno::NOPROTOOPT | Errno::OPNOTSUPP) if count > 1 => {
                    self.offload = false;
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    outgoing.clear();
                    return Err(error.into());
                }
            }
        }
        outgoing.clear();
        Ok(())
    }

    fn send_one(&self, datagram: &Datagram) -> Result<(), Errno> {
        let parts = [IoSlice::new(datagram.head()), IoSlice::new(&datagram.body)];
        SockRef::from(self.socket).send_vectored(&parts).map(drop).map_err(errno)
    }

    fn send_together(&self, datagrams: &[Datagram]) -> Result<(), Errno> {
        let mut parts = [IoSlice::new(&[]); MOST_SEGMENTS * 2];
        for (pair, datagram) in parts.chunks_exact_mut(2).zip(datagrams) {
            pair[0] = IoSlice::new(datagram.head());
            pair[1] = IoSlice::new(&datagram.body);
        }
        let size = u16::try_from(length(&datagrams[0])).map_err(|_| Errno::INVAL)?;
        let segments = [ControlMessage::UdpGsoSegments(&size)];
        sendmsg::<()>(self.socket.as_raw_fd(), &parts[..datagrams.len() * 2], &segments, MsgFlags::empty(), None)
            .map(drop)
            .map_err(|error| Errno::from_raw_os_error(error as i32))
    }

    /// The next datagram; `None` when none came in time. An empty one also comes when the socket was shut down.
    pub(crate) fn receive(&mut self, wait: Duration) -> io::Result<Option<&[u8]>> {
        // The waiting time changes a little with each round trip. It is told to the kernel when it matters.
        let wait = wait.max(Duration::from_millis(1));
        if wait > self.timeout + self.timeout / 4 || self.timeout > wait + wait / 8 {
            self.socket.set_read_timeout(Some(wait))?;
            self.timeout = wait;
        }
        match self.socket.recv(&mut self.buffer) {
            Ok(length) => Ok(Some(&self.buffer[..length])),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(e) => Err(e),
        }
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

fn length(datagram: &Datagram) -> usize {
    datagram.head().len() + datagram.body.len()
}

/// How many datagrams, from the first, one call can send: blocks of one length, of which the last may be shorter.
fn together(datagrams: &[Datagram]) -> usize {
    let is_block = |datagram: &Datagram| matches!(datagram.head, Head::Data(_));
    let size = length(&datagrams[0]);
    let most = (MOST_BYTES / size).clamp(1, MOST_SEGMENTS);
    let mut count = 0;
    for datagram in datagrams.iter().take(most).take_while(|d| is_block(d) && length(d) <= size) {
        count += 1;
        if length(datagram) < size {
            break;
        }
    }
    count.max(1)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn block(size: usize) -> Datagram {
        Datagram { head: Head::Data([0, 3, 0, 1]), body: Bytes::from(vec![7; size]) }
    }

    #[test]
    fn what_goes_together_is_of_one_length_and_fits() {
        let other = Datagram { head: Head::None, body: Bytes::from_static(b"options") };
        for (datagrams, want) in [
            (vec![block(512)], 1),
            (vec![block(512); 16], 16),
            (vec![block(8); 200], MOST_SEGMENTS),
            (vec![block(8192); 16], 7),
            (vec![block(65464); 2], 1),
            (vec![block(512), block(512), block(3)], 3),
            (vec![block(512), block(0), block(512)], 2),
            (vec![block(3), block(512)], 1),
            (vec![other.clone(), block(512)], 1),
            (vec![block(512), other], 1),
        ] {
            assert_eq!(together(&datagrams), want, "{:?}", datagrams.iter().map(length).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_window_arrives_as_datagrams_in_order() {
        let [ours, theirs] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        ours.connect(theirs.local_addr().unwrap()).unwrap();
        theirs.connect(ours.local_addr().unwrap()).unwrap();
        let mut wire = Wire::new(&ours);
        let mut out: Vec<Datagram> = (1..=100u8)
            .map(|n| Datagram {
                head: Head::Data([0, 3, 0, n]),
                body: Bytes::from(vec![n; if n == 100 { 9 } else { 600 }]),
            })
            .collect();
        let want: Vec<Vec<u8>> = out.iter().map(Datagram::to_vec).collect();
        wire.send(&mut out).unwrap();
        assert!(out.is_empty());
        let mut answers = Wire::new(&theirs);
        for packet in want {
            assert_eq!(answers.receive(Duration::from_secs(5)).unwrap(), Some(packet.as_slice()));
        }
        assert_eq!(answers.receive(Duration::from_millis(5)).unwrap(), None, "and nothing else");
    }

    #[test]
    fn the_path_s_mtu_is_known() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let socket = UdpSocket::bind(address).unwrap();
            socket.connect(socket.local_addr().unwrap()).unwrap();
            assert!(path_mtu(&socket).unwrap() >= 1280, "{address}");
        }
    }
}
