//! Which row belongs to which value of OpenMLS: a table, and the few values that are lists.
//!
//! Rows of a group have the group's id as their scope, so one group can be read, forgotten and deleted alone.
//! Everything else has the empty scope. The labels are on disk: they never change their meaning.

use openmls::group::GroupId;
use openmls_traits::storage::{traits, Entity, StorageProvider, CURRENT_VERSION as VERSION};
use serde::{de::DeserializeOwned, Serialize};

use crate::rows::{decode, encode, key, RowError, Rows};

type Done<T = ()> = Result<T, RowError>;

/// The scope of what belongs to the device.
const DEVICE: &[u8] = b"";

/// The bytes of a group id: OpenMLS hands it over as "something that serde can write".
fn scope<K: Serialize>(group_id: &K) -> Done<Vec<u8>> {
    let group_id: GroupId = decode(&encode(group_id)?, b"group id")?;
    Ok(group_id.as_slice().to_vec())
}

/// A value of which a group has exactly one.
impl Rows {
    fn put_of_group<K: Serialize, T: Serialize>(&self, label: &str, group: &K, value: &T) -> Done {
        self.put(&scope(group)?, label.into(), value)
    }

    fn get_of_group<K: Serialize, T: DeserializeOwned>(&self, label: &str, group: &K) -> Done<Option<T>> {
        self.get(&scope(group)?, label.into())
    }

    fn delete_of_group<K: Serialize>(&self, label: &str, group: &K) -> Done {
        self.delete(&scope(group)?, label.into());
        Ok(())
    }
}

/// A value of the device, under a key of its own.
impl Rows {
    fn put_of_device<K: Serialize, T: Serialize>(&self, label: &str, id: &K, value: &T) -> Done {
        self.put(DEVICE, key(label, id)?, value)
    }

    fn get_of_device<K: Serialize, T: Entity<VERSION>>(&self, label: &str, id: &K) -> Done<Option<T>> {
        self.get(DEVICE, key(label, id)?)
    }

    fn delete_of_device<K: Serialize>(&self, label: &str, id: &K) -> Done {
        self.delete(DEVICE, key(label, id)?);
        Ok(())
    }
}

/// Writes the three methods of OpenMLS's trait for each kind of value: write, read, delete. Some methods of the
/// trait name the value's type first and the key's second: those are marked `reversed`.
macro_rules! table {
    ($store:ident, write $method:ident, $label:literal, $key:ident, $value:ident) => {
        fn $method<K: traits::$key<VERSION>, T: traits::$value<VERSION>>(&self, key: &K, value: &T) -> Done {
            table!(@put $store)(self, $label, key, value)
        }
    };
    ($store:ident, write reversed $method:ident, $label:literal, $key:ident, $value:ident) => {
        fn $method<T: traits::$value<VERSION>, K: traits::$key<VERSION>>(&self, key: &K, value: &T) -> Done {
            table!(@put $store)(self, $label, key, value)
        }
    };
    ($store:ident, read $method:ident, $label:literal, $key:ident, $value:ident) => {
        fn $method<K: traits::$key<VERSION>, T: traits::$value<VERSION>>(&self, key: &K) -> Done<Option<T>> {
            table!(@get $store)(self, $label, key)
        }
    };
    ($store:ident, read reversed $method:ident, $label:literal, $key:ident, $value:ident) => {
        fn $method<T: traits::$value<VERSION>, K: traits::$key<VERSION>>(&self, key: &K) -> Done<Option<T>> {
            table!(@get $store)(self, $label, key)
        }
    };
    ($store:ident, delete $method:ident, $label:literal, $key:ident) => {
        fn $method<K: traits::$key<VERSION>>(&self, key: &K) -> Done {
            table!(@delete $store)(self, $label, key)
        }
    };
    (@put group) => { Rows::put_of_group };
    (@get group) => { Rows::get_of_group };
    (@delete group) => { Rows::delete_of_group };
    (@put device) => { Rows::put_of_device };
    (@get device) => { Rows::get_of_device };
    (@delete device) => { Rows::delete_of_device };
}

impl StorageProvider<VERSION> for Rows {
    type Error = RowError;

    table!(group, write write_mls_join_config, "config", GroupId, MlsGroupJoinConfig);
    table!(group, read mls_group_join_config, "config", GroupId, MlsGroupJoinConfig);
    table!(group, delete delete_group_config, "config", GroupId);

    table!(group, write write_tree, "tree", GroupId, TreeSync);
    table!(group, read tree, "tree", GroupId, TreeSync);
    table!(group, delete delete_tree, "tree", GroupId);

    table!(group, write write_interim_transcript_hash, "transcript", GroupId, InterimTranscriptHash);
    table!(group, read interim_transcript_hash, "transcript", GroupId, InterimTranscriptHash);
    table!(group, delete delete_interim_transcript_hash, "transcript", GroupId);

    table!(group, write write_context, "context", GroupId, GroupContext);
    table!(group, read group_context, "context", GroupId, GroupContext);
    table!(group, delete delete_context, "context", GroupId);

    table!(group, write write_confirmation_tag, "confirmation", GroupId, ConfirmationTag);
    table!(group, read confirmation_tag, "confirmation", GroupId, ConfirmationTag);
    table!(group, delete delete_confirmation_tag, "confirmation", GroupId);

    table!(group, write reversed write_group_state, "state", GroupId, GroupState);
    table!(group, read reversed group_state, "state", GroupId, GroupState);
    table!(group, delete delete_group_state, "state", GroupId);

    table!(group, write write_message_secrets, "messages", GroupId, MessageSecrets);
    table!(group, read message_secrets, "messages", GroupId, MessageSecrets);
    table!(group, delete delete_message_secrets, "messages", GroupId);

    table!(group, write write_resumption_psk_store, "resumption", GroupId, ResumptionPskStore);
    table!(group, read resumption_psk_store, "resumption", GroupId, ResumptionPskStore);
    table!(group, delete delete_all_resumption_psk_secrets, "resumption", GroupId);

    table!(group, write write_own_leaf_index, "own index", GroupId, LeafNodeIndex);
    table!(group, read own_leaf_index, "own index", GroupId, LeafNodeIndex);
    table!(group, delete delete_own_leaf_index, "own index", GroupId);

    table!(group, write write_group_epoch_secrets, "epoch", GroupId, GroupEpochSecrets);
    table!(group, read group_epoch_secrets, "epoch", GroupId, GroupEpochSecrets);
    table!(group, delete delete_group_epoch_secrets, "epoch", GroupId);

    table!(device, write write_key_package, "key package", HashReference, KeyPackage);
    table!(device, read key_package, "key package", HashReference, KeyPackage);
    table!(device, delete delete_key_package, "key package", HashReference);

    table!(device, write write_encryption_key_pair, "leaf key", EncryptionKey, HpkeKeyPair);
    table!(device, read reversed encryption_key_pair, "leaf key", EncryptionKey, HpkeKeyPair);
    table!(device, delete delete_encryption_key_pair, "leaf key", EncryptionKey);

    table!(device, write write_signature_key_pair, "signature key", SignaturePublicKey, SignatureKeyPair);
    table!(device, read signature_key_pair, "signature key", SignaturePublicKey, SignatureKeyPair);
    table!(device, delete delete_signature_key_pair, "signature key", SignaturePublicKey);

    table!(device, write write_psk, "psk", PskId, PskBundle);
    table!(device, read reversed psk, "psk", PskId, PskBundle);
    table!(device, delete delete_psk, "psk", PskId);

    // The private keys of one epoch of a group.

    fn write_encryption_epoch_key_pairs<
        K: traits::GroupId<VERSION>,
        E: traits::EpochKey<VERSION>,
        P: traits::HpkeKeyPair<VERSION>,
    >(
        &self,
        group: &K,
        epoch: &E,
        leaf: u32,
        pairs: &[P],
    ) -> Done {
        self.put(&scope(group)?, key("epoch keys", &(epoch, leaf))?, pairs)
    }

    fn encryption_epoch_key_pairs<
        K: traits::GroupId<VERSION>,
        E: traits::EpochKey<VERSION>,
        P: traits::HpkeKeyPair<VERSION>,
    >(
        &self,
        group: &K,
        epoch: &E,
        leaf: u32,
    ) -> Done<Vec<P>> {
        Ok(self.get(&scope(group)?, key("epoch keys", &(epoch, leaf))?)?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<K: traits::GroupId<VERSION>, E: traits::EpochKey<VERSION>>(
        &self,
        group: &K,
        epoch: &E,
        leaf: u32,
    ) -> Done {
        self.delete(&scope(group)?, key("epoch keys", &(epoch, leaf))?);
        Ok(())
    }

    // Own leaves that were proposed and not committed yet: one row, a list.

    fn append_own_leaf_node<K: traits::GroupId<VERSION>, L: traits::LeafNode<VERSION>>(
        &self,
        group: &K,
        leaf: &L,
    ) -> Done {
        let mut leaves: Vec<Vec<u8>> = self.get_of_group("own leaves", group)?.unwrap_or_default();
        leaves.push(encode(leaf)?);
        self.put_of_group("own leaves", group, &leaves)
    }

    fn own_leaf_nodes<K: traits::GroupId<VERSION>, L: traits::LeafNode<VERSION>>(
        &self,
        group: &K,
    ) -> Done<Vec<L>> {
        let leaves: Vec<Vec<u8>> = self.get_of_group("own leaves", group)?.unwrap_or_default();
        leaves.iter().map(|leaf| decode(leaf, b"own leaves")).collect()
    }

    fn delete_own_leaf_nodes<K: traits::GroupId<VERSION>>(&self, group: &K) -> Done {
        self.delete_of_group("own leaves", group)
    }

    // Proposals that wait for a commit: one row, a list of pairs. Nothing in this crate stores one.

    fn queue_proposal<
        K: traits::GroupId<VERSION>,
        R: traits::ProposalRef<VERSION>,
        P: traits::QueuedProposal<VERSION>,
    >(
        &self,
        group: &K,
        reference: &R,
        proposal: &P,
    ) -> Done {
        let mut queue = self.proposals(group)?;
        queue.push((encode(reference)?, encode(proposal)?));
        self.put_of_group("proposals", group, &queue)
    }

    fn queued_proposal_refs<K: traits::GroupId<VERSION>, R: traits::ProposalRef<VERSION>>(
        &self,
        group: &K,
    ) -> Done<Vec<R>> {
        self.proposals(group)?.iter().map(|(reference, _)| decode(reference, b"proposals")).collect()
    }

    fn queued_proposals<
        K: traits::GroupId<VERSION>,
        R: traits::ProposalRef<VERSION>,
        P: traits::QueuedProposal<VERSION>,
    >(
        &self,
        group: &K,
    ) -> Done<Vec<(R, P)>> {
        let queue = self.proposals(group)?;
        queue
            .iter()
            .map(|(reference, proposal)| {
                Ok((decode(reference, b"proposals")?, decode(proposal, b"proposals")?))
            })
            .collect()
    }

    fn remove_proposal<K: traits::GroupId<VERSION>, R: traits::ProposalRef<VERSION>>(
        &self,
        group: &K,
        reference: &R,
    ) -> Done {
        let reference = encode(reference)?;
        let mut queue = self.proposals(group)?;
        queue.retain(|(queued, _)| *queued != reference);
        self.put_of_group("proposals", group, &queue)
    }

    fn clear_proposal_queue<K: traits::GroupId<VERSION>, R: traits::ProposalRef<VERSION>>(
        &self,
        group: &K,
    ) -> Done {
        self.delete_of_group("proposals", group)
    }
}

impl Rows {
    fn proposals<K: Serialize>(&self, group: &K) -> Done<Vec<(Vec<u8>, Vec<u8>)>> {
        Ok(self.get_of_group("proposals", group)?.unwrap_or_default())
    }
}
