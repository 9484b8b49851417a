//! Who may use the portal: invitations to it and sessions at it. Here, and nowhere else, a link is made and a
//! session of somebody else ended; the command line and the portal's own pages come here, too.

use rand::CryptoRng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Address, Config};
use crate::key::{ConsumerId, ConsumerRecord, Digest, Moment, Role, Timestamp, Token};
use crate::store::{
    Act, Action, Invite, PortalSession, SignedInBy, Store, StoreError, Subject, Usage, Visitor,
};

use super::super::endpoint::{Call, Reply};
use super::super::problem::Problem;
use super::super::shape::{Note, Spelled, TokenText};
use super::consumers::not_made;
use super::{NoteBody, action_of, limit, named_consumer, once};

/// Whose invitations or sessions are listed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only those of this consumer, or of the admin key of this identifier.
    subject: Option<String>,
    /// How many at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
}

/// What an invitation is made from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InvitationRequest")]
pub struct NewInvitationBody {
    /// For whom: identifier, external id or unambiguous name.
    #[schemars(length(min = 1, max = 256))]
    pub consumer: String,
    /// How long the link is good; what the configuration says if nothing is said. Not `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Spelled<Moment>>,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

/// A link by which a consumer can sign in, once. Nobody can show it again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Invitation")]
pub struct InvitationShape {
    /// Its name, by which it is withdrawn; it opens nothing.
    pub id: String,
    /// For whom.
    pub consumer_id: Spelled<ConsumerId>,
    /// What they are called; null if that record is gone.
    pub consumer_name: Option<String>,
    /// When it was made.
    pub created_at: Spelled<Timestamp>,
    /// When it is good no more.
    pub expires_at: Spelled<Timestamp>,
}

/// An invitation just made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "NewInvitation")]
pub struct NewInvitationShape {
    /// The link. It is in the one answer that made it; null when the request is answered again.
    pub link: Option<TokenText>,
    /// What is kept of it; null if it was used or withdrawn since.
    pub invitation: Option<InvitationShape>,
}

/// Somebody's browser that is signed in at the portal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PortalSession")]
pub struct PortalSessionShape {
    /// Its name, by which it is ended; it opens nothing.
    pub id: String,
    /// Whose: a consumer, or an admin key.
    pub subject: String,
    /// What they are called; null if that record is gone.
    pub name: Option<String>,
    /// How they showed who they are: `link`, `identity proxy` or `admin key`.
    pub by: String,
    /// When they signed in.
    pub created_at: Spelled<Timestamp>,
    /// The last request known; noted once a minute at most.
    pub seen_at: Spelled<Timestamp>,
    /// When it is over if nothing more comes.
    pub over_at: Spelled<Timestamp>,
    /// Where it was begun from; null if that is not known.
    pub from: Option<String>,
    /// What the browser says of itself.
    pub agent: String,
}

/// Who is to be signed out.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SignOut")]
pub struct SignOutBody {
    /// A consumer, or the identifier of an admin key; the latter only for admins, or of one's own.
    #[schemars(length(min = 1, max = 256))]
    pub subject: String,
    /// The one session of this name; without it all, and open invitations with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub session: Option<String>,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

/// What was ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SignedOut {
    /// Whose.
    pub subject: String,
    /// How many sessions.
    pub sessions: usize,
    /// How many open invitations.
    pub invitations: usize,
}

/// Why nobody is invited.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// The configuration has no portal.
    #[error("the portal is not configured: [listen] has no `portal`")]
    NoPortal,
    /// They could not sign in.
    #[error("{name} ({id}) is switched off, and cannot sign in")]
    Disabled {
        /// Who.
        id: ConsumerId,
        /// What they are called.
        name: String,
    },
    /// It would never be good, or always.
    #[error("a link must be good for some time, and not for ever")]
    NoTime,
    /// It could not be noted; no link works then.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a link by which a consumer signs in, once. Returns it with what is kept of it.
///
/// # Errors
/// No link works then: what the audit log does not know of is not kept.
pub fn invite(
    (store, usage): (&Store, &Usage),
    config: &Config,
    consumer: &ConsumerRecord,
    expires: Option<Moment>,
    act: &Act,
    rng: &mut impl CryptoRng,
) -> Result<(Token, InvitationShape), InviteError> {
    if config.listen.portal.is_empty() {
        return Err(InviteError::NoPortal);
    }
    if !consumer.enabled {
        return Err(InviteError::Disabled { id: consumer.id, name: consumer.name.clone() });
    }
    let until =
        expires.map_or(Some(act.at.plus(config.portal.invite_expires)), |moment| moment.resolve(act.at));
    let until = until.filter(|at| *at > act.at).ok_or(InviteError::NoTime)?;
    let code = Token::mint(&PREFIX.parse().expect("it is a prefix"), rng);
    let digest = Digest::sha256(code.expose().as_bytes());
    let invite = Invite { consumer: consumer.id, created_at: act.at, expires_at: until };
    store.note_portal(Action::PortalInvited { consumer: consumer.id, until }, act)?;
    usage.invite(digest, invite.clone(), act.at)?;
    let link = Token::from_presented(format!("{}/invite#{}", site(config), code.expose()));
    Ok((link, InvitationShape::new(Invite::name(&digest), &invite, Some(consumer.name.clone()))))
}

/// Returns how browsers call the portal. What is behind the `#` of a link no server and no log ever sees.
fn site(config: &Config) -> String {
    let listens = config.listen.portal.iter().find_map(|address| match address {
        Address::Tcp(at) if config.portal.is_tls => Some(format!("https://{at}")),
        Address::Tcp(at) => Some(format!("http://{at}")),
        Address::Unix(_) | Address::Name(..) => None,
    });
    config.portal.url.clone().or(listens).unwrap_or_default()
}

/// What the codes of links begin with.
const PREFIX: &str = "kgate_invite";

/// Ends a session, or all of somebody's and their open invitations. What ended nothing is not noted.
///
/// # Errors
/// Those of writing.
pub fn sign_out(
    (store, usage): (&Store, &Usage),
    visitor: Visitor,
    session: Option<String>,
    act: &Act,
) -> Result<SignedOut, StoreError> {
    let is_all = session.is_none();
    let sessions = usage.end_sessions(visitor, session)?;
    let invitations = match visitor {
        Visitor::Consumer(id) if is_all => usage.withdraw_invites(id)?,
        Visitor::Consumer(_) | Visitor::Operator(_) => 0,
    };
    let subject = Subject::from(visitor);
    if sessions + invitations > 0 {
        store.note_portal(Action::PortalSignedOut { subject }, act)?;
    }
    Ok(SignedOut { subject: subject.to_string(), sessions, invitations })
}

/// Withdraws the invitation of a name. Returns whose it was; `None` if there is none.
///
/// # Errors
/// Those of writing.
pub fn withdraw(
    (store, usage): (&Store, &Usage),
    name: &str,
    act: &Act,
) -> Result<Option<ConsumerId>, StoreError> {
    let Some(consumer) = usage.withdraw_invite(name)? else { return Ok(None) };
    store.note_portal(Action::PortalSignedOut { subject: Subject::Consumer(consumer) }, act)?;
    Ok(Some(consumer))
}

impl InvitationShape {
    /// Shows an invitation.
    pub fn new(id: String, invite: &Invite, consumer_name: Option<String>) -> Self {
        Self {
            id,
            consumer_id: Spelled(invite.consumer),
            consumer_name,
            created_at: Spelled(invite.created_at),
            expires_at: Spelled(invite.expires_at),
        }
    }
}

impl PortalSessionShape {
    /// Shows a session.
    pub fn new(visitor: Visitor, session: &PortalSession, config: &Config, store: &Store) -> Self {
        let name = match visitor {
            Visitor::Consumer(id) => store.consumer(id).ok().map(|consumer| consumer.name),
            Visitor::Operator(id) => store.admin_key(id).ok().map(|key| key.name),
        };
        let by = match session.by {
            SignedInBy::Invite => "link",
            SignedInBy::Proxy => "identity proxy",
            SignedInBy::AdminKey => "admin key",
        };
        Self {
            id: session.id.clone(),
            subject: Subject::from(visitor).to_string(),
            name,
            by: by.to_owned(),
            created_at: Spelled(session.created_at),
            seen_at: Spelled(session.seen_at),
            over_at: Spelled(config.portal.over_at(session)),
            from: session.from.map(|from| from.to_string()),
            agent: session.agent.clone(),
        }
    }
}

/// Finds whom a text names: an admin key by its identifier, or else a consumer.
fn visitor(store: &Store, text: &str, pointer: &str) -> Result<Visitor, Problem> {
    match text.parse() {
        Ok(id) => Ok(Visitor::Operator(store.admin_key(id)?.id)),
        Err(_) => Ok(Visitor::Consumer(named_consumer(store, text, pointer)?.id)),
    }
}

pub(super) fn invitations(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: ListQuery = call.query()?;
    let store = call.desk.store()?;
    let of = match query.subject.as_deref().map(|text| visitor(&store, text, "?subject")).transpose()? {
        Some(Visitor::Operator(_)) => return Ok(Reply::json(&Vec::<InvitationShape>::new())),
        Some(Visitor::Consumer(id)) => Some(id),
        None => None,
    };
    let mut open = call.desk.usage()?.invites(of, call.now)?;
    open.truncate(limit(query.limit)?);
    let shape = |(id, invite): (String, Invite)| {
        let name = store.consumer(invite.consumer).ok().map(|consumer| consumer.name);
        InvitationShape::new(id, &invite, name)
    };
    Ok(Reply::json(&open.into_iter().map(shape).collect::<Vec<_>>()))
}

pub(super) fn create_invitation(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: NewInvitationBody = call.body()?;
    let (store, usage) = (call.desk.store()?, call.desk.usage_to_write()?);
    let config = call.desk.config();
    once(
        call,
        &store,
        || {
            let consumer = named_consumer(&store, &body.consumer, "/consumer")?;
            let (expires, act) = (body.expires.map(|moment| moment.0), call.act(body.note.clone()));
            let made = invite((&store, &usage), &config, &consumer, expires, &act, &mut rand::rng());
            let (link, invitation) = made.map_err(refused)?;
            let link = Some(TokenText::of(&link));
            Ok(Reply::created(&NewInvitationShape { link, invitation: Some(invitation) }))
        },
        |row| match action_of(&store, row)? {
            Action::PortalInvited { consumer, until } => {
                let open = usage.invites(Some(consumer), call.now)?;
                let name = store.consumer(consumer).ok().map(|consumer| consumer.name);
                let found = open.into_iter().find(|(_, invite)| invite.expires_at == until);
                let invitation = found.map(|(id, invite)| InvitationShape::new(id, &invite, name));
                Ok(Reply::created(&NewInvitationShape { link: None, invitation }))
            }
            other => Err(not_made(&other)),
        },
    )
}

fn refused(error: InviteError) -> Problem {
    match error {
        InviteError::Store(error) => error.into(),
        InviteError::NoTime => Problem::invalid("/expires", error.to_string()),
        InviteError::NoPortal => Problem::new(409, "no_portal", error.to_string()),
        InviteError::Disabled { .. } => Problem::new(409, "disabled", error.to_string()),
    }
}

pub(super) fn withdraw_invitation(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: NoteBody = call.body()?;
    let (store, usage) = (call.desk.store()?, call.desk.usage_to_write()?);
    let subject = withdraw((&store, &usage), call.param("invitation"), &call.act(body.note))?;
    let none = || Problem::new(404, "no_such_invitation", "no open invitation has this name");
    let subject = subject.ok_or_else(none)?.to_string();
    Ok(Reply::json(&SignedOut { subject, sessions: 0, invitations: 1 }))
}

pub(super) fn sessions(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: ListQuery = call.query()?;
    let (store, usage, config) = (call.desk.store()?, call.desk.usage()?, call.desk.config());
    let mut all = match query.subject.as_deref().map(|text| visitor(&store, text, "?subject")).transpose()? {
        Some(visitor) => usage.sessions_of(visitor)?.into_iter().map(|one| (visitor, one)).collect(),
        None => usage.sessions()?,
    };
    all.retain(|(_, session)| config.portal.over_at(session) > call.now);
    all.truncate(limit(query.limit)?);
    let shape =
        |(visitor, one): &(Visitor, PortalSession)| PortalSessionShape::new(*visitor, one, &config, &store);
    Ok(Reply::json(&all.iter().map(shape).collect::<Vec<_>>()))
}

pub(super) fn end(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: SignOutBody = call.body()?;
    let (store, usage) = (call.desk.store()?, call.desk.usage_to_write()?);
    let visitor = visitor(&store, &body.subject, "/subject")?;
    if let (Visitor::Operator(id), Some(caller)) = (visitor, call.caller) {
        let is_own = caller.admin_key.as_deref() == Some(id.to_string().as_str());
        if caller.role < Role::Admin && !is_own {
            let text = "sessions of another admin key are an admin's to end";
            return Err(Problem::new(403, "insufficient_role", text));
        }
    }
    Ok(Reply::json(&sign_out((&store, &usage), visitor, body.session, &call.act(body.note))?))
}
