//! The sender by itself, then sender and receiver over a channel that loses, repeats and reorders, in made-up time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::receiver::{Ask, Receiver, Step};

const RTT: Duration = Duration::from_millis(10);

fn sender(windowsize: u16, content: &[u8]) -> (Sender, Instant) {
    let now = Instant::now();
    let mut sender = Sender::new(Params { blksize: 8, windowsize, ..Params::default() }, now);
    feed(&mut sender, &mut content.chunks(8).map(Bytes::copy_from_slice));
    (sender, now)
}

fn feed(sender: &mut Sender, blocks: &mut impl Iterator<Item = Bytes>) {
    while sender.wants_block() {
        sender.supply(blocks.next().unwrap_or_default());
    }
}

/// The block numbers of what goes out.
fn blocks(sender: &mut Sender, now: Instant) -> Vec<u16> {
    let mut out = Vec::new();
    sender.take_outgoing(&mut out, now);
    out.iter().map(|d| u16::from_be_bytes([d.head()[2], d.head()[3]])).collect()
}

fn ack(sender: &mut Sender, block: u16, now: Instant) {
    sender.on_packet(&Packet::Ack { block }, now);
}

#[test]
fn a_repeated_acknowledgement_sends_nothing() {
    let (mut sender, now) = sender(1, &[0; 8]);
    assert_eq!(blocks(&mut sender, now), [1]);
    ack(&mut sender, 1, now + RTT);
    sender.supply(Bytes::new());
    assert_eq!(blocks(&mut sender, now + RTT), [2]);
    for _ in 0..5 {
        ack(&mut sender, 1, now + RTT * 5);
        assert_eq!(blocks(&mut sender, now + RTT * 5), []);
    }
    ack(&mut sender, 2, now + RTT * 6);
    assert_eq!(sender.ended(), Some(&End::Complete));
    assert_eq!(sender.counts(), Counts { bytes: 8, resent: 0 });
}

#[test]
fn a_window_goes_on_behind_what_was_acknowledged() {
    let now = Instant::now();
    let mut sender = Sender::new(Params { blksize: 8, windowsize: 4, ..Params::default() }, now);
    let mut file = (0..10).map(|_| Bytes::from_static(&[0; 8]));
    feed(&mut sender, &mut file);
    assert_eq!(blocks(&mut sender, now), [1, 2, 3, 4]);
    ack(&mut sender, 2, now + RTT);
    feed(&mut sender, &mut file);
    assert_eq!(blocks(&mut sender, now + RTT), [3, 4, 5, 6], "3 was lost");
    ack(&mut sender, 2, now + RTT);
    assert_eq!(blocks(&mut sender, now + RTT), [], "too early to be an answer to that window");
}

#[test]
fn a_lost_first_block_of_a_window_is_believed_once() {
    let now = Instant::now();
    let mut sender = Sender::new(Params { blksize: 8, windowsize: 2, ..Params::default() }, now);
    let mut file = (0..10).map(|_| Bytes::from_static(&[0; 8]));
    feed(&mut sender, &mut file);
    assert_eq!(blocks(&mut sender, now), [1, 2]);
    ack(&mut sender, 2, now + RTT);
    feed(&mut sender, &mut file);
    assert_eq!(blocks(&mut sender, now + RTT), [3, 4]);
    ack(&mut sender, 2, now + RTT * 2);
    assert_eq!(blocks(&mut sender, now + RTT * 2), [3, 4]);
    ack(&mut sender, 2, now + RTT * 4);
    assert_eq!(blocks(&mut sender, now + RTT * 4), []);
}

#[test]
fn silence_is_borne_with_back_off_and_not_for_ever() {
    let (mut sender, start) = sender(1, &[0; 3]);
    ack(&mut sender, 7, start); // an answer to nothing that was sent
    let mut now = start;
    let mut waits = Vec::new();
    while sender.ended().is_none() {
        blocks(&mut sender, now);
        let deadline = sender.deadline().unwrap();
        waits.push((deadline - now).as_millis());
        now = deadline;
        sender.on_timer(now);
    }
    assert_eq!(waits, [250, 500, 1000, 2000, 4000, 5000], "a client that has never answered gets five repeats");
    assert_eq!(sender.ended(), Some(&End::Silent));
}

#[test]
fn a_client_that_answered_gets_more_patience() {
    let (mut sender, start) = sender(1, &[0; 8]);
    blocks(&mut sender, start);
    ack(&mut sender, 1, start + RTT);
    sender.supply(Bytes::new());
    let mut now = start + RTT;
    while sender.ended().is_none() {
        blocks(&mut sender, now);
        now = sender.deadline().unwrap();
        sender.on_timer(now);
    }
    assert!((30..40).contains(&(now - start).as_secs()), "{:?}", now - start);
}

#[test]
fn options_are_confirmed_before_data_and_an_error_ends_it() {
    let now = Instant::now();
    let packet = Packet::OptionAck(vec![(b"tsize", b"5")]).encode();
    let mut sender = Sender::new(Params { option_ack: Some(packet.clone()), ..Params::default() }, now);
    assert!(!sender.wants_block());
    let mut out = Vec::new();
    sender.take_outgoing(&mut out, now);
    assert_eq!(out[0].to_vec(), packet);
    sender.on_timer(now + Duration::from_secs(1));
    sender.take_outgoing(&mut out, now + Duration::from_secs(1));
    assert_eq!(out.len(), 2, "sent again");
    sender.on_packet(&Packet::Error { code: ErrorCode::OptionsRefused, message: b"only the size" }, now);
    let Some(End::Refused { code, .. }) = sender.ended() else { panic!("{:?}", sender.ended()) };
    assert_eq!(*code, ErrorCode::OptionsRefused);
}

/// What a channel does to datagrams.
#[derive(Debug, Clone, Copy)]
struct Weather {
    lost_percent: u64,
    repeated_percent: u64,
    /// Up to this long a datagram is held back, so that others overtake it.
    jitter_ms: u64,
    seed: u64,
}

struct Channel {
    weather: Weather,
    /// By time of arrival; the number keeps equal times apart.
    flying: BTreeMap<(Instant, u64), (bool, Vec<u8>)>,
    sent: u64,
}

impl Channel {
    fn random(&mut self) -> u64 {
        // xorshift64*: repeatable, and good enough to lose packets.
        let s = &mut self.weather.seed;
        *s ^= *s >> 12;
        *s ^= *s << 25;
        *s ^= *s >> 27;
        s.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
    }
    fn send(&mut self, to_client: bool, datagram: Vec<u8>, now: Instant) {
        self.sent += 1;
        if self.random() % 100 < self.weather.lost_percent {
            return;
        }
        let copies = 1 + u64::from(self.random() % 100 < self.weather.repeated_percent);
        for _ in 0..copies {
            let delay = Duration::from_millis(5 + self.random() % (self.weather.jitter_ms + 1));
            let number = self.flying.len() as u64 + self.sent * 1_000;
            self.flying.insert((now + delay, number), (to_client, datagram.clone()));
        }
    }
}

/// Moves `content` over the channel. Gives what arrived, how the sender ended, and how many data packets it sent.
fn transfer(content: &[u8], blksize: u16, windowsize: u16, weather: Weather) -> (Vec<u8>, End, u64) {
    let start = Instant::now();
    let mut now = start;
    let ask = Ask { blksize: Some(blksize.into()), windowsize: Some(windowsize.into()), ..Ask::default() };
    let values = (blksize.to_string(), windowsize.to_string());
    let options = vec![(&b"blksize"[..], values.0.as_bytes()), (b"windowsize", values.1.as_bytes())];
    let option_ack = Some(Packet::OptionAck(options).encode());
    let patience = Duration::from_secs(600);
    let params = Params { blksize, windowsize, option_ack, patience, first_retries: 100, ..Params::default() };
    let mut sender = Sender::new(params, now);
    let mut receiver = Receiver::new(ask);
    let mut channel = Channel { weather, flying: BTreeMap::new(), sent: 0 };
    let mut file = content.chunks(blksize.into()).map(Bytes::copy_from_slice);
    let mut client_timer = now + receiver.timer();
    let (mut out, mut data_sent) = (Vec::new(), 0);
    loop {
        feed(&mut sender, &mut file);
        sender.take_outgoing(&mut out, now);
        for datagram in out.drain(..) {
            data_sent += u64::from(matches!(datagram.head, Head::Data(_)));
            channel.send(true, datagram.to_vec(), now);
        }
        if let Some(end) = sender.ended() {
            return (receiver.content, end.clone(), data_sent);
        }
        let arrival = channel.flying.first_key_value().map(|(key, _)| key.0);
        // A client that is done lingers only as far as it answers repeats of the last block.
        let own = (!receiver.done).then_some(client_timer);
        now = [arrival, sender.deadline(), own]
            .into_iter()
            .flatten()
            .min()
            .expect("someone waits for something")
            .max(now);
        assert!(now - start < Duration::from_secs(3600), "the transfer does not end");
        if arrival == Some(now) {
            let (_, (to_client, datagram)) = channel.flying.pop_first().expect("seen above");
            let packet = Packet::decode(&datagram).expect("the channel does not change packets");
            if !to_client {
                sender.on_packet(&packet, now);
                continue;
            }
            client_timer = now + receiver.timer();
            match receiver.on_packet(&packet).expect("no errors are sent") {
                Step::Wait => {}
                Step::Ack(block) | Step::Done(block) => channel.send(false, Packet::Ack { block }.encode(), now),
            }
        } else if own == Some(now) {
            client_timer = now + receiver.timer();
            if let Some(block) = receiver.on_timer() {
                channel.send(false, Packet::Ack { block }.encode(), now);
            }
        } else {
            sender.on_timer(now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn every_file_arrives_whole_in_any_weather(
        size in 0usize..5_000, blksize in 8u16..200, windowsize in 1u16..20,
        lost_percent in 0u64..40, repeated_percent in 0u64..40, jitter_ms in 0u64..400, seed in 1u64..u64::MAX,
    ) {
        let content: Vec<u8> = (0..size).map(|i| (i * 31 % 251) as u8).collect();
        let weather = Weather { lost_percent, repeated_percent, jitter_ms, seed };
        let (got, end, _) = transfer(&content, blksize, windowsize, weather);
        prop_assert_eq!(end, End::Complete);
        prop_assert!(got == content, "{} bytes of {} arrived", got.len(), content.len());
    }

    #[test]
    fn repeated_datagrams_cause_no_repeated_data(size in 0usize..5_000, windowsize in 1u16..20, seed in 1u64..u64::MAX) {
        let content = vec![7; size];
        let weather = Weather { lost_percent: 0, repeated_percent: 100, jitter_ms: 0, seed };
        let (got, end, data_sent) = transfer(&content, 100, windowsize, weather);
        prop_assert_eq!((got.len(), end), (size, End::Complete));
        prop_assert_eq!(data_sent, size as u64 / 100 + 1);
    }
}

#[test]
fn block_numbers_roll_over() {
    let content: Vec<u8> = (0..8 * 140_000 + 3).map(|i: u32| (i * 17 % 253) as u8).collect();
    for (windowsize, lost_percent) in [(1, 0), (1, 1), (33, 0), (33, 1)] {
        let weather = Weather { lost_percent, repeated_percent: 1, jitter_ms: 1, seed: 42 };
        let (got, end, _) = transfer(&content, 8, windowsize, weather);
        assert_eq!(end, End::Complete);
        assert!(got == content, "window {windowsize}, {lost_percent} % lost");
    }
}
