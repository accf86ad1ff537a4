//! One device: its key packages, and the groups that it makes, joins and loads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _, VLByteSlice};
use openmls::prelude::*;
use openmls_traits::storage::StorageProvider;
use openmls_traits::OpenMlsProvider;
use pyo3::prelude::*;

use crate::device::{self, Device};
use crate::errors::{Error, Result};
use crate::group::{Group, Shared};
use crate::inspect::{read_tree, read_welcome};
use crate::profile;
use crate::rows::Change;

/// One device. Its groups share one batch of changes: use them from one thread at a time.
#[pyclass(frozen, module = "whimbrel.crypto._mls")]
pub struct Engine {
    device: Arc<Device>,
    /// Groups that somebody holds: two objects for one group would use the same message keys.
    live: Mutex<HashMap<Vec<u8>, Weak<Shared>>>,
}

#[pymethods]
impl Engine {
    #[new]
    fn new(signature_private: Vec<u8>, signature_public: Vec<u8>) -> PyResult<Self> {
        let device = Device::new(signature_private, signature_public)?;
        Ok(Self { device: Arc::new(device), live: Mutex::default() })
    }

    #[staticmethod]
    fn new_signature_key() -> PyResult<(Vec<u8>, Vec<u8>)> {
        Ok(device::new_signature_key()?)
    }

    fn feed(&self, rows: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>) -> PyResult<()> {
        Ok(self.device.rows.feed(rows)?)
    }

    fn forget(&self, scope: &[u8]) -> PyResult<()> {
        Ok(self.device.rows.forget(scope)?)
    }

    fn take_changes(&self) -> Vec<Change> {
        self.device.rows.take_changes()
    }

    fn rollback(&self) {
        self.device.rows.rollback();
    }

    fn has_changes(&self) -> bool {
        self.device.rows.has_changes()
    }

    #[pyo3(signature = (suite, credential, leaf_extension, last_resort=false))]
    fn key_package(
        &self,
        py: Python<'_>,
        suite: u16,
        credential: Vec<u8>,
        leaf_extension: Vec<u8>,
        last_resort: bool,
    ) -> PyResult<(Vec<u8>, Vec<u8>)> {
        py.detach(|| Ok(self.make_key_package(suite, credential, leaf_extension, last_resort)?))
    }

    fn delete_key_package(&self, r#ref: &[u8]) -> PyResult<()> {
        let reference = key_package_ref(r#ref)?;
        Ok(self.device.rows.delete_key_package(&reference).map_err(Error::from)?)
    }

    fn create_group(
        &self,
        py: Python<'_>,
        group_id: Vec<u8>,
        suite: u16,
        credential: Vec<u8>,
        leaf_extension: Vec<u8>,
        roles: Vec<u8>,
    ) -> PyResult<Group> {
        py.detach(|| Ok(self.make_group(group_id, suite, credential, leaf_extension, roles)?))
    }

    #[pyo3(signature = (welcome, tree, known = vec![]))]
    fn join(&self, py: Python<'_>, welcome: &[u8], tree: &[u8], known: Vec<Vec<u8>>) -> PyResult<Group> {
        py.detach(|| {
            let (group, sender) = join(&self.device, welcome, tree, &known)?;
            Ok(self.keep(group).let_in_by(sender))
        })
    }

    fn load_group(&self, py: Python<'_>, group_id: Vec<u8>) -> PyResult<Option<Group>> {
        py.detach(|| Ok(self.load(group_id)?))
    }

    fn delete_group(&self, group_id: &[u8]) {
        self.device.rows.delete_scope(group_id);
        if let Some(shared) = self.live().remove(group_id).and_then(|live| live.upgrade()) {
            shared.retire();
        }
    }
}

impl Engine {
    fn make_key_package(
        &self,
        suite: u16,
        credential: Vec<u8>,
        leaf_extension: Vec<u8>,
        last_resort: bool,
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        let device = &*self.device;
        let mut builder = KeyPackage::builder()
            .key_package_lifetime(profile::lifetime())
            .leaf_node_capabilities(profile::capabilities())
            .leaf_node_extensions(profile::leaf_extensions(leaf_extension)?);
        if last_resort {
            builder = builder.mark_as_last_resort();
        }
        let bundle = builder.build(profile::suite(suite)?, device, device, self.identity(credential))?;
        let key_package = bundle.into_key_package();
        let reference = key_package.hash_ref(device.crypto())?.as_slice().to_vec();
        let message =
            MlsMessageOut::from(key_package).to_bytes().map_err(|error| Error::Library(error.to_string()))?;
        Ok((message, reference))
    }

    fn make_group(
        &self,
        group_id: Vec<u8>,
        suite: u16,
        credential: Vec<u8>,
        leaf_extension: Vec<u8>,
        roles: Vec<u8>,
    ) -> Result<Group> {
        let device = &*self.device;
        let config = profile::group_config();
        let group = MlsGroup::builder()
            .with_group_id(GroupId::from_slice(&group_id))
            .ciphersuite(profile::suite(suite)?)
            .with_capabilities(profile::capabilities())
            .lifetime(profile::lifetime())
            .with_leaf_node_extensions(profile::leaf_extensions(leaf_extension)?)
            .map_err(Error::invalid)?
            .with_group_context_extensions(profile::context_extensions(roles)?)
            .with_wire_format_policy(config.wire_format_policy())
            .padding_size(config.padding_size())
            .sender_ratchet_configuration(*config.sender_ratchet_configuration())
            .max_past_epochs(0)
            .number_of_resumption_psks(0)
            .use_ratchet_tree_extension(false)
            .build(device, device, self.identity(credential))?;
        Ok(self.keep(group))
    }

    fn load(&self, group_id: Vec<u8>) -> Result<Option<Group>> {
        let live = self.live().get(&group_id).and_then(Weak::upgrade).filter(|shared| shared.is_current());
        if let Some(shared) = live {
            return Ok(Some(Group::new(self.device.clone(), shared)));
        }
        let group = MlsGroup::load(&self.device.rows, &GroupId::from_slice(&group_id))?;
        Ok(group.map(|group| self.keep(group)))
    }

    fn keep(&self, group: MlsGroup) -> Group {
        let group_id = group.group_id().to_vec();
        let shared = Arc::new(Shared::new(group, self.device.rows.batch()));
        let mut live = self.live();
        live.retain(|_, shared| shared.strong_count() > 0);
        live.insert(group_id, Arc::downgrade(&shared));
        Group::new(self.device.clone(), shared)
    }

    fn identity(&self, credential: Vec<u8>) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(credential).into(),
            signature_key: self.device.signature_public.clone().into(),
        }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Weak<Shared>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `known`: ids of groups that must not be joined, because their state would be written over.
/// Also gives the leaf index of whoever signed the Welcome.
pub fn join(device: &Device, welcome: &[u8], tree: &[u8], known: &[Vec<u8>]) -> Result<(MlsGroup, u32)> {
    let welcome =
        StagedWelcome::build_from_welcome(device, &profile::group_config(), read_welcome(welcome)?)?;
    if welcome.processed_welcome().unverified_group_info().extensions().ratchet_tree().is_some() {
        return Err(Error::Invalid("a Welcome with the tree inside".into()));
    }
    let group_id = welcome.processed_welcome().unverified_group_info().group_id().to_vec();
    if known.contains(&group_id) {
        return Err(Error::Invalid("a Welcome to a group that is known already".into()));
    }
    let staged = welcome.with_ratchet_tree(read_tree(tree)?).skip_lifetime_validation().build()?;
    let sender = staged.welcome_sender_index().u32();
    Ok((staged.into_group(device)?, sender))
}

/// A reference has no constructor of its own: it is read as it would stand in a Welcome.
fn key_package_ref(bytes: &[u8]) -> Result<KeyPackageRef> {
    let written = VLByteSlice(bytes).tls_serialize_detached().map_err(Error::invalid)?;
    KeyPackageRef::tls_deserialize_exact_bytes(&written).map_err(Error::invalid)
}
