//! Tests with members who do not keep to our rules: what OpenMLS can be made to send, and what we make of it.
//!
//! `make test` runs them through the module `_mls_proofs`: a test program of their own would be linked for as long again,
//! and against the library of Python, which not every system has.

use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::*;
use openmls::schedule::PreSharedKeyId;
use openmls_traits::OpenMlsProvider;

use crate::device::{self, Device};
use crate::engine;
use crate::errors::{Error, Result};
use crate::group::{CommitWish, State};
use crate::inspect::{read_key_package, CommitInfo};
use crate::profile::{self, CLASSICAL, LEAF_EXTENSION, ROLES_EXTENSION};

/// Every test of this file, by its name.
pub const ALL: &[(&str, fn())] = &[
    ("a_lone_proposal_is_reported_and_stops_nobody", a_lone_proposal_is_reported_and_stops_nobody),
    ("a_commit_that_names_a_lone_proposal_is_invalid", a_commit_that_names_a_lone_proposal_is_invalid),
    (
        "a_psk_is_refused_by_who_lacks_it_and_named_by_who_has_it",
        a_psk_is_refused_by_who_lacks_it_and_named_by_who_has_it,
    ),
    (
        "a_key_package_with_an_end_is_invalid_and_named_in_a_commit",
        a_key_package_with_an_end_is_invalid_and_named_in_a_commit,
    ),
    ("who_cannot_read_our_extensions_is_not_added", who_cannot_read_our_extensions_is_not_added),
    (
        "context_extensions_that_are_not_those_of_version_1_are_told",
        context_extensions_that_are_not_those_of_version_1_are_told,
    ),
    (
        "a_proposal_that_nobody_announced_cannot_be_committed",
        a_proposal_that_nobody_announced_cannot_be_committed,
    ),
    ("a_leaf_that_changes_who_it_is_shows_it", a_leaf_that_changes_who_it_is_shows_it),
    ("a_commit_in_the_open_is_invalid", a_commit_in_the_open_is_invalid),
    ("a_welcome_with_the_tree_inside_is_invalid", a_welcome_with_the_tree_inside_is_invalid),
];

/// One of us and a stranger, who uses OpenMLS as it comes.
struct Pair {
    home: Device,
    ours: State,
    abroad: Device,
    theirs: MlsGroup,
}

fn device() -> Device {
    let (private, public) = device::new_signature_key().unwrap();
    Device::new(private, public).unwrap()
}

fn identity(device: &Device) -> CredentialWithKey {
    CredentialWithKey {
        credential: BasicCredential::new(b"a credential".to_vec()).into(),
        signature_key: device.signature_public.clone().into(),
    }
}

fn key_package(device: &Device, lifetime: Lifetime, capabilities: Capabilities) -> KeyPackage {
    KeyPackage::builder()
        .key_package_lifetime(lifetime)
        .leaf_node_capabilities(capabilities)
        .leaf_node_extensions(profile::leaf_extensions(vec![]).unwrap())
        .build(CLASSICAL, device, device, identity(device))
        .unwrap()
        .into_key_package()
}

fn ordinary_key_package(device: &Device) -> KeyPackage {
    key_package(device, profile::lifetime(), profile::capabilities())
}

fn bytes(message: impl Into<MlsMessageOut>) -> Vec<u8> {
    message.into().to_bytes().unwrap()
}

fn found(device: &Device, wire: WireFormatPolicy) -> MlsGroup {
    MlsGroup::builder()
        .ciphersuite(CLASSICAL)
        .with_capabilities(profile::capabilities())
        .lifetime(profile::lifetime())
        .with_wire_format_policy(wire)
        .with_leaf_node_extensions(profile::leaf_extensions(vec![]).unwrap())
        .unwrap()
        .with_group_context_extensions(profile::context_extensions(vec![]).unwrap())
        .build(device, device, identity(device))
        .unwrap()
}

fn pair_over(wire: WireFormatPolicy) -> Pair {
    let (home, abroad) = (device(), device());
    let mut theirs = found(&abroad, wire);
    let (_, welcome, _) = theirs.add_members(&abroad, &abroad, &[ordinary_key_package(&home)]).unwrap();
    theirs.merge_pending_commit(&abroad).unwrap();
    let tree = theirs.export_ratchet_tree().tls_serialize_detached().unwrap();
    let (ours, _) = engine::join(&home, &bytes(welcome), &tree, &[]).unwrap();
    let ours = State::new(ours, home.rows.batch());
    Pair { home, ours, abroad, theirs }
}

fn pair() -> Pair {
    pair_over(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
}

impl Pair {
    /// The stranger commits these proposals.
    fn commit(&mut self, proposals: Vec<Proposal>) -> Vec<u8> {
        finish(&self.abroad, self.theirs.commit_builder().add_proposals(proposals))
    }

    fn commit_extensions(&mut self, extensions: Vec<Extension>) -> Vec<u8> {
        let extensions = Extensions::from_vec(extensions).unwrap();
        let builder = self.theirs.commit_builder().propose_group_context_extensions(extensions).unwrap();
        finish(&self.abroad, builder)
    }

    fn commit_leaf(&mut self, leaf: LeafNodeParameters) -> Vec<u8> {
        finish(&self.abroad, self.theirs.commit_builder().leaf_node_parameters(leaf))
    }

    fn read(&mut self, message: &[u8]) -> Result<CommitInfo> {
        Ok(self.ours.process(&self.home, message)?.commit.expect("a commit"))
    }

    fn refuse(&mut self, message: &[u8]) -> bool {
        matches!(self.ours.process(&self.home, message), Err(Error::Invalid(_)))
    }
}

fn finish(abroad: &Device, builder: CommitBuilder<Initial>) -> Vec<u8> {
    let ready = builder.load_psks(abroad.storage()).unwrap();
    let ready = ready.build(abroad.rand(), abroad.crypto(), abroad, |_| true).unwrap();
    bytes(ready.stage_commit(abroad).unwrap().into_commit())
}

#[cfg_attr(test, test)]
fn a_lone_proposal_is_reported_and_stops_nobody() {
    let mut pair = pair();
    let own = pair.theirs.own_leaf_index();
    let (proposal, _) = pair.theirs.propose_remove_member(&pair.abroad, &pair.abroad, own).unwrap();
    let processed = pair.ours.process(&pair.home, &bytes(proposal)).unwrap();
    assert_eq!(processed.kind, "proposal");
    assert!(processed.commit.is_none() && processed.plaintext.is_none());
    assert!(pair.ours.group.create_message(&pair.home, &pair.home, b"on we go").is_ok());
}

#[cfg_attr(test, test)]
fn a_commit_that_names_a_lone_proposal_is_invalid() {
    let mut pair = pair();
    let (proposal, _) =
        pair.theirs.propose_self_update(&pair.abroad, &pair.abroad, LeafNodeParameters::default()).unwrap();
    pair.ours.process(&pair.home, &bytes(proposal)).unwrap();
    let added = ordinary_key_package(&device());
    let (proposal, _) = pair.theirs.propose_add_member(&pair.abroad, &pair.abroad, &added).unwrap();
    pair.ours.process(&pair.home, &bytes(proposal)).unwrap();
    let commit = pair.commit(vec![]);
    assert!(pair.refuse(&commit));
}

#[cfg_attr(test, test)]
fn a_psk_is_refused_by_who_lacks_it_and_named_by_who_has_it() {
    for known in [false, true] {
        let mut pair = pair();
        let psk = PreSharedKeyId::external(b"between us".to_vec(), vec![7; CLASSICAL.hash_length()]);
        psk.store(&pair.abroad, b"secret").unwrap();
        if known {
            psk.store(&pair.home, b"secret").unwrap();
        }
        let commit = pair.commit(vec![Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(psk)))]);
        if known {
            assert_eq!(pair.read(&commit).unwrap().others, ["psk"]);
        } else {
            assert!(pair.refuse(&commit));
        }
    }
}

#[cfg_attr(test, test)]
fn a_key_package_with_an_end_is_invalid_and_named_in_a_commit() {
    let mut pair = pair();
    let newcomer = device();
    let until_tomorrow = Lifetime::new(24 * 60 * 60);
    let key_package = key_package(&newcomer, until_tomorrow, profile::capabilities());
    let read = read_key_package(&bytes(key_package.clone()), newcomer.crypto());
    assert!(matches!(read, Err(Error::Invalid(_))));
    let commit = finish(&pair.abroad, pair.theirs.commit_builder().propose_adds([key_package]));
    let info = pair.read(&commit).unwrap();
    assert_eq!((info.others, info.adds.len()), (vec!["lifetime".to_string()], 1));
}

#[cfg_attr(test, test)]
fn who_cannot_read_our_extensions_is_not_added() {
    let mut pair = pair();
    let newcomer = device();
    let capabilities = Capabilities::builder()
        .ciphersuites(vec![CLASSICAL])
        .extensions(vec![ExtensionType::Unknown(LEAF_EXTENSION)])
        .credentials(vec![CredentialType::Basic])
        .build();
    let adds = vec![bytes(key_package(&newcomer, profile::lifetime(), capabilities))];
    let made = CommitWish { adds, ..CommitWish::default() }.commit(&mut pair.ours.group, &pair.home);
    assert!(matches!(made, Err(Error::Invalid(_))));
}

#[cfg_attr(test, test)]
fn context_extensions_that_are_not_those_of_version_1_are_told() {
    let both = [ExtensionType::Unknown(LEAF_EXTENSION), ExtensionType::Unknown(ROLES_EXTENSION)];
    let required = |types: &[ExtensionType], credentials: &[CredentialType]| {
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(types, &[], credentials))
    };
    let roles = || Extension::Unknown(ROLES_EXTENSION, UnknownExtension(b"all power to me".to_vec()));
    let ours = || required(&both, &[CredentialType::Basic]);
    let strangers = Extension::ExternalSenders(vec![]);
    for (extensions, is_ok) in [
        (vec![ours(), roles()], true),
        (vec![roles(), ours()], true),
        (vec![ours()], false),
        (vec![required(&both, &[]), roles()], false),
        (vec![required(&both[1..], &[CredentialType::Basic]), roles()], false),
        (vec![ours(), roles(), strangers], false),
    ] {
        let mut pair = pair();
        let has_roles = extensions.iter().any(|extension| *extension == roles());
        let commit = pair.commit_extensions(extensions);
        let info = pair.read(&commit).unwrap();
        assert_eq!(info.required_ok, is_ok);
        assert_eq!(info.roles.is_some(), has_roles);
    }
}

#[cfg_attr(test, test)]
fn a_proposal_that_nobody_announced_cannot_be_committed() {
    for proposal in [Proposal::SelfRemove, Proposal::Custom(Box::new(CustomProposal::new(0xF0F0, vec![])))] {
        let pair = pair();
        let mut theirs = pair.theirs;
        let builder = theirs.commit_builder().add_proposals(vec![proposal]);
        let ready = builder.load_psks(pair.abroad.storage()).unwrap();
        assert!(ready.build(pair.abroad.rand(), pair.abroad.crypto(), &pair.abroad, |_| true).is_err());
    }
}

#[cfg_attr(test, test)]
fn a_leaf_that_changes_who_it_is_shows_it() {
    let mut pair = pair();
    let mut somebody_else = identity(&pair.abroad);
    somebody_else.credential = BasicCredential::new(b"somebody else".to_vec()).into();
    let commit =
        pair.commit_leaf(LeafNodeParameters::builder().with_credential_with_key(somebody_else).build());
    let path = pair.read(&commit).unwrap().path.unwrap();
    assert_eq!((path.index, path.credential), (0, b"somebody else".to_vec()));
}

#[cfg_attr(test, test)]
fn a_commit_in_the_open_is_invalid() {
    let mut pair = pair_over(PURE_PLAINTEXT_WIRE_FORMAT_POLICY);
    let commit = pair.commit(vec![]);
    assert!(pair.refuse(&commit));
}

#[cfg_attr(test, test)]
fn a_welcome_with_the_tree_inside_is_invalid() {
    let (home, abroad) = (device(), device());
    let mut theirs = found(&abroad, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY);
    let builder = theirs.commit_builder().propose_adds([ordinary_key_package(&home)]);
    let ready = builder.load_psks(abroad.storage()).unwrap().use_ratchet_tree_extension(true);
    let ready = ready.build(abroad.rand(), abroad.crypto(), &abroad, |_| true).unwrap();
    let welcome = bytes(ready.stage_commit(&abroad).unwrap().into_welcome_msg().unwrap());
    theirs.merge_pending_commit(&abroad).unwrap();
    let tree = theirs.export_ratchet_tree().tls_serialize_detached().unwrap();
    assert!(matches!(engine::join(&home, &welcome, &tree, &[]), Err(Error::Invalid(_))));
}
