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

use pyo3::prelude::*;

mod device;
mod engine;
mod errors;
mod group;
mod inspect;
mod profile;
mod rows;
mod storage;
#[cfg(test)]
mod strangers;

#[pymodule]
fn _mls(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("HYBRID", profile::HYBRID as u16)?;
    module.add("CLASSICAL", profile::CLASSICAL as u16)?;
    module.add("LEAF_EXTENSION", profile::LEAF_EXTENSION)?;
    module.add("ROLES_EXTENSION", profile::ROLES_EXTENSION)?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<group::Group>()?;
    module.add_class::<inspect::KeyPackageInfo>()?;
    module.add_class::<inspect::Member>()?;
    module.add_class::<inspect::CommitInfo>()?;
    module.add_class::<inspect::Processed>()?;
    module.add_function(wrap_pyfunction!(inspect::inspect_key_package, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::welcome_refs, module)?)?;
    errors::add_exceptions(module)
}
