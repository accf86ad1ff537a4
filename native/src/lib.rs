//! OpenMLS (RFC 9420) as the Python module `whimbrel.crypto._mls`.
//!
//! This crate converts, calls and raises typed exceptions. It decides nothing: who may do what is read from
//! [`group::Group::process`] by Python, before it merges. The state of the groups is not written here either:
//! [`rows::Rows`] collects what changed, Python writes it in its own transaction.
//!
//! | file | subject |
//! |---|---|
//! | `profile` | the part of MLS that version 1 of the protocol uses: suites, extensions, limits |
//! | `engine`  | one device: its key packages, and the groups that it makes, joins and loads |
//! | `group`   | one group: encrypting, committing, processing |
//! | `inspect` | what messages say, as plain values |
//! | `device`  | what OpenMLS asks of us: randomness, a signature, storage |
//! | `storage` | which row belongs to which value of OpenMLS |
//! | `rows`    | rows in memory: what is on disk, and what changed since |
//! | `errors`  | nested errors of OpenMLS as a few Python exceptions |
//! | `contents` | what the Python module has |
//! | `provider` | which cryptography all of this uses |
//!
//! The same files, but for the last one, are built once more for tests alone: see `proofs/lib.rs`.

use pyo3::prelude::*;

mod contents;
mod device;
mod engine;
mod errors;
mod group;
mod inspect;
mod profile;
mod provider;
mod rows;
mod storage;

#[pymodule]
fn _mls(module: &Bound<'_, PyModule>) -> PyResult<()> {
    contents::fill(module)
}
