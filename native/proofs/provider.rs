//! RustCrypto where `src/provider.rs` has libcrux, and a choice of both for [`passive`](crate::passive).
//!
//! It also plays a member who seals wrongly. Everything else that OpenMLS makes with it is genuine, so such a commit is
//! valid for whoever is not among the spoiled ones.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use openmls::prelude::tls_codec::{DeserializeBytes as _, SecretVLBytes, Serialize as _, VLBytes};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::*;
use pyo3::prelude::*;

use crate::errors::Error;
use crate::inspect::read_key_package;

type Made<T> = Result<T, CryptoError>;

pub enum CryptoProvider {
    Libcrux(openmls_libcrux_crypto::CryptoProvider),
    RustCrypto(Box<RustCrypto>),
}

impl CryptoProvider {
    pub fn new() -> Made<Self> {
        Ok(Self::RustCrypto(Box::default()))
    }

    pub fn libcrux() -> Made<Self> {
        openmls_libcrux_crypto::CryptoProvider::new().map(Self::Libcrux)
    }

    fn chosen(&self) -> &dyn OpenMlsCrypto {
        match self {
            Self::Libcrux(provider) => provider,
            Self::RustCrypto(provider) => provider.as_ref(),
        }
    }
}

#[derive(Clone, Copy)]
enum Spoiled {
    /// The seal does not open.
    Shut,
    /// It opens, and another secret is in it.
    Swapped,
}

static SPOILED: Mutex<Option<HashMap<Vec<u8>, Spoiled>>> = Mutex::new(None);

/// Whatever this module seals from now on to the leaf keys in these key packages is spoiled: it does not open, or
/// (`swapped`) something else is in it. Without key packages nothing is spoiled any more.
#[pyfunction]
#[pyo3(signature = (key_packages, swapped = false))]
pub fn spoil(key_packages: Vec<Vec<u8>>, swapped: bool) -> PyResult<()> {
    let crypto = crate::device::crypto()?;
    let how = if swapped { Spoiled::Swapped } else { Spoiled::Shut };
    let mut keys = HashMap::new();
    for key_package in key_packages {
        let key_package = read_key_package(&key_package, &crypto)?;
        let key = key_package.leaf_node().encryption_key().tls_serialize_detached();
        let key = VLBytes::tls_deserialize_exact_bytes(&key.map_err(Error::invalid)?);
        keys.insert(key.map_err(Error::invalid)?.as_slice().to_vec(), how);
    }
    *SPOILED.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
    Ok(())
}

fn spoiled(key: &[u8]) -> Option<Spoiled> {
    SPOILED.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(key).copied()
}

fn with_last_byte_changed(bytes: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    changed
}

impl OpenMlsCrypto for CryptoProvider {
    fn hpke_seal(
        &self,
        config: HpkeConfig,
        key: &[u8],
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Made<HpkeCiphertext> {
        match spoiled(key) {
            None => self.chosen().hpke_seal(config, key, info, aad, plaintext),
            Some(Spoiled::Swapped) => {
                self.chosen().hpke_seal(config, key, info, aad, &with_last_byte_changed(plaintext))
            }
            Some(Spoiled::Shut) => {
                let mut sealed = self.chosen().hpke_seal(config, key, info, aad, plaintext)?;
                sealed.ciphertext = with_last_byte_changed(sealed.ciphertext.as_slice()).into();
                Ok(sealed)
            }
        }
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        sealed: &HpkeCiphertext,
        key: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Made<Vec<u8>> {
        self.chosen().hpke_open(config, sealed, key, info, aad)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        key: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Made<(KemOutput, ExporterSecret)> {
        self.chosen().hpke_setup_sender_and_export(config, key, info, context, length)
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        encapsulated: &[u8],
        key: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Made<ExporterSecret> {
        self.chosen().hpke_setup_receiver_and_export(config, encapsulated, key, info, context, length)
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Made<HpkeKeyPair> {
        self.chosen().derive_hpke_keypair(config, ikm)
    }

    fn supports(&self, suite: Ciphersuite) -> Made<()> {
        self.chosen().supports(suite)
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        self.chosen().supported_ciphersuites()
    }

    fn hkdf_extract(&self, hash: HashType, salt: &[u8], ikm: &[u8]) -> Made<SecretVLBytes> {
        self.chosen().hkdf_extract(hash, salt, ikm)
    }

    fn hkdf_expand(&self, hash: HashType, prk: &[u8], info: &[u8], length: usize) -> Made<SecretVLBytes> {
        self.chosen().hkdf_expand(hash, prk, info, length)
    }

    fn hmac(&self, hash: HashType, key: &[u8], message: &[u8]) -> Made<SecretVLBytes> {
        self.chosen().hmac(hash, key, message)
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Made<Vec<u8>> {
        self.chosen().hash(hash, data)
    }

    fn aead_encrypt(
        &self,
        aead: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Made<Vec<u8>> {
        self.chosen().aead_encrypt(aead, key, data, nonce, aad)
    }

    fn aead_decrypt(
        &self,
        aead: AeadType,
        key: &[u8],
        sealed: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Made<Vec<u8>> {
        self.chosen().aead_decrypt(aead, key, sealed, nonce, aad)
    }

    fn signature_key_gen(&self, scheme: SignatureScheme) -> Made<(Vec<u8>, Vec<u8>)> {
        self.chosen().signature_key_gen(scheme)
    }

    fn sign(&self, scheme: SignatureScheme, data: &[u8], key: &[u8]) -> Made<Vec<u8>> {
        self.chosen().sign(scheme, data, key)
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Made<()> {
        self.chosen().verify_signature(scheme, data, key, signature)
    }
}
