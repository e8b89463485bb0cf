//! `kinglet serve`: opens everything in order, says where to go, and closes everything in the other order.
//! What must not live here: what happens in between; that is the floors' own.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::SignalKind;
use tokio::sync::watch;
use tokio::time::Instant;

use super::address::{self, Address};
use super::certificates::{Keeper, Shown};
use super::cli::{Cli, Serve};
use super::config::{Config, Transport};
use super::failure::{Failure, Outcome};
use super::listen::{self, Bound, Sockets};
use super::starts::{self, Next};
use super::systemd::Notifier;
use super::timers::{self, Timers};
use super::{
    acme, backup, greeting, heart, logging, machine, measure, overview, pages, process, proxies, push,
    safe_mode, settings, surroundings,
};
use crate::gateway::accept::{self, Context, Gate};
use crate::gateway::http::hosts::Hosts;
use crate::gateway::http::web::{self, PlainHttp};
use crate::gateway::http::{self, Face, console};
use crate::gateway::pace::Pace;
use crate::gateway::tls::Tls;
use crate::limits::Limits;
use crate::meters::{METERS, get};
use crate::session::Services;
use crate::workers;

/// Connections have this long to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// How often it is looked whether they have.
const GOODBYE_LOOK: Duration = Duration::from_millis(20);
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The runtime's stacks: nothing in it recurses.
const STACK: usize = 512 * 1024;
/// Certificates and names are all that blocks; the log has threads of its own.
const BLOCKING_THREADS: usize = 8;
/// How far the threads at the door stand back: about a tenth of the share of one that does not (sched(7)).
const DOOR_NICE: i32 = 10;

/// Reads the configuration and refuses what is wrong with it, all of it at once.
pub fn configuration(cli: &Cli) -> Outcome<Config> {
    let config = Config::load(cli.config.as_deref(), std::env::vars_os())?;
    let problems = config.problems();
    if problems.is_empty() {
        return Ok(config);
    }
    let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
    Err(Failure::config(format!(
        "the configuration is wrong:\n{}",
        lines.join("\n")
    )))
}

/// The runtime for everything that waits.
pub fn runtime() -> Outcome<Runtime> {
    build(Builder::new_multi_thread().worker_threads(processors()))
}

/// The runtime for who is not signed in yet: handshakes and HTTP. Its threads stand back, so that a thousand people who come
/// at once do not hold up those who talk (docs/decisions/0005-a-runtime-at-the-door.md).
fn door() -> Outcome<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(processors().div_ceil(2))
        .thread_name("door")
        .on_thread_start(|| {
            // On Linux this is the thread alone. Without it they are only not slower.
            let _ = rustix::process::setpriority_process(None, DOOR_NICE);
        });
    build(&mut builder)
}

/// How many processors there are for this process.
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn build(builder: &mut Builder) -> Outcome<Runtime> {
    builder
        .thread_stack_size(STACK)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all();
    builder.build().map_err(|error| {
        Failure::failed(format!(
            "cannot start the runtime's threads: {error}. Raise TasksMax or `ulimit -u`"
        ))
    })
}

/// Runs the server until a signal ends it; or, where that was asked for and it did not come up for too long, its safe mode.
pub fn serve(cli: &Cli, asked: &Serve) -> Outcome<()> {
    if !asked.safe_mode {
        return start(cli);
    }
    match starts::begin(starts::places(cli)) {
        Next::Start => {
            let outcome = start(cli);
            if let Err(failure) = &outcome {
                starts::failed(failure.code, &failure.text);
            }
            outcome
        }
        Next::SafeMode(record) => {
            let wait = record.wait(Duration::from_secs(asked.retry_after.into()));
            safe_mode::run(cli, &record, Some(wait))
        }
    }
}

fn start(cli: &Cli) -> Outcome<()> {
    let config = configuration(cli)?;
    process::keep_files_private();
    logging::install(config.log.level.into()).map_err(|error| Failure::failed(error.to_string()))?;
    let notifier = Notifier::from_env().map_err(|error| {
        Failure::failed(format!(
            "cannot use NOTIFY_SOCKET: {error}. Unset it, or start by systemd"
        ))
    })?;
    die_with_the_log(&notifier);
    let passed = Sockets::passed_in(&config)?;
    let limits = limits(&config, passed.speak_tls(&config))?;
    heart::data_dir(&config.data_dir)?;
    let door = door()?;
    let outcome = runtime()?.block_on(run(config, limits, passed, notifier, door.handle()));
    door.shutdown_background();
    logging::flush(LAST_WORDS);
    outcome
}

/// What this process may use, with what the machine allows taken into account.
fn limits(config: &Config, tls: bool) -> Outcome<Limits> {
    let descriptors = process::raise_descriptors();
    let refused = |problem: super::config::Problem| Failure::config(problem.to_string());
    let wanted = settings::limits(config, tls);
    let (limits, lowered) = settings::fit(config, wanted, descriptors).map_err(refused)?;
    lowered.iter().for_each(|what| log::warn!("{what}"));
    settings::within_memory(&limits, surroundings::memory_limit()).map_err(refused)?;
    Ok(limits)
}

/// A panic in the hub's thread would leave readers asleep for ever, so it ends the process; in a connection it ends
/// that connection. Only the place is logged: a panic's text may hold what a client sent.
fn die_with_the_log(notifier: &Notifier) {
    let notifier = notifier.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |place| format!("{}:{}", place.file(), place.line()));
        log::error!("a panic at {place}; please report it with this line");
        if std::thread::current().name() == Some("ringer") {
            heart::die("the thread that wakes readers panicked", &notifier);
        }
    }));
}

/// The signals that matter, caught before anything is told to be ready.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    reload: tokio::signal::unix::Signal,
}

impl Signals {
    fn catch() -> Outcome<Signals> {
        let catch = |kind| {
            timers::on(kind).map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))
        };
        Ok(Signals {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            reload: catch(SignalKind::hangup())?,
        })
    }
}

async fn run(
    config: Config,
    limits: Limits,
    passed: Sockets,
    notifier: Notifier,
    door: &Handle,
) -> Outcome<()> {
    let Signals {
        mut terminate,
        mut interrupt,
        reload,
    } = Signals::catch()?;
    let starting = notifier.while_starting().map_err(|error| {
        Failure::failed(format!(
            "cannot start a thread: {error}. Raise TasksMax or `ulimit -u`"
        ))
    })?;
    let log = heart::open_log(&config, &limits, &notifier)?;
    // Bound after the log is open: a second server is told of the first one, not of a port.
    let sockets = listen::sockets(&config, passed)?;
    let first = &sockets.clients[0];
    let here = settings::guessed_url(first.address, first.transport != Transport::Plain);
    let address = address::settle(&log.store, &config, here).await?;
    if let Some(news) = address.news() {
        log::warn!("{news}");
    }
    let config = Arc::new(address.put_into(config));
    let tls = listen::tls(&config, &sockets)?;
    let (stop, stopped) = watch::channel(false);
    let push = push::open(&log, &config, &stopped).await?;
    let (services, claim) = heart::services(&log, &config, limits, &address, push).await?;
    let urls = greeting::Urls::of(&address, &sockets);
    let acme = acme::open(&config, tls.as_ref(), &stopped)?;
    let shown = tls.clone().map(|tls| Shown {
        tls,
        acme,
        reached: address.reached().to_owned(),
    });
    let backups = backup::open(&config, &services.store).await?;
    let machine = machine::open(&config, Arc::clone(services.store.clock()));
    open_doors(
        Doors {
            config: &config,
            services: &services,
            shown: shown.clone(),
            tls: tls.as_ref(),
            address: &address,
            backups: &backups,
            machine: &machine,
            stop: &stopped,
            door,
        },
        sockets,
    )?;
    let keeper = shown.map(|shown| Keeper::new(Arc::clone(&config), shown));
    let timed = Timers {
        services: Arc::clone(&services),
        keeper,
        notifier: notifier.clone(),
        stop: stopped.clone(),
    };
    timed.start(reload);
    greeting::say(&config, &urls, tls.as_deref(), claim.as_deref());
    log::info!("ready at {}", address.reached());
    starts::ready();
    drop(starting);
    tell(notifier.ready(&timers::status(&services)));
    backup::after_the_start(&config.data_dir);
    tokio::spawn(workers::backup::run(backups, stopped.clone()));
    tokio::spawn(workers::machine::run(Arc::clone(&machine), stopped));
    pages::let_go_of_the_start();
    let settled = tokio::spawn(async {
        tokio::time::sleep(starts::SETTLED).await;
        starts::settled();
    });
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    settled.abort();
    starts::settled();
    shut_down(&config, &services, &notifier, &stop).await;
    // Only a server that ends in good order gets here.
    machine.stop();
    Ok(())
}

fn speaking_tls(sockets: &Sockets) -> Option<&Bound> {
    let mut clients = sockets.clients.iter();
    clients.find(|bound| bound.transport != Transport::Plain)
}

/// What the doors are made of.
struct Doors<'a> {
    config: &'a Config,
    services: &'a Arc<Services>,
    shown: Option<Shown>,
    tls: Option<&'a Arc<Tls>>,
    address: &'a Address,
    backups: &'a Arc<workers::backup::Backups>,
    machine: &'a Arc<workers::machine::Machine>,
    stop: &'a watch::Receiver<bool>,
    door: &'a Handle,
}

/// Starts accepting on every socket.
fn open_doors(doors: Doors<'_>, sockets: Sockets) -> Outcome<()> {
    let Doors {
        config,
        services,
        shown,
        tls,
        address,
        backups,
        machine,
        stop,
        door,
    } = doors;
    let url = address.url.as_str();
    let origins = config.listen.origins.iter().cloned().chain([url.to_owned()]);
    let face = Arc::new(Face {
        accounts: Arc::clone(&services.accounts),
        services: Arc::clone(services),
        hosts: Hosts::new(settings::host_names(config, url), origins),
        metrics: measure::page(Arc::clone(services), Arc::clone(machine)),
        overview: overview::of(services, config, shown, machine),
        backups: backup::face(backups),
        machine: machine::face(machine),
        live: Handle::current(),
    });
    let gate = Gate::new(&services.limits);
    let pace = Arc::new(Pace::new(processors()));
    let control = listen::control(&config.data_dir)?;
    tokio::spawn(console::serve(
        control,
        console::router(Arc::clone(&face)),
        stop.clone(),
    ));
    let trusted = config
        .trusted_proxies()
        .map_err(|problem| Failure::config(problem.to_string()))?;
    let facts = tls.map(|tls| {
        Arc::new(PlainHttp {
            tls: Arc::clone(tls),
            name: format!("{}.local", surroundings::host_name()),
            https_url: address.reached().to_owned(),
            https_port: speaking_tls(&sockets).map_or(443, |bound| bound.address.port()),
        })
    });
    let mut router = http::router(face);
    if let Some(facts) = facts.clone() {
        router = router.merge(web::trust(facts));
    }
    let over_tls = facts
        .clone()
        .map(|facts| web::over_tls(router.clone(), facts))
        .map(|router| proxies::believe(router, trusted.clone()));
    let context = |router| {
        Arc::new(Context {
            gate: Arc::clone(&gate),
            pace: Arc::clone(&pace),
            router,
        })
    };
    let over_tls = over_tls.map(context);
    let context = context(proxies::believe(router, trusted));
    // What is accepted here stays at the door until it has signed in.
    let _at_the_door = door.enter();
    for bound in sockets.clients {
        let listener = listen::into_tokio(bound.listener)?;
        let with = tls.filter(|_| bound.transport != Transport::Plain).cloned();
        let context = over_tls.as_ref().filter(|_| with.is_some()).unwrap_or(&context);
        tokio::spawn(accept::accept(listener, with, Arc::clone(context), stop.clone()));
    }
    if let (Some(http), Some(facts)) = (sockets.http, facts) {
        let plain = Arc::new(Context {
            gate,
            pace,
            router: web::plain_http(facts),
        });
        tokio::spawn(accept::accept(
            listen::into_tokio(http)?,
            None,
            plain,
            stop.clone(),
        ));
    }
    Ok(())
}

async fn shut_down(config: &Config, services: &Services, notifier: &Notifier, stop: &watch::Sender<bool>) {
    log::info!("stopping");
    tell(notifier.stopping("saying goodbye to clients"));
    // Receivers that are gone have stopped already.
    let _ = stop.send(true);
    services.hub.stop_all();
    let deadline = Instant::now() + GOODBYE;
    let mut looks = tokio::time::interval(GOODBYE_LOOK);
    // Whoever asked over HTTP gets the answer as well: a process that ended takes away what it had not written yet.
    while get(&METERS.connections_open) > 0 && Instant::now() < deadline {
        looks.tick().await;
    }
    let left = get(&METERS.connections_open);
    if left > 0 {
        log::warn!("{left} connections did not close in time; they are cut off");
    }
    services.store.close().await;
    // A path that is gone already is what was wanted.
    let _ = std::fs::remove_file(config.data_dir.join(listen::CONTROL));
    log::info!("stopped; everything acknowledged is on disk");
}

pub fn tell(told: std::io::Result<()>) {
    if let Err(error) = told {
        log::warn!("cannot tell systemd: {error}");
    }
}
