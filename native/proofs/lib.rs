//! The code of `src` once more, for tests alone, as the Python module `_mls_proofs`.
//!
//! Devices of this module use another crypto provider than the module that people get, so each can be set against the
//! other. Beside them there is what nobody should be able to do who uses Whimbrel.
//!
//! | file | subject |
//! |---|---|
//! | `provider`  | RustCrypto in place of libcrux, and seals that do not open |
//! | `passive`   | a client for the test vectors of RFC 9420 |
//! | `strangers` | tests with members who do not keep to our rules |

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;

#[path = "../src/contents.rs"]
mod contents;
#[path = "../src/device.rs"]
mod device;
#[path = "../src/engine.rs"]
mod engine;
#[path = "../src/errors.rs"]
mod errors;
#[path = "../src/group.rs"]
mod group;
#[path = "../src/inspect.rs"]
mod inspect;
mod passive;
#[path = "../src/profile.rs"]
mod profile;
mod provider;
#[path = "../src/rows.rs"]
mod rows;
#[path = "../src/storage.rs"]
mod storage;
mod strangers;

#[pymodule]
fn _mls_proofs(module: &Bound<'_, PyModule>) -> PyResult<()> {
    contents::fill(module)?;
    module.add_class::<passive::PassiveClient>()?;
    module.add_function(wrap_pyfunction!(provider::spoil, module)?)?;
    module.add_function(wrap_pyfunction!(names_of_strangers, module)?)?;
    module.add_function(wrap_pyfunction!(play_stranger, module)?)
}

#[pyfunction]
fn names_of_strangers() -> Vec<&'static str> {
    strangers::ALL.iter().map(|(name, _)| *name).collect()
}

/// A test that fails is a panic, and an exception in Python.
#[pyfunction]
fn play_stranger(name: &str) -> PyResult<()> {
    let (_, play) = strangers::ALL
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
    play();
    Ok(())
}
