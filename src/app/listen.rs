//! Listening: sockets of our own or from systemd, and the certificate for those that speak TLS. What must not live here:
//! accepting.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::config::{Config, Transport};
use super::failure::{Failure, Outcome};
use super::{settings, systemd};
use crate::gateway::tls::{Source, Tls, TlsConfig};

/// Connections that the kernel keeps while we are busy.
const BACKLOG: i32 = 1024;
/// `FileDescriptorName=` of a socket that shows the trust page.
pub const HTTP_NAME: &str = "http";
/// The control socket, in the data directory.
pub const CONTROL: &str = "control.sock";
/// The own authority's certificate, without its key, for `curl --cacert` and the like.
pub const CA_FILE: &str = "ca.pem";
/// What people compare of it, a line each, for a screen beside the server: `words: ` and `SHA-256: `.
const COMPARED_FILE: &str = "ca.txt";

/// One bound socket and how it speaks.
pub struct Bound {
    pub listener: std::net::TcpListener,
    pub address: SocketAddr,
    pub transport: Transport,
}

/// Everything bound: those for clients, and the plain-http one.
pub struct Sockets {
    pub clients: Vec<Bound>,
    pub http: Option<std::net::TcpListener>,
}

impl Sockets {
    /// What systemd passed in, which may be nothing.
    pub fn passed_in(config: &Config) -> Outcome<Sockets> {
        let mut sockets = Sockets {
            clients: Vec::new(),
            http: None,
        };
        for (name, listener) in inherited()? {
            if name == HTTP_NAME {
                sockets.http = Some(listener);
            } else {
                sockets.clients.push(bound(config, listener)?);
            }
        }
        Ok(sockets)
    }

    /// Whether clients come over TLS, by the sockets that are there or else by the one that will be bound.
    pub fn speak_tls(&self, config: &Config) -> bool {
        if self.clients.is_empty() {
            let transport = config.own_address().and_then(|address| config.transport(address));
            return transport.is_ok_and(|transport| transport != Transport::Plain);
        }
        self.clients
            .iter()
            .any(|bound| bound.transport != Transport::Plain)
    }
}

/// Those that systemd passed in, else what the configuration names is bound, and where it names none the usual address of this
/// machine alone: another program may have the ports.
pub fn sockets(config: &Config, mut sockets: Sockets) -> Outcome<Sockets> {
    if sockets.clients.is_empty() {
        let address = config
            .own_address()
            .map_err(|problem| Failure::config(problem.to_string()))?;
        if config.is_passed_in() {
            log::warn!(
                "systemd passed no socket in (`systemctl status kinglet.socket` says why), so {address} is all there is"
            );
        }
        sockets
            .clients
            .push(bound(config, bind("listen.address", address)?)?);
    }
    if sockets.http.is_none()
        && sockets
            .clients
            .iter()
            .any(|bound| bound.transport != Transport::Plain)
        && let Some(address) = config
            .http_address()
            .map_err(|problem| Failure::config(problem.to_string()))?
    {
        sockets.http = Some(bind("listen.http_address", address)?);
    }
    Ok(sockets)
}

/// What systemd passed in, by name; it is given out once.
pub fn inherited() -> Outcome<Vec<(String, std::net::TcpListener)>> {
    systemd::listen_fds()
        .map_err(|error| Failure::config(format!("cannot use the sockets from systemd: {error}")))
}

fn bound(config: &Config, listener: std::net::TcpListener) -> Outcome<Bound> {
    let address = listener
        .local_addr()
        .map_err(|error| Failure::failed(format!("cannot learn a listening socket's address: {error}")))?;
    let transport = config
        .transport(address)
        .map_err(|problem| Failure::config(problem.to_string()))?;
    Ok(Bound {
        listener,
        address,
        transport,
    })
}

/// Binds one address, or says which setting to change.
pub fn bind(key: &str, address: SocketAddr) -> Outcome<std::net::TcpListener> {
    let made = || -> std::io::Result<std::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for the kernel to forget the connections of the run before.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    made().map_err(|error| {
        let next = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another program listens there: stop it, or give that setting another port (KINGLET_LISTEN_ADDRESS=127.0.0.1:8081 does)"
            }
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 need CAP_NET_BIND_SERVICE or a socket from systemd; or choose a higher port"
            }
            std::io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address; 0.0.0.0 means every one it has"
            }
            _ => "choose another address",
        };
        Failure::config(format!("cannot listen on {key} = \"{address}\": {error}. {next}"))
    })
}

/// A bound socket as the runtime takes it.
pub fn into_tokio(listener: std::net::TcpListener) -> Outcome<TcpListener> {
    TcpListener::from_std(listener)
        .map_err(|error| Failure::failed(format!("cannot hand a listening socket to the runtime: {error}")))
}

/// The certificate, if any socket speaks TLS. All that do speak with the same one.
pub fn tls(config: &Config, sockets: &Sockets) -> Outcome<Option<Arc<Tls>>> {
    let dir = config.data_dir.join("tls");
    let bound = sockets
        .clients
        .iter()
        .find(|bound| bound.transport != Transport::Plain);
    let tls = bound
        .map(|bound| certificate(config, &bound.transport, &dir))
        .transpose()?;
    if let Some(pem) = tls.as_ref().and_then(Tls::ca_pem) {
        put(&dir.join(CA_FILE), &pem)?;
    }
    let status = tls.as_ref().map(Tls::status);
    match status.as_ref().and_then(|status| status.authority.as_ref()) {
        Some(authority) => {
            let words = authority.words.join(" ");
            let text = format!("words: {words}\nSHA-256: {}\n", authority.fingerprint);
            put(&dir.join(COMPARED_FILE), &text)?;
        }
        // Another's certificate is shown, or none, and there is nothing to compare.
        None => forget(&dir.join(COMPARED_FILE))?,
    }
    Ok(tls.map(Arc::new))
}

fn forget(path: &Path) -> Outcome<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::failed(format!(
            "cannot remove {}: {error}",
            path.display()
        ))),
        _ => Ok(()),
    }
}

fn put(path: &Path, text: &str) -> Outcome<()> {
    fs::write(path, text)
        .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))
}

/// The certificate for one way of speaking. One of the server's own is made and kept in `dir`.
pub fn certificate(config: &Config, transport: &Transport, dir: &Path) -> Outcome<Tls> {
    let source = match transport {
        Transport::Files { certificate, key } => Source::Files {
            cert: certificate.clone(),
            key: key.clone(),
        },
        Transport::Plain | Transport::Local => {
            private_dir(dir)?;
            Source::Local {
                dir: dir.to_owned(),
                names: settings::certificate_names(config),
            }
        }
    };
    let is_local = matches!(source, Source::Local { .. });
    let setup = TlsConfig {
        domain: is_local && config.acme.enabled,
        ..TlsConfig::of(source)
    };
    Tls::open(setup, SystemTime::now())
        .map_err(|error| Failure::config(format!("cannot set up TLS: {error:#}")))
}

fn private_dir(path: &Path) -> Outcome<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Failure::failed(format!("cannot make {}: {error}", path.display())))
}

/// The control socket. Whoever holds the data directory's lock may replace what a killed server left behind.
pub fn control(data_dir: &Path) -> Outcome<UnixListener> {
    let path = data_dir.join(CONTROL);
    let made = || -> std::io::Result<UnixListener> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    made().map_err(|error| {
        Failure::failed(format!(
            "cannot make the control socket {}: {error}. A socket's path has at most 107 bytes: a shorter data_dir may help",
            path.display()
        ))
    })
}
