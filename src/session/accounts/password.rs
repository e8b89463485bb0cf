//! Passwords: argon2id behind a small bounded pool. The rules for new ones are in `rules`.
//!
//! What must not live here: whose password it is, sign-in attempts and their limits, and storage of the hash.
//!
//! Invariants: at most `workers` hashes run at once, each in memory that the pool owns and hands on, so that
//! `memory_bytes()` is all they ever take; at most `waiting` callers wait; the others are told at once to come back.
//! No password is kept, printed, or part of an error.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHash, Version};
use data_encoding::BASE64_NOPAD;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

mod rules;

use rules::prepare;
pub use rules::{PASSWORD_MAX_BYTES, PASSWORD_MIN_BYTES, check_new};

/// Memory of one hash, in KiB. With the two below: the OWASP minimum for argon2id, which a Pi can pay.
pub const ARGON2_MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
pub const ARGON2_PASSES: u32 = 2;
/// Lanes; more would only help with more threads per hash.
pub const ARGON2_LANES: u32 = 1;
/// A stored hash asking for more passes than this is damaged or planted, and is not run.
const MOST_PASSES: u32 = 16;
const OUTPUT_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// What one hash takes on a slow board. Only for the advice in `Busy`; the pool itself keeps no time.
const HASH_MS: usize = 150;

/// Why a password was refused or could not be checked. `code()` is stable; the sentence may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PasswordError {
    #[error("too many people are signing in at this moment; try again in {retry_after_ms} ms")]
    Busy { retry_after_ms: u32 },
    #[error("the password is too short; use at least {PASSWORD_MIN_BYTES} characters")]
    TooShort,
    #[error("the password is too long; use at most {PASSWORD_MAX_BYTES} bytes")]
    TooLong,
    #[error("the password contains a control or invisible character; leave it out")]
    Characters,
    #[error("this password is one of the first that anyone would try; choose another")]
    Common,
    #[error("the password is the user name; choose another")]
    SameAsName,
    #[error(
        "checking a password: the stored hash cannot be read; run `kinglet doctor`, then reset this user's password"
    )]
    StoredHash,
    #[error("hashing a password: the work broke off; the log has the panic, try again")]
    BrokeOff,
}

impl PasswordError {
    /// The machine-readable name of this refusal; it never changes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::TooShort => "password_too_short",
            Self::TooLong => "password_too_long",
            Self::Characters => "password_characters",
            Self::Common => "password_common",
            Self::SameAsName => "password_same_as_name",
            Self::StoredHash => "password_stored_hash",
            Self::BrokeOff => "password_broke_off",
        }
    }
}

/// Whether a stored hash was made with other costs than today's: the next right sign-in should store a new one.
#[must_use]
pub fn needs_rehash(phc: &str) -> bool {
    !phc.starts_with(&phc_head())
}

/// Random bytes for salts: the operating system's, or a test's script. Called on a blocking thread.
pub type Salter = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// A few argon2 workers and a short queue before them, so that a storm of sign-ins starves no message.
#[derive(Clone)]
pub struct PasswordPool {
    inner: Arc<Inner>,
}

struct Inner {
    workers: usize,
    waiting: usize,
    /// One ticket for each caller that runs or waits. No ticket, no waiting.
    tickets: Arc<Semaphore>,
    /// One slot for each hash that runs; first come, first served.
    slots: Arc<Semaphore>,
    /// Memory of finished hashes, for the next. Never more entries than slots: a hash takes one or makes one.
    memory: Mutex<Vec<Box<[Block]>>>,
    salter: Salter,
    hashes: AtomicU64,
    memory_made: AtomicU64,
}

/// Both permits travel into the blocking thread: a caller who goes away does not free the worker that still works.
struct Place {
    _ticket: OwnedSemaphorePermit,
    _slot: OwnedSemaphorePermit,
}

impl fmt::Debug for PasswordPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordPool")
            .field("workers", &self.inner.workers)
            .field("waiting", &self.inner.waiting)
            .finish_non_exhaustive()
    }
}

impl PasswordPool {
    /// A pool of `workers` (at least one) with room for `waiting` callers. Memory is taken at first use.
    #[must_use]
    pub fn new(workers: usize, waiting: usize, salter: Salter) -> Self {
        let workers = workers.max(1);
        Self {
            inner: Arc::new(Inner {
                workers,
                waiting,
                tickets: Arc::new(Semaphore::new(workers + waiting)),
                slots: Arc::new(Semaphore::new(workers)),
                memory: Mutex::new(Vec::with_capacity(workers)),
                salter,
                hashes: AtomicU64::new(0),
                memory_made: AtomicU64::new(0),
            }),
        }
    }

    /// The most memory that all hashes together ever take: this pool's line in the memory budget.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.inner.workers * ARGON2_MEMORY_KIB as usize * Block::SIZE
    }

    /// How many hashes have run, of known and unknown users alike.
    #[must_use]
    pub fn hashes(&self) -> u64 {
        self.inner.hashes.load(Ordering::Relaxed)
    }

    /// How many callers run or wait at this moment.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.inner.workers + self.inner.waiting - self.inner.tickets.available_permits()
    }

    /// Hashes a new password into a PHC string. Call [`check_new`] first: here only length and characters are checked.
    ///
    /// # Errors
    /// `Busy` when too many wait already; the length and character rules; `BrokeOff`.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let password = prepare(&password)?;
        self.run(move |inner| {
            let mut salt = [0; SALT_BYTES];
            (inner.salter)(&mut salt);
            let mut output = [0; OUTPUT_BYTES];
            inner.argon2(current_params(), &password, &salt, &mut output);
            Ok(format!(
                "{}{}${}",
                phc_head(),
                BASE64_NOPAD.encode(&salt),
                BASE64_NOPAD.encode(&output)
            ))
        })
        .await
    }

    /// Whether the password fits the stored hash. Without one (the user does not exist) a hash of the same costs runs
    /// all the same and the answer is no, so that time does not tell who has an account.
    ///
    /// # Errors
    /// `Busy` when too many wait already; `StoredHash` when `phc` is damaged; `BrokeOff`.
    pub async fn verify(&self, password: String, phc: Option<String>) -> Result<bool, PasswordError> {
        // What could never have been stored is wrong for every user, known or not: nothing to hide, nothing to run.
        let Ok(password) = prepare(&password) else {
            return Ok(false);
        };
        self.run(move |inner| {
            let known = phc.is_some();
            let stored = phc
                .as_deref()
                .map_or_else(|| Ok(Stored::dummy()), Stored::parse)?;
            let mut output = [0; OUTPUT_BYTES];
            inner.argon2(stored.params, &password, &stored.salt, &mut output);
            Ok(same(&output, &stored.output) & known)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let ticket = Arc::clone(&self.inner.tickets)
            .try_acquire_owned()
            .map_err(|_| self.busy())?;
        let slot = Arc::clone(&self.inner.slots)
            .acquire_owned()
            .await
            .expect("the pool never closes its semaphores");
        let place = Place {
            _ticket: ticket,
            _slot: slot,
        };
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || {
            let _place = place;
            work(&inner)
        })
        .await
        .map_err(|_| PasswordError::BrokeOff)?
    }

    /// By then everyone who is in the queue now should be through.
    fn busy(&self) -> PasswordError {
        let ahead = (self.inner.workers + self.inner.waiting).div_ceil(self.inner.workers);
        PasswordError::Busy {
            retry_after_ms: u32::try_from(ahead * HASH_MS).unwrap_or(u32::MAX),
        }
    }
}

impl Inner {
    fn argon2(&self, params: Params, password: &str, salt: &[u8], output: &mut [u8; OUTPUT_BYTES]) {
        self.hashes.fetch_add(1, Ordering::Relaxed);
        let free = self.memory.lock().pop();
        let mut blocks = free.unwrap_or_else(|| {
            self.memory_made.fetch_add(1, Ordering::Relaxed);
            vec![Block::new(); ARGON2_MEMORY_KIB as usize].into_boxed_slice()
        });
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password.as_bytes(), salt, output, &mut blocks)
            .expect(
                "lengths and costs were checked when the PHC string was read, and the memory is the most they may ask",
            );
        self.memory.lock().push(blocks);
    }
}

/// A stored hash, read and found harmless to run.
struct Stored {
    params: Params,
    salt: Box<[u8]>,
    output: [u8; OUTPUT_BYTES],
}

impl Stored {
    /// Stands for the hash that an unknown user has not.
    fn dummy() -> Self {
        Self {
            params: current_params(),
            salt: Box::new([0x6b; SALT_BYTES]),
            output: [0; OUTPUT_BYTES],
        }
    }

    fn parse(phc: &str) -> Result<Self, PasswordError> {
        Self::read(phc).ok_or(PasswordError::StoredHash)
    }

    fn read(phc: &str) -> Option<Self> {
        let hash = PasswordHash::new(phc).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let harmless = params.m_cost() <= ARGON2_MEMORY_KIB
            && params.t_cost() <= MOST_PASSES
            && params.p_cost() == ARGON2_LANES
            && hash.algorithm == ARGON2ID_IDENT
            && hash.version == Some(u32::from(Version::V0x13));
        let salt = hash.salt?;
        if !harmless {
            return None;
        }
        let output = hash.hash?.as_bytes().try_into().ok()?;
        Some(Self {
            params,
            salt: salt.as_ref().into(),
            output,
        })
    }
}

fn current_params() -> Params {
    Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, Some(OUTPUT_BYTES))
        .expect("the constants above are within the limits of argon2")
}

fn phc_head() -> String {
    format!("$argon2id$v=19$m={ARGON2_MEMORY_KIB},t={ARGON2_PASSES},p={ARGON2_LANES}$")
}

/// Compares without stopping at the first difference, so that time tells nothing about where it is.
fn same(left: &[u8; OUTPUT_BYTES], right: &[u8; OUTPUT_BYTES]) -> bool {
    let difference = left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const GOOD: &str = "correct horse";

    fn pool(workers: usize, waiting: usize) -> PasswordPool {
        PasswordPool::new(workers, waiting, Arc::new(|salt| salt.fill(7)))
    }

    /// A pool whose hashes (not verifications) stop at their salt until told to go on.
    fn stoppable(workers: usize, waiting: usize) -> (PasswordPool, mpsc::Receiver<()>, mpsc::SyncSender<()>) {
        let (entered, has_entered) = mpsc::sync_channel(64);
        let (go_on, may_go_on) = mpsc::sync_channel::<()>(64);
        let may_go_on = Mutex::new(may_go_on);
        let salter: Salter = Arc::new(move |salt| {
            salt.fill(7);
            // A test that has ended hangs up; then nothing is left to wait for.
            let _ = entered.send(());
            let _ = may_go_on.lock().recv();
        });
        (PasswordPool::new(workers, waiting, salter), has_entered, go_on)
    }

    fn start_hash(pool: &PasswordPool) -> tokio::task::JoinHandle<Result<String, PasswordError>> {
        let pool = pool.clone();
        tokio::spawn(async move { pool.hash(GOOD.into()).await })
    }

    /// Lets every ready task of this one-threaded runtime run until `done`.
    async fn until(done: impl Fn() -> bool) {
        while !done() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_hash_verifies_its_password_only() {
        let pool = pool(1, 0);
        let phc = pool.hash(GOOD.into()).await.expect("an allowed password");
        assert!(
            phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"),
            "{phc}"
        );
        assert_eq!(pool.verify(GOOD.into(), Some(phc.clone())).await, Ok(true));
        assert_eq!(
            pool.verify("Correct horse".into(), Some(phc.clone())).await,
            Ok(false)
        );
        assert_eq!(
            pool.verify("correct horse ".into(), Some(phc.clone())).await,
            Ok(false)
        );
        assert!(!needs_rehash(&phc));
        assert!(needs_rehash(&phc.replace("t=2", "t=1")));
        assert!(needs_rehash(&phc.replace("m=19456", "m=194560")));
    }

    #[tokio::test]
    async fn the_hash_is_the_one_every_argon2_makes() {
        use argon2::PasswordVerifier;
        let phc = pool(1, 0).hash(GOOD.into()).await.expect("an allowed password");
        let parsed = PasswordHash::new(&phc).expect("a PHC string");
        Argon2::default()
            .verify_password(GOOD.as_bytes(), &parsed)
            .expect("the reference agrees");
    }

    #[tokio::test]
    async fn an_unknown_user_costs_the_same_hash_and_is_never_let_in() {
        let pool = pool(1, 0);
        let phc = pool.hash(GOOD.into()).await.expect("an allowed password");
        let before = pool.hashes();
        assert_eq!(pool.verify(GOOD.into(), Some(phc)).await, Ok(true));
        let known = pool.hashes() - before;
        assert_eq!(pool.verify(GOOD.into(), None).await, Ok(false));
        assert_eq!((known, pool.hashes() - before - known), (1, 1));
        let dummy = Stored::dummy().params;
        let costs = (dummy.m_cost(), dummy.t_cost(), dummy.p_cost());
        assert_eq!(costs, (ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES));
    }

    #[tokio::test]
    async fn keyboards_that_compose_differently_type_one_password() {
        let pool = pool(1, 0);
        let phc = pool
            .hash("caf\u{e9} \u{e0} la".into())
            .await
            .expect("an allowed password");
        assert_eq!(
            pool.verify("cafe\u{301}\u{a0}a\u{300} la".into(), Some(phc))
                .await,
            Ok(true)
        );
    }

    #[tokio::test]
    async fn no_more_than_the_stated_memory_is_ever_made() {
        let pool = pool(2, 8);
        assert_eq!(pool.memory_bytes(), 2 * 19 * 1024 * 1024);
        let all: Vec<_> = (0..8).map(|_| start_hash(&pool)).collect();
        for one in all {
            assert!(one.await.expect("no panic").is_ok());
        }
        assert_eq!(pool.hashes(), 8);
        let made = pool.inner.memory_made.load(Ordering::Relaxed);
        assert!((1..=2).contains(&made), "{made}");
        assert_eq!(pool.inner.memory.lock().len() as u64, made, "all of it came back");
        assert!(
            pool.inner
                .memory
                .lock()
                .iter()
                .all(|one| size_of_val(&**one) * 2 == pool.memory_bytes())
        );
        assert_eq!(pool.in_use(), 0);
    }

    #[tokio::test]
    async fn who_finds_the_queue_full_is_told_when_to_come_back() {
        let (pool, entered, go_on) = stoppable(1, 1);
        let running = start_hash(&pool);
        until(|| entered.try_recv().is_ok()).await;
        let waiting = start_hash(&pool);
        until(|| pool.in_use() == 2).await;
        assert_eq!(
            pool.hash(GOOD.into()).await,
            Err(PasswordError::Busy { retry_after_ms: 300 })
        );
        assert_eq!(
            pool.verify(GOOD.into(), None).await.map_err(PasswordError::code),
            Err("busy")
        );
        drop(go_on);
        assert!(running.await.expect("no panic").is_ok());
        assert!(waiting.await.expect("no panic").is_ok());
        assert_eq!(
            pool.verify(GOOD.into(), None).await,
            Ok(false),
            "there is room again"
        );
    }

    #[tokio::test]
    async fn a_caller_who_leaves_frees_his_place_only_when_the_work_is_done() {
        let (pool, entered, go_on) = stoppable(1, 1);
        let left = start_hash(&pool);
        until(|| entered.try_recv().is_ok()).await;
        left.abort();
        assert!(left.await.is_err_and(|error| error.is_cancelled()));
        assert_eq!(pool.in_use(), 1, "the thread still works");
        let impatient = start_hash(&pool);
        until(|| pool.in_use() == 2).await;
        impatient.abort();
        assert!(impatient.await.is_err_and(|error| error.is_cancelled()));
        assert_eq!(pool.in_use(), 1, "who only waited is gone at once");
        drop(go_on);
        until(|| pool.in_use() == 0).await;
        assert_eq!(pool.verify(GOOD.into(), None).await, Ok(false));
    }

    #[tokio::test]
    async fn a_panic_in_one_hash_costs_no_worker() {
        let pool = PasswordPool::new(1, 0, Arc::new(|_| panic!("planted: no random bytes")));
        assert_eq!(pool.hash(GOOD.into()).await, Err(PasswordError::BrokeOff));
        assert_eq!(pool.verify(GOOD.into(), None).await, Ok(false));
    }

    #[tokio::test]
    async fn a_damaged_or_planted_hash_is_not_run() {
        let pool = pool(1, 0);
        let phc = pool.hash(GOOD.into()).await.expect("an allowed password");
        let before = pool.hashes();
        for bad in [
            String::new(),
            "x".repeat(100_000),
            phc.replace("argon2id", "argon2i"),
            phc.replace("v=19", "v=16"),
            phc.replace("$v=19", ""),
            phc.replace("m=19456", "m=4000000000"),
            phc.replace("m=19456", "m=19457"),
            phc.replace("t=2", "t=4000000000"),
            phc.replace("p=1", "p=64"),
            phc.replace("$BwcHBwcHBwcHBwcHBwcHBw", "$BwcH"),
            phc[..phc.len() - 1].to_owned(),
            phc[..phc.len() - 22].to_owned(),
            phc[..phc.rfind('$').expect("a PHC string")].to_owned(),
        ] {
            let answer = pool.verify(GOOD.into(), Some(bad.clone())).await;
            assert_eq!(answer, Err(PasswordError::StoredHash), "{bad:.80}");
        }
        assert_eq!(pool.hashes(), before);
        let cheaper = phc.replace("t=2", "t=1");
        assert_eq!(
            pool.verify(GOOD.into(), Some(cheaper)).await,
            Ok(false),
            "older costs are run, not refused"
        );
    }

    #[tokio::test]
    async fn hashing_keeps_the_length_rule_and_verifying_answers_no() {
        let pool = pool(1, 0);
        assert_eq!(pool.hash("short".into()).await, Err(PasswordError::TooShort));
        assert_eq!(
            pool.hash("x".repeat(PASSWORD_MAX_BYTES + 1)).await,
            Err(PasswordError::TooLong)
        );
        assert_eq!(pool.verify("x".repeat(1_000_000), None).await, Ok(false));
        assert_eq!(pool.hashes(), 0);
    }
}
