//! What messages say, as plain values for Python to decide on. Bytes in, frozen objects out.

use openmls::prelude::tls_codec::DeserializeBytes as _;
use openmls::prelude::*;
use openmls_traits::crypto::OpenMlsCrypto;
use pyo3::prelude::*;

use crate::device;
use crate::errors::{Error, Result};
use crate::profile::{self, LEAF_EXTENSION, ROLES_EXTENSION};

/// A device that can be, or is to be, added to a group.
#[pyclass(frozen, get_all, eq, module = "whimbrel.crypto._mls")]
#[derive(Clone, PartialEq)]
pub struct KeyPackageInfo {
    pub suite: u16,
    pub signature_key: Vec<u8>,
    pub credential: Vec<u8>,
    pub leaf_extension: Option<Vec<u8>>,
    pub last_resort: bool,
    #[pyo3(name = "ref")]
    pub reference: Vec<u8>,
}

impl KeyPackageInfo {
    fn of(key_package: &KeyPackage, crypto: &impl OpenMlsCrypto) -> Result<Self> {
        let leaf = key_package.leaf_node();
        Ok(Self {
            suite: key_package.ciphersuite() as u16,
            signature_key: leaf.signature_key().as_slice().to_vec(),
            credential: leaf.credential().serialized_content().to_vec(),
            leaf_extension: leaf_extension(leaf),
            last_resort: key_package.last_resort(),
            reference: key_package.hash_ref(crypto)?.as_slice().to_vec(),
        })
    }
}

/// A leaf of a group's tree.
#[pyclass(frozen, get_all, eq, module = "whimbrel.crypto._mls")]
#[derive(Clone, PartialEq)]
pub struct Member {
    pub index: u32,
    pub signature_key: Vec<u8>,
    pub credential: Vec<u8>,
    pub leaf_extension: Option<Vec<u8>>,
}

impl Member {
    pub fn of(index: LeafNodeIndex, leaf: &LeafNode) -> Self {
        Self {
            index: index.u32(),
            signature_key: leaf.signature_key().as_slice().to_vec(),
            credential: leaf.credential().serialized_content().to_vec(),
            leaf_extension: leaf_extension(leaf),
        }
    }
}

/// What a commit would do, before it is merged.
#[pyclass(frozen, get_all, eq, module = "whimbrel.crypto._mls")]
#[derive(Clone, Default, PartialEq)]
pub struct CommitInfo {
    pub adds: Vec<KeyPackageInfo>,
    pub removes: Vec<u32>,
    pub updates: Vec<Member>,
    pub path: Option<Member>,
    pub roles: Option<Vec<u8>>,
    pub required_ok: bool,
    pub others: Vec<String>,
    pub self_removed: bool,
}

impl CommitInfo {
    pub fn of(commit: &StagedCommit, committer: LeafNodeIndex, crypto: &impl OpenMlsCrypto) -> Result<Self> {
        let mut info = Self {
            path: commit.update_path_leaf_node().map(|leaf| Member::of(committer, leaf)),
            required_ok: profile::is_context_of_version_1(commit.group_context().extensions()),
            self_removed: commit.self_removed(),
            ..Self::default()
        };
        for queued in commit.queued_proposals() {
            info.note(queued, crypto)?;
        }
        Ok(info)
    }

    fn note(&mut self, queued: &QueuedProposal, crypto: &impl OpenMlsCrypto) -> Result<()> {
        if queued.proposal_or_ref_type() == ProposalOrRefType::Reference {
            self.others.push("reference".into());
        }
        match queued.proposal() {
            Proposal::Add(add) => {
                if has_end(add.key_package()) {
                    self.others.push("lifetime".into());
                }
                self.adds.push(KeyPackageInfo::of(add.key_package(), crypto)?);
            }
            Proposal::Remove(remove) => self.removes.push(remove.removed().u32()),
            Proposal::Update(update) => match queued.sender() {
                Sender::Member(index) => self.updates.push(Member::of(*index, update.leaf_node())),
                _ => self.others.push("update by a stranger".into()),
            },
            Proposal::GroupContextExtensions(change) => {
                self.roles = change.extensions().unknown(ROLES_EXTENSION).map(|roles| roles.0.clone());
            }
            Proposal::PreSharedKey(_) => self.others.push("psk".into()),
            Proposal::ReInit(_) => self.others.push("reinit".into()),
            Proposal::ExternalInit(_) => self.others.push("external init".into()),
            Proposal::SelfRemove => self.others.push("self remove".into()),
            Proposal::Custom(custom) => self.others.push(format!("custom {:#06x}", custom.proposal_type())),
        }
        Ok(())
    }
}

/// One message that was decrypted and verified.
#[pyclass(frozen, get_all, module = "whimbrel.crypto._mls")]
#[derive(Clone)]
pub struct Processed {
    pub kind: &'static str,
    pub sender: u32,
    pub sender_credential: Vec<u8>,
    pub plaintext: Option<Vec<u8>>,
    pub commit: Option<CommitInfo>,
}

/// Reads a key package and checks its signatures, its lifetime and that its capabilities cover its extensions.
#[pyfunction]
pub fn inspect_key_package(py: Python<'_>, data: &[u8]) -> PyResult<KeyPackageInfo> {
    py.detach(|| {
        let crypto = device::crypto()?;
        Ok(KeyPackageInfo::of(&read_key_package(data, &crypto)?, &crypto)?)
    })
}

/// The references of the key packages that a Welcome is for.
#[pyfunction]
pub fn welcome_refs(welcome: &[u8]) -> PyResult<Vec<Vec<u8>>> {
    let welcome = read_welcome(welcome)?;
    Ok(welcome.secrets().iter().map(|secrets| secrets.new_member().as_slice().to_vec()).collect())
}

pub fn read_key_package(data: &[u8], crypto: &impl OpenMlsCrypto) -> Result<KeyPackage> {
    let MlsMessageBodyIn::KeyPackage(key_package) = read(data)? else {
        return Err(Error::Invalid("not a key package".into()));
    };
    let key_package = key_package.validate(crypto, ProtocolVersion::Mls10).map_err(Error::invalid)?;
    if has_end(&key_package) {
        return Err(Error::Invalid("a key package whose lifetime has a beginning or an end".into()));
    }
    Ok(key_package)
}

pub fn read_welcome(data: &[u8]) -> Result<Welcome> {
    match read(data)? {
        MlsMessageBodyIn::Welcome(welcome) => Ok(welcome),
        _ => Err(Error::Invalid("not a Welcome".into())),
    }
}

/// External proposals and external commits are public messages: none gets past here.
pub fn read_private_message(data: &[u8]) -> Result<ProtocolMessage> {
    match read(data)? {
        MlsMessageBodyIn::PrivateMessage(message) => Ok(message.into()),
        _ => Err(Error::Invalid("not a private message".into())),
    }
}

pub fn read_tree(data: &[u8]) -> Result<RatchetTreeIn> {
    RatchetTreeIn::tls_deserialize_exact_bytes(data).map_err(Error::invalid)
}

fn read(data: &[u8]) -> Result<MlsMessageBodyIn> {
    let message = MlsMessageIn::tls_deserialize_exact_bytes(data).map_err(Error::invalid)?;
    Ok(message.extract())
}

fn leaf_extension(leaf: &LeafNode) -> Option<Vec<u8>> {
    leaf.extensions().unknown(LEAF_EXTENSION).map(|extension| extension.0.clone())
}

fn has_end(key_package: &KeyPackage) -> bool {
    *key_package.life_time() != profile::lifetime()
}
