//! See the `[[example]]` list in Cargo.toml.
