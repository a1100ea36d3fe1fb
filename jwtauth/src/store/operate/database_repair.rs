//! Repairs a store in a database: takes damaged rows out of its tables, and keeps them in a file.

#[cfg(feature = "postgres")]
use std::fs::{File, OpenOptions};
#[cfg(feature = "postgres")]
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

#[cfg(feature = "postgres")]
use super::super::postgres::{PostgresConfig, PostgresStore};
#[cfg(feature = "postgres")]
use super::super::sled::Condition;
use super::super::store_place::StorePlace;
#[cfg(feature = "postgres")]
use super::database_diagnosis::DatabaseDiagnosis;
use super::row_repairs::RepairedDatabase;
use super::walk::{OperateError, Progress};
use crate::error::StoreError;
#[cfg(feature = "postgres")]
use crate::private_file::{parent, private, sync_dir};

/// Takes damaged rows out of the tables of a store in a database, at `now`, in Unix seconds. Servers may use
/// it meanwhile. Feature `accounts`.
///
/// All rows that are whole stay as they are: in a database each row is damaged for itself. Before a row is
/// changed, it is written to the new file `aside` as it was, and brought to disk: a line of JSON with the
/// name of the table and all columns, bytes as PostgreSQL writes them (`\x..`). The file is private, and as
/// secret as the store. A kill leaves some rows repaired, and all of these in the file. Then call it again,
/// with another file.
///
/// Nobody is let in by a repair. [`RowRepairs`](super::RowRepairs) says what becomes of each kind of row. An
/// account whose record is lost keeps its name, and is disabled. Whoever operates the store gives it a
/// password and roles, and [enables](crate::Accounts::enable) it.
///
/// # Errors
///
/// - [`OperateError::NoStore`]: a directory is named. For that there is [`repair`](super::repair).
/// - [`OperateError::Write`]: the file is there already, or cannot be written.
/// - [`OperateError::Stopped`]: `progress` said so.
/// - [`OperateError::Store`]: it cannot be reached, its tables are of another release, hold records of a
///   newer one, were not filled to the end, or were moved elsewhere.
///
/// Nothing was changed then, or some rows are repaired and stand in the file.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "a database is asked"))]
pub async fn repair_database(
    place: impl Into<StorePlace>,
    aside: &Path,
    now: u64,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<RepairedDatabase, OperateError> {
    let place = place.into();
    let shown = place.to_string();
    match place {
        StorePlace::Sled(_) => Err(OperateError::NoStore { place: shown }),
        StorePlace::OtherAddress { start, advice } => Err(StoreError::of_address(start, advice).into()),
        #[cfg(feature = "postgres")]
        StorePlace::Postgres(config) => postgres(config, shown, aside, now, progress).await,
    }
}

#[cfg(feature = "postgres")]
async fn postgres(
    config: PostgresConfig,
    place: String,
    aside: &Path,
    now: u64,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<RepairedDatabase, OperateError> {
    let store = PostgresStore::connect(config.for_operator()).await?;
    let mut before = DatabaseDiagnosis { place, condition: Condition::Whole, ..DatabaseDiagnosis::default() };
    let mut look = |done| progress(Progress::through(done));
    if store.look_at_rows(&mut before, &mut look).await?.is_break() {
        return Err(OperateError::Stopped);
    }
    if let Some((found, newest)) = before.newer {
        return Err(StoreError::NewerLayout { path: None, found, newest }.into());
    }
    if before.unreadable_rows == 0 {
        return Ok(RepairedDatabase { before, ..RepairedDatabase::default() });
    }
    before.condition = Condition::Damaged;
    let mut file = AsideFile::begin(aside).map_err(OperateError::Write)?;
    let mut failed = None;
    let mut keep = |lines: &[String]| match file.keep(lines) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    };
    let repaired = store.repair_rows(now, &mut keep, &mut look).await?;
    if let Some(error) = failed {
        return Err(OperateError::Write(error));
    }
    let ControlFlow::Continue(repairs) = repaired else { return Err(OperateError::Stopped) };
    let mut next = Vec::new();
    if !repairs.disabled.is_empty() {
        let command = |what| format!("jwtauth accounts {what} NAME");
        next = vec![command("password"), command("enable")];
    }
    Ok(RepairedDatabase { before, aside: Some(aside.into()), repairs, next })
}

/// The file that damaged rows are kept in.
#[cfg(feature = "postgres")]
struct AsideFile(File);

#[cfg(feature = "postgres")]
impl AsideFile {
    fn begin(path: &Path) -> io::Result<Self> {
        let file = private(OpenOptions::new().write(true).create_new(true)).open(path)?;
        sync_dir(parent(path))?;
        Ok(Self(file))
    }

    /// Brings lines to disk.
    fn keep(&mut self, lines: &[String]) -> io::Result<()> {
        self.0.write_all((lines.join("\n") + "\n").as_bytes())?;
        self.0.sync_data()
    }
}
