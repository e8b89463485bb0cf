//! A live socket as a client has it: asks and waits for the answer, keeps what else comes. What must not live here:
//! stories; frames that no proper client sends (`raw`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::harness::{PATIENCE, Person, World, id};
use crate::http::Stream;

pub struct Live {
    pub who: Person,
    pub welcome: Value,
    socket: WebSocketStream<Stream>,
    /// The same socket once more, to see its end without reading from it.
    watch: TcpStream,
    inbox: VecDeque<Value>,
    next_id: u64,
}

/// What came next.
#[derive(Debug)]
pub enum Came {
    Frame(Value),
    /// The close code; nothing when the connection just ended.
    End(Option<u16>),
}

/// How a socket is opened.
#[derive(Clone, Copy, Default)]
pub struct Manner<'a> {
    pub resume: Option<&'a str>,
    /// A small receive buffer: one who stops reading blocks the server soon.
    pub narrow: bool,
    /// The token in the `Authorization` header instead of `hello`.
    pub header: bool,
}

impl Person {
    /// A live socket without a past.
    pub async fn live(&self) -> Live {
        self.open(Manner::default()).await
    }

    /// A live socket that goes on from a resume token.
    pub async fn resume(&self, token: &str) -> Live {
        self.open(Manner {
            resume: Some(token),
            ..Manner::default()
        })
        .await
    }

    /// A live socket whose client will stop reading.
    pub async fn narrow(&self) -> Live {
        self.open(Manner {
            narrow: true,
            ..Manner::default()
        })
        .await
    }

    pub async fn open(&self, manner: Manner<'_>) -> Live {
        let mut live = self.knock(manner).await;
        let mut hello = json!({ "type": "hello" });
        if !manner.header {
            hello["token"] = json!(self.token);
        }
        if let Some(token) = manner.resume {
            hello["resume"] = json!(token);
        }
        live.welcome = live.ask(hello).await;
        assert_eq!(live.welcome["type"], "welcome", "{}", live.welcome);
        live
    }

    /// The handshake alone.
    pub async fn knock(&self, manner: Manner<'_>) -> Live {
        tokio::time::timeout(PATIENCE, self.handshake(manner))
            .await
            .expect("a handshake in time")
    }

    async fn handshake(&self, manner: Manner<'_>) -> Live {
        let address = self.world.address();
        let (stream, watch) = dial(&self.world, manner.narrow).await;
        let mut request = format!("ws://{address}/ws")
            .into_client_request()
            .expect("an address");
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", "kinglet.v1".parse().expect("a header"));
        if manner.header {
            let value = format!("Bearer {}", self.token).parse().expect("a header");
            headers.insert("Authorization", value);
        }
        let (socket, answer) = tokio_tungstenite::client_async(request, stream)
            .await
            .expect("a WebSocket");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "kinglet.v1");
        let inbox = VecDeque::new();
        Live {
            who: self.clone(),
            welcome: Value::Null,
            socket,
            watch,
            inbox,
            next_id: 1,
        }
    }
}

async fn dial(world: &World, narrow: bool) -> (Stream, TcpStream) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    if narrow {
        socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    }
    socket
        .connect(&world.address().into())
        .expect("the server listens");
    socket.set_nonblocking(true).expect("a socket can");
    socket.set_tcp_nodelay(true).expect("a socket can");
    let watch = TcpStream::from_std(socket.try_clone().expect("a descriptor").into()).expect("a socket");
    let stream = TcpStream::from_std(socket.into()).expect("a socket");
    let Some(config) = world.client_tls() else {
        return (Box::new(stream), watch);
    };
    let mut config = rustls::ClientConfig::clone(&config);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::from(world.address().ip());
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .expect("TLS");
    (Box::new(stream), watch)
}

impl Live {
    /// Sends a request without waiting; gives its id.
    pub async fn post(&mut self, mut request: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        request["id"] = json!(id);
        self.text(request.to_string()).await;
        id
    }

    pub async fn text(&mut self, text: String) {
        self.who.world.note(&self.who.name, ">", &text);
        let sent = tokio::time::timeout(PATIENCE, self.socket.send(Message::text(text)));
        sent.await
            .expect("the server reads")
            .expect("the connection is open");
    }

    /// The next frame, whatever it is.
    pub async fn came(&mut self) -> Came {
        self.came_within(PATIENCE)
            .await
            .expect("the server says something")
    }

    pub async fn came_within(&mut self, patience: Duration) -> Option<Came> {
        loop {
            let came = tokio::time::timeout(patience, self.socket.next()).await.ok()?;
            let end = match came {
                Some(Ok(Message::Text(text))) => {
                    self.who.world.note(&self.who.name, "<", &text);
                    return Some(Came::Frame(
                        serde_json::from_str(&text).expect("the server speaks JSON"),
                    ));
                }
                Some(Ok(Message::Close(frame))) => frame.map(|frame| u16::from(frame.code)),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => None,
            };
            self.who
                .world
                .note(&self.who.name, "<", &format!("closed: {end:?}"));
            return Some(Came::End(end));
        }
    }

    async fn frame(&mut self) -> Value {
        match self.came().await {
            Came::Frame(frame) => frame,
            Came::End(code) => panic!("the connection of {} ended: {code:?}", self.who.name),
        }
    }

    /// The answer to a request sent before.
    pub async fn answer(&mut self, id: u64) -> Value {
        self.next_where(|frame| frame["re"] == id).await
    }

    /// The next answer or refusal, whatever it answers: a refusal of what could not be read names no request. A notice may
    /// come before it.
    pub async fn any_answer(&mut self) -> Value {
        self.next_where(|frame| frame.get("re").is_some() || frame.get("error").is_some())
            .await
    }

    /// Asks and gives the answer, refusal or not.
    pub async fn ask(&mut self, request: Value) -> Value {
        let id = self.post(request).await;
        self.answer(id).await
    }

    /// Asks what must be granted.
    pub async fn get(&mut self, request: Value) -> Value {
        let asked = request.to_string();
        let answer = self.ask(request).await;
        assert!(answer.get("error").is_none(), "{asked} was refused: {answer}");
        answer
    }

    /// Does a change that must be granted: puts a fresh client id in, gives the ack.
    pub async fn act(&mut self, mut request: Value) -> Value {
        if request.get("client_id").is_none() {
            request["client_id"] = json!(id());
        }
        let ack = self.get(request).await;
        assert_eq!(ack["type"], "ack", "{ack}");
        ack
    }

    /// Asks what must be refused; gives the code.
    pub async fn refused(&mut self, mut request: Value) -> String {
        if request.get("client_id").is_none() {
            request["client_id"] = json!(id());
        }
        let asked = request.to_string();
        let answer = self.ask(request).await;
        let code = answer["error"]["code"].as_str();
        code.unwrap_or_else(|| panic!("{asked} was granted: {answer}"))
            .to_owned()
    }

    /// Posts a message to a conversation.
    pub async fn say(&mut self, conversation: &str, text: &str) -> Value {
        self.act(json!({ "type": "send", "conversation": conversation, "body": text_body(text) }))
            .await
    }

    /// Posts a message to a user.
    pub async fn tell(&mut self, user: &str, text: &str) -> Value {
        self.act(json!({ "type": "send", "to": user, "body": text_body(text) }))
            .await
    }

    /// Founds a group with some settings; gives its id.
    pub async fn group(&mut self, members: &[&Person], settings: Value) -> String {
        let users: Vec<&str> = members.iter().map(|member| member.user.as_str()).collect();
        let mut create = json!({ "type": "create", "kind": "group", "title": "a group", "members": users });
        for (key, value) in settings.as_object().expect("settings are an object") {
            create[key] = value.clone();
        }
        let ack = self.act(create).await;
        ack["conversation"].as_str().expect("the ack names it").to_owned()
    }

    async fn next_where(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.inbox.iter().position(&wanted) {
            return self.inbox.remove(at).expect("it is there");
        }
        let search = async {
            loop {
                let frame = self.frame().await;
                if wanted(&frame) {
                    return frame;
                }
                self.inbox.push_back(frame);
            }
        };
        // A notice now and then must not make the waiting endless.
        tokio::time::timeout(PATIENCE, search)
            .await
            .expect("what is waited for comes")
    }

    /// The next event.
    pub async fn event(&mut self) -> Value {
        self.next_where(|frame| frame["type"] == "event").await
    }

    /// The next event of a conversation, which must be of this kind.
    pub async fn event_of(&mut self, conversation: &str, kind: &str) -> Value {
        let event = self
            .next_where(|frame| frame["type"] == "event" && frame["conversation"] == conversation)
            .await;
        assert_eq!(event["kind"], kind, "{event}");
        event
    }

    /// The next event of a kind in a conversation, whatever came before it.
    pub async fn event_where(&mut self, conversation: &str, kind: &str) -> Value {
        self.next_where(|frame| frame["conversation"] == conversation && frame["kind"] == kind)
            .await
    }

    /// The next notice of a type.
    pub async fn notice(&mut self, kind: &str) -> Value {
        self.next_where(|frame| frame["type"] == kind && frame.get("re").is_none())
            .await
    }

    /// The next notice of a profile that is meant. Of who joined a moment ago one may be told late, also of oneself.
    pub async fn told_of(&mut self, is_meant: impl Fn(&Value) -> bool) -> Value {
        self.next_where(|frame| frame["type"] == "user" && frame.get("re").is_none() && is_meant(frame))
            .await
    }

    /// All events up to now. A marker sent to oneself goes through the log behind them, and a question after it is only
    /// read once the round of delivery that brought the marker is done.
    pub async fn settle(&mut self) -> Vec<Value> {
        let mut frames = self.settle_all().await;
        frames.retain(|frame| frame["type"] == "event");
        frames
    }

    /// The same with the notices among them.
    pub async fn settle_all(&mut self) -> Vec<Value> {
        let marker = match self.who.aside.clone() {
            Some(aside) => self.say(&aside, "marker").await,
            None => self.tell(&self.who.user.clone(), "marker").await,
        };
        let own = (marker["conversation"].clone(), marker["seq"].clone());
        let is_own = |frame: &Value| (&frame["conversation"], &frame["seq"]) == (&own.0, &own.1);
        self.next_where(|frame| frame["type"] == "event" && is_own(frame))
            .await;
        self.get(json!({ "type": "conversations", "limit": 1 })).await;
        self.kept()
    }

    /// Reads until the connection ends; gives the close code.
    pub async fn end(&mut self) -> Option<u16> {
        loop {
            match self.came().await {
                Came::End(code) => return code,
                Came::Frame(frame) => self.inbox.push_back(frame),
            }
        }
    }

    /// Whether a refusal is the next frame, in time; what comes is kept.
    pub async fn is_refused_within(&mut self, patience: Duration) -> bool {
        let frame = match self.came_within(patience).await {
            Some(Came::Frame(frame)) => frame,
            Some(Came::End(code)) => panic!("the connection of {} ended: {code:?}", self.who.name),
            None => return false,
        };
        self.inbox.push_back(frame);
        self.inbox
            .back()
            .is_some_and(|frame| frame.get("error").is_some())
    }

    /// Lets a time pass, keeping what comes: the other end counts it.
    pub async fn listen_for(&mut self, time: Duration) {
        let listening = async {
            loop {
                let frame = self.frame().await;
                self.inbox.push_back(frame);
            }
        };
        let _: Result<(), _> = tokio::time::timeout(time, listening).await;
    }

    /// What was kept and not asked for.
    pub fn kept(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.inbox).into()
    }

    /// Waits for the kernel's word that the other end is gone, without reading anything. False when it did not come.
    pub async fn is_cut_within(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.watch.ready(Interest::ERROR))
            .await
            .is_ok()
    }

    /// Hangs up properly.
    pub async fn close(mut self) {
        let _ = self.socket.close(None).await;
    }
}

pub fn text_body(text: &str) -> Value {
    json!({ "kind": "text", "text": text })
}

/// The seqs of some events.
pub fn seqs(events: &[Value]) -> Vec<u64> {
    events
        .iter()
        .map(|event| event["seq"].as_u64().expect("an event has a seq"))
        .collect()
}
