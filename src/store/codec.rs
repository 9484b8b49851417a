//! On-disk shapes: owned here, so that a change elsewhere cannot change the file by accident.
//!
//! A record is framed as one version byte, its postcard encoding, and the CRC-32 of table key,
//! version and encoding. redb checks its pages only on repair; the CRC finds a flipped bit (or a
//! record under another key) on every read, where it could otherwise widen a key unnoticed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::key::{
    AdminKeyId, AdminKeyRecord, ConsumerId, ConsumerRecord, Digest, KeyId, KeyRecord, Networks, RevokeReason,
    Role, Scheme, Scope, Scopes, State, Timestamp,
};

use super::tables::Id;
use super::{Action, Actor, AuditHead, AuditRow, Subject, Via};

const VERSION: u8 = 1;
const CRC_LEN: usize = 4;

fn crc(table_key: &[u8], framed: &[u8]) -> [u8; CRC_LEN] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(table_key);
    hasher.update(framed);
    hasher.finalize().to_le_bytes()
}

fn frame(table_key: &[u8], value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(192);
    bytes.push(VERSION);
    let mut bytes = postcard::to_extend(value, bytes).expect("these shapes always encode");
    let sum = crc(table_key, &bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

fn unframe<'a, T: Deserialize<'a>>(table_key: &[u8], bytes: &'a [u8]) -> Result<T, String> {
    let (framed, sum) = bytes.split_last_chunk::<CRC_LEN>().ok_or("it is too short")?;
    if crc(table_key, framed) != *sum {
        return Err("its checksum is wrong".to_owned());
    }
    let (version, body) = framed.split_first().ok_or("it is empty")?;
    if *version != VERSION {
        return Err(format!("it has version {version}, which this kgate does not know"));
    }
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err("there are bytes behind it".to_owned()),
        Err(error) => Err(format!("it does not decode: {error}")),
    }
}

#[derive(Serialize, Deserialize)]
struct KeyShape<'a> {
    consumer: Id,
    name: &'a str,
    key_type: &'a str,
    prefix: &'a str,
    last_four: &'a str,
    digest: [u8; 32],
    scheme: SchemeShape<'a>,
    #[serde(borrow)]
    scopes: Vec<&'a str>,
    plan: Option<&'a str>,
    networks: Vec<NetworkShape>,
    metadata: Vec<(&'a str, &'a str)>,
    state: StateShape,
    created_at: i64,
    not_before: Option<i64>,
    expires_at: Option<i64>,
    rotated_from: Option<Id>,
    rotated_to: Option<Id>,
    replaces_until: Option<i64>,
}

#[derive(Serialize, Deserialize)]
enum SchemeShape<'a> {
    Sha256,
    HmacSha256(&'a str),
}

#[derive(Serialize, Deserialize)]
enum NetworkShape {
    V4([u8; 4], u8),
    V6([u8; 16], u8),
}

#[derive(Serialize, Deserialize)]
enum StateShape {
    Enabled,
    Disabled,
    Revoked { at: i64, reason: ReasonShape },
}

/// Append only.
#[derive(Serialize, Deserialize)]
enum ReasonShape {
    Unspecified,
    Rotation,
    Leak,
    Abuse,
    Closure,
}

impl From<RevokeReason> for ReasonShape {
    fn from(reason: RevokeReason) -> Self {
        match reason {
            RevokeReason::Unspecified => Self::Unspecified,
            RevokeReason::Rotation => Self::Rotation,
            RevokeReason::Leak => Self::Leak,
            RevokeReason::Abuse => Self::Abuse,
            RevokeReason::Closure => Self::Closure,
        }
    }
}

impl From<ReasonShape> for RevokeReason {
    fn from(reason: ReasonShape) -> Self {
        match reason {
            ReasonShape::Unspecified => Self::Unspecified,
            ReasonShape::Rotation => Self::Rotation,
            ReasonShape::Leak => Self::Leak,
            ReasonShape::Abuse => Self::Abuse,
            ReasonShape::Closure => Self::Closure,
        }
    }
}

fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

fn instant(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(Timestamp::from_millis)
}

pub(super) fn encode_key(key: &KeyRecord) -> Vec<u8> {
    let shape = KeyShape {
        consumer: *key.consumer.as_bytes(),
        name: &key.name,
        key_type: &key.key_type,
        prefix: &key.prefix,
        last_four: &key.last_four,
        digest: *key.digest.as_bytes(),
        scheme: match &key.scheme {
            Scheme::Sha256 => SchemeShape::Sha256,
            Scheme::HmacSha256(pepper) => SchemeShape::HmacSha256(pepper),
        },
        scopes: key.scopes.as_slice().iter().map(Scope::as_str).collect(),
        plan: key.plan.as_deref(),
        networks: key.networks.as_slice().iter().map(network_shape).collect(),
        metadata: key.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect(),
        state: match key.state {
            State::Enabled => StateShape::Enabled,
            State::Disabled => StateShape::Disabled,
            State::Revoked { at, reason } => {
                StateShape::Revoked { at: at.as_millis(), reason: reason.into() }
            }
        },
        created_at: key.created_at.as_millis(),
        not_before: millis(key.not_before),
        expires_at: millis(key.expires_at),
        rotated_from: key.rotated_from.map(|id| *id.as_bytes()),
        rotated_to: key.rotated_to.map(|id| *id.as_bytes()),
        replaces_until: millis(key.replaces_until),
    };
    frame(key.id.as_bytes(), &shape)
}

pub(super) fn decode_key(id: &Id, bytes: &[u8]) -> Result<KeyRecord, String> {
    let shape: KeyShape<'_> = unframe(id, bytes)?;
    let scopes: Result<Scopes, _> = shape.scopes.iter().map(|s| s.parse::<Scope>()).collect();
    let networks: Result<Networks, _> = shape.networks.iter().map(network).collect();
    Ok(KeyRecord {
        id: KeyId::from_bytes(*id),
        consumer: ConsumerId::from_bytes(shape.consumer),
        name: shape.name.to_owned(),
        key_type: shape.key_type.to_owned(),
        prefix: shape.prefix.to_owned(),
        last_four: shape.last_four.to_owned(),
        digest: Digest::from_bytes(shape.digest),
        scheme: match shape.scheme {
            SchemeShape::Sha256 => Scheme::Sha256,
            SchemeShape::HmacSha256(pepper) => Scheme::HmacSha256(pepper.to_owned()),
        },
        scopes: scopes.map_err(|e| e.to_string())?,
        plan: shape.plan.map(str::to_owned),
        networks: networks?,
        metadata: shape.metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        state: match shape.state {
            StateShape::Enabled => State::Enabled,
            StateShape::Disabled => State::Disabled,
            StateShape::Revoked { at, reason } => {
                State::Revoked { at: Timestamp::from_millis(at), reason: reason.into() }
            }
        },
        created_at: Timestamp::from_millis(shape.created_at),
        not_before: instant(shape.not_before),
        expires_at: instant(shape.expires_at),
        rotated_from: shape.rotated_from.map(KeyId::from_bytes),
        rotated_to: shape.rotated_to.map(KeyId::from_bytes),
        replaces_until: instant(shape.replaces_until),
    })
}

fn network_shape(network: &IpNet) -> NetworkShape {
    match network {
        IpNet::V4(n) => NetworkShape::V4(n.addr().octets(), n.prefix_len()),
        IpNet::V6(n) => NetworkShape::V6(n.addr().octets(), n.prefix_len()),
    }
}

fn network(shape: &NetworkShape) -> Result<IpNet, String> {
    let (address, length) = match *shape {
        NetworkShape::V4(octets, length) => (IpAddr::from(octets), length),
        NetworkShape::V6(octets, length) => (IpAddr::from(octets), length),
    };
    IpNet::new(address, length).map_err(|_| format!("its network {address}/{length} is none"))
}

#[derive(Serialize, Deserialize)]
struct ConsumerShape<'a> {
    external_id: Option<&'a str>,
    name: &'a str,
    contact: Option<&'a str>,
    plan: Option<&'a str>,
    enabled: bool,
    #[serde(borrow)]
    metadata: Vec<(&'a str, &'a str)>,
    tags: Vec<&'a str>,
    created_at: i64,
}

pub(super) fn encode_consumer(consumer: &ConsumerRecord) -> Vec<u8> {
    let shape = ConsumerShape {
        external_id: consumer.external_id.as_deref(),
        name: &consumer.name,
        contact: consumer.contact.as_deref(),
        plan: consumer.plan.as_deref(),
        enabled: consumer.enabled,
        metadata: consumer.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect(),
        tags: consumer.tags.iter().map(String::as_str).collect(),
        created_at: consumer.created_at.as_millis(),
    };
    frame(consumer.id.as_bytes(), &shape)
}

pub(super) fn decode_consumer(id: &Id, bytes: &[u8]) -> Result<ConsumerRecord, String> {
    let shape: ConsumerShape<'_> = unframe(id, bytes)?;
    Ok(ConsumerRecord {
        id: ConsumerId::from_bytes(*id),
        external_id: shape.external_id.map(str::to_owned),
        name: shape.name.to_owned(),
        contact: shape.contact.map(str::to_owned),
        plan: shape.plan.map(str::to_owned),
        enabled: shape.enabled,
        metadata: shape.metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        tags: shape.tags.iter().map(|t| (*t).to_owned()).collect::<BTreeSet<_>>(),
        created_at: Timestamp::from_millis(shape.created_at),
    })
}

#[derive(Serialize, Deserialize)]
struct AdminKeyShape<'a> {
    name: &'a str,
    role: RoleShape,
    last_four: &'a str,
    digest: [u8; 32],
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    rotated_from: Option<Id>,
    rotated_to: Option<Id>,
}

/// Append only.
#[derive(Serialize, Deserialize)]
enum RoleShape {
    Viewer,
    Operator,
    Admin,
}

pub(super) fn encode_admin_key(key: &AdminKeyRecord) -> Vec<u8> {
    let shape = AdminKeyShape {
        name: &key.name,
        role: match key.role {
            Role::Viewer => RoleShape::Viewer,
            Role::Operator => RoleShape::Operator,
            Role::Admin => RoleShape::Admin,
        },
        last_four: &key.last_four,
        digest: *key.digest.as_bytes(),
        created_at: key.created_at.as_millis(),
        expires_at: millis(key.expires_at),
        revoked_at: millis(key.revoked_at),
        rotated_from: key.rotated_from.map(|id| *id.as_bytes()),
        rotated_to: key.rotated_to.map(|id| *id.as_bytes()),
    };
    frame(key.id.as_bytes(), &shape)
}

pub(super) fn decode_admin_key(id: &Id, bytes: &[u8]) -> Result<AdminKeyRecord, String> {
    let shape: AdminKeyShape<'_> = unframe(id, bytes)?;
    Ok(AdminKeyRecord {
        id: AdminKeyId::from_bytes(*id),
        name: shape.name.to_owned(),
        role: match shape.role {
            RoleShape::Viewer => Role::Viewer,
            RoleShape::Operator => Role::Operator,
            RoleShape::Admin => Role::Admin,
        },
        last_four: shape.last_four.to_owned(),
        digest: Digest::from_bytes(shape.digest),
        created_at: Timestamp::from_millis(shape.created_at),
        expires_at: instant(shape.expires_at),
        revoked_at: instant(shape.revoked_at),
        rotated_from: shape.rotated_from.map(AdminKeyId::from_bytes),
        rotated_to: shape.rotated_to.map(AdminKeyId::from_bytes),
    })
}

/// What is kept of a request that must not be done twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct DoneShape {
    pub(super) fingerprint: [u8; 32],
    pub(super) at: i64,
    /// The row of the audit log that says what was done.
    pub(super) row: u64,
}

pub(super) fn encode_done(name: &[u8; 32], done: &DoneShape) -> Vec<u8> {
    frame(name, done)
}

pub(super) fn decode_done(name: &[u8; 32], bytes: &[u8]) -> Result<DoneShape, String> {
    unframe(name, bytes)
}

/// The two ends of the logs, and a counter that only makes a commit differ from the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Ends {
    pub(super) revision: u64,
    pub(super) audit_count: u64,
    pub(super) audit_hash: [u8; 32],
    pub(super) nudges: u64,
}

impl Ends {
    pub(super) fn new(store_id: &Id) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"kgate audit log of store ");
        hasher.update(store_id);
        Self { revision: 0, audit_count: 0, audit_hash: hasher.finalize().into(), nudges: 0 }
    }

    pub(super) const fn head(&self) -> AuditHead {
        AuditHead { count: self.audit_count, hash: self.audit_hash }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        frame(b"state", self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        unframe(b"state", bytes)
    }
}

/// One row of the change log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Touched {
    Consumer(ConsumerId),
    Key(KeyId),
    /// With the digest, since the record that held it is gone.
    KeyRemoved(KeyId, Digest),
    AdminKey(AdminKeyId),
}

impl Touched {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(49);
        match self {
            Self::Consumer(id) => {
                row.push(0);
                row.extend_from_slice(id.as_bytes());
            }
            Self::Key(id) => {
                row.push(1);
                row.extend_from_slice(id.as_bytes());
            }
            Self::KeyRemoved(id, digest) => {
                row.push(2);
                row.extend_from_slice(id.as_bytes());
                row.extend_from_slice(digest.as_bytes());
            }
            Self::AdminKey(id) => {
                row.push(3);
                row.extend_from_slice(id.as_bytes());
            }
        }
        row
    }

    pub(super) fn decode(row: &[u8]) -> Option<Self> {
        let (kind, rest) = row.split_first()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        match (kind, rest) {
            (0, []) => Some(Self::Consumer(ConsumerId::from_bytes(*id))),
            (1, []) => Some(Self::Key(KeyId::from_bytes(*id))),
            (3, []) => Some(Self::AdminKey(AdminKeyId::from_bytes(*id))),
            (2, digest) => Some(Self::KeyRemoved(
                KeyId::from_bytes(*id),
                Digest::from_bytes(*digest.first_chunk::<32>().filter(|_| digest.len() == 32)?),
            )),
            _ => None,
        }
    }

    pub(super) const fn subject(&self) -> Subject {
        match self {
            Self::Consumer(id) => Subject::Consumer(*id),
            Self::Key(id) | Self::KeyRemoved(id, _) => Subject::Key(*id),
            Self::AdminKey(id) => Subject::AdminKey(*id),
        }
    }
}

/// The variants of [`Via`] and [`Action`] are part of the format too: append only.
#[derive(Serialize, Deserialize)]
struct AuditShape {
    number: u64,
    at: i64,
    user: String,
    via: Via,
    action: Action,
    note: Option<String>,
    previous: [u8; 32],
}

/// Encodes a row of the audit log. It needs no checksum: the next row, or the head, has its hash.
pub(super) fn encode_audit(row: AuditRow) -> Vec<u8> {
    let shape = AuditShape {
        number: row.number,
        at: row.at.as_millis(),
        user: row.actor.user,
        via: row.actor.via,
        action: row.action,
        note: row.note,
        previous: row.previous,
    };
    postcard::to_extend(&shape, vec![VERSION]).expect("these shapes always encode")
}

pub(super) fn decode_audit(bytes: &[u8]) -> Result<AuditRow, String> {
    let body = match bytes.split_first() {
        Some((&VERSION, body)) => body,
        Some((version, _)) => {
            return Err(format!("it has version {version}, which this kgate does not know"));
        }
        None => return Err("it is empty".to_owned()),
    };
    match postcard::take_from_bytes::<AuditShape>(body) {
        Ok((shape, [])) => Ok(AuditRow {
            number: shape.number,
            at: Timestamp::from_millis(shape.at),
            actor: Actor { user: shape.user, via: shape.via },
            action: shape.action,
            note: shape.note,
            previous: shape.previous,
        }),
        Ok(_) => Err("there are bytes behind it".to_owned()),
        Err(error) => Err(format!("it does not decode: {error}")),
    }
}

/// Reads a row as each kind there is, behind a checksum that fits, and says how many kinds it can be of: what
/// fuzzing feeds, since it would not come upon a checksum by chance.
///
/// # Panics
/// If what was read is written and read again as something else.
pub fn read_as_each(row: &[u8]) -> usize {
    fn again<T: PartialEq>(read: Result<T, String>, again: impl Fn(&T) -> Result<T, String>) -> usize {
        let Ok(read) = read else { return 0 };
        assert!(again(&read).is_ok_and(|same| same == read), "a row that was read is written as it was");
        1
    }
    let (id, name) = ([7; 16], [7; 32]);
    let under = |table_key: &[u8]| [row, &crc(table_key, row)].concat();
    let framed = under(&id);
    again(decode_key(&id, &framed), |key| decode_key(&id, &encode_key(key)))
        + again(decode_consumer(&id, &framed), |held| decode_consumer(&id, &encode_consumer(held)))
        + again(decode_admin_key(&id, &framed), |key| decode_admin_key(&id, &encode_admin_key(key)))
        + again(decode_done(&name, &under(&name)), |done| decode_done(&name, &encode_done(&name, done)))
        + again(Ends::decode(&under(b"state")), |ends| Ends::decode(&ends.encode()))
        + again(decode_audit(row), |audit| decode_audit(&encode_audit(audit.clone())))
        + usize::from(Touched::decode(row).is_some_and(|touched| touched.encode() == row))
}

pub(super) fn hash(row: &[u8]) -> [u8; 32] {
    Sha256::digest(row).into()
}
