//! Each layout that was ever written comes back as a session, and damaged bytes of none do.

use super::super::MAX_RECORD;
use super::*;
use crate::device::Device;
use crate::record::{ApiKey, Revocation, RevocationReason, RevokedToken};

const KEY: &[u8] = b"s0123456789abcdef";
const ID: SessionId = SessionId::from_bytes(*b"0123456789abcdef");

/// What the releases of layouts 1 to 4 have written for [`session`], as far as they knew its fields.
const WRITTEN: [&str; 4] = [
    "\
    01ff05ec19020000000000000034320200000000000000050000000000000061646d696e03000000000000006f707301\
    000000000000000b00000000000000706f7374733a77726974650109000000000000007b226964223a34327d01000000\
    000000000200000000000000030000000000000004000000000000000500000000000000060000000000000007070707\
    07070707070707070707070701080000000000000001",
    "\
    02354e9080020000000000000034320200000000000000050000000000000061646d696e03000000000000006f707301\
    000000000000000b00000000000000706f7374733a77726974650109000000000000007b226964223a34327d01000000\
    000000000200000000000000030000000000000004000000000000000500000000000000060000000000000007070707\
    070707070707070707070707080808080808080808080808080808080100000000000000090909090909090909090909\
    0909090909000000000000000106000000000000004368726f6d65010300000000000000313236010500000000000000\
    4c696e757800010700000000000000506978656c2039010300000000000000343835010b000000000000004d6f7a696c\
    6c612f352e300100000000cb007107010100000020010db800000000000000000000000701080000000000000001",
    "\
    03bc6a0c64020000000000000034320200000000000000050000000000000061646d696e03000000000000006f707301\
    000000000000000b00000000000000706f7374733a77726974650109000000000000007b226964223a34327d01000000\
    000000000200000000000000030000000000000004000000000000000500000000000000060000000000000007070707\
    070707070707070707070707080808080808080808080808080808080100000000000000090909090909090909090909\
    0909090909000000000000000106000000000000004368726f6d65010300000000000000313236010500000000000000\
    4c696e757800010700000000000000506978656c2039010300000000000000343835010b000000000000004d6f7a696c\
    6c612f352e300100000000cb007107010100000020010db80000000000000000000000070101080000000000000001",
    "\
    04dc8717ac020000000000000034320200000000000000050000000000000061646d696e03000000000000006f707301\
    000000000000000b00000000000000706f7374733a77726974650109000000000000007b226964223a34327d01000000\
    000000000200000000000000030000000000000004000000000000000500000000000000060000000000000007070707\
    070707070707070707070707080808080808080808080808080808080100000000000000090909090909090909090909\
    0909090909000000000000000106000000000000004368726f6d65010300000000000000313236010500000000000000\
    4c696e757800010700000000000000506978656c2039010300000000000000343835010b000000000000004d6f7a696c\
    6c612f352e300100000000cb007107010100000020010db800000000000000000000000701080000000000000001",
];

fn session() -> Session {
    let tokens = Successor::new(TokenId::from_bytes([7; 16]), TokenId::from_bytes([8; 16]));
    Session {
        roles: vec!["admin".into(), "ops".into()],
        scopes: vec!["posts:write".into()],
        user: Some(br#"{"id":42}"#.to_vec()),
        user_kind: Some("User".into()),
        auth_time: 2,
        absolute_expires_at: 3,
        expires_at: 4,
        generation: 5,
        rotated_at: 6,
        confirmed: false,
        agent: Some(10),
        access_issued_at: 11,
        revoked_tokens: vec![RevokedToken { id: TokenId::from_bytes([9; 16]), expires_at: 9 }],
        device: Device {
            app: Some("Chrome".into()),
            app_version: Some("126".into()),
            os: Some("Linux".into()),
            os_version: None,
            model: Some("Pixel 9".into()),
            id: Some("485".into()),
            user_agent: Some("Mozilla/5.0".into()),
            address: Some([203, 0, 113, 7].into()),
        },
        last_address: Some("2001:db8::7".parse().unwrap()),
        revoked: Some(Revocation { at: 8, reason: RevocationReason::Logout }),
        api_key: Some(ApiKey {
            name: "ci".into(),
            roles: vec!["admin".into()],
            scopes: vec!["posts:write".into(), "posts:read".into()],
            hash: [12; 32],
        }),
        ..Session::new(ID, "42", 1, tokens)
    }
}

/// The same with the defaults of what layout 4 and those before it did not know.
fn without_later() -> Session {
    Session { user_kind: None, confirmed: true, agent: None, access_issued_at: 0, api_key: None, ..session() }
}

fn written(layout: usize) -> Vec<u8> {
    let text = WRITTEN[layout - 1].as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    text.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// R-19: a record is upgraded when it is read. What its layout did not know has its default.
#[test]
fn r_19_every_layout_is_read() {
    let first = Session {
        access_id: TokenId::from_bytes([!7; 16]),
        revoked_tokens: Vec::new(),
        device: Device::default(),
        last_address: None,
        ..without_later()
    };
    for (layout, want) in [(1, first), (2, without_later()), (3, without_later()), (4, without_later())] {
        let bytes = written(layout);
        assert_eq!(usize::from(bytes[0]), layout);
        let read = decode_session(KEY, ID, &bytes).unwrap_or_else(|error| panic!("{layout}: {error}"));
        assert_eq!(read.device, want.device, "{layout}");
        assert!(read == want && !read.is_sliding(), "{layout}: {read:?}");
        let again = encode_session(KEY, &read).unwrap();
        assert_eq!((again[0], decode_session(KEY, ID, &again)), (v4::NEWEST, Ok(want)), "{layout}");
    }
}

/// R-19: told apart from damage, with both numbers.
#[test]
fn r_19_a_newer_layout_is_named() {
    let newer = v4::NEWEST + 1;
    let bytes = frame::close(newer, KEY, |out| {
        v4::put(&session(), out);
        out.extend([1, 2, 3]);
    });
    let refused = decode_session(KEY, ID, &bytes);
    assert_eq!(refused, Err(RecordError::NewerLayout { found: newer, newest: v4::NEWEST }));
    let error = StoreError::from(refused.unwrap_err());
    assert!(matches!(error, StoreError::NewerLayout { path: None, .. }), "{error}");
    assert!(error.to_string().contains("newer release"), "{error}");
}

#[test]
fn a_record_comes_back_as_it_was_written() {
    use RevocationReason::{Evicted, Inactive, Logout, LogoutAll, Replaced, Requested, Reused};
    for reason in [Evicted, Inactive, Logout, LogoutAll, Requested, Replaced, Reused] {
        let session = Session { revoked: Some(Revocation { at: 8, reason }), ..session() };
        let bytes = encode_session(KEY, &session).unwrap();
        assert_eq!(decode_session(KEY, ID, &bytes), Ok(session));
    }
}

/// R-6, R-7: no change of a byte, no cut and no other key is taken for a record, and none panics.
#[test]
fn r_7_damaged_bytes_are_no_record() {
    let damaged = Err(RecordError::Damaged);
    for bytes in [written(1), written(2), written(3), written(4), encode_session(KEY, &session()).unwrap()] {
        let layout = bytes[0];
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(decode_session(KEY, ID, &changed), damaged, "{layout}: byte {at}, bit {bit}");
            }
            assert_eq!(decode_session(KEY, ID, &bytes[..at]), damaged, "{layout}: cut at {at}");
        }
        assert_eq!(decode_session(b"sfedcba9876543210", ID, &bytes), damaged, "another key");
        assert_eq!(decode_session(KEY, ID, &[bytes.clone(), vec![0]].concat()), damaged, "longer");
    }
}

/// Bytes with a checksum that is right and fields that are cut, too long, or of another layout.
#[test]
fn r_7_fields_that_do_not_fit_their_layout_are_no_record() {
    let mut whole = Vec::new();
    v4::put(&session(), &mut whole);
    for layout in 0..=v4::NEWEST {
        for at in 0..=whole.len() {
            let bytes = frame::close(layout, KEY, |out| out.extend(&whole[..at]));
            let read = decode_session(KEY, ID, &bytes).is_ok();
            // An older layout may have the same fields at its front.
            if layout == v4::NEWEST {
                assert_eq!(read, at == whole.len(), "cut at {at}");
            }
        }
        let longer = frame::close(layout, KEY, |out| out.extend([&whole[..], &[0]].concat()));
        assert_eq!(decode_session(KEY, ID, &longer), Err(RecordError::Damaged), "layout {layout}, longer");
    }
}

/// A length field that asks for the world gets nothing, also when its checksum is right.
#[test]
fn a_forged_length_allocates_nothing() {
    for layout in 1..=v4::NEWEST {
        let bytes = frame::close(layout, KEY, |out| {
            out.extend(u64::MAX.to_le_bytes());
            out.extend([0; 64]);
        });
        assert_eq!(decode_session(KEY, ID, &bytes), Err(RecordError::Damaged));
    }
}

#[test]
fn a_record_over_the_limit_is_refused_with_its_size() {
    let session = Session { user: Some(vec![b' '; MAX_RECORD]), revoked: None, ..session() };
    assert!(
        matches!(encode_session(KEY, &session), Err(StoreError::TooLarge { got, .. }) if got > MAX_RECORD)
    );
}

/// N-1: what is added by a revocation has room.
#[test]
fn n_1_a_session_that_is_revoked_is_never_too_large() {
    let mut session = session();
    session.revoked = None;
    session.user = Some(Vec::new());
    session.user = Some(vec![b' '; MAX_RECORD - session_len(&session)]);
    assert_eq!(encode_session(KEY, &session).unwrap().len(), MAX_RECORD);
    assert!(session.revoke(Revocation { at: 9, reason: RevocationReason::Logout }));
    let bytes = encode_session(KEY, &session).unwrap();
    let kept = decode_session(KEY, session.id, &bytes).unwrap();
    assert_eq!(kept, Session { user: None, ..session });
}
