//! What OpenMLS asks of us on behalf of one device: cryptography, randomness, storage, and a signature.

use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use openmls_traits::OpenMlsProvider;
use zeroize::Zeroizing;

use crate::errors::{Error, Result};
use crate::provider::CryptoProvider;
use crate::rows::Rows;

/// Both suites sign with Ed25519.
const SIGNATURES: SignatureScheme = SignatureScheme::ED25519;

pub struct Device {
    crypto: CryptoProvider,
    random: SystemRandom,
    pub rows: Rows,
    signature_private: Zeroizing<Vec<u8>>,
    pub signature_public: Vec<u8>,
}

impl Device {
    pub fn new(signature_private: Vec<u8>, signature_public: Vec<u8>) -> Result<Self> {
        let device = Self {
            crypto: crypto()?,
            random: SystemRandom,
            rows: Rows::default(),
            signature_private: Zeroizing::new(signature_private),
            signature_public,
        };
        device.check_signature_key()?;
        Ok(device)
    }

    fn check_signature_key(&self) -> Result<()> {
        const WORDS: &[u8] = b"do these two belong together";
        let mismatch =
            |_| Error::Invalid("the two halves of the signature key do not belong together".into());
        let signature = self.crypto.sign(SIGNATURES, WORDS, &self.signature_private).map_err(mismatch)?;
        self.crypto.verify_signature(SIGNATURES, WORDS, &self.signature_public, &signature).map_err(mismatch)
    }
}

impl OpenMlsProvider for Device {
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

impl Signer for Device {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.crypto.sign(SIGNATURES, payload, &self.signature_private).map_err(SignerError::CryptoError)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SIGNATURES
    }
}

/// A provider with a generator that nothing else uses: see [`SystemRandom`].
pub fn crypto() -> Result<CryptoProvider> {
    CryptoProvider::new().map_err(|_| Error::Library("the system gives no randomness".into()))
}

pub fn new_signature_key() -> Result<(Vec<u8>, Vec<u8>)> {
    crypto()?.signature_key_gen(SIGNATURES).map_err(|error| Error::Library(error.to_string()))
}

/// Randomness from the operating system, for each call anew. The provider's own generator is seeded once and
/// lives in memory: after a fork, parent and child would make the same private keys.
pub struct SystemRandom;

impl OpenMlsRand for SystemRandom {
    type Error = NoRandomness;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], NoRandomness> {
        let mut bytes = [0; N];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(bytes)
    }

    fn random_vec(&self, length: usize) -> Result<Vec<u8>, NoRandomness> {
        let mut bytes = vec![0; length];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(bytes)
    }
}

#[derive(Debug)]
pub struct NoRandomness;

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the operating system gives no randomness")
    }
}

impl std::error::Error for NoRandomness {}
