//! What the Python module has.

use pyo3::prelude::*;

use crate::{engine, errors, group, inspect, profile};

pub fn fill(module: &Bound<'_, PyModule>) -> PyResult<()> {
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
