//! Writes sessions through a `SledStore`, or reads them back, for tests that damage files or cut the power.
//!
//! `store_probe write DIR N [SIZE]` makes `N` steps of a fixed script, with records of about `SIZE` bytes,
//! and prints `ACK i` when step `i` is durable.
//! `store_probe read DIR` replays the script in memory, compares, and prints `n=<sessions> max=<last step>`;
//! or `wrong: ..` if the store opened and is not what the script left. If the store is refused it ends
//! with 3 and prints the error, its name first.
//! `store_probe values DIR FROM` saves and removes opaque values from number `FROM` on until it is killed, and prints
//! `ACK i` when number `i` is durable: the value `i` is there, and if `i` divides by 3 the one before it is not.
//!
//! The first half of the steps opens a session each, the second half rotates and revokes them in an order
//! that looks random, so that late damage hits changes and not only additions. A session of its own
//! counts the steps.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use jwtauth::error::StoreError;
use jwtauth::store::{
    LoginEffects, NewValue, Revocation, RotationPolicy, RotationRequest, SessionStore, Successor, UserUpdate,
    ValueKey, ValueStore as _,
};
use jwtauth::{RevocationReason, Session, SessionId, SledStore, TokenId, testing};
use tests::numbers::spread;

const POLICY: RotationPolicy = RotationPolicy::new(Duration::from_secs(30), Duration::from_secs(1_000));

const SUCCESSOR: Successor = Successor::new(TokenId::from_bytes([9; 16]), TokenId::from_bytes([10; 16]));

/// Tokens are recorded too, so that their records are in the batches that must not come apart.
const ACCESS_TTL: Duration = Duration::from_secs(300);

fn effects() -> LoginEffects {
    let mut effects = LoginEffects::default();
    effects.register = Some(ACCESS_TTL);
    effects
}

fn id(number: u64) -> SessionId {
    SessionId::from_bytes(spread(number))
}

fn session(number: u64, size: usize) -> Session {
    let mut session = testing::session(7, &format!("subject-{}", number % 10));
    session.id = id(number);
    session.user = Some(format!(r#"{{"id":{number},"name":"{}"}}"#, "x".repeat(size)).into_bytes());
    (session.expires_at, session.absolute_expires_at) = (u64::MAX - 1, u64::MAX);
    session
}

/// The session that counts the steps; its id is that of step 0.
fn counter(step: u64, steps: u64, size: usize) -> Session {
    let mut counter = session(0, 0);
    (counter.subject, counter.user) = (COUNTER.into(), Some(count(step, steps, size)));
    counter
}

const COUNTER: &str = "counter";

fn count(step: u64, steps: u64, size: usize) -> Vec<u8> {
    format!("{step} {steps} {size}").into_bytes()
}

enum Step {
    Open(u64),
    Rotate(RotationRequest),
    Revoke(u64, Revocation),
}

impl Step {
    /// Step `step` of a script of `steps`.
    fn of(step: u64, steps: u64, model: &HashMap<u64, Session>) -> Self {
        let opened = steps.div_ceil(2);
        if step <= opened {
            return Self::Open(step);
        }
        let number = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) % opened + 1;
        if step.is_multiple_of(3) {
            return Self::Revoke(number, Revocation { at: step, reason: RevocationReason::Logout });
        }
        let generation = model.get(&number).map_or(0, |session| session.generation);
        let mut request = RotationRequest::new(id(number), generation, 1_000 + step, POLICY, SUCCESSOR);
        request.register = Some(ACCESS_TTL);
        Self::Rotate(request)
    }

    /// What the step does, to sessions in memory.
    fn replay(&self, model: &mut HashMap<u64, Session>, size: usize) {
        match self {
            Self::Open(number) => drop(model.insert(*number, session(*number, size))),
            Self::Rotate(presented) => {
                let session = model.values_mut().find(|session| session.id == presented.session);
                if let Some(session) = session {
                    session.rotate(
                        presented.generation,
                        presented.now,
                        presented.policy,
                        presented.successor,
                    );
                }
            }
            Self::Revoke(number, revocation) => {
                if let Some(session) = model.get_mut(number) {
                    session.revoke(*revocation);
                }
            }
        }
    }
}

async fn write(store: &SledStore, steps: u64, size: usize) -> Result<(), StoreError> {
    let mut model = HashMap::new();
    store.insert(counter(0, steps, size), effects()).await?;
    for number in 1..=steps {
        let step = Step::of(number, steps, &model);
        step.replay(&mut model, size);
        match step {
            Step::Open(number) => store.insert(session(number, size), effects()).await?,
            Step::Rotate(presented) => drop(store.rotate(presented).await?),
            Step::Revoke(number, revocation) => drop(store.revoke(id(number), revocation).await?),
        }
        let mut update = UserUpdate::default();
        update.roles = counter(0, 0, 0).roles;
        update.user = Some(count(number, steps, size));
        store.update_user(COUNTER.into(), update).await?;
        let mut stdout = std::io::stdout();
        let _ = writeln!(stdout, "ACK {number}").and_then(|()| stdout.flush());
    }
    Ok(())
}

/// Returns how many sessions there are and the last step, or what is wrong.
async fn read(store: &SledStore) -> Result<(usize, u64), String> {
    let load = async |number| store.load(id(number)).await.map_err(|error| error.to_string());
    let Some(counter) = load(0).await? else { return Ok((0, 0)) };
    let numbers = counter.user.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let numbers: Vec<u64> = numbers.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [last, steps, size] = numbers[..] else { return Err("the counter is unreadable".into()) };
    let size = usize::try_from(size).map_err(|error| error.to_string())?;
    let mut model = HashMap::new();
    for number in 1..=last {
        Step::of(number, steps, &model).replay(&mut model, size);
    }
    // The next step may have come to pass without its count.
    let mut next = model.clone();
    if last < steps {
        Step::of(last + 1, steps, &model).replay(&mut next, size);
    }
    let mut found = 0;
    for number in 1..=steps {
        let session = load(number).await?;
        if session.as_deref() != model.get(&number) && session.as_deref() != next.get(&number) {
            return Err(format!("session {number} is not what step {last} left"));
        }
        found += usize::from(session.is_some());
    }
    let mut by_subject = 0;
    for subject in 0..10 {
        let subject = format!("subject-{subject}");
        by_subject += store.sessions_of(subject).await.map_err(|error| error.to_string())?.len();
    }
    if by_subject != found {
        return Err(format!("{by_subject} sessions of {found} are in the index"));
    }
    Ok((found, last))
}

/// Goes on until it is killed, or a write fails.
async fn values(store: &SledStore, from: u64) -> Result<(), StoreError> {
    let key = |number: u64| {
        let id = *id(number).as_bytes();
        ValueKey::from_bytes([id, id].concat().try_into().expect("twice 16 bytes"))
    };
    for number in from.. {
        let bytes = number.to_string().into_bytes();
        store.save_value(NewValue::new(key(number), bytes, 100, u64::MAX)).await?;
        if number.is_multiple_of(3) {
            store.remove_value(key(number - 1), 100).await?;
        }
        let mut stdout = std::io::stdout();
        let _ = writeln!(stdout, "ACK {number}").and_then(|()| stdout.flush());
    }
    Ok(())
}

fn name(error: &StoreError) -> &'static str {
    match error {
        StoreError::Corrupt { .. } => "Corrupt",
        StoreError::Io { .. } => "Io",
        StoreError::Locked { .. } => "Locked",
        StoreError::Missing { .. } => "Missing",
        StoreError::MixedFiles { .. } => "MixedFiles",
        StoreError::NotAStore { .. } => "NotAStore",
        StoreError::Permission { .. } => "Permission",
        StoreError::RolledBack { .. } => "RolledBack",
        _ => "other",
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // What panics inside is to come out as an error; its text would only be noise.
    std::panic::set_hook(Box::new(|_| {}));
    let args: Vec<String> = std::env::args().collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let ["values", dir, from] = args[1..] {
        let store = SledStore::open(Path::new(dir).join("store")).await.expect("the store opens");
        let failed = values(&store, from.parse().expect("a number")).await;
        println!("{failed:?}");
        return ExitCode::from(3);
    }
    let (dir, script) = match &args[1..] {
        ["write", dir, steps] => (*dir, steps.parse().ok().map(|steps| (steps, 100))),
        ["write", dir, steps, size] => (*dir, steps.parse().ok().zip(size.parse().ok())),
        ["read", dir] => (*dir, None),
        _ => {
            eprintln!("usage: store_probe write DIR N [SIZE] | read DIR | values DIR FROM");
            return ExitCode::from(2);
        }
    };
    let opened = SledStore::open(Path::new(dir).join("store")).await;
    let done = match (opened, script) {
        (Ok(store), Some((steps, size))) => write(&store, steps, size).await,
        (Ok(store), None) => match read(&store).await {
            Ok((sessions, last)) => {
                println!("n={sessions} max={last}");
                Ok(())
            }
            // No failure: whoever believes the exit code must see that it lies.
            Err(wrong) => {
                println!("wrong: {wrong}");
                Ok(())
            }
        },
        (Err(error), _) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{}: {error}", name(&error));
            ExitCode::from(3)
        }
    }
}
