//! What holds for every datagram. Used by the fuzz target and by its short run on stable.

use tftp::options::{Caps, Granted};
use tftp::packet::{ErrorCode, Packet, printable};
use tftp::receiver::{Ask, Receiver};
use tftp::sender::{Params, Sender};

pub fn packet(datagram: &[u8]) {
    let Ok(packet) = Packet::decode(datagram) else { return };
    let again = packet.encode();
    assert_eq!(Packet::decode(&again).as_ref(), Ok(&packet), "a round trip changes nothing");
    if let Packet::Read(request) | Packet::Write(request) = &packet {
        assert!(!request.name.is_empty() && !request.name.contains(&0));
        assert!(printable(request.name).bytes().all(|b| b == b' ' || b.is_ascii_graphic() || !b.is_ascii()));
        let caps = Caps::default();
        let granted = Granted::weigh(request, Some(1 << 40), &caps);
        assert!((8..=caps.blksize).contains(&granted.blksize) && (1..=caps.windowsize).contains(&granted.windowsize));
        let window = usize::from(granted.blksize) * usize::from(granted.windowsize);
        assert!(window <= caps.window_bytes || granted.windowsize == 1);
        if let Some(answer) = granted.option_ack() {
            assert!(matches!(Packet::decode(&answer), Ok(Packet::OptionAck(list)) if (1..=4).contains(&list.len())));
        }
    }
    if let Packet::Error { code, .. } = &packet {
        assert_eq!(ErrorCode::from_number(code.number()), *code);
    }
    // Both ends of a transfer that goes on bear it.
    let now = std::time::Instant::now();
    let mut sender = Sender::new(Params { windowsize: 4, ..Params::default() }, now);
    while sender.wants_block() {
        sender.supply(vec![7; 512].into());
    }
    let mut out = Vec::new();
    sender.take_outgoing(&mut out, now);
    sender.on_packet(&packet, now);
    sender.take_outgoing(&mut out, now);
    let mut receiver = Receiver::new(Ask { blksize: Some(1024), windowsize: Some(4), ..Ask::default() });
    let _ = receiver.on_packet(&packet);
}
