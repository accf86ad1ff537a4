//! One group: encrypting, committing, processing.

use std::sync::{Arc, Mutex, MutexGuard};

use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::*;
use openmls_traits::OpenMlsProvider;
use pyo3::prelude::*;

use crate::device::Device;
use crate::errors::{Error, Result};
use crate::inspect::{read_key_package, read_private_message, CommitInfo, Member, Processed};
use crate::profile::{self, ROLES_EXTENSION};
use crate::rows::Batch;

/// The state of one group, held by all its Python objects together.
pub struct Shared(Mutex<State>);

pub struct State {
    pub group: MlsGroup,
    /// A commit of somebody else that was processed, and waits for a decision.
    staged: Option<Box<StagedCommit>>,
    /// The batch of the last change.
    batch: Batch,
}

impl Shared {
    pub fn new(group: MlsGroup, batch: Batch) -> Self {
        Self(Mutex::new(State::new(group, batch)))
    }

    pub fn is_current(&self) -> bool {
        self.state().is_ok()
    }

    /// For a group that was deleted: what still holds it cannot use it any more.
    pub fn retire(&self) {
        if let Ok(mut state) = self.state() {
            state.batch = Batch::default();
            state.batch.cancel();
        }
    }

    /// A panic while the lock was held leaves a group that nobody should go on with.
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.0.lock().map_err(|_| Error::OutOfDate)?;
        if state.batch.is_void() {
            return Err(Error::OutOfDate);
        }
        Ok(state)
    }
}

#[pyclass(frozen, module = "whimbrel.crypto._mls")]
pub struct Group {
    device: Arc<Device>,
    shared: Arc<Shared>,
    /// The leaf index of whoever signed the Welcome, in a group that was just joined.
    welcome_sender: Option<u32>,
}

impl Group {
    pub fn new(device: Arc<Device>, shared: Arc<Shared>) -> Self {
        Self { device, shared, welcome_sender: None }
    }

    pub fn let_in_by(self, sender: u32) -> Self {
        Self { welcome_sender: Some(sender), ..self }
    }

    /// Nobody waits for a group's lock while holding Python's.
    fn look<T: Send>(&self, py: Python<'_>, ask: impl FnOnce(&State) -> Result<T> + Send) -> PyResult<T> {
        py.detach(|| Ok(ask(&*self.shared.state()?)?))
    }

    fn change<T: Send>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&mut State, &Device) -> Result<T> + Send,
    ) -> PyResult<T> {
        py.detach(|| {
            let mut state = self.shared.state()?;
            state.batch = self.device.rows.batch();
            Ok(act(&mut state, &self.device)?)
        })
    }
}

#[pymethods]
impl Group {
    #[getter]
    fn group_id(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.look(py, |state| Ok(state.group.group_id().to_vec()))
    }

    #[getter]
    fn suite(&self, py: Python<'_>) -> PyResult<u16> {
        self.look(py, |state| Ok(state.group.ciphersuite() as u16))
    }

    #[getter]
    fn epoch(&self, py: Python<'_>) -> PyResult<u64> {
        self.look(py, |state| Ok(state.group.epoch().as_u64()))
    }

    #[getter]
    fn own_index(&self, py: Python<'_>) -> PyResult<u32> {
        self.look(py, |state| Ok(state.group.own_leaf_index().u32()))
    }

    #[getter]
    fn welcome_sender(&self) -> Option<u32> {
        self.welcome_sender
    }

    #[getter]
    fn is_active(&self, py: Python<'_>) -> PyResult<bool> {
        self.look(py, |state| Ok(state.group.is_active()))
    }

    #[getter]
    fn has_pending_commit(&self, py: Python<'_>) -> PyResult<bool> {
        self.look(py, |state| Ok(state.group.pending_commit().is_some()))
    }

    #[getter]
    fn required_ok(&self, py: Python<'_>) -> PyResult<bool> {
        self.look(py, |state| Ok(profile::is_context_of_version_1(state.group.extensions())))
    }

    fn epoch_authenticator(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.look(py, |state| Ok(state.group.epoch_authenticator().as_slice().to_vec()))
    }

    fn members(&self, py: Python<'_>) -> PyResult<Vec<Member>> {
        self.look(py, |state| {
            let leaves = state.group.treesync().full_leaves();
            Ok(leaves.map(|(index, leaf)| Member::of(index, leaf)).collect())
        })
    }

    fn roles(&self, py: Python<'_>) -> PyResult<Option<Vec<u8>>> {
        self.look(py, |state| {
            Ok(state.group.extensions().unknown(ROLES_EXTENSION).map(|roles| roles.0.clone()))
        })
    }

    fn export(&self, py: Python<'_>, label: &str, context: &[u8], length: usize) -> PyResult<Vec<u8>> {
        self.look(py, |state| Ok(state.group.export_secret(self.device.crypto(), label, context, length)?))
    }

    fn tree(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.look(py, |state| {
            state.group.export_ratchet_tree().tls_serialize_detached().map_err(Error::invalid)
        })
    }

    fn encrypt(&self, py: Python<'_>, plaintext: &[u8]) -> PyResult<Vec<u8>> {
        self.change(py, |state, device| {
            // OpenMLS would go on in the epoch that is about to end.
            if state.group.pending_commit().is_some() {
                return Err(Error::PendingCommit);
            }
            to_bytes(state.group.create_message(device, device, plaintext)?)
        })
    }

    #[pyo3(signature = (adds=Vec::new(), removes=Vec::new(), roles=None, update=false, leaf_extension=None))]
    fn commit(
        &self,
        py: Python<'_>,
        adds: Vec<Vec<u8>>,
        removes: Vec<u32>,
        roles: Option<Vec<u8>>,
        update: bool,
        leaf_extension: Option<Vec<u8>>,
    ) -> PyResult<(Vec<u8>, Option<Vec<u8>>)> {
        let wish = CommitWish { adds, removes, roles, update, leaf_extension };
        self.change(py, |state, device| wish.commit(&mut state.group, device))
    }

    fn pending_export(
        &self,
        py: Python<'_>,
        label: &str,
        context: &[u8],
        length: usize,
    ) -> PyResult<Vec<u8>> {
        self.look(py, |state| {
            let pending = state.group.pending_commit().ok_or(Error::Misuse("no commit is pending"))?;
            Ok(pending.export_secret(self.device.crypto(), label, context, length)?)
        })
    }

    fn merge_pending(&self, py: Python<'_>) -> PyResult<()> {
        self.change(py, |state, device| {
            if state.group.pending_commit().is_none() {
                return Err(Error::Misuse("no commit is pending"));
            }
            Ok(state.group.merge_pending_commit(device)?)
        })
    }

    fn clear_pending(&self, py: Python<'_>) -> PyResult<()> {
        self.change(py, |state, device| Ok(state.group.clear_pending_commit(device.storage())?))
    }

    fn process(&self, py: Python<'_>, message: &[u8]) -> PyResult<Processed> {
        self.change(py, |state, device| state.process(device, message))
    }

    fn staged_export(&self, py: Python<'_>, label: &str, context: &[u8], length: usize) -> PyResult<Vec<u8>> {
        self.look(py, |state| {
            let staged = state.staged.as_ref().ok_or(NOTHING_STAGED)?;
            Ok(staged.export_secret(self.device.crypto(), label, context, length)?)
        })
    }

    fn merge_staged(&self, py: Python<'_>) -> PyResult<()> {
        self.change(py, |state, device| {
            let staged = state.staged.take().ok_or(NOTHING_STAGED)?;
            Ok(state.group.merge_staged_commit(device, *staged)?)
        })
    }

    fn discard_staged(&self, py: Python<'_>) -> PyResult<()> {
        self.change(py, |state, _| state.staged.take().map(drop).ok_or(NOTHING_STAGED))
    }
}

const NOTHING_STAGED: Error = Error::Misuse("no received commit waits for a decision");

/// What one commit is to do. Everything travels inside it, by value.
#[derive(Default)]
pub struct CommitWish {
    pub adds: Vec<Vec<u8>>,
    pub removes: Vec<u32>,
    pub roles: Option<Vec<u8>>,
    pub update: bool,
    pub leaf_extension: Option<Vec<u8>>,
}

impl CommitWish {
    pub fn commit(self, group: &mut MlsGroup, device: &Device) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        if !group.is_active() {
            return Err(Error::NotMember);
        }
        // The builder would replace a pending commit without a word.
        if group.pending_commit().is_some() {
            return Err(Error::PendingCommit);
        }
        // OpenMLS pads posts and handshakes by one setting: change it for as long as the commit is framed.
        group.set_configuration(device.storage(), &profile::group_config_for_handshakes())?;
        let made = self.build(group, device);
        group.set_configuration(device.storage(), &profile::group_config())?;
        let (commit, welcome, _) = made?.into_messages();
        Ok((to_bytes(commit)?, welcome.map(to_bytes).transpose()?))
    }

    fn build(self, group: &mut MlsGroup, device: &Device) -> Result<CommitMessageBundle> {
        let crypto = device.crypto();
        let adds: Vec<_> =
            self.adds.iter().map(|data| read_key_package(data, crypto)).collect::<Result<_>>()?;
        let mut builder = group
            .commit_builder()
            .consume_proposal_store(false)
            .force_self_update(self.update)
            .propose_adds(adds)
            .propose_removals(self.removes.into_iter().map(LeafNodeIndex::new));
        if let Some(roles) = self.roles {
            builder = builder.propose_group_context_extensions(profile::context_extensions(roles)?)?;
        }
        if let Some(reach) = self.leaf_extension {
            let leaf =
                LeafNodeParameters::builder().with_extensions(profile::leaf_extensions(reach)?).build();
            builder = builder.leaf_node_parameters(leaf);
        }
        let ready = builder.load_psks(device.storage())?.build(device.rand(), crypto, device, |_| true)?;
        Ok(ready.stage_commit(device)?)
    }
}

impl State {
    pub fn new(group: MlsGroup, batch: Batch) -> Self {
        Self { group, staged: None, batch }
    }

    pub fn process(&mut self, device: &Device, message: &[u8]) -> Result<Processed> {
        if self.staged.is_some() {
            return Err(Error::Misuse("a received commit waits to be merged or discarded"));
        }
        let message = read_private_message(message)?;
        if !self.group.is_active() {
            return Err(Error::NotMember);
        }
        if message.group_id() != self.group.group_id() {
            return Err(Error::Invalid("the message is of another group".into()));
        }
        // OpenMLS says the same of an old epoch as of an old message. No past epoch is kept: told apart here.
        if message.epoch() != self.group.epoch() {
            return Err(Error::WrongEpoch);
        }
        let processed = self.group.process_message(device, message)?;
        let Sender::Member(sender) = *processed.sender() else {
            return Err(Error::Invalid("the sender is not a member".into()));
        };
        let sender_credential = processed.credential().serialized_content().to_vec();
        let (kind, plaintext, commit) = match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(post) => {
                ("application", Some(post.into_bytes()), None)
            }
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                let info = CommitInfo::of(&staged, sender, device.crypto())?;
                self.staged = Some(staged);
                ("commit", None, Some(info))
            }
            // Not stored: one stored proposal would stop everybody here from sending.
            ProcessedMessageContent::ProposalMessage(_)
            | ProcessedMessageContent::ExternalJoinProposalMessage(_) => ("proposal", None, None),
            ProcessedMessageContent::OwnPrivateMessage | ProcessedMessageContent::OwnPendingCommit => {
                ("own", None, None)
            }
        };
        Ok(Processed { kind, sender: sender.u32(), sender_credential, plaintext, commit })
    }
}

fn to_bytes(message: MlsMessageOut) -> Result<Vec<u8>> {
    message.to_bytes().map_err(|error| Error::Library(error.to_string()))
}
