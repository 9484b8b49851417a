//! Who may use the portal: invitations and sessions, in the file that may be lost. So they are in no backup,
//! and a store that is restored revives neither a link that was used nor a session that was ended; lost,
//! people sign in anew.
//!
//! Of both only a digest of the secret is kept.

use redb::{ReadableTable, Table, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::key::{AdminKeyId, ConsumerId, Digest, Timestamp};

use super::super::tables::{PORTAL_INVITES, PORTAL_LINKS, PORTAL_SESSIONS, USAGE_TRIMMED};
use super::super::{StoreError, Subject};
use super::Usage;

/// A link by which somebody can sign in, once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invite {
    /// For whom.
    pub consumer: ConsumerId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is good no more.
    pub expires_at: Timestamp,
}

/// Somebody who may be signed in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Visitor {
    /// A consumer.
    Consumer(ConsumerId),
    /// Whoever holds an admin key.
    Operator(AdminKeyId),
}

/// Somebody's browser that is signed in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PortalSession {
    /// Its name in lists; it opens nothing.
    pub id: String,
    /// How they showed who they are.
    pub by: SignedInBy,
    /// When they signed in.
    pub created_at: Timestamp,
    /// The last request known; noted once a minute at most.
    pub seen_at: Timestamp,
    /// What the browser says of itself, cut short.
    pub agent: String,
    /// Where they signed in from, if that is known.
    pub from: Option<std::net::IpAddr>,
}

/// How somebody showed who they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SignedInBy {
    /// A one-time link.
    Invite,
    /// An identity proxy, which has to say so again with every request.
    Proxy,
    /// An admin key.
    AdminKey,
}

impl Invite {
    /// Returns the name of the invitation whose code has a digest: its beginning, which opens nothing.
    pub fn name(digest: &Digest) -> String {
        digest.as_bytes()[..NAME].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Bytes of a digest that make a name.
const NAME: usize = 8;

/// Rows a list looks at: nobody must wait for more, and no person looks through as many.
const LOOKED_AT: usize = 20_000;

/// Invitations of one consumer at once; the oldest go first.
const INVITES_EACH: usize = 10;

/// Sessions of one visitor at once; those longest unseen go first.
const SESSIONS_EACH: usize = 20;

impl Visitor {
    fn prefix(self) -> [u8; 17] {
        let (kind, id) = match &self {
            Self::Consumer(id) => (0, id.as_bytes()),
            Self::Operator(id) => (1, id.as_bytes()),
        };
        let mut prefix = [kind; 17];
        prefix[1..].copy_from_slice(id);
        prefix
    }

    fn row(self, digest: &Digest) -> [u8; 49] {
        let mut row = [0; 49];
        row[..17].copy_from_slice(&self.prefix());
        row[17..].copy_from_slice(digest.as_bytes());
        row
    }

    /// The first and the last key that rows of theirs may have.
    fn range(self) -> (Vec<u8>, Vec<u8>) {
        let key = |byte| self.row(&Digest::from_bytes([byte; 32])).to_vec();
        (key(0), key(0xff))
    }

    fn of_row(row: &[u8]) -> Option<Self> {
        let (kind, rest) = row.split_first()?;
        let id = *rest.first_chunk()?;
        match kind {
            0 => Some(Self::Consumer(ConsumerId::from_bytes(id))),
            1 => Some(Self::Operator(AdminKeyId::from_bytes(id))),
            _ => None,
        }
    }
}

impl From<Visitor> for Subject {
    fn from(visitor: Visitor) -> Self {
        match visitor {
            Visitor::Consumer(id) => Self::Consumer(id),
            Visitor::Operator(id) => Self::AdminKey(id),
        }
    }
}

impl Usage {
    /// Keeps an invitation, and so many others of its consumer. Some whose time is over go.
    ///
    /// # Errors
    /// Those of writing; it opens nothing then.
    pub fn invite(&self, digest: Digest, invite: Invite, now: Timestamp) -> Result<(), StoreError> {
        self.write("noting an invitation", move |txn| {
            let (mut invites, mut links) = (txn.open_table(PORTAL_INVITES)?, txn.open_table(PORTAL_LINKS)?);
            let visitor = Visitor::Consumer(invite.consumer);
            let mut others = of::<Invite>(&invites, visitor)?;
            others.sort_by_key(|(_, other)| std::cmp::Reverse(other.created_at));
            for (row, _) in others.iter().skip(INVITES_EACH - 1) {
                invites.remove(row.as_slice())?;
                links.remove(&digest_of(row))?;
            }
            invites.insert(visitor.row(&digest).as_slice(), encode(&invite).as_slice())?;
            links.insert(digest.as_bytes(), invite.consumer.as_bytes())?;
            let mut trimmed = txn.open_table(USAGE_TRIMMED)?;
            let is_over = |row: &[u8]| decode::<Invite>(row).is_none_or(|invite| invite.expires_at <= now);
            for row in sweep(&mut invites, &mut trimmed, "portal_invitations", is_over)? {
                links.remove(&digest_of(&row))?;
            }
            Ok(())
        })
    }

    /// Returns open invitations with their names, of one consumer or all, the latest first; of the first 20,000
    /// there are.
    ///
    /// # Errors
    /// Those of reading.
    pub fn invites(
        &self,
        of: Option<ConsumerId>,
        now: Timestamp,
    ) -> Result<Vec<(String, Invite)>, StoreError> {
        let (from, to) = of.map_or((vec![0], vec![1]), |id| Visitor::Consumer(id).range());
        self.read(Vec::new(), move |rows| {
            let Some(table) = rows.table(PORTAL_INVITES)? else { return Ok(Vec::new()) };
            let mut all = Vec::new();
            let invites = table.range::<&[u8]>(&from[..]..=&to[..]).map_err(rows.fail())?;
            for row in invites.take(LOOKED_AT) {
                let (key, row) = row.map_err(rows.fail())?;
                let name = Invite::name(&Digest::from_bytes(digest_of(key.value())));
                let open = decode::<Invite>(row.value()).filter(|invite| invite.expires_at > now);
                all.extend(open.map(|invite| (name, invite)));
            }
            all.sort_by_key(|(_, invite)| std::cmp::Reverse(invite.created_at));
            Ok(all)
        })
    }

    /// Withdraws the invitation of a name. Returns whose it was, if there was one.
    ///
    /// # Errors
    /// Those of writing.
    pub fn withdraw_invite(&self, name: &str) -> Result<Option<ConsumerId>, StoreError> {
        let Some(first) = start_of(name) else { return Ok(None) };
        self.write("withdrawing an invitation", move |txn| {
            let (mut from, mut to) = ([0; 32], [0xff; 32]);
            from[..NAME].copy_from_slice(&first);
            to[..NAME].copy_from_slice(&first);
            let mut links = txn.open_table(PORTAL_LINKS)?;
            let found = links.range::<&[u8; 32]>(&from..=&to)?.next().transpose()?;
            let Some(digest) = found.map(|(digest, _)| Digest::from_bytes(*digest.value())) else {
                return Ok(None);
            };
            Ok(take(txn, &mut links, &digest)?.map(|invite| invite.consumer))
        })
    }

    /// Uses an invitation up, and keeps the session it opens, in one commit: of two who come with it at
    /// once, one gets in. `None`: there is no such invitation, or no more.
    ///
    /// # Errors
    /// Those of writing.
    pub fn accept_invite(
        &self,
        invite: Digest,
        digest: Digest,
        session: PortalSession,
    ) -> Result<Option<ConsumerId>, StoreError> {
        self.write("using an invitation up", move |txn| {
            let found = take(txn, &mut txn.open_table(PORTAL_LINKS)?, &invite)?;
            let Some(invite) = found.filter(|invite| invite.expires_at > session.created_at) else {
                return Ok(None);
            };
            put(txn, Visitor::Consumer(invite.consumer), &digest, &session)?;
            Ok(Some(invite.consumer))
        })
    }

    /// Keeps a session.
    ///
    /// # Errors
    /// Those of writing; it opens nothing then.
    pub fn begin_session(
        &self,
        visitor: Visitor,
        digest: Digest,
        session: PortalSession,
    ) -> Result<(), StoreError> {
        self.write("noting a session", move |txn| put(txn, visitor, &digest, &session))
    }

    /// Returns a session by the digest of its secret. Whether its time is over is not looked at.
    ///
    /// # Errors
    /// Those of reading.
    pub fn session(&self, visitor: Visitor, digest: &Digest) -> Result<Option<PortalSession>, StoreError> {
        let row = visitor.row(digest);
        self.read(None, move |rows| {
            let Some(table) = rows.table(PORTAL_SESSIONS)? else { return Ok(None) };
            let found = table.get(row.as_slice()).map_err(rows.fail())?;
            Ok(found.and_then(|row| decode(row.value())))
        })
    }

    /// Notes that a session was seen, if it is still there.
    ///
    /// # Errors
    /// Those of writing.
    pub fn see_session(&self, visitor: Visitor, digest: &Digest, now: Timestamp) -> Result<(), StoreError> {
        let row = visitor.row(digest);
        self.write("noting a session", move |txn| {
            let mut table = txn.open_table(PORTAL_SESSIONS)?;
            let found = table.get(row.as_slice())?.and_then(|row| decode::<PortalSession>(row.value()));
            if let Some(session) = found {
                let seen = PortalSession { seen_at: session.seen_at.max(now), ..session };
                table.insert(row.as_slice(), encode(&seen).as_slice())?;
            }
            Ok(())
        })
    }

    /// Returns the sessions of a visitor, the latest seen first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn sessions_of(&self, visitor: Visitor) -> Result<Vec<PortalSession>, StoreError> {
        self.read(Vec::new(), move |rows| {
            let Some(table) = rows.table(PORTAL_SESSIONS)? else { return Ok(Vec::new()) };
            let all = of(&table, visitor).map_err(rows.fail())?;
            let mut all: Vec<PortalSession> = all.into_iter().map(|(_, session)| session).collect();
            all.sort_by_key(|session| std::cmp::Reverse(session.seen_at));
            Ok(all)
        })
    }

    /// Returns all sessions with whose they are, the latest seen first; of the first 20,000 there are.
    ///
    /// # Errors
    /// Those of reading.
    pub fn sessions(&self) -> Result<Vec<(Visitor, PortalSession)>, StoreError> {
        self.read(Vec::new(), move |rows| {
            let Some(table) = rows.table(PORTAL_SESSIONS)? else { return Ok(Vec::new()) };
            let mut all = Vec::new();
            for row in table.iter().map_err(rows.fail())?.take(LOOKED_AT) {
                let (key, row) = row.map_err(rows.fail())?;
                all.extend(Visitor::of_row(key.value()).zip(decode::<PortalSession>(row.value())));
            }
            all.sort_by_key(|(_, session)| std::cmp::Reverse(session.seen_at));
            Ok(all)
        })
    }

    /// Ends sessions of a visitor: the one of that name, or all. Returns how many were ended.
    ///
    /// # Errors
    /// Those of writing.
    pub fn end_sessions(&self, visitor: Visitor, id: Option<String>) -> Result<usize, StoreError> {
        self.write("ending sessions", move |txn| {
            let mut table = txn.open_table(PORTAL_SESSIONS)?;
            let mut ended = of::<PortalSession>(&table, visitor)?;
            ended.retain(|(_, session)| id.as_ref().is_none_or(|id| *id == session.id));
            for (row, _) in &ended {
                table.remove(row.as_slice())?;
            }
            Ok(ended.len())
        })
    }

    /// Withdraws the open invitations of a consumer. Returns how many there were.
    ///
    /// # Errors
    /// Those of writing.
    pub fn withdraw_invites(&self, consumer: ConsumerId) -> Result<usize, StoreError> {
        self.write("withdrawing invitations", move |txn| {
            let (mut invites, mut links) = (txn.open_table(PORTAL_INVITES)?, txn.open_table(PORTAL_LINKS)?);
            let theirs = of::<Invite>(&invites, Visitor::Consumer(consumer))?;
            for (row, _) in &theirs {
                invites.remove(row.as_slice())?;
                links.remove(&digest_of(row))?;
            }
            Ok(theirs.len())
        })
    }

    /// Removes some of the sessions that began before `oldest` or were not seen since `unseen`: they open nothing
    /// any more, and would only take room. Called again and again, it comes round to all.
    ///
    /// # Errors
    /// Those of writing.
    pub fn trim_sessions(&self, oldest: Timestamp, unseen: Timestamp) -> Result<(), StoreError> {
        self.write("tidying sessions", move |txn| {
            let mut table = txn.open_table(PORTAL_SESSIONS)?;
            let is_over = |row: &[u8]| {
                decode::<PortalSession>(row).is_none_or(|s| s.created_at <= oldest || s.seen_at <= unseen)
            };
            sweep(&mut table, &mut txn.open_table(USAGE_TRIMMED)?, "portal_sessions", is_over)?;
            Ok(())
        })
    }
}

/// Keeps a session, and so many of its visitor's others.
fn put(
    txn: &WriteTransaction,
    visitor: Visitor,
    digest: &Digest,
    session: &PortalSession,
) -> Result<(), redb::Error> {
    let mut table = txn.open_table(PORTAL_SESSIONS)?;
    let mut others = of::<PortalSession>(&table, visitor)?;
    others.sort_by_key(|(_, session)| std::cmp::Reverse(session.seen_at));
    for (row, _) in others.iter().skip(SESSIONS_EACH - 1) {
        table.remove(row.as_slice())?;
    }
    table.insert(visitor.row(digest).as_slice(), encode(session).as_slice())?;
    Ok(())
}

/// Takes an invitation away by the digest of its code.
fn take(
    txn: &WriteTransaction,
    links: &mut Table<'_, &'static [u8; 32], &'static [u8; 16]>,
    digest: &Digest,
) -> Result<Option<Invite>, redb::Error> {
    let Some(consumer) = links.remove(digest.as_bytes())?.map(|id| ConsumerId::from_bytes(*id.value()))
    else {
        return Ok(None);
    };
    let row = Visitor::Consumer(consumer).row(digest);
    let mut invites = txn.open_table(PORTAL_INVITES)?;
    let found = invites.remove(row.as_slice())?;
    Ok(found.and_then(|row| decode(row.value())))
}

/// Returns what is kept of a visitor, with the keys of its rows.
fn of<T: for<'a> Deserialize<'a>>(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    visitor: Visitor,
) -> Result<Vec<(Vec<u8>, T)>, redb::StorageError> {
    let (from, to) = visitor.range();
    let mut all = Vec::new();
    for row in table.range::<&[u8]>(&from[..]..=&to[..])? {
        let (key, row) = row?;
        all.extend(decode(row.value()).map(|value| (key.value().to_vec(), value)));
    }
    Ok(all)
}

/// Looks at the next rows of a table and removes those that are over; returns their keys. Round and round, and
/// ever from where the last call stopped: what one call costs does not grow with the table, and what is over goes
/// faster than more comes.
fn sweep(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    trimmed: &mut Table<'_, &'static str, &'static [u8]>,
    name: &str,
    is_over: impl Fn(&[u8]) -> bool,
) -> Result<Vec<Vec<u8>>, redb::Error> {
    let from = trimmed.get(name)?.map_or_else(Vec::new, |at| at.value().to_vec());
    let (mut over, mut next) = (Vec::new(), Vec::new());
    for (at, row) in table.range::<&[u8]>(&from[..]..)?.enumerate() {
        let (key, row) = row?;
        if at == SWEPT {
            next = key.value().to_vec();
            break;
        }
        if is_over(row.value()) {
            over.push(key.value().to_vec());
        }
    }
    for key in &over {
        table.remove(key.as_slice())?;
    }
    if next != from {
        trimmed.insert(name, next.as_slice())?;
    }
    Ok(over)
}

/// Rows looked at with each one that comes.
const SWEPT: usize = 64;

/// Returns the digest that a row's key ends in; what is none opens nothing.
fn digest_of(key: &[u8]) -> [u8; 32] {
    key.last_chunk().copied().unwrap_or_default()
}

/// Reads a name: how a digest begins.
fn start_of(name: &str) -> Option<[u8; NAME]> {
    let mut start = [0; NAME];
    if name.len() != 2 * NAME || !name.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in start.iter_mut().zip(name.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(start)
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("these shapes always encode")
}

/// What cannot be read opens nothing.
fn decode<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Option<T> {
    #[cfg(test)]
    tests::READ.set(tests::READ.get() + 1);
    postcard::from_bytes(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::{Access, Options, testing};
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    thread_local! {
        /// Rows read on this thread.
        pub(super) static READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    fn session(id: &str, at: Timestamp) -> PortalSession {
        let (by, agent) = (SignedInBy::Invite, String::new());
        PortalSession { id: id.to_owned(), by, created_at: at, seen_at: at, agent, from: None }
    }

    fn digest(number: u8) -> Digest {
        Digest::sha256(&[number])
    }

    fn consumer(number: u8) -> ConsumerId {
        ConsumerId::from_bytes([number; 16])
    }

    fn opened() -> (tempfile::TempDir, Usage) {
        let (dir, _store) = testing::store();
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        (dir, usage)
    }

    #[test]
    fn an_invitation_lets_one_in_once_within_its_time() {
        let (_dir, usage) = opened();
        let now = testing::now();
        let invite = |number, expires_at| {
            let invite = Invite { consumer: consumer(number), created_at: now, expires_at };
            usage.invite(digest(number), invite, now).unwrap();
        };
        invite(1, now.plus(HOUR));
        invite(2, now.plus(HOUR));
        let accept = |number, secret, at| {
            usage.accept_invite(digest(number), digest(secret), session("a", at)).unwrap()
        };
        assert_eq!(accept(9, 99, now), None, "no such invitation");
        assert_eq!(accept(2, 98, now.plus(HOUR)), None, "its time is over");
        assert_eq!(accept(1, 97, now), Some(consumer(1)));
        assert_eq!(accept(1, 96, now), None, "it was used");
        let visitor = Visitor::Consumer(consumer(1));
        assert!(usage.session(visitor, &digest(97)).unwrap().is_some());
        for secret in [96, 98, 99] {
            assert!(usage.session(visitor, &digest(secret)).unwrap().is_none());
        }
        // Under somebody else's name the secret opens nothing.
        assert!(usage.session(Visitor::Consumer(consumer(2)), &digest(97)).unwrap().is_none());
        invite(3, now.plus(HOUR));
        assert_eq!(usage.withdraw_invites(consumer(3)).unwrap(), 1);
        assert_eq!(accept(3, 95, now), None, "it was withdrawn");
        // By its name one is withdrawn and no other.
        invite(4, now.plus(HOUR));
        invite(5, now.plus(HOUR));
        let names = usage.invites(Some(consumer(4)), now).unwrap();
        assert_eq!(names, [(Invite::name(&digest(4)), names[0].1.clone())]);
        for none in ["", "zz", "0000000000000000", &digest(4).to_string()] {
            assert_eq!(usage.withdraw_invite(none).unwrap(), None, "{none}");
        }
        assert_eq!(usage.withdraw_invite(&names[0].0).unwrap(), Some(consumer(4)));
        assert_eq!(usage.withdraw_invite(&names[0].0).unwrap(), None);
        assert_eq!((accept(4, 94, now), accept(5, 93, now)), (None, Some(consumer(5))));
    }

    #[test]
    fn sessions_are_listed_seen_ended_and_bounded() {
        let (_dir, usage) = opened();
        let now = testing::now();
        let visitor = Visitor::Operator(AdminKeyId::from_bytes([7; 16]));
        let other = Visitor::Consumer(consumer(7));
        usage.begin_session(other, digest(200), session("other", now)).unwrap();
        for number in 0..25 {
            let at = now.plus(Duration::from_secs(u64::from(number)));
            usage.begin_session(visitor, digest(number), session(&number.to_string(), at)).unwrap();
        }
        let ids = |visitor| {
            usage.sessions_of(visitor).unwrap().into_iter().map(|session| session.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(visitor).len(), SESSIONS_EACH);
        assert_eq!(ids(visitor)[0], "24");
        usage.see_session(visitor, &digest(10), now.plus(HOUR)).unwrap();
        assert_eq!(ids(visitor)[0], "10");
        usage.see_session(visitor, &digest(77), now.plus(HOUR)).unwrap();
        assert_eq!(ids(visitor).len(), SESSIONS_EACH, "what is not there is not made by seeing it");
        assert_eq!(usage.end_sessions(visitor, Some("10".to_owned())).unwrap(), 1);
        assert_eq!(usage.end_sessions(visitor, None).unwrap(), SESSIONS_EACH - 1);
        assert_eq!(ids(other), ["other"]);
        usage.trim_sessions(now, now).unwrap();
        assert!(usage.sessions().unwrap().is_empty());
    }

    /// With so many sessions and links a sign-in reads and writes as little as with none.
    #[test]
    fn what_a_sign_in_costs_does_not_grow_with_those_who_are_signed_in() {
        let (dir, _store) = testing::store();
        // Without a watchdog, so that it is done on this thread.
        let options = Options { patience: None, ..testing::options() };
        let usage = Usage::open(dir.path(), Access::Write, &options).unwrap();
        let now = testing::now();
        let many: usize = if std::env::var_os("KGATE_MEASURE").is_some() { 100_000 } else { 3_000 };
        let number = |n: usize| u128::try_from(n).unwrap().to_be_bytes();
        // Half of them are over.
        let at = move |n: usize| if n.is_multiple_of(2) { now } else { now.minus(HOUR * 24) };
        usage
            .write("filling", move |txn| {
                for n in 0..many {
                    let digest = Digest::sha256(&n.to_be_bytes());
                    let visitor = Visitor::Consumer(ConsumerId::from_bytes(number(n)));
                    put(txn, visitor, &digest, &session("a", at(n)))?;
                    let consumer = ConsumerId::from_bytes(number(n));
                    let invite = Invite { consumer, created_at: at(n), expires_at: at(n).plus(HOUR) };
                    let row = visitor.row(&digest);
                    txn.open_table(PORTAL_INVITES)?.insert(row.as_slice(), encode(&invite).as_slice())?;
                    txn.open_table(PORTAL_LINKS)?.insert(digest.as_bytes(), consumer.as_bytes())?;
                }
                Ok(())
            })
            .unwrap();
        let sign_in = |n: u8| {
            let (code, secret) = (Digest::sha256(&[n, 1]), Digest::sha256(&[n, 2]));
            let invite = Invite { consumer: consumer(n), created_at: now, expires_at: now.plus(HOUR) };
            usage.invite(code, invite, now).unwrap();
            assert!(usage.accept_invite(code, secret, session("b", now)).unwrap().is_some());
            usage.trim_sessions(now.minus(HOUR * 12), now.minus(HOUR * 2)).unwrap();
        };
        READ.set(0);
        #[allow(clippy::disallowed_methods, reason = "shown, and nothing else")]
        let began = std::time::Instant::now();
        (0..20).for_each(sign_in);
        println!("20 sign-ins beside {many} sessions and links: {:?}", began.elapsed());
        assert!(READ.get() <= 20 * (2 * SWEPT + INVITES_EACH + SESSIONS_EACH), "{}", READ.get());
        if many > 3_000 {
            return;
        }
        // Round by round all that is over goes, and nothing else.
        (20..120).for_each(sign_in);
        let left = usage.sessions().unwrap();
        assert_eq!(left.len(), many / 2 + 120);
        assert!(left.iter().all(|(_, session)| session.seen_at == now));
        let table = |txn: &WriteTransaction| {
            let (invites, links) = (txn.open_table(PORTAL_INVITES)?, txn.open_table(PORTAL_LINKS)?);
            Ok((redb::ReadableTableMetadata::len(&invites)?, redb::ReadableTableMetadata::len(&links)?))
        };
        let left = usage.write("counting", table).unwrap();
        assert_eq!(left, (many as u64 / 2, many as u64 / 2));
    }
}
