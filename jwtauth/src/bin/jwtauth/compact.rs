//! `jwtauth compact`.

use std::path::Path;

use jwtauth::operator::{OperatorAnswer, OperatorRequest};
use jwtauth::store::Compaction;
use jwtauth::store::operate::{self, OperateError};
use serde_json::json;

use super::database::StoreName;
use super::meter::{Meter, size};
use super::output::Output;
use super::{Done, Failure, store, unexpected};

/// What is done with a database.
const INSTEAD: &str = "it gives free space back by itself (autovacuum), and VACUUM FULL writes tables anew";

pub(crate) async fn run(name: StoreName<'_>, output: Output) -> Done {
    let compaction = match store::server(name, INSTEAD).await? {
        Some(server) => {
            // Only the server knows how far it is. A program that goes lets it stop.
            let meter = Meter::begin_waiting("the server copies");
            let answer = server.ask(OperatorRequest::Compact).await;
            drop(meter);
            match answer? {
                OperatorAnswer::Compacted(compaction) => compaction,
                _ => return Err(unexpected()),
            }
        }
        None => here(store::directory(name, INSTEAD)?)?,
    };
    let Compaction { before, after, .. } = compaction;
    let text = if after == before {
        format!("the files have {}, and a copy of what is in them is not smaller: they stay", size(before))
    } else {
        format!("the files had {} and have {}", size(before), size(after))
    };
    output.line(&text, &json!(compaction));
    Ok(())
}

/// Does it to a store that nobody has open.
fn here(path: &Path) -> Result<Compaction, Failure> {
    let meter = Meter::begin("copying");
    let compaction = operate::compact(path, &|progress| meter.look(progress));
    drop(meter);
    compaction.map_err(|error| match error {
        OperateError::Store(error) => store::not_opened(error),
        error => Failure::store("nothing was changed", error),
    })
}
