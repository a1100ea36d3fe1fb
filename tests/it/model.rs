//! Random lives of sessions against a model of forty lines that anybody can check by reading.
//!
//! After each step every answer must be the model's: who is let in, which refresh rotates, repeats or
//! ends the session. A failure names its seed.

use std::path::Path;
use std::time::Duration;

use jwtauth::SledStore;
use tests::app::{START, TestApp};
use tests::bounded_by;
use tests::numbers::Numbers;
use tests::tab::Tab;
use tests::test_store::{TestStore, is_in_memory};
use tests::wire::Tokens;

const ACCESS: u64 = 300;
const REFRESH: u64 = 2_000;
const ABSOLUTE: u64 = 6_000;
const GRACE: u64 = 30;

/// A session, as it should be.
#[derive(Clone, Debug)]
struct Model {
    user: &'static str,
    generation: u64,
    rotated_at: u64,
    /// Whether a token of this generation was shown.
    confirmed: bool,
    /// The access token that was issued last, and when.
    access: String,
    access_issued_at: u64,
    expires_at: u64,
    absolute_expires_at: u64,
    revoked: bool,
}

/// A pair of tokens that was handed out once.
#[derive(Clone, Debug)]
struct Handed {
    session: usize,
    generation: u64,
    access_expires_at: u64,
    refresh_expires_at: u64,
    pair: Tokens,
}

/// What a refresh must do.
#[derive(Debug, PartialEq, Eq)]
enum Refresh {
    Refused,
    Repeated,
    Rotated,
}

impl Model {
    fn is_live(&self, now: u64) -> bool {
        !self.revoked && now < self.expires_at
    }

    fn refresh(&mut self, token: &Handed, now: u64) -> Refresh {
        if now >= token.refresh_expires_at || !self.is_live(now) {
            return Refresh::Refused;
        }
        if token.generation == self.generation {
            self.generation += 1;
            self.rotated_at = now;
            self.confirmed = false;
            self.expires_at = (now + REFRESH).min(self.absolute_expires_at);
            return Refresh::Rotated;
        }
        let is_lost = !self.confirmed || now - self.rotated_at < GRACE;
        if token.generation + 1 == self.generation && is_lost {
            return Refresh::Repeated;
        }
        self.revoked = true;
        Refresh::Refused
    }
}

/// The app, the model, and everything that was ever handed out.
struct World {
    app: TestApp,
    tab: Tab,
    now: u64,
    sessions: Vec<Model>,
    handed: Vec<Handed>,
}

impl World {
    fn new(app: TestApp) -> Self {
        let tab = Tab::new(&app);
        Self { app, tab, now: START, sessions: Vec::new(), handed: Vec::new() }
    }

    fn hand(&mut self, session: usize, pair: Tokens) {
        let model = &self.sessions[session];
        self.handed.push(Handed {
            session,
            generation: model.generation,
            access_expires_at: (model.access_issued_at + ACCESS).min(model.expires_at),
            refresh_expires_at: model.expires_at,
            pair,
        });
    }

    async fn login(&mut self, user: &'static str, from: Option<Handed>) {
        let cookies = from.as_ref().map(|held| held.pair.cookies()).unwrap_or_default();
        let pair = self.tab.login_with(user, &cookies).await.pair();
        if let Some(held) = from {
            // A refresh token that is expired names nobody; the access token still does.
            self.sessions[held.session].revoked = true;
        }
        let (now, absolute_expires_at) = (self.now, self.now + ABSOLUTE);
        self.sessions.push(Model {
            user,
            generation: 0,
            rotated_at: now,
            confirmed: true,
            access: pair.access.clone(),
            access_issued_at: now,
            expires_at: now + REFRESH,
            absolute_expires_at,
            revoked: false,
        });
        self.hand(self.sessions.len() - 1, pair);
    }

    async fn refresh(&mut self, token: &Handed) {
        let answer = self.tab.post("/refresh", &token.pair.only_refresh()).await;
        let expected = self.sessions[token.session].refresh(token, self.now);
        if expected == Refresh::Refused {
            assert_eq!(answer.status, 401);
            return;
        }
        let pair = answer.pair();
        let twin =
            self.handed.iter().find(|h| h.session == token.session && h.generation == token.generation + 1);
        if let (Refresh::Repeated, Some(twin)) = (&expected, twin) {
            assert_eq!(twin.pair.refresh, pair.refresh, "one successor");
        }
        let model = &mut self.sessions[token.session];
        // N-28: the same bytes, as long as they are good for a while.
        let is_same = expected == Refresh::Repeated && self.now - model.access_issued_at < ACCESS / 2;
        assert_eq!(pair.access == model.access, is_same, "{expected:?}");
        if !is_same {
            model.access.clone_from(&pair.access);
            model.access_issued_at = self.now;
        }
        self.hand(token.session, pair);
    }

    async fn logout(&mut self, token: &Handed) {
        assert_eq!(self.tab.post("/logout", &token.pair.cookies()).await.status, 200);
        self.sessions[token.session].revoked = true;
    }

    async fn revoke_all(&mut self, user: &'static str) {
        let now = self.now;
        let live = self.sessions.iter_mut().filter(|session| session.user == user && !session.revoked);
        live.for_each(|session| session.revoked = true);
        self.app.jwtauth.sessions().revoke_all(user).await.unwrap();
        assert!(self.app.jwtauth.sessions().list(user).await.unwrap().is_empty(), "at {now}");
    }

    fn advance(&mut self, seconds: u64) {
        self.now += seconds;
        self.app.clock.advance(Duration::from_secs(seconds));
    }

    /// I2, I3: a token opens a door exactly when the model says so.
    async fn check(&mut self, token: &Handed) {
        let model = &mut self.sessions[token.session];
        let expected = self.now < token.access_expires_at && model.is_live(self.now);
        let answer = self.tab.bearer("/me", &token.pair.access).await;
        assert_eq!(answer.status == 200, expected, "{token:?} {model:?} at {}: {}", self.now, answer.body);
        if expected {
            assert!(answer.body.contains(model.user));
            model.confirmed |= token.pair.access == model.access;
        }
    }
}

async fn live(world: &mut World, numbers: &mut Numbers, steps: u64) {
    for _ in 0..steps {
        let user = *numbers.pick(&["alice", "bob", "carol"]);
        let token = (!world.handed.is_empty()).then(|| numbers.pick(&world.handed).clone());
        // The newest tokens are the ones that clients use.
        let newest = world.handed.len().checked_sub(1).map(|last| world.handed[last].clone());
        match (numbers.below(20), token) {
            (0..=2, _) | (_, None) => world.login(user, None).await,
            (3, Some(token)) => world.login(user, Some(token)).await,
            (4..=8, Some(_)) => {
                let newest = newest.expect("there is a token");
                world.refresh(&newest).await;
            }
            (9..=11, Some(token)) => world.refresh(&token).await,
            (12, Some(token)) => world.logout(&token).await,
            (13, _) if numbers.below(4) == 0 => world.revoke_all(user).await,
            (14, _) => drop(world.app.jwtauth.sessions().sweep().await.unwrap()),
            (15, _) => assert_eq!(world.tab.post("/refresh", "__Host-refresh_token=a.b.c").await.status, 401),
            (16, _) => world.advance(numbers.below(2_000)),
            _ => world.advance(numbers.below(40)),
        }
        for _ in 0..4 {
            let token = numbers.pick(&world.handed).clone();
            world.check(&token).await;
        }
    }
    for token in world.handed.clone() {
        world.check(&token).await;
    }
}

fn settings(builder: jwtauth::JwtAuthBuilder) -> jwtauth::JwtAuthBuilder {
    builder
        .access_ttl(Duration::from_secs(ACCESS))
        .refresh_ttl(Duration::from_secs(REFRESH))
        .absolute_ttl(Duration::from_secs(ABSOLUTE))
        .refresh_grace(Duration::from_secs(GRACE))
}

/// I1 to I6, on 200 random lives of 60 steps in memory, and on fewer where each step takes longer.
#[test]
fn random_lives_in_memory() {
    let lives = if is_in_memory() { 200 } else { 20 };
    bounded_by(Duration::from_secs(120), async {
        for seed in 0..lives {
            println!("seed {seed}");
            let mut world = World::new(TestApp::with(TestStore::new(), settings));
            live(&mut world, &mut Numbers::seeded(seed), 60).await;
        }
    });
}

async fn open(path: &Path) -> TestApp {
    TestApp::with(SledStore::open(path).await.unwrap(), settings)
}

/// I7: the same on disk, and the store is closed and opened again between any two parts of a life.
#[test]
fn random_lives_on_disk_with_restarts() {
    bounded_by(Duration::from_secs(120), async {
        for seed in 1_000..1_006 {
            println!("seed {seed}");
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("sessions");
            let mut numbers = Numbers::seeded(seed);
            let mut world = World::new(open(&path).await);
            for _ in 0..5 {
                live(&mut world, &mut numbers, 20).await;
                let World { app, tab, now, sessions, handed } = world;
                drop((tab, app));
                let app = open(&path).await;
                app.clock.set(now);
                world = World { tab: Tab::new(&app), app, now, sessions, handed };
            }
        }
    });
}
