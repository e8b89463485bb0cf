//! Another box on the same wire, which has the name already: a network card whose other end is here, and as much of mDNS (RFC
//! 6762) over IPv6 as it takes to keep a name and to ask for one. What must not live here: the machine.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

const PORT: u16 = 5353;
const OWN_CARD: [u8; 6] = [0x02, 0, 0, 0, 0, 0x17];
const GROUP_CARD: [u8; 6] = [0x33, 0x33, 0, 0, 0, 0xfb];
const OWN: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x17];
const GROUP: [u8; 16] = [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb];
const HEADERS: usize = 14 + 40 + 8;
const AAAA: u16 = 28;
const LOOK: Duration = Duration::from_millis(500);

pub struct Neighbour {
    socket: UdpSocket,
    /// Where the emulator's end of the wire is.
    machine: SocketAddr,
    ended: Arc<AtomicBool>,
    defended: Arc<AtomicU32>,
    answers: Arc<parking::Answers>,
    thread: Option<JoinHandle<()>>,
}

/// Packets that came with answers in them.
mod parking {
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    /// More than anybody waits for.
    const KEPT: usize = 64;

    #[derive(Default)]
    pub struct Answers {
        packets: Mutex<Vec<Vec<u8>>>,
        came: Condvar,
    }

    impl Answers {
        pub fn put(&self, packet: Vec<u8>) {
            if let Ok(mut packets) = self.packets.lock() {
                if packets.len() == KEPT {
                    packets.remove(0);
                }
                packets.push(packet);
            }
            self.came.notify_all();
        }

        /// Whether one of them is as wanted, now or a little later.
        pub fn any(&self, patience: Duration, wanted: impl Fn(&[u8]) -> bool) -> bool {
            let Ok(packets) = self.packets.lock() else {
                return false;
            };
            let waited = self.came.wait_timeout_while(packets, patience, |packets| {
                !packets.iter().any(|packet| wanted(packet))
            });
            waited.is_ok_and(|(packets, _)| packets.iter().any(|packet| wanted(packet)))
        }
    }
}

impl Neighbour {
    /// Keeps a name from now on.
    pub fn with(name: &str) -> Result<Neighbour> {
        let bound = || UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let socket = bound().context("making this end of the wire")?;
        // The other end's port has to be known before the emulator takes it.
        let machine = bound()
            .and_then(|other| other.local_addr())
            .context("looking for a free port")?;
        socket.set_read_timeout(Some(LOOK)).context("the wire")?;
        let (ended, defended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let answers = Arc::new(parking::Answers::default());
        let thread = {
            let wire = socket.try_clone().context("the wire")?;
            let (name, ended, defended) = (name.to_owned(), Arc::clone(&ended), Arc::clone(&defended));
            let answers = Arc::clone(&answers);
            thread::spawn(move || {
                let mut frame = vec![0; 2_048];
                while !ended.load(Ordering::Relaxed) {
                    let Ok((length, _)) = wire.recv_from(&mut frame) else {
                        continue;
                    };
                    let Some(packet) = packet_of(&frame[..length]) else {
                        continue;
                    };
                    if packet[2] & 0x80 != 0 {
                        answers.put(packet.to_vec());
                    } else if holds(packet, &name) {
                        defended.fetch_add(1, Ordering::Relaxed);
                        // One that is not there yet asks again.
                        let _ = wire.send_to(&framed(&claim(&name)), machine);
                    }
                }
            })
        };
        Ok(Neighbour {
            socket,
            machine,
            ended,
            defended,
            answers,
            thread: Some(thread),
        })
    }

    /// The emulator's words for a card on this wire.
    pub fn card(&self) -> Result<Vec<String>> {
        let here = self.socket.local_addr().context("this end of the wire")?;
        Ok(vec![
            "-netdev".to_owned(),
            format!("socket,id=wire,udp={here},localaddr={}", self.machine),
            "-device".to_owned(),
            "virtio-net-pci,netdev=wire,romfile=".to_owned(),
        ])
    }

    /// Asks the wire for a name, as any computer does, until it is answered with an address, or nobody can answer any more.
    pub fn finds(&self, name: &str, patience: Duration, mut is_on: impl FnMut() -> Result<()>) -> Result<()> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            is_on()?;
            self.socket
                .send_to(&framed(&question(name)), self.machine)
                .context("asking the wire")?;
            if self
                .answers
                .any(Duration::from_secs(3), |packet| has_address(packet, name))
            {
                return Ok(());
            }
        }
        ensure!(
            false,
            "nobody on the wire answers for {name} in {} s",
            patience.as_secs()
        );
        Ok(())
    }

    pub fn defended(&self) -> u32 {
        self.defended.load(Ordering::Relaxed)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It looks twice a second.
            let _ = thread.join();
        }
    }
}

/// A name as it stands in a packet, not shortened; what is searched for is always the first of its kind.
fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn holds(packet: &[u8], name: &str) -> bool {
    let wanted = labels(name);
    packet.windows(wanted.len()).any(|part| part == wanted)
}

/// An answer that gives the name an address: the name, then its kind.
fn has_address(packet: &[u8], name: &str) -> bool {
    let wanted = [labels(name), AAAA.to_be_bytes().to_vec()].concat();
    packet.windows(wanted.len()).any(|part| part == wanted)
}

fn question(name: &str) -> Vec<u8> {
    let head = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&head[..], &labels(name), &AAAA.to_be_bytes(), &[0, 1]].concat()
}

/// The name is ours alone (the first bit of its class), for two minutes.
fn claim(name: &str) -> Vec<u8> {
    let head = [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    let about = [
        &AAAA.to_be_bytes()[..],
        &[0x80, 1],
        &120_u32.to_be_bytes(),
        &[0, 16],
        &OWN,
    ];
    [&head[..], &labels(name), &about.concat()].concat()
}

/// What was said to the group of all who have names.
fn packet_of(frame: &[u8]) -> Option<&[u8]> {
    let is_six = frame.get(12..14)? == [0x86, 0xdd] && frame.get(20)? == &17;
    let port = u16::from_be_bytes(frame.get(56..58)?.try_into().ok()?);
    let packet = frame.get(HEADERS..)?;
    (is_six && port == PORT && packet.len() >= 12).then_some(packet)
}

fn framed(packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len() + 8).unwrap_or(u16::MAX).to_be_bytes();
    let port = PORT.to_be_bytes();
    let mut udp = [&port[..], &port, &length, &[0, 0], packet].concat();
    let sum = checksum(&[&OWN[..], &GROUP, &[0, 0], &length, &[0, 0, 0, 17], &udp].concat());
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    let ethernet = [&GROUP_CARD[..], &OWN_CARD, &[0x86, 0xdd]].concat();
    let six = [&[0x60, 0, 0, 0][..], &length, &[17, 255], &OWN, &GROUP].concat();
    [ethernet, six, udp].concat()
}

/// The internet's (RFC 1071); all ones stand for none.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !u16::try_from(sum).unwrap_or(0) {
        0 => 0xffff,
        sum => sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_what_the_other_end_reads() {
        let frame = framed(&question("kinglet.local"));
        let packet = packet_of(&frame).expect("it is one");
        assert!(holds(packet, "kinglet.local") && !holds(packet, "kinglet-2.local"));
        assert!(has_address(&claim("kinglet.local"), "kinglet.local"));
        // Whoever adds up what is covered, the sum included, gets all ones.
        let udp = &frame[54..];
        let length = &udp[4..6];
        let covered = [&OWN[..], &GROUP, &[0, 0], length, &[0, 0, 0, 17], udp].concat();
        assert_eq!(checksum(&covered), 0xffff);
    }

    #[test]
    fn who_asks_for_the_name_is_told_that_it_is_taken() {
        let neighbour = Neighbour::with("kinglet.local").expect("loopback is there");
        let other = UdpSocket::bind(neighbour.machine).expect("the port was free a moment ago");
        other
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("it can wait");
        let here = neighbour.socket.local_addr().expect("it is bound");
        other
            .send_to(&framed(&question("kinglet.local")), here)
            .expect("loopback is there");
        let mut frame = [0; 2_048];
        let (length, _) = other.recv_from(&mut frame).expect("it answers");
        let packet = packet_of(&frame[..length]).expect("it is one");
        assert!(packet[2] & 0x80 != 0 && has_address(packet, "kinglet.local"));
        assert_eq!(neighbour.defended(), 1);
        other
            .send_to(&framed(&claim("kinglet-2.local")), here)
            .expect("loopback is there");
        assert!(
            neighbour
                .finds("kinglet-2.local", Duration::from_secs(10), || Ok(()))
                .is_ok()
        );
    }
}
