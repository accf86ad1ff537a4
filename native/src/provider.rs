//! Which cryptography all of this uses: libcrux. The tests have a file of this name with another one.

pub use openmls_libcrux_crypto::CryptoProvider;
