//! Operating a store: what somebody asks of it who keeps it running. Knows no terminal and no HTTP.
//!
//! Each operation goes through all records. It reports its [`Progress`], and stops if it is told so. What it
//! needs of a store is optional there, so it may be [`OperateError::NotOffered`].
//!
//! # Invariants
//!
//! 1. What only looks changes nothing.
//! 2. Memory does not grow with the number of records: they are read a page at a time.

mod api_key_line;
mod backup_file;
mod backup_records;
mod backup_time;
mod backups;
mod checked_trail;
mod compaction;
mod damage;
mod database_diagnosis;
mod database_doctor;
mod database_repair;
mod database_restoration;
mod export_lines;
mod exporting;
mod import_lines;
mod import_report;
mod import_steps;
mod importing;
mod line_names;
mod migration;
mod migration_source;
mod migration_target;
mod new_file;
mod opening;
mod restoration;
mod row_repairs;
mod store_digest;
mod store_status;
mod walk;

#[cfg(feature = "pages")]
pub(crate) use self::backup_time::last_backup;
pub(crate) use self::backup_time::note_backup;
pub use self::backups::{BackupSummary, backup};
pub use self::checked_trail::{CheckedTrail, check_trail};
pub use self::compaction::compact;
pub use self::damage::{RepairOptions, doctor, repair};
pub use self::database_diagnosis::{DatabaseDiagnosis, UnreadableRow};
pub use self::database_doctor::examine_database;
pub use self::database_repair::repair_database;
pub use self::database_restoration::restore_into;
pub use self::exporting::{ExportOptions, ExportSummary, export};
pub use self::import_report::{ImportCounts, ImportOptions, SkipReason, SkippedRecord};
pub use self::importing::import;
pub use self::migration::{Migrated, MigrationOptions, MigrationPhase, migrate};
pub use self::new_file::NewFile;
pub use self::opening::open;
pub use self::restoration::{BackupFile, RestoreOptions, Restored, restore};
pub use self::row_repairs::{RepairedDatabase, RowRepairs};
pub use self::store_digest::StoreDigest;
pub use self::store_status::{StoreStatus, count_unreadable, status};
pub use self::walk::{OperateError, Progress, each_session};
pub use super::sled::{
    AccountRef, Condition, Diagnosis, FileDamage, Finding, LostSessions, RecordCounts, Repaired,
};
