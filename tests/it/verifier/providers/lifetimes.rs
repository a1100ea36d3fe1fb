//! How long tokens of identity providers live.

use super::*;

/// N-30: Entra ID dates its tokens five minutes back, so one that lives for a day from now on is older than a day.
#[test]
fn n_30_a_token_of_entra_may_live_for_a_day() {
    bounded(async {
        const DAY: u64 = 24 * 60 * 60;
        let all = providers();
        let find = |name: &str| all.iter().find(|provider| provider.name == name).unwrap();
        let signed = |provider: &Provider, lives: u64| {
            let mut claims = provider.timed(provider.access.clone());
            (claims["iat"], claims["exp"]) = (json!(START - 300), json!(START + lives));
            sign(&json!({"header": provider.header, "claims": claims}))
        };
        for (name, lives, passes) in [
            ("entra", DAY, true),
            ("entra", DAY + 1, false),
            ("keycloak", DAY, false),
            ("keycloak", DAY - 300, true),
        ] {
            let provider = find(name);
            let checked = provider.verifier(profile(name), public()).verify(&signed(provider, lives)).await;
            assert_eq!(checked.is_ok(), passes, "{name} {lives}: {checked:?}");
        }
        // Entra gives up to 28 hours to clients that can be told of a revocation.
        let entra = find("entra");
        let built = |hours: u64| {
            let builder = Verifier::builder(&*entra.issuer, &*entra.audience).clock(ManualClock::at(START));
            let builder = builder.max_ttl(Duration::from_secs(hours * 60 * 60));
            builder.issuer_profile(profile("entra")).key(public().with_kid("one").unwrap()).build()
        };
        assert!(built(28).unwrap().verify(&signed(entra, 28 * 60 * 60)).await.is_ok());
        assert!(built(48).is_ok() && built(49).is_err());
    });
}
