//! Tests of what may happen to a session, rule by rule.

use std::time::Duration;

use super::*;
use crate::store::sample;

const POLICY: RotationPolicy = RotationPolicy::new(Duration::from_secs(30), Duration::from_secs(1_000));
const SUCCESSOR: Successor = Successor::new(TokenId::from_bytes([7; 16]), TokenId::from_bytes([8; 16]));

fn session() -> Session {
    sample::session(1, "1")
}

#[test]
fn the_current_token_rotates_and_the_limit_moves_up_to_the_absolute_one() {
    let mut session = session();
    assert_eq!(session.rotate(0, 1_099, POLICY, SUCCESSOR), Rotation::Rotated);
    assert_eq!((session.generation, session.rotated_at, session.expires_at), (1, 1_099, 2_099));
    assert_eq!((session.refresh_id, session.access_id), (SUCCESSOR.refresh, SUCCESSOR.access));
    // S-10: the absolute limit is not extended
    assert_eq!(session.rotate(1, 2_000, POLICY, SUCCESSOR), Rotation::Rotated);
    assert_eq!(session.expires_at, 2_500);
    assert_eq!(session.rotate(2, 2_499, POLICY, SUCCESSOR), Rotation::Rotated);
    assert_eq!(session.rotate(3, 2_500, POLICY, SUCCESSOR), Rotation::Over(SessionState::Expired));
}

/// S-4: the last good and the first bad second of the window, which does not slide. Its successor was used.
#[test]
fn s_4_the_spent_token_is_repeated_inside_the_grace_window_only() {
    let mut session = session();
    session.rotate(0, 200, POLICY, SUCCESSOR);
    assert!(session.confirm(1));
    let rotated = session.clone();
    for now in [200, 215, 229] {
        let other = Successor { refresh: TokenId::from_bytes([9; 16]), ..SUCCESSOR };
        assert_eq!(session.rotate(0, now, POLICY, other), Rotation::Repeated);
        assert_eq!(session, rotated, "nothing changes at {now}");
    }
    assert_eq!(session.rotate(0, 230, POLICY, SUCCESSOR), Rotation::Reused);
    assert_eq!(session.state_at(230), SessionState::Revoked(RevocationReason::Reused));
}

/// N-6: nobody has used the successor, so its answer may be lost. A token of another generation proves
/// nothing.
#[test]
fn n_6_the_spent_token_is_repeated_until_its_successor_is_used() {
    let mut session = session();
    session.rotate(0, 200, POLICY, SUCCESSOR);
    for generation in [0, 2] {
        assert!(!session.confirm(generation));
    }
    let rotated = session.clone();
    for now in [230, 1_199, 150] {
        assert_eq!(session.rotate(0, now, POLICY, SUCCESSOR), Rotation::Repeated);
        assert_eq!(session, rotated, "nothing changes at {now}");
    }
    assert!(session.confirm(1) && !session.confirm(1));
    assert_eq!(session.rotate(0, 230, POLICY, SUCCESSOR), Rotation::Reused);
}

/// N-6: a rotation that follows starts anew, and what is older than the last one is reuse at once.
#[test]
fn n_6_only_the_last_rotation_can_be_repeated() {
    let mut session = session();
    session.rotate(0, 200, POLICY, SUCCESSOR);
    session.rotate(1, 300, POLICY, SUCCESSOR);
    assert_eq!(session.rotate(1, 900, POLICY, SUCCESSOR), Rotation::Repeated);
    assert_eq!(session.rotate(0, 900, POLICY, SUCCESSOR), Rotation::Reused);
}

/// N-8: a clock that was put back by more than the window does not open it again.
#[test]
fn n_8_the_window_does_not_open_again_when_the_clock_goes_back() {
    for (now, outcome) in [(171, Rotation::Repeated), (170, Rotation::Undated)] {
        let mut session = session();
        session.rotate(0, 200, POLICY, SUCCESSOR);
        session.confirm(1);
        assert_eq!(session.rotate(0, now, POLICY, SUCCESSOR), outcome, "{now}");
    }
}

/// N-8: a rotation that is dated ahead is no proof of theft, once. Its window is over then, and stays so.
#[test]
fn n_8_a_rotation_that_is_dated_ahead_is_dated_once() {
    let policy = RotationPolicy { late: Duration::from_secs(300), ..POLICY };
    let by = |agent| Successor { agent: Some(agent), ..SUCCESSOR };
    let mut session = session();
    session.rotate(0, 900, policy, by(1));
    session.confirm(1);
    let mut older = session.clone();
    older.generation = 2;
    assert_eq!(older.rotate(0, 400, policy, by(1)), Rotation::Reused, "an older one");
    assert_eq!(session.rotate(0, 400, policy, by(2)), Rotation::Undated);
    assert_eq!((session.rotated_at, session.generation, session.revoked), (370, 1, None));
    for (agent, now, outcome) in [
        (1, 400, Rotation::Late),
        (1, 669, Rotation::Late),
        (1, 670, Rotation::Reused),
        (2, 400, Rotation::Reused),
        (1, 900, Rotation::Reused),
    ] {
        let mut session = session.clone();
        assert_eq!(session.rotate(0, now, policy, by(agent)), outcome, "{agent} at {now}");
    }
    assert_eq!(session.rotate(1, 400, policy, by(1)), Rotation::Rotated);
}

/// N-22: the client that rotated is let in with what it had before, for a while. Nothing else changes.
#[test]
fn n_22_a_late_request_of_the_same_client_is_let_in() {
    let policy = RotationPolicy { late: Duration::from_secs(300), ..POLICY };
    let by = |agent| Successor { agent, ..SUCCESSOR };
    for (agent, presented, now, outcome) in [
        (Some(1), 0, 499, Rotation::Late),
        (Some(1), 0, 500, Rotation::Reused),
        (Some(2), 0, 300, Rotation::Reused),
        (None, 0, 300, Rotation::Reused),
        (Some(1), 1, 300, Rotation::Rotated),
    ] {
        let mut session = session();
        session.rotate(0, 200, policy, by(Some(1)));
        session.confirm(1);
        let before = session.clone();
        assert_eq!(session.rotate(presented, now, policy, by(agent)), outcome, "{agent:?} at {now}");
        assert_eq!(session == before, outcome == Rotation::Late);
    }
    // Nobody knows which client has written an older record.
    let mut session = Session { generation: 1, rotated_at: 200, ..session() };
    assert_eq!(session.rotate(0, 300, policy, by(None)), Rotation::Reused);
}

/// N-28: an access token that is issued again has an id of its own; a sliding token is both.
#[test]
fn n_28_an_answer_that_is_issued_again_names_its_token() {
    let policy = RotationPolicy { rewrite: Duration::from_secs(100), ..POLICY };
    let [first, second] = [1, 2].map(|byte| TokenId::from_bytes([byte; 16]));
    for (is_sliding, refresh) in [(false, SUCCESSOR.refresh), (true, second)] {
        let mut session = session();
        let [one, other] = [first, second].map(|id| match is_sliding {
            true => Successor::new(id, id),
            false => Successor { access: id, ..SUCCESSOR },
        });
        session.access_id = if is_sliding { session.refresh_id } else { session.access_id };
        assert_eq!(session.rotate(0, 200, policy, one), Rotation::Rotated);
        let before = session.clone();
        assert_eq!(session.rotate(0, 299, policy, other), Rotation::Repeated);
        assert_eq!(session, before, "written again as it was");
        assert_eq!(session.rotate(0, 300, policy, other), Rotation::Reissued);
        let after = Session { access_id: second, refresh_id: refresh, access_issued_at: 300, ..before };
        assert_eq!(session, after);
        assert_eq!(session.is_sliding(), is_sliding);
    }
}

/// N-28: tokens that have not left are written again with an access token of their own, and no others.
#[test]
fn n_28_what_is_written_again_is_of_the_newest_generation() {
    let policy = RotationPolicy { writes_again: true, grace: Duration::ZERO, ..POLICY };
    let before = Session { generation: 5, rotated_at: 200, access_issued_at: 200, ..session() };
    for presented in [3, 4, 6] {
        let mut session = before.clone();
        let over = Rotation::Over(SessionState::Expired);
        assert_eq!(session.rotate(presented, 200, policy, SUCCESSOR), over, "{presented}");
        assert_eq!(session, before);
    }
    let mut session = before.clone();
    assert_eq!(session.rotate(5, 201, policy, SUCCESSOR), Rotation::Reissued);
    assert_eq!(session, Session { access_id: SUCCESSOR.access, access_issued_at: 201, ..before });
    // A machine whose clock shows 1970.
    let policy = RotationPolicy { rewrite: Duration::from_secs(100), ..POLICY };
    let mut session =
        Session { generation: 1, rotated_at: 5, access_issued_at: 0, confirmed: false, ..session };
    assert_eq!(session.rotate(0, 7, policy, SUCCESSOR), Rotation::Reissued);
}

/// N-6: each access token of the generation proves that its answer has arrived, also the first one of
/// several.
#[test]
fn n_6_an_answer_that_was_repeated_is_known_by_each_of_its_tokens() {
    let policy = RotationPolicy { rewrite: Duration::ZERO, ..POLICY };
    let [first, second, other] = [1, 2, 3].map(|byte| TokenId::from_bytes([byte; 16]));
    let by = |access| Successor { access, ..SUCCESSOR };
    let mut session = session();
    session.rotate(0, 200, policy, by(first));
    assert!(session.is_of_current(first, 200) && !session.is_of_current(other, 200));
    session.rotate(0, 210, policy, by(second));
    for (id, issued_at, is_current) in [(first, 200, true), (second, 210, true), (other, 199, false)] {
        assert_eq!(session.is_of_current(id, issued_at), is_current, "{issued_at}");
    }
}

/// N-7: an answer may be kept from another client than the one that spent the token. It ends nothing.
#[test]
fn n_7_an_answer_may_be_for_its_client_only() {
    let policy = RotationPolicy { refuse_elsewhere: true, ..POLICY };
    let from = |agent, last| Successor {
        agent: Some(agent),
        address: Some([203, 0, 113, last].into()),
        ..SUCCESSOR
    };
    for (client, outcome) in [
        (from(1, 1), Rotation::Repeated),
        (from(2, 1), Rotation::Elsewhere),
        (from(1, 2), Rotation::Elsewhere),
        (SUCCESSOR, Rotation::Elsewhere),
    ] {
        let mut session = session();
        session.rotate(0, 200, policy, from(1, 1));
        let before = session.clone();
        assert_eq!(session.rotate(0, 900, policy, client), outcome, "{client:?}");
        assert_eq!(session, before);
    }
}

#[test]
fn without_grace_the_first_repetition_is_reuse() {
    let mut session = session();
    let policy = RotationPolicy { grace: Duration::ZERO, ..POLICY };
    session.rotate(0, 200, policy, SUCCESSOR);
    assert_eq!(session.rotate(0, 200, policy, SUCCESSOR), Rotation::Reused);
}

/// S-3: any older generation is theft, also inside the window of the last rotation.
#[test]
fn s_3_an_older_token_ends_the_session_at_once() {
    let mut session = session();
    session.rotate(0, 200, POLICY, SUCCESSOR);
    session.rotate(1, 201, POLICY, SUCCESSOR);
    assert_eq!(session.rotate(0, 202, POLICY, SUCCESSOR), Rotation::Reused);
    assert_eq!(
        session.rotate(2, 203, POLICY, SUCCESSOR),
        Rotation::Over(SessionState::Revoked(RevocationReason::Reused))
    );
}

#[test]
fn a_token_newer_than_the_record_is_believed() {
    let mut session = session();
    assert_eq!(session.rotate(5, 200, POLICY, SUCCESSOR), Rotation::CaughtUp);
    assert_eq!(session.generation, 6);
    assert_eq!(session.rotate(5, 201, POLICY, SUCCESSOR), Rotation::Repeated);
}

#[test]
fn revocation_is_final_and_keeps_its_first_reason() {
    let mut session = session();
    assert!(session.revoke(Revocation { at: 150, reason: RevocationReason::Logout }));
    assert!(!session.revoke(Revocation { at: 160, reason: RevocationReason::Reused }));
    assert_eq!(session.state_at(150), SessionState::Revoked(RevocationReason::Logout));
    assert_eq!(
        session.rotate(0, 151, POLICY, SUCCESSOR),
        Rotation::Over(SessionState::Revoked(RevocationReason::Logout))
    );
}

/// A refresh token that was ended alone renews nothing, nor does the one that it is the answer to.
#[test]
fn an_ended_refresh_token_is_not_renewed() {
    let mut session = session();
    session.rotate(0, 200, POLICY, SUCCESSOR);
    assert!(session.revoke_token(SUCCESSOR.refresh, 1_200, 201));
    for generation in [0, 1] {
        assert_eq!(session.rotate(generation, 202, POLICY, SUCCESSOR), Rotation::Over(SessionState::Expired));
    }
    assert_eq!(session.state_at(202), SessionState::Live, "its access token goes on");
}

#[test]
fn tokens_are_ended_alone_up_to_a_limit_and_then_with_their_session() {
    let mut session = session();
    let id = |number: usize| TokenId::from_bytes([u8::try_from(number).unwrap(); 16]);
    for number in 0..MAX_REVOKED_TOKENS {
        assert!(session.revoke_token(id(number), 500, 200));
        assert!(!session.revoke_token(id(number), 500, 200), "it is ended already");
    }
    let mut later = session.clone();
    assert!(session.revoke_token(id(100), 500, 499));
    assert_eq!(session.state_at(499), SessionState::Revoked(RevocationReason::Requested));
    // Those that have expired need not be remembered.
    assert!(later.revoke_token(id(100), 900, 500));
    assert_eq!((later.revoked_tokens.len(), later.state_at(500)), (1, SessionState::Live));
    assert!(later.has_revoked(id(100)));
    // N-8: while there is room, nothing is forgotten by a clock that may be ahead.
    assert!(later.revoke_token(id(101), 2_000, 1_000));
    assert!(later.has_revoked(id(100)));
}

#[test]
fn a_session_is_described_in_a_line() {
    let mut session = session();
    assert_eq!(session.summary_at(150), "unknown device, last seen just now");
    session.device.app = Some("Chrome".into());
    session.device.app_version = Some("126.0.6478.61".into());
    session.device.os = Some("Linux".into());
    session.device.address = Some([192, 0, 2, 1].into());
    assert_eq!(session.summary_at(280), "Chrome 126 on Linux, 192.0.2.1, last seen 3 min ago");
    session.last_address = Some([203, 0, 113, 7].into());
    assert_eq!(session.summary_at(280), "Chrome 126 on Linux, 203.0.113.7, last seen 3 min ago");
    // A clock that went back.
    assert_eq!(session.summary_at(0), "Chrome 126 on Linux, 203.0.113.7, last seen just now");
}

#[test]
fn a_session_is_live_until_just_before_its_limit() {
    let session = session();
    assert_eq!(session.state_at(1_099), SessionState::Live);
    assert_eq!(session.state_at(1_100), SessionState::Expired);
}

/// `Debug` ends up in logs.
#[test]
fn debug_shows_nothing_of_a_person() {
    let mut session = Session { subject: "alice".into(), ..session() };
    session.api_key = Some(ApiKey::new("of alice", [7; 32]));
    let shown = format!("{session:?}");
    assert!(shown.starts_with("Session { id: ") && shown.contains("generation: 0"), "{shown}");
    assert!(!shown.contains("alice") && !shown.contains(&session.id.to_string()), "{shown}");
    assert_eq!(format!("{:?}", session.api_key.unwrap()), "ApiKey { .. }");
}

/// Whatever comes: a record is to be written if it has changed, and only then.
#[test]
fn a_rotation_is_a_change_if_the_record_is_another() {
    let other = Successor {
        refresh: TokenId::from_bytes([9; 16]),
        access: TokenId::from_bytes([10; 16]),
        agent: Some(1),
        ..SUCCESSOR
    };
    let rotated = |is_confirmed: bool| {
        let mut rotated = session();
        rotated.rotate(0, 200, POLICY, SUCCESSOR);
        rotated.confirmed = is_confirmed;
        rotated
    };
    let mut revoked = session();
    revoked.revoke(Revocation { at: 150, reason: RevocationReason::Logout });
    let mut seen = Vec::new();
    for before in [session(), rotated(false), rotated(true), revoked] {
        for rewrite in [Duration::ZERO, Duration::MAX] {
            for (generation, now) in (0..4).flat_map(|it| [150, 210, 900, 3_000].map(|now| (it, now))) {
                let mut after = before.clone();
                let rotation = after.rotate(generation, now, RotationPolicy { rewrite, ..POLICY }, other);
                assert_eq!(rotation.is_change(), after != before, "{rotation:?}");
                seen.push(rotation);
            }
        }
    }
    use Rotation::{CaughtUp, Reissued, Repeated, Reused, Rotated, Undated};
    assert!([Rotated, Repeated, Reissued, CaughtUp, Undated, Reused].iter().all(|it| seen.contains(it)));
    assert!(seen.iter().any(|it| matches!(it, Rotation::Over(_))));
}
