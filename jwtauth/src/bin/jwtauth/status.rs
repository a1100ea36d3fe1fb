//! `jwtauth status`.

use std::ops::ControlFlow;

use jwtauth::store::operate;

use super::output::{Output, shown};
use super::store::Operated;
use super::{Done, Failure};

pub(crate) async fn show(operated: &Operated, output: Output) -> Done {
    let now = operated.sessions().now();
    let status = operate::status(&operated.store, now, &|_| ControlFlow::Continue(())).await;
    let status = status.map_err(|error| Failure::store("the store cannot be read", error))?;
    let number = |number: Option<u64>| number.map_or("-".into(), |number| number.to_string());
    let time = |at: Option<u64>| at.map_or("-".into(), shown);
    let fields = [
        ("live sessions", status.live_sessions.to_string()),
        ("of subjects", status.live_subjects.to_string()),
        ("sessions that are over", status.sessions_over.to_string()),
        ("oldest login", time(status.oldest_login)),
        ("last used", time(status.last_used)),
        ("accounts", number(status.accounts)),
        ("disabled accounts", number(status.disabled_accounts)),
    ];
    output.fields(&fields, &serde_json::json!(status));
    Ok(())
}
