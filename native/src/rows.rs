//! Rows in memory: those that are on disk, and over them what changed since they were written.
//!
//! Python reads rows from its database and [feeds](Rows::feed) them, calls OpenMLS, [takes](Rows::take_changes)
//! the changes as one batch and writes them in one transaction with whatever else belongs to it. If something
//! fails before that, [`Rows::rollback`] forgets the batch.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::errors::{Error, Result};

/// First byte of every value. A release that stores something else counts on, and migrates what it finds.
const FORMAT: u8 = 1;

/// (scope, key): the scope is the id of a group, or empty for what belongs to the device.
type RowId = (Vec<u8>, Vec<u8>);
type Value = Zeroizing<Vec<u8>>;
/// (scope, key, value); no value: the row is to be deleted.
pub type Change = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);

/// A row that does not decode. Its own type, because OpenMLS carries it through its own errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError(pub String);

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RowError {}

/// The changes between two takes. A group remembers the batch of its last change, and is out of date when that
/// batch was rolled back: going on with it would use message keys twice.
#[derive(Clone, Default)]
pub struct Batch(Arc<AtomicBool>);

impl Batch {
    pub fn is_void(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }
}

#[derive(Default)]
struct Layers {
    on_disk: HashMap<RowId, Value>,
    changed: BTreeMap<RowId, Option<Value>>,
    batch: Batch,
}

#[derive(Default)]
pub struct Rows(Mutex<Layers>);

impl Rows {
    pub fn feed(&self, rows: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>) -> Result<()> {
        for (_, key, value) in &rows {
            payload(key, value)?;
        }
        let mut layers = self.layers();
        for (scope, key, value) in rows {
            layers.on_disk.insert((scope, key), Zeroizing::new(value));
        }
        Ok(())
    }

    /// Refused while the scope has changes that nobody took: half of a group would stay behind.
    pub fn forget(&self, scope: &[u8]) -> Result<()> {
        let mut layers = self.layers();
        if layers.changed.keys().any(|(changed, _)| changed == scope) {
            return Err(Error::Misuse("take or roll back the changes of this scope first"));
        }
        layers.on_disk.retain(|(fed, _), _| fed != scope);
        Ok(())
    }

    pub fn take_changes(&self) -> Vec<Change> {
        let mut layers = self.layers();
        layers.batch = Batch::default();
        let changed = std::mem::take(&mut layers.changed);
        let mut taken = Vec::with_capacity(changed.len());
        for (id, value) in changed {
            taken.push((id.0.clone(), id.1.clone(), value.as_ref().map(|value| value.to_vec())));
            match value {
                Some(value) => layers.on_disk.insert(id, value),
                None => layers.on_disk.remove(&id),
            };
        }
        taken
    }

    pub fn rollback(&self) {
        let mut layers = self.layers();
        layers.changed.clear();
        std::mem::take(&mut layers.batch).cancel();
    }

    pub fn has_changes(&self) -> bool {
        !self.layers().changed.is_empty()
    }

    pub fn batch(&self) -> Batch {
        self.layers().batch.clone()
    }

    pub fn get<T: DeserializeOwned>(&self, scope: &[u8], key: Vec<u8>) -> Result<Option<T>, RowError> {
        let id = (scope.to_vec(), key);
        let layers = self.layers();
        let value = match layers.changed.get(&id) {
            Some(changed) => changed.as_ref(),
            None => layers.on_disk.get(&id),
        };
        value.map(|value| decode(payload(&id.1, value)?, &id.1)).transpose()
    }

    pub fn put<T: Serialize + ?Sized>(&self, scope: &[u8], key: Vec<u8>, entity: &T) -> Result<(), RowError> {
        let mut value = Zeroizing::new(vec![FORMAT]);
        encode_into(entity, &mut value)?;
        let id = (scope.to_vec(), key);
        let mut layers = self.layers();
        if layers.on_disk.get(&id) == Some(&value) {
            layers.changed.remove(&id);
        } else {
            layers.changed.insert(id, Some(value));
        }
        Ok(())
    }

    /// Noted even when no such row was fed: it may be on disk all the same, and it holds a secret.
    pub fn delete(&self, scope: &[u8], key: Vec<u8>) {
        self.layers().changed.insert((scope.to_vec(), key), None);
    }

    pub fn delete_scope(&self, scope: &[u8]) {
        let mut layers = self.layers();
        let known: Vec<RowId> =
            layers.on_disk.keys().chain(layers.changed.keys()).filter(|id| id.0 == scope).cloned().collect();
        layers.changed.extend(known.into_iter().map(|id| (id, None)));
    }

    /// No call that holds the lock can leave the maps half changed, so a panic elsewhere does not matter here.
    fn layers(&self) -> MutexGuard<'_, Layers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of a row: a label, and what tells rows with the same label apart.
pub fn key<K: Serialize + ?Sized>(label: &str, rest: &K) -> Result<Vec<u8>, RowError> {
    let mut key = label.as_bytes().to_vec();
    key.push(0);
    encode_into(rest, &mut key)?;
    Ok(key)
}

pub fn encode<T: Serialize + ?Sized>(entity: &T) -> Result<Vec<u8>, RowError> {
    let mut bytes = Vec::new();
    encode_into(entity, &mut bytes)?;
    Ok(bytes)
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8], key: &[u8]) -> Result<T, RowError> {
    ciborium::from_reader(bytes).map_err(|_| RowError(format!("the row {} does not decode", label(key))))
}

fn encode_into<T: Serialize + ?Sized>(entity: &T, bytes: &mut Vec<u8>) -> Result<(), RowError> {
    ciborium::into_writer(entity, bytes).map_err(|error| RowError(format!("cannot encode: {error}")))
}

fn payload<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], RowError> {
    match value.split_first() {
        Some((&FORMAT, payload)) => Ok(payload),
        Some((format, _)) => {
            let label = label(key);
            Err(RowError(format!("the row {label} has format {format}, this version reads {FORMAT}")))
        }
        None => Err(RowError(format!("the row {} is empty", label(key)))),
    }
}

/// What of a key may be shown: its label, never ids or hashes.
fn label(key: &[u8]) -> String {
    let end = key.iter().position(|byte| *byte == 0).unwrap_or(key.len());
    String::from_utf8_lossy(&key[..end]).into_owned()
}
