//! A client for the test vectors of RFC 9420: it joins with keys that others made, and follows.
//!
//! The vectors have what version 1 of our protocol refuses (public messages, proposals by reference, trees inside
//! Welcomes, other suites, PSKs), so this is not `group`. OpenMLS, the crypto providers, rows and storage are ours.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use openmls::prelude::tls_codec::DeserializeBytes as _;
use openmls::prelude::*;
use openmls::schedule::PreSharedKeyId;
use openmls_traits::storage::StorageProvider as _;
use openmls_traits::types::HpkePrivateKey;
use openmls_traits::OpenMlsProvider;
use pyo3::prelude::*;
use serde::Serialize;

use crate::device::SystemRandom;
use crate::errors::{Error, Result};
use crate::inspect::{read_tree, read_welcome};
use crate::profile;
use crate::provider::CryptoProvider;
use crate::rows::{decode, encode, Rows};

#[pyclass(frozen, module = "_mls_proofs")]
pub struct PassiveClient(Mutex<State>);

#[pymethods]
impl PassiveClient {
    /// `provider`: "libcrux" or "rustcrypto".
    #[new]
    fn new(suite: u16, provider: &str) -> PyResult<Self> {
        Ok(Self(Mutex::new(State::new(suite, provider)?)))
    }

    fn store_psk(&self, id: Vec<u8>, secret: &[u8]) -> PyResult<()> {
        Ok(self.state().store_psk(id, secret)?)
    }

    fn import_key_package(&self, message: &[u8], init: Vec<u8>, encryption: Vec<u8>) -> PyResult<()> {
        Ok(self.state().import_key_package(message, init, encryption)?)
    }

    /// Everything that is stored, for the module that people get to read.
    fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        let mut state = self.state();
        state.save();
        state.rows()
    }

    /// The epoch's authenticator.
    #[pyo3(signature = (welcome, tree = None))]
    fn join(&self, welcome: &[u8], tree: Option<&[u8]>) -> PyResult<Vec<u8>> {
        Ok(self.state().join(welcome, tree)?)
    }

    /// The authenticator of the epoch that this commit begins.
    fn follow(&self, proposals: Vec<Vec<u8>>, commit: &[u8]) -> PyResult<Vec<u8>> {
        Ok(self.state().follow(&proposals, commit)?)
    }
}

impl PassiveClient {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct State {
    keeper: Keeper,
    suite: Ciphersuite,
    disk: BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>,
    group_id: Option<GroupId>,
}

impl State {
    fn new(suite: u16, provider: &str) -> Result<Self> {
        let crypto = match provider {
            "libcrux" => CryptoProvider::libcrux(),
            "rustcrypto" => CryptoProvider::new(),
            _ => return Err(Error::Misuse("no such provider")),
        };
        let keeper =
            Keeper { crypto: crypto.map_err(Error::invalid)?, random: SystemRandom, rows: Rows::default() };
        let suite = Ciphersuite::try_from(suite).map_err(Error::invalid)?;
        Ok(Self { keeper, suite, disk: BTreeMap::new(), group_id: None })
    }

    fn store_psk(&self, id: Vec<u8>, secret: &[u8]) -> Result<()> {
        // The nonce is not part of what a stored PSK is found by.
        let nonce = vec![0; self.suite.hash_length()];
        PreSharedKeyId::external(id, nonce).store(&self.keeper, secret).map_err(Error::invalid)
    }

    fn import_key_package(&self, message: &[u8], init: Vec<u8>, encryption: Vec<u8>) -> Result<()> {
        /// A [`KeyPackageBundle`] as it is stored: it has no public constructor.
        #[derive(Serialize)]
        struct Bundle {
            key_package: KeyPackage,
            private_init_key: HpkePrivateKey,
            private_encryption_key: EncryptionPrivateKey,
        }
        #[derive(Serialize)]
        struct EncryptionPrivateKey {
            key: HpkePrivateKey,
        }
        let message = MlsMessageIn::tls_deserialize_exact_bytes(message).map_err(Error::invalid)?;
        let MlsMessageBodyIn::KeyPackage(key_package) = message.extract() else {
            return Err(Error::Misuse("not a key package"));
        };
        // Unchecked, because the lifetimes of the vectors are over.
        let key_package = key_package.into_unchecked();
        let reference = key_package.hash_ref(self.keeper.crypto())?;
        let bundle = Bundle {
            key_package,
            private_init_key: init.into(),
            private_encryption_key: EncryptionPrivateKey { key: encryption.into() },
        };
        let bundle: KeyPackageBundle = decode(&encode(&bundle)?, b"key package")?;
        Ok(self.keeper.rows.write_key_package(&reference, &bundle)?)
    }

    fn join(&mut self, welcome: &[u8], tree: Option<&[u8]>) -> Result<Vec<u8>> {
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .max_past_epochs(0)
            .sender_ratchet_configuration(profile::sender_ratchet())
            .build();
        let mut builder = StagedWelcome::build_from_welcome(&self.keeper, &config, read_welcome(welcome)?)?;
        if let Some(tree) = tree {
            builder = builder.with_ratchet_tree(read_tree(tree)?);
        }
        let group = builder.skip_lifetime_validation().build()?.into_group(&self.keeper)?;
        self.group_id = Some(group.group_id().clone());
        Ok(group.epoch_authenticator().as_slice().to_vec())
    }

    /// Each epoch begins with the rows of the last one, as after a restart.
    fn follow(&mut self, proposals: &[Vec<u8>], commit: &[u8]) -> Result<Vec<u8>> {
        self.restart()?;
        let group_id = self.group_id.as_ref().ok_or(Error::Misuse("not in a group yet"))?;
        let group = MlsGroup::load(&self.keeper.rows, group_id)?;
        let mut group = group.ok_or(Error::Misuse("the rows have no such group"))?;
        for message in proposals {
            let ProcessedMessageContent::ProposalMessage(proposal) = self.process(&mut group, message)?
            else {
                return Err(Error::Misuse("not a proposal"));
            };
            group.store_pending_proposal(&self.keeper.rows, *proposal)?;
        }
        let ProcessedMessageContent::StagedCommitMessage(staged) = self.process(&mut group, commit)? else {
            return Err(Error::Misuse("not a commit"));
        };
        group.merge_staged_commit(&self.keeper, *staged)?;
        Ok(group.epoch_authenticator().as_slice().to_vec())
    }

    fn process(&self, group: &mut MlsGroup, message: &[u8]) -> Result<ProcessedMessageContent> {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(message).map_err(Error::invalid)?;
        let message = message.try_into_protocol_message().map_err(Error::invalid)?;
        Ok(group.process_message(&self.keeper, message)?.into_content())
    }

    fn restart(&mut self) -> Result<()> {
        self.save();
        self.keeper.rows = Rows::default();
        self.keeper.rows.feed(self.rows())
    }

    fn save(&mut self) {
        for (scope, key, value) in self.keeper.rows.take_changes() {
            match value {
                Some(value) => self.disk.insert((scope, key), value),
                None => self.disk.remove(&(scope, key)),
            };
        }
    }

    fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        self.disk.iter().map(|((scope, key), value)| (scope.clone(), key.clone(), value.clone())).collect()
    }
}

struct Keeper {
    crypto: CryptoProvider,
    random: SystemRandom,
    rows: Rows,
}

impl OpenMlsProvider for Keeper {
    type CryptoProvider = CryptoProvider;
    type RandProvider = SystemRandom;
    type StorageProvider = Rows;

    fn storage(&self) -> &Rows {
        &self.rows
    }

    fn crypto(&self) -> &CryptoProvider {
        &self.crypto
    }

    fn rand(&self) -> &SystemRandom {
        &self.random
    }
}
