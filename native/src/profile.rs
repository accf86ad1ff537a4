//! The part of MLS that version 1 of the protocol uses. Two programs that disagree about anything here cannot
//! be in one group, so a change is a new version of the protocol.

use openmls::prelude::*;

use crate::errors::{Error, Result};

/// Hybrid post-quantum: X25519 with ML-KEM-768. The number is provisional (draft-ietf-mls-pq-ciphersuites).
pub const HYBRID: Ciphersuite = Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519;
/// X25519 alone: suite 3 of RFC 9420.
pub const CLASSICAL: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;

/// Leaf extension: where a device can be reached. From the private range of RFC 9420 (17.3).
pub const LEAF_EXTENSION: u16 = 0xF000;
/// GroupContext extension: who may do what in the group.
pub const ROLES_EXTENSION: u16 = 0xF001;

/// How many messages of one sender may overtake each other.
const OUT_OF_ORDER: u32 = 64;
/// How many messages of one sender may be missing before one that still decrypts.
const FORWARD: u32 = 100_000;
/// Commits are padded to multiples of this, so that their size tells less about what they do.
const HANDSHAKE_PADDING: usize = 256;

pub fn suite(number: u16) -> Result<Ciphersuite> {
    [HYBRID, CLASSICAL]
        .into_iter()
        .find(|suite| *suite as u16 == number)
        .ok_or_else(|| Error::Invalid(format!("suite {number:#06x} is not of this version")))
}

/// OpenMLS would list its own favourites: everything is named here instead.
pub fn capabilities() -> Capabilities {
    Capabilities::builder()
        .versions(vec![ProtocolVersion::Mls10])
        .ciphersuites(vec![HYBRID, CLASSICAL])
        .extensions(vec![
            ExtensionType::Unknown(LEAF_EXTENSION),
            ExtensionType::Unknown(ROLES_EXTENSION),
            ExtensionType::LastResort,
        ])
        .proposals(vec![])
        .credentials(vec![CredentialType::Basic])
        .build()
}

/// Without beginning or end. OpenMLS compares lifetimes with the system's clock in every Add, so members with
/// different clocks would disagree about the same commit.
pub fn lifetime() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

pub fn leaf_extensions(reach: Vec<u8>) -> Result<Extensions<LeafNode>> {
    let reach = Extension::Unknown(LEAF_EXTENSION, UnknownExtension(reach));
    Extensions::single(reach).map_err(Error::invalid)
}

/// The whole list: a GroupContextExtensions proposal replaces everything that was there.
pub fn context_extensions(roles: Vec<u8>) -> Result<Extensions<GroupContext>> {
    Extensions::from_vec(vec![
        Extension::RequiredCapabilities(required_capabilities()),
        Extension::Unknown(ROLES_EXTENSION, UnknownExtension(roles)),
    ])
    .map_err(Error::invalid)
}

/// Are these the roles and the required capabilities of version 1, and nothing else?
pub fn is_context_of_version_1(extensions: &Extensions<GroupContext>) -> bool {
    extensions.iter().count() == 2
        && extensions.unknown(ROLES_EXTENSION).is_some()
        && extensions.required_capabilities() == Some(&required_capabilities())
}

fn required_capabilities() -> RequiredCapabilitiesExtension {
    RequiredCapabilitiesExtension::new(
        &[ExtensionType::Unknown(LEAF_EXTENSION), ExtensionType::Unknown(ROLES_EXTENSION)],
        &[],
        &[CredentialType::Basic],
    )
}

/// How a group runs at home. Posts come padded by the caller: no padding of MLS on top.
pub fn group_config() -> MlsGroupJoinConfig {
    config(0)
}

/// The same while a commit is being framed: OpenMLS pads posts and handshakes by one setting.
pub fn group_config_for_handshakes() -> MlsGroupJoinConfig {
    config(HANDSHAKE_PADDING)
}

pub fn sender_ratchet() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER, FORWARD)
}

fn config(padding: usize) -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(padding)
        // Past epochs would be rewritten with every message, and keep what forward secrecy wants forgotten.
        .max_past_epochs(0)
        .number_of_resumption_psks(0)
        // The tree dominates a Welcome, and travels beside it.
        .use_ratchet_tree_extension(false)
        .sender_ratchet_configuration(sender_ratchet())
        .build()
}
