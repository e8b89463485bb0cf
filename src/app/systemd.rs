//! What systemd and the server tell each other: ready, status, reloading, stopping, the watchdog's ping, and sockets
//! handed in at the start. Without systemd all of it does nothing.
//! What must not live here: deciding when the server is ready or well; a probe is handed in.

// The one use: a file descriptor that systemd passed in is only a number until `from_raw_fd` owns it.
#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::io;
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use sd_notify::NotifyState;
use socket2::{Domain, Socket, Type};
use tokio::time::MissedTickBehavior;

/// systemd reads its socket all the time; one that does not must not stop us.
const SEND_TIMEOUT: Duration = Duration::from_millis(250);

/// How often more time to start is asked for, and how many times: a log that is brought to a new form, or read anew after a power cut,
/// may take longer than a unit gives; one that takes for ever is ended.
const ASK_EVERY: Duration = Duration::from_secs(60);
const ASK_TIMES: u32 = 60;

/// Held while the server starts.
pub struct Starting {
    _held: mpsc::SyncSender<()>,
}

/// The way to the service manager; without one every message is a success that does nothing.
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    socket: Option<SocketAddr>,
}

impl Notifier {
    /// The socket that `NOTIFY_SOCKET` names.
    pub fn from_env() -> io::Result<Self> {
        match std::env::var_os("NOTIFY_SOCKET") {
            Some(socket) => Self::to(&socket),
            None => Ok(Self::default()),
        }
    }

    /// A socket by its path, or by `@name` for an abstract one. An empty path means no service manager.
    pub fn to(socket: &OsStr) -> io::Result<Self> {
        let socket = match socket.as_bytes() {
            [] => None,
            [b'@', name @ ..] => Some(SocketAddr::from_abstract_name(name)?),
            _ => Some(SocketAddr::from_pathname(socket)?),
        };
        Ok(Self { socket })
    }

    /// True when a service manager listens.
    pub fn is_active(&self) -> bool {
        self.socket.is_some()
    }

    /// The server accepts clients; also ends a reload.
    pub fn ready(&self, status: &str) -> io::Result<()> {
        self.send(&[NotifyState::Ready, NotifyState::Status(&one_line(status))])
    }

    /// One line for `systemctl status`. No names: everybody on the machine may read it.
    pub fn status(&self, status: &str) -> io::Result<()> {
        self.send(&[NotifyState::Status(&one_line(status))])
    }

    /// A reload begins; [`Notifier::ready`] ends it.
    pub fn reloading(&self) -> io::Result<()> {
        self.send(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
    }

    pub fn stopping(&self, status: &str) -> io::Result<()> {
        self.send(&[NotifyState::Stopping, NotifyState::Status(&one_line(status))])
    }

    /// Asks for more time to start or to stop, for example for a long recovery of the log.
    pub fn extend_timeout(&self, time: Duration) -> io::Result<()> {
        let microseconds = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self.send(&[NotifyState::ExtendTimeoutUsec(microseconds)])
    }

    /// Asks for more time, again and again for an hour, as long as what this gives is held. Without a service manager nobody is asked.
    pub fn while_starting(&self) -> io::Result<Option<Starting>> {
        self.is_active()
            .then(|| self.asking(ASK_EVERY, ASK_TIMES))
            .transpose()
    }

    fn asking(&self, every: Duration, times: u32) -> io::Result<Starting> {
        let (held, ended) = mpsc::sync_channel::<()>(0);
        let notifier = self.clone();
        std::thread::Builder::new()
            .name("starting".into())
            .spawn(move || {
                for _ in 0..times {
                    // It is dropped, never sent to.
                    if ended.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                    let _ = notifier.extend_timeout(every * 2);
                }
            })?;
        Ok(Starting { _held: held })
    }

    fn ping(&self) -> io::Result<()> {
        self.send(&[NotifyState::Watchdog])
    }

    fn send(&self, states: &[NotifyState<'_>]) -> io::Result<()> {
        let Some(address) = &self.socket else {
            return Ok(());
        };
        let message: String = states.iter().map(|state| format!("{state}\n")).collect();
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        socket.send_to_addr(message.as_bytes(), address).map(drop)
    }
}

/// A line break would start another assignment.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// How often to ping: half of the time after which systemd gives up, or none if it keeps no watchdog over us.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled()
        .map(|limit| limit / 2)
        .filter(|half| !half.is_zero())
}

/// Pings after every `probe` that answers true, until `shutdown` ends. The probe is a round trip through the writer's
/// queue. One that answers false or hangs earns no ping, and systemd restarts the server.
pub async fn watchdog<P, F, S>(notifier: Notifier, interval: Duration, mut probe: P, shutdown: S)
where
    P: FnMut() -> F,
    F: Future<Output = bool>,
    S: Future<Output = ()>,
{
    let mut shutdown = pin!(shutdown);
    let mut ticks = tokio::time::interval(interval);
    // After a late probe the next one is a whole interval away, not at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut well = true;
    loop {
        let round = async {
            ticks.tick().await;
            answer(probe(), interval, &mut well).await
        };
        let answered = tokio::select! {
            biased;
            () = &mut shutdown => return,
            answered = round => answered,
        };
        if answered && let Err(error) = notifier.ping() {
            log::warn!("cannot ping systemd's watchdog: {error}; it will restart the server if this goes on");
        }
    }
}

/// Waits for one probe as long as it takes, and says in the log when it is overdue and when it answers again.
async fn answer(probe: impl Future<Output = bool>, patience: Duration, well: &mut bool) -> bool {
    let mut probe = pin!(probe);
    let in_time = tokio::time::timeout(patience, &mut probe).await;
    if *well && in_time != Ok(true) {
        *well = false;
        log::error!("the log's writer does not answer; if it stays so, systemd will restart the server");
    }
    let answered = match in_time {
        Ok(answered) => answered,
        Err(_) => probe.await,
    };
    if answered && !*well {
        *well = true;
        log::info!("the log's writer answers again");
    }
    answered
}

/// The listening sockets systemd passed in, by the name its socket unit gives them (`FileDescriptorName=`); none
/// without socket activation. They are given out once: a second call finds none.
pub fn listen_fds() -> io::Result<Vec<(String, TcpListener)>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let mut listeners = Vec::new();
    let passed = sd_notify::listen_fds_with_names()?;
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(listeners);
    }
    for (fd, name) in passed {
        // SAFETY: sd_notify has seen that LISTEN_PID is this process and that the descriptor is open, so systemd
        // opened it for us and nobody else here owns it. TAKEN makes this the only place that takes it, and once.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        let listener = listener(owned).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the socket {name:?} passed in by systemd: {error}"),
            )
        })?;
        listeners.push((name, listener));
    }
    Ok(listeners)
}

/// A passed-in descriptor as a listener that is ready for tokio, if that is what it is.
fn listener(fd: OwnedFd) -> io::Result<TcpListener> {
    let socket = Socket::from(fd);
    let internet = matches!(socket.domain()?, Domain::IPV4 | Domain::IPV6);
    if !internet || socket.r#type()? != Type::STREAM || !socket.is_listener()? {
        let what = "it is not a listening TCP socket. Use ListenStream= with an address and Accept=no";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::ffi::OsString;
    use std::net::UdpSocket;
    use std::os::unix::net::UnixListener;
    use std::process::{Command, Stdio};

    use tokio::sync::oneshot;

    use super::*;

    const PORT: &str = "KINGLET_TEST_PORT";

    struct Manager {
        _directory: tempfile::TempDir,
        socket: UnixDatagram,
        notifier: Notifier,
    }

    fn manager() -> Manager {
        let directory = tempfile::tempdir().expect("a test may make a directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("the path is new");
        socket
            .set_nonblocking(true)
            .expect("a socket can be non-blocking");
        let notifier = Notifier::to(path.as_os_str()).expect("the path is short enough");
        Manager {
            _directory: directory,
            socket,
            notifier,
        }
    }

    impl Manager {
        fn received(&self) -> Option<String> {
            let mut buffer = [0; 512];
            let length = self.socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        }
    }

    #[test]
    fn each_message_arrives_as_systemd_reads_it() {
        let manager = manager();
        let notifier = &manager.notifier;
        assert!(notifier.is_active());
        notifier
            .ready("3 sessions\nMAINPID=1")
            .expect("the manager listens");
        assert_eq!(
            manager.received().as_deref(),
            Some("READY=1\nSTATUS=3 sessions MAINPID=1\n")
        );
        notifier.status("recovering").expect("the manager listens");
        assert_eq!(manager.received().as_deref(), Some("STATUS=recovering\n"));
        notifier.stopping("saying goodbye").expect("the manager listens");
        assert_eq!(
            manager.received().as_deref(),
            Some("STOPPING=1\nSTATUS=saying goodbye\n")
        );
        notifier
            .extend_timeout(Duration::from_secs(30))
            .expect("the manager listens");
        assert_eq!(
            manager.received().as_deref(),
            Some("EXTEND_TIMEOUT_USEC=30000000\n")
        );
        notifier.reloading().expect("the manager listens");
        let reloading = manager.received().expect("it was sent");
        let time = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .expect("systemd needs both, in one message");
        assert!(time.trim_end().parse::<u64>().is_ok(), "{reloading}");
        assert_eq!(manager.received(), None);
    }

    #[test]
    fn a_start_that_takes_long_asks_for_time_until_it_is_over() {
        let manager = manager();
        manager.socket.set_nonblocking(false).expect("a socket can block");
        let millisecond = Duration::from_millis(1);
        let starting = manager.notifier.asking(millisecond, u32::MAX).expect("a thread");
        for _ in 0..3 {
            assert_eq!(manager.received().as_deref(), Some("EXTEND_TIMEOUT_USEC=2000\n"));
        }
        drop(starting);
        manager.notifier.status("the end").expect("the manager listens");
        while manager.received().expect("it was sent") != "STATUS=the end\n" {}
        manager
            .socket
            .set_read_timeout(Some(millisecond * 50))
            .expect("a socket can");
        let after = std::iter::from_fn(|| manager.received()).count();
        assert!(after <= 1, "one may have been on its way");
        let bounded = manager.notifier.asking(millisecond, 2).expect("a thread");
        manager.socket.set_read_timeout(None).expect("a socket can");
        assert!(manager.received().is_some() && manager.received().is_some());
        manager
            .socket
            .set_read_timeout(Some(millisecond * 50))
            .expect("a socket can");
        assert_eq!(manager.received(), None);
        drop(bounded);
        let nobody = Notifier::default().while_starting().expect("nobody is asked");
        assert!(nobody.is_none());
    }

    #[test]
    fn an_abstract_socket_works_and_no_socket_is_no_error() {
        let name = format!("kinglet-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("the name is short enough");
        let socket = UnixDatagram::bind_addr(&address).expect("the name is new");
        let notifier = Notifier::to(OsStr::new(&format!("@{name}"))).expect("the name is short enough");
        notifier.status("hello").expect("somebody listens");
        let mut buffer = [0; 64];
        assert_eq!(
            socket.recv(&mut buffer).expect("it was sent"),
            "STATUS=hello\n".len()
        );

        let nobody = Notifier::to(OsStr::new("")).expect("empty means nobody");
        assert!(!nobody.is_active());
        nobody.ready("ready").expect("nobody listens, which is fine");
    }

    #[tokio::test]
    async fn only_a_probe_that_answers_true_earns_a_ping() {
        let manager = manager();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut stop = Some(stop);
        let mut answers = VecDeque::from([true, false, false, true]);
        let probe = || {
            let answer = answers.pop_front();
            if answer.is_none() {
                stop.take();
            }
            // After the last answer it hangs, as a stuck writer does; the shutdown must end that too.
            async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            }
        };
        let shutdown = async { stopped.await.unwrap_or(()) };
        watchdog(
            manager.notifier.clone(),
            Duration::from_millis(1),
            probe,
            shutdown,
        )
        .await;
        let pings: Vec<String> = std::iter::from_fn(|| manager.received()).collect();
        assert_eq!(pings, ["WATCHDOG=1\n", "WATCHDOG=1\n"]);
    }

    #[tokio::test]
    async fn a_watchdog_can_be_spawned_and_a_late_answer_still_counts() {
        let manager = manager();
        let (stop, stopped) = oneshot::channel::<()>();
        let (late, answer) = oneshot::channel::<bool>();
        let mut answers = VecDeque::from([answer]);
        let mut stop = Some(stop);
        let probe = move || {
            let answer = answers.pop_front();
            if answer.is_none() {
                stop.take();
            }
            async move {
                match answer {
                    Some(answer) => answer.await.unwrap_or(false),
                    None => std::future::pending().await,
                }
            }
        };
        let shutdown = async { stopped.await.unwrap_or(()) };
        let interval = Duration::from_millis(1);
        let running = tokio::spawn(watchdog(manager.notifier.clone(), interval, probe, shutdown));
        let mut patience = tokio::time::interval(interval * 5);
        for _ in 0..4 {
            patience.tick().await;
        }
        assert_eq!(manager.received(), None, "a ping without an answer");
        late.send(true).expect("the probe still waits");
        running.await.expect("the watchdog ends with the shutdown");
        assert_eq!(manager.received().as_deref(), Some("WATCHDOG=1\n"));
        assert_eq!(manager.received(), None);
    }

    #[test]
    fn only_a_listening_tcp_socket_is_taken() {
        let good = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
        let port = good.local_addr().expect("it is bound").port();
        let taken = listener(OwnedFd::from(good)).expect("it is what systemd should pass");
        assert_eq!(taken.local_addr().expect("it is bound").port(), port);
        let blocked = taken
            .accept()
            .expect_err("nobody connects, and it must not wait for anybody");
        assert_eq!(blocked.kind(), io::ErrorKind::WouldBlock);

        let datagram = UdpSocket::bind("127.0.0.1:0").expect("loopback has a port");
        assert!(listener(OwnedFd::from(datagram)).is_err());
        let directory = tempfile::tempdir().expect("a test may make a directory");
        let local = UnixListener::bind(directory.path().join("local")).expect("the path is new");
        assert!(listener(OwnedFd::from(local)).is_err());
    }

    /// What starts this test binary again: itself, after the emulator where it is made for another processor.
    fn once_more() -> Vec<OsString> {
        let emulator = std::env::var("TEST_EMULATOR").unwrap_or_default();
        let itself = std::env::current_exe().expect("the test binary knows itself");
        let words = emulator.split_whitespace().map(OsString::from);
        words.chain([itself.into_os_string()]).collect()
    }

    /// Runs this test binary again as systemd would: the socket is descriptor 3 and the variables name the process.
    #[test]
    fn a_socket_passed_in_is_found_by_its_name() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
        let port = socket.local_addr().expect("it is bound").port();
        let output = Command::new("sh")
            .args(["-c", r#"LISTEN_PID=$$ exec "$0" "$@" 3<&0"#])
            .args(once_more())
            .args([
                "--exact",
                "app::systemd::tests::the_other_side_of_socket_activation",
                "--nocapture",
            ])
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDNAMES", "web")
            .env(PORT, port.to_string())
            .stdin(Stdio::from(OwnedFd::from(socket)))
            .output()
            .expect("there is a shell");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("1 passed"),
            "the other side did not run"
        );
    }

    /// The body of the process started by the test above; by itself it has no socket to find.
    #[test]
    fn the_other_side_of_socket_activation() {
        let expected = std::env::var(PORT).ok();
        let passed = listen_fds().expect("what was passed is right");
        let found: Vec<_> = passed
            .iter()
            .map(|(name, listener)| {
                (
                    name.as_str(),
                    listener.local_addr().expect("it is bound").port().to_string(),
                )
            })
            .collect();
        match expected {
            Some(port) => assert_eq!(found, [("web", port)]),
            None => assert!(found.is_empty()),
        }
        assert!(listen_fds().expect("a second call is harmless").is_empty());
    }
}
