//! Access tokens of identity providers: what a [`Verifier`] with the right profile makes of them, and of everything
//! else that the same provider signs.
//!
//! `providers.json` has the documented form of each. The tokens are signed here, and by PyJWT and jose.

mod lifetimes;
mod signers;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64URL};
use jsonwebtoken::{EncodingKey, crypto};
use jwtauth::IssuerProfile;
use serde_json::json;
use tests::app::START;

use super::*;

const RSA: &str = include_str!("../../keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("../../keys/rsa-public.pem");

/// What one provider signs.
#[derive(Deserialize)]
struct Provider {
    name: String,
    issuer: String,
    audience: String,
    header: Value,
    access: Value,
    subject: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    /// Tokens of other kinds, which have the same header.
    others: BTreeMap<String, Value>,
}

fn providers() -> Vec<Provider> {
    serde_json::from_str(include_str!("providers.json")).unwrap()
}

fn profile(name: &str) -> IssuerProfile {
    match name {
        "auth0" => IssuerProfile::auth0().roles_claim("https://shop.example.com/roles"),
        "cognito" => IssuerProfile::cognito(),
        "entra" => IssuerProfile::entra(),
        "firebase" => IssuerProfile::firebase_id_tokens(),
        "google" => IssuerProfile::google_id_tokens(),
        "keycloak" => IssuerProfile::keycloak(),
        "okta" => IssuerProfile::okta(),
        "supabase" => IssuerProfile::supabase(),
        "rfc9068" => IssuerProfile::new(),
        other => panic!("{other} has no profile"),
    }
}

impl Provider {
    /// Returns the access token and all others, as headers and claims.
    fn tokens(&self) -> Vec<Value> {
        let all = [&self.access].into_iter().chain(self.others.values());
        all.map(|claims| json!({"header": self.header, "claims": self.timed(claims.clone())})).collect()
    }

    fn timed(&self, mut claims: Value) -> Value {
        for (name, value) in
            [("iss", json!(self.issuer)), ("iat", json!(START - 10)), ("exp", json!(START + 300))]
        {
            if claims.get(name).is_none() {
                claims[name] = value;
            }
        }
        claims
    }

    fn verifier(&self, profile: IssuerProfile, key: Key) -> Verifier {
        let builder = Verifier::builder(&*self.issuer, &*self.audience).clock(ManualClock::at(START));
        builder.issuer_profile(profile).key(key.with_kid("one").unwrap()).build().unwrap()
    }

    /// Checks the access token and all others, in the order of [`Self::tokens`].
    async fn check(&self, key: &Key, signed: &[String]) {
        let verifier = self.verifier(profile(&self.name), key.clone());
        let user = verifier.verify(&signed[0]).await;
        let user = user.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        assert_eq!(
            (user.subject(), user.roles(), user.scopes()),
            (&*self.subject, &*self.roles, &*self.scopes)
        );
        assert_eq!(
            (user.expires_at(), &user.claims()["iss"]),
            (START + 300, &json!(self.issuer)),
            "{}",
            self.name
        );
        assert!(verifier.verify(&signed[0]).await.is_ok(), "{}: it is remembered", self.name);
        for ((what, _), token) in self.others.iter().zip(&signed[1..]) {
            let refused = verifier.verify(token).await;
            assert!(refused.is_err(), "{}: {what} passes", self.name);
        }
        // None of them is a token of jwtauth.
        let own = Verifier::builder(&*self.issuer, &*self.audience).clock(ManualClock::at(START));
        let own = own.key(key.clone().with_kid("one").unwrap()).build().unwrap();
        for token in signed {
            assert!(own.verify(token).await.is_err(), "{}", self.name);
        }
    }
}

fn public() -> Key {
    Key::from_pem(P256).unwrap().to_public().unwrap()
}

/// Signs a token by hand.
fn sign(token: &Value) -> String {
    let mut header = token["header"].clone();
    header["alg"] = "ES256".into();
    let part = |value: &Value| BASE64URL.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(&token["claims"]));
    let der: String = P256.lines().filter(|line| !line.starts_with('-')).collect();
    let key = EncodingKey::from_ec_der(&STANDARD.decode(der).unwrap());
    let signature = crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

/// N-30, J-10: the documented tokens of each provider, and nothing else that it signs.
#[test]
fn n_30_tokens_of_identity_providers_are_read_and_nothing_else_of_them() {
    bounded(async {
        for provider in providers() {
            let signed: Vec<_> = provider.tokens().iter().map(sign).collect();
            provider.check(&public(), &signed).await;
        }
    });
}

/// N-30, J-13 to J-18: a profile says where things are. Each other rule stays as strict as for our own tokens.
#[test]
fn n_30_j_13_to_j_18_a_profile_loosens_no_other_rule() {
    let changed: [(&str, Value); 22] = [
        ("iss", json!("https://login.example.com/realms/shop/")),
        ("iss", json!("https://login.example.com/realms/Shop")),
        ("iss", json!(["https://login.example.com/realms/shop"])),
        ("iss", Value::Null),
        ("aud", json!("shop")),
        ("aud", json!(["account"])),
        ("aud", json!(7)),
        ("aud", json!(["shop-api", 7])),
        ("exp", json!(START - 5)),
        ("exp", json!("never")),
        ("exp", json!(START + 100_000)),
        ("exp", Value::Null),
        ("iat", json!(START + 60)),
        ("iat", Value::Null),
        ("nbf", json!(START + 60)),
        ("nbf", json!("now")),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("auth_time", json!(START + 60)),
        ("auth_time", json!("now")),
        ("scope", json!(["a", 1])),
        ("realm_access", json!(["clerk"])),
    ];
    bounded(async {
        let keycloak = providers().remove(0);
        let verifier = keycloak.verifier(profile("keycloak"), public());
        let good = &keycloak.tokens()[0];
        let verify = async |token: &Value| verifier.verify(&sign(token)).await;
        assert!(verify(good).await.is_ok());
        for (name, value) in changed {
            let mut token = good.clone();
            token["claims"][name] = value;
            assert!(verify(&token).await.is_err(), "{name}: {}", token["claims"][name]);
            token["claims"].as_object_mut().unwrap().remove(name);
            let may_miss = ["auth_time", "nbf", "scope", "realm_access"].contains(&name);
            assert_eq!(verify(&token).await.is_ok(), may_miss, "without {name}");
        }
        for (name, value) in [
            ("typ", json!("jose")),
            ("typ", json!(7)),
            ("typ", json!("rt+jwt")),
            ("crit", json!(["x"])),
            ("kid", json!("two")),
            ("cty", json!("JWT")),
            ("zip", json!("DEF")),
            ("b64", json!(false)),
        ] {
            let mut token = good.clone();
            token["header"][name] = value;
            assert!(verify(&token).await.is_err(), "{}", token["header"]);
        }
        for typ in ["jwt", "application/jwt", "at+jwt", "Application/AT+JWT"] {
            let mut token = good.clone();
            token["header"]["typ"] = typ.into();
            assert!(verify(&token).await.is_ok(), "{typ}");
        }
        let mut token = good.clone();
        token["header"].as_object_mut().unwrap().remove("typ");
        assert_eq!(verify(&token).await.unwrap_err(), TokenError::Header("typ"));
        // Old Keycloaks copied it; the claim `typ` tells the kind.
        let mut token = good.clone();
        token["claims"]["nonce"] = "n".into();
        assert!(verify(&token).await.is_ok());
        // A list that names another kind beside the right one.
        for (name, kinds) in [
            ("typ", json!(["Bearer", "Refresh"])),
            ("typ", json!(["ID", "Bearer"])),
            ("token_use", json!(["access", "refresh"])),
            ("token_type", json!(["id_token"])),
        ] {
            let mut token = good.clone();
            token["claims"][name] = kinds;
            assert_eq!(verify(&token).await.unwrap_err(), TokenError::WrongKind, "{}", token["claims"][name]);
        }
        // J-12, also inside.
        let twice = r#"{"roles":["clerk"],"roles":["admin"]}"#;
        let claims = good["claims"].to_string().replace(r#"{"roles":["offline_access","clerk"]}"#, twice);
        assert!(claims.contains(twice));
        let message = format!("{}.{}", sign(good).split('.').next().unwrap(), BASE64URL.encode(claims));
        let der: String = P256.lines().filter(|line| !line.starts_with('-')).collect();
        let key = EncodingKey::from_ec_der(&STANDARD.decode(der).unwrap());
        let signature = crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::ES256).unwrap();
        assert_eq!(
            verifier.verify(&format!("{message}.{signature}")).await.unwrap_err(),
            TokenError::Malformed
        );
    });
}

/// N-30: each setting alone: paths, lists and text, several values, another subject.
#[test]
fn n_30_a_profile_of_single_settings() {
    let base = || IssuerProfile::new().accept_typ("JWT").requires("kind", ["access", "app"]);
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    type Read = (&'static str, Vec<String>, Vec<String>);
    let cases: Vec<(IssuerProfile, Value, Option<Read>)> = vec![
        (base(), json!({}), Some(("alice", vec![], vec![]))),
        (base(), json!({"kind": "app"}), Some(("alice", vec![], vec![]))),
        (base(), json!({"kind": ["x", "app"]}), Some(("alice", vec![], vec![]))),
        (base(), json!({"kind": "apps"}), None),
        (base(), json!({"kind": ["x"]}), None),
        (base(), json!({"kind": null}), None),
        (base(), json!({"kind": {"access": "access"}}), None),
        (base().requires("ok", ["true"]), json!({"ok": true}), Some(("alice", vec![], vec![]))),
        (base().requires("ok", ["true"]), json!({"ok": false}), None),
        (base().requires("ok", ["true"]), json!({"ok": 1}), None),
        (base().requires_claim("cid"), json!({"cid": "x"}), Some(("alice", vec![], vec![]))),
        (base().requires_claim("cid"), json!({"cid": ""}), None),
        (base().requires_claim("cid"), json!({}), None),
        (base().requires("a.b", ["c"]), json!({"a": {"b": "c"}}), Some(("alice", vec![], vec![]))),
        (base().requires("a.b", ["c"]), json!({"a.b": "c"}), None),
        (
            base(),
            json!({"roles": "shop clerk", "scope": "a  b"}),
            Some(("alice", names(&["shop clerk"]), names(&["a", "b"]))),
        ),
        (base(), json!({"roles": "", "scope": ""}), Some(("alice", vec![], vec![]))),
        (base(), json!({"roles": {"admin": true}}), None),
        (base(), json!({"roles": null}), None),
        (base(), json!({"roles": ["a", null]}), None),
        (
            base().scopes_claim("scp"),
            json!({"scp": ["a b", "c"], "scope": "d"}),
            Some(("alice", vec![], names(&["a b", "c"]))),
        ),
        (
            base().roles_claim("https://x.example/roles.of"),
            json!({"https://x.example/roles.of": ["r"]}),
            Some(("alice", names(&["r"]), vec![])),
        ),
        (
            base().roles_claim(["a", "b.c", "roles"]),
            json!({"a": {"b.c": {"roles": ["r"]}}}),
            Some(("alice", names(&["r"]), vec![])),
        ),
        (base().roles_claim("a.b.roles"), json!({"a": {}}), Some(("alice", vec![], vec![]))),
        (base().roles_claim("a.b.roles"), json!({"a": {"b": []}}), None),
        (base().subject_claim("oid"), json!({"oid": "o-1"}), Some(("o-1", vec![], vec![]))),
        (base().subject_claim("oid"), json!({}), None),
        (base().audience_claim("client_id"), json!({"client_id": "shop"}), Some(("alice", vec![], vec![]))),
        (base().audience_claim("client_id"), json!({}), None),
        (base().audience_claim("client_id"), json!({"client_id": "shop", "aud": "other"}), None),
        // What no profile accepts unless it says so.
        (base(), json!({"nonce": "n"}), None),
        (base(), json!({"at_hash": "x"}), None),
        (base(), json!({"token_use": "id"}), None),
        (base(), json!({"token_type": "Refresh"}), None),
        (base(), json!({"typ": "id"}), None),
        (
            base().accept_id_tokens(),
            json!({"nonce": "n", "at_hash": "x", "token_use": "id"}),
            Some(("alice", vec![], vec![])),
        ),
        (base().accept_id_tokens(), json!({"token_type": "refresh"}), None),
    ];
    bounded(async {
        for (profile, more, wanted) in cases {
            let mut claims = json!({
                "iss": "https://login.example.com", "aud": "shop", "sub": "alice", "kind": "access", "iat": START,
                "exp": START + 60,
            });
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let token = sign(&json!({"header": {"alg": "ES256", "typ": "JWT"}, "claims": claims}));
            let verifier =
                Verifier::builder("https://login.example.com", "shop").clock(ManualClock::at(START));
            let verifier = verifier.issuer_profile(profile).key(public()).build().unwrap();
            let read = verifier.verify(&token).await;
            match (&read, &wanted) {
                (Ok(user), Some((subject, roles, scopes))) => {
                    assert_eq!(
                        (user.subject(), user.roles(), user.scopes()),
                        (*subject, &roles[..], &scopes[..]),
                        "{more}"
                    );
                }
                (Err(_), None) => {}
                _ => panic!("{more}: {read:?}, not {wanted:?}"),
            }
        }
    });
}

/// N-30: a profile that could take an ID token for an access token is refused at the start.
#[test]
fn n_30_a_profile_that_tells_no_kinds_apart_is_refused() {
    let built = |profile: IssuerProfile| {
        Verifier::builder("https://login.example.com", "shop").issuer_profile(profile).key(public()).build()
    };
    for (profile, reason) in [
        (IssuerProfile::new().accept_typ("JWT"), "`.requires(..)`"),
        (IssuerProfile::new().accept_missing_typ(), "`.accept_id_tokens()`"),
        (IssuerProfile::new().roles_claim(""), "it is no claim"),
        (IssuerProfile::new().roles_claim("a..b"), "it is no claim"),
        (IssuerProfile::new().requires_claim([""]), "it is no claim"),
    ] {
        let refused = built(profile).unwrap_err().to_string();
        assert!(refused.contains("issuer_profile") && refused.contains(reason), "{refused}");
    }
    for profile in [
        IssuerProfile::new(),
        IssuerProfile::new().accept_typ("at+jwt"),
        IssuerProfile::new().accept_typ("application/at+jwt"),
        IssuerProfile::new().accept_typ("JWT").requires_claim("azp"),
        IssuerProfile::new().accept_missing_typ().accept_id_tokens(),
    ] {
        assert!(built(profile).is_ok());
    }
}

/// N-30: the log says once what to write, whatever is wrong: `typ`, a claim, the issuer.
#[test]
fn n_30_the_log_says_what_to_write() {
    logged(async |log| {
        let keycloak = providers().remove(0);
        let token = sign(&keycloak.tokens()[0]);
        let of = |issuer: &str, profile: Option<IssuerProfile>| {
            let builder = Verifier::builder(issuer, "shop-api").clock(ManualClock::at(START));
            let builder = profile.into_iter().fold(builder, VerifierBuilder::issuer_profile);
            builder.key(public().with_kid("one").unwrap()).build().unwrap()
        };
        let issuer = &keycloak.issuer;
        let of_key = |key| {
            let builder = Verifier::builder(issuer, "shop-api").clock(ManualClock::at(START));
            builder.issuer_profile(IssuerProfile::keycloak()).key(key).build().unwrap()
        };
        for (verifier, advice) in [
            (of(issuer, None), "token is of another kind: if the issuer is no service of jwtauth"),
            (
                of("https://login.example.com/", Some(IssuerProfile::keycloak())),
                "must name what the issuer writes into `iss`",
            ),
            (of(issuer, Some(IssuerProfile::keycloak().requires("azp", ["x"]))), "names the claim"),
            (of_key(public()), "no key has the `kid` of its header"),
            (of_key(Key::from_pem(RSA_PUBLIC).unwrap().with_kid("one").unwrap()), "for another `alg`"),
        ] {
            for _ in 0..2 {
                assert!(verifier.verify(&token).await.is_err());
            }
            let lines =
                log.text().lines().filter(|line| line.contains("WARN") && line.contains(advice)).count();
            assert_eq!(lines, 1, "{advice}: {}", log.text());
        }
        assert!(log.text().lines().any(|line| line.contains("DEBUG") && line.contains(r#"claim="azp""#)));
        assert!(!log.text().contains(&token[..40]) && !log.text().contains("alice"));
    });
}
