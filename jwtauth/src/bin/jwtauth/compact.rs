//! `jwtauth compact`.

use std::ops::ControlFlow;
use std::path::Path;

use jwtauth::store::operate::{self, OperateError};
use serde_json::json;

use super::output::Output;
use super::{Done, Failure, store};

pub(crate) fn run(path: Option<&Path>, output: Output) -> Done {
    let path = store::directory(path)?;
    let compaction = operate::compact(path, &|_| ControlFlow::Continue(())).map_err(|error| match error {
        OperateError::Store(error) => store::not_opened(error),
        error => Failure::store("nothing was changed", error),
    })?;
    let text = format!("the files had {} and have {}", size(compaction.before), size(compaction.after));
    output.line(&text, &json!(compaction));
    Ok(())
}

/// Writes a number of bytes with a unit.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}
