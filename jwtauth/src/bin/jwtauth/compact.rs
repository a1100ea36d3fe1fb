//! `jwtauth compact`.

use std::path::Path;

use jwtauth::store::operate::{self, OperateError};
use serde_json::json;

use super::meter::{Meter, size};
use super::output::Output;
use super::{Done, Failure, store};

pub(crate) fn run(path: Option<&Path>, output: Output) -> Done {
    let path = store::directory(path)?;
    let meter = Meter::begin("copying");
    let compaction = operate::compact(path, &|progress| meter.look(progress));
    drop(meter);
    let compaction = compaction.map_err(|error| match error {
        OperateError::Store(error) => store::not_opened(error),
        error => Failure::store("nothing was changed", error),
    })?;
    let text = format!("the files had {} and have {}", size(compaction.before), size(compaction.after));
    output.line(&text, &json!(compaction));
    Ok(())
}
