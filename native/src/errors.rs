//! The nested errors of OpenMLS as a few Python exceptions, matched on their types and never on their text.
//!
//! Texts are made for logs: they name what was wrong, never a key, an id or content.

use openmls::framing::errors::{MessageDecryptionError, SecretTreeError};
use openmls::prelude::*;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::rows::RowError;

create_exception!(whimbrel.crypto._mls, MlsError, PyException, "Base of all errors of this module.");
create_exception!(whimbrel.crypto._mls, WrongEpoch, MlsError, "A message of another epoch, past or future.");
create_exception!(whimbrel.crypto._mls, Replayed, MlsError, "A message whose key was used or is too old.");
create_exception!(whimbrel.crypto._mls, NotMember, MlsError, "This device was removed from the group.");
create_exception!(whimbrel.crypto._mls, Invalid, MlsError, "Malformed, wrongly signed, or against RFC 9420.");
create_exception!(whimbrel.crypto._mls, NoKeyPackage, MlsError, "A Welcome for none of our key packages.");
create_exception!(
    whimbrel.crypto._mls,
    PendingCommit,
    MlsError,
    "An own commit waits to be merged or cleared."
);
create_exception!(
    whimbrel.crypto._mls,
    StorageDamaged,
    MlsError,
    "A row that does not decode, or of a newer format."
);
create_exception!(
    whimbrel.crypto._mls,
    OutOfDate,
    MlsError,
    "A group object whose changes were rolled back."
);

pub fn add_exceptions(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("MlsError", py.get_type::<MlsError>())?;
    module.add("WrongEpoch", py.get_type::<WrongEpoch>())?;
    module.add("Replayed", py.get_type::<Replayed>())?;
    module.add("NotMember", py.get_type::<NotMember>())?;
    module.add("Invalid", py.get_type::<Invalid>())?;
    module.add("NoKeyPackage", py.get_type::<NoKeyPackage>())?;
    module.add("PendingCommit", py.get_type::<PendingCommit>())?;
    module.add("StorageDamaged", py.get_type::<StorageDamaged>())?;
    module.add("OutOfDate", py.get_type::<OutOfDate>())
}

/// One variant for each exception. `Misuse` and `Library` both raise the base: the caller, or OpenMLS, is wrong.
#[derive(Debug)]
pub enum Error {
    WrongEpoch,
    Replayed(String),
    NotMember,
    Invalid(String),
    NoKeyPackage,
    PendingCommit,
    StorageDamaged(String),
    OutOfDate,
    Misuse(&'static str),
    Library(String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn invalid(error: impl std::fmt::Display) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> PyErr {
        match error {
            Error::WrongEpoch => WrongEpoch::new_err("the message is of another epoch"),
            Error::Replayed(text) => Replayed::new_err(text),
            Error::NotMember => NotMember::new_err("this device is no longer in the group"),
            Error::Invalid(text) => Invalid::new_err(text),
            Error::NoKeyPackage => NoKeyPackage::new_err("the Welcome is for none of our key packages"),
            Error::PendingCommit => PendingCommit::new_err("an own commit waits to be merged or cleared"),
            Error::StorageDamaged(text) => StorageDamaged::new_err(text),
            Error::OutOfDate => OutOfDate::new_err("rolled back or deleted: load the group again"),
            Error::Misuse(text) => MlsError::new_err(text),
            Error::Library(text) => MlsError::new_err(text),
        }
    }
}

impl From<RowError> for Error {
    fn from(error: RowError) -> Self {
        Self::StorageDamaged(error.0)
    }
}

impl From<LibraryError> for Error {
    fn from(error: LibraryError) -> Self {
        Self::Library(error.to_string())
    }
}

impl From<MlsGroupStateError> for Error {
    fn from(error: MlsGroupStateError) -> Self {
        match error {
            MlsGroupStateError::UseAfterEviction => Self::NotMember,
            MlsGroupStateError::PendingCommit => Self::PendingCommit,
            MlsGroupStateError::NoPendingCommit => Self::Misuse("no commit is pending"),
            other => Self::Library(other.to_string()),
        }
    }
}

impl From<ProcessMessageError<RowError>> for Error {
    fn from(error: ProcessMessageError<RowError>) -> Self {
        match error {
            ProcessMessageError::StorageError(error) => error.into(),
            ProcessMessageError::GroupStateError(error) => error.into(),
            ProcessMessageError::ValidationError(error) => error.into(),
            ProcessMessageError::InvalidCommit(StageCommitError::EpochMismatch) => Self::WrongEpoch,
            other => Self::invalid(other),
        }
    }
}

impl From<ValidationError> for Error {
    fn from(error: ValidationError) -> Self {
        match error {
            ValidationError::WrongEpoch | ValidationError::NoPastEpochData => Self::WrongEpoch,
            ValidationError::UnableToDecrypt(MessageDecryptionError::SecretTreeError(
                error @ (SecretTreeError::SecretReuseError | SecretTreeError::TooDistantInThePast),
            )) => Self::Replayed(error.to_string()),
            other => Self::invalid(other),
        }
    }
}

impl From<CreateMessageError> for Error {
    fn from(error: CreateMessageError) -> Self {
        match error {
            CreateMessageError::GroupStateError(error) => error.into(),
            CreateMessageError::LibraryError(error) => error.into(),
        }
    }
}

impl From<CreateCommitError> for Error {
    fn from(error: CreateCommitError) -> Self {
        match error {
            CreateCommitError::LibraryError(error) => error.into(),
            other => Self::invalid(other),
        }
    }
}

impl From<CommitBuilderStageError<RowError>> for Error {
    fn from(error: CommitBuilderStageError<RowError>) -> Self {
        match error {
            CommitBuilderStageError::KeyStoreError(error) => error.into(),
            CommitBuilderStageError::LibraryError(error) => error.into(),
        }
    }
}

impl From<MergeCommitError<RowError>> for Error {
    fn from(error: MergeCommitError<RowError>) -> Self {
        match error {
            MergeCommitError::StorageError(error) => error.into(),
            MergeCommitError::LibraryError(error) => error.into(),
        }
    }
}

impl From<MergePendingCommitError<RowError>> for Error {
    fn from(error: MergePendingCommitError<RowError>) -> Self {
        match error {
            MergePendingCommitError::MlsGroupStateError(error) => error.into(),
            MergePendingCommitError::MergeCommitError(error) => error.into(),
        }
    }
}

impl From<ExportSecretError> for Error {
    fn from(error: ExportSecretError) -> Self {
        match error {
            ExportSecretError::GroupStateError(error) => error.into(),
            ExportSecretError::KeyLengthTooLong => Self::Misuse("an exporter gives at most 65,535 bytes"),
            ExportSecretError::LibraryError(error) => error.into(),
        }
    }
}

impl From<NewGroupError<RowError>> for Error {
    fn from(error: NewGroupError<RowError>) -> Self {
        match error {
            NewGroupError::StorageError(error) => error.into(),
            NewGroupError::LibraryError(error) => error.into(),
            NewGroupError::GroupAlreadyExists => Self::Misuse("a group with this id exists"),
            other => Self::invalid(other),
        }
    }
}

impl From<WelcomeError<RowError>> for Error {
    fn from(error: WelcomeError<RowError>) -> Self {
        match error {
            WelcomeError::NoMatchingKeyPackage => Self::NoKeyPackage,
            WelcomeError::GroupAlreadyExists => Self::Misuse("a group with this id exists"),
            WelcomeError::StorageError(error)
            | WelcomeError::PublicGroupError(CreationFromExternalError::WriteToStorageError(error)) => {
                error.into()
            }
            other => Self::invalid(other),
        }
    }
}

impl From<KeyPackageNewError> for Error {
    fn from(error: KeyPackageNewError) -> Self {
        Self::Library(error.to_string())
    }
}
