//! `kgate portal …`: who may use the portal.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::key::{Moment, Timestamp};
use crate::portal::{invite_link, new_invite, session_is_over};
use crate::store::{Access, Action, Invite, Options, PortalSession, SignedInBy, Subject, Usage, Visitor};

use super::failure::{Answer, Failure, Outcome};
use super::lookup;
use super::session::Session;
use super::ui::{Cell, Format, Item, Object};
use super::values::{counted, relative};
use super::view::{Field, named, time};

/// What `portal invite` prints.
pub(super) const INVITE: &[Field] = &[
    ("consumer_id", "for whom"),
    ("consumer_name", "what they are called"),
    ("link", "where they sign in, once; printed this once, stored nowhere"),
    ("expires_at", "time the link is good no more"),
];

/// What `portal list` prints of each session and open invitation.
pub(super) const SESSION: &[Field] = &[
    ("kind", "`session` or `invitation`"),
    ("subject", "whose: a consumer or an admin key"),
    ("session", "the session's name, which opens nothing, or null"),
    ("by", "`link`, `identity proxy` or `admin key`"),
    ("created_at", "time"),
    ("seen_at", "time of the last request known, or null"),
    ("expires_at", "time it is over at the latest"),
    ("from", "address it was begun from, or null"),
    ("agent", "what the browser says of itself, or null"),
];

/// What `portal sign-out` prints.
pub(super) const SIGNED_OUT: &[Field] = &[
    ("subject", "who: a consumer or an admin key"),
    ("sessions", "how many sessions were ended"),
    ("invitations", "how many open invitations were withdrawn"),
];

/// Invite consumers to the portal, list who is signed in, and sign them out
///
/// The portal runs inside `kgate serve`: set `portal` in [listen], and see docs/portal.md. Consumers sign
/// in by a link that works once, or by an identity proxy; operators with an admin key.
#[derive(Subcommand)]
pub(super) enum Portal {
    Invite(InviteArgs),
    List(List),
    SignOut(SignOut),
}

/// Make a link by which a consumer signs in, once
///
/// Standard output gets the link alone. Send it to them and to nobody else: whoever opens it first and
/// presses the button is signed in. Only a digest of it is stored, so that nobody can show it again.
#[derive(Args)]
pub(super) struct InviteArgs {
    /// For whom: identifier, external id or unambiguous name
    consumer: String,
    /// How long the link is good: 3d, 12h, a date, an RFC 3339 time; the configuration's if nothing is said
    #[arg(long, value_name = "WHEN")]
    expires: Option<Moment>,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

/// List who is signed in, and open invitations
#[derive(Args)]
pub(super) struct List {
    /// Only those of this consumer
    #[arg(long)]
    consumer: Option<String>,
}

/// End the sessions of a consumer or of an admin key, and withdraw open invitations
#[derive(Args)]
pub(super) struct SignOut {
    /// Who: a consumer, or the identifier of an admin key
    who: String,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(command: Portal, session: &Session) -> Outcome {
    match command {
        Portal::Invite(args) => invite(&args, session),
        Portal::List(args) => list(&args, session),
        Portal::SignOut(args) => sign_out(&args, session),
    }
}

fn usage(session: &Session, access: Access) -> Result<Usage, Failure> {
    Ok(Usage::open(&session.data_dir()?, access, &Options::default())?)
}

fn invite(args: &InviteArgs, session: &Session) -> Outcome {
    let config = session.config()?;
    if config.listen.portal.is_empty() {
        return Err(Failure::cannot("the portal is not configured: [listen] has no `portal`").help(
            "set it, for example portal = \"127.0.0.1:8083\", restart `kgate serve`, and see docs/portal.md",
        ));
    }
    let store = session.store_mut()?;
    let consumer = lookup::consumer(&store, &args.consumer)?;
    if !consumer.enabled {
        return Err(Failure::no(format!(
            "{} ({}) is switched off, and cannot sign in",
            consumer.name, consumer.id
        ))
        .help(format!("`kgate consumer enable {}` switches it on", consumer.id)));
    }
    let act = session.act(args.note.as_deref());
    let expires_at = match args.expires {
        Some(moment) => moment.resolve(act.at),
        None => Some(act.at.plus(config.portal.invite_expires)),
    };
    let Some(expires_at) = expires_at.filter(|at| *at > act.at) else {
        return Err(
            Failure::cannot("a link must be good for some time, and not for ever").help("--expires 3d")
        );
    };
    let invite = Invite { consumer: consumer.id, created_at: act.at, expires_at };
    let (token, digest, invite) = new_invite(invite, &mut rand::rng());
    // Noted first: no link works that the audit log does not know of.
    store.note_portal(Action::PortalInvited { consumer: consumer.id, until: expires_at }, &act)?;
    usage(session, Access::Write)?.invite(digest, invite, act.at)?;
    let link = invite_link(config, &token);
    let (name, until) = (&consumer.name, relative(expires_at, act.at));
    session.ui.status(format!("invited {name} ({}); the link is good once, until {until}", consumer.id));
    if session.ui.format() == Format::Table {
        session.ui.line(&link)?;
    } else {
        session.ui.show(&Invited {
            values: [json!(consumer.id.to_string()), json!(name), json!(link), time(expires_at)],
        })?;
    }
    Ok(Answer::Yes)
}

/// An invitation as it is shown; as a table it is its link alone.
struct Invited {
    values: [Value; 4],
}

impl Item for Invited {
    const HEADINGS: &'static [&'static str] = &["LINK"];

    fn object(&self) -> Object {
        Object(named(INVITE, self.values.clone()))
    }

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::plain(self.values[2].as_str().unwrap_or_default())]
    }
}

fn list(args: &List, session: &Session) -> Outcome {
    let portal = &session.config()?.portal;
    let now = session.now();
    let store = session.store()?;
    let only = match &args.consumer {
        Some(wanted) => Some(Visitor::Consumer(lookup::consumer(&store, wanted)?.id)),
        None => None,
    };
    let usage = usage(session, Access::Read)?;
    let name = |visitor: Visitor| match visitor {
        Visitor::Consumer(id) => store.consumer(id).ok().map(|consumer| consumer.name),
        Visitor::Operator(id) => store.admin_key(id).ok().map(|key| key.name),
    };
    let mut rows = Vec::new();
    for invite in usage.invites(now)? {
        let visitor = Visitor::Consumer(invite.consumer);
        rows.push(Row { visitor, name: name(visitor), what: What::Invite(invite), over: None, now });
    }
    for (visitor, one) in usage.sessions(MOST)? {
        if !session_is_over(&one, portal, now) {
            let over =
                Some(one.created_at.plus(portal.session_max).min(one.seen_at.plus(portal.session_idle)));
            rows.push(Row { visitor, name: name(visitor), what: What::Session(one), over, now });
        }
    }
    rows.retain(|row| only.is_none_or(|only| only == row.visitor));
    let mut list = session.ui.list();
    for row in &rows {
        list.row(row)?;
    }
    if list.end()? == 0 {
        session.ui.status("nobody is signed in, and no invitation is open");
    }
    Ok(Answer::Yes)
}

/// More than a person looks through.
const MOST: usize = 10_000;

struct Row {
    visitor: Visitor,
    name: Option<String>,
    what: What,
    over: Option<Timestamp>,
    now: Timestamp,
}

enum What {
    Invite(Invite),
    Session(PortalSession),
}

impl Item for Row {
    const HEADINGS: &'static [&'static str] = &["WHO", "NAME", "WHAT", "BEGAN", "LAST SEEN", "OVER", "FROM"];

    fn object(&self) -> Object {
        let subject = json!(who(self.visitor));
        let values: [Value; 9] = match &self.what {
            What::Invite(invite) => [
                json!("invitation"),
                subject,
                Value::Null,
                json!("link"),
                time(invite.created_at),
                Value::Null,
                time(invite.expires_at),
                Value::Null,
                Value::Null,
            ],
            What::Session(session) => [
                json!("session"),
                subject,
                json!(session.id),
                json!(by(session.by)),
                time(session.created_at),
                time(session.seen_at),
                self.over.map_or(Value::Null, time),
                json!(session.from.map(|from| from.to_string())),
                json!(session.agent),
            ],
        };
        Object(named(SESSION, values))
    }

    fn cells(&self) -> Vec<Cell> {
        let name = self.name.as_deref().unwrap_or_default();
        let (what, began, seen, over, from) = match &self.what {
            What::Invite(invite) => {
                ("open invitation".to_owned(), invite.created_at, None, invite.expires_at, None)
            }
            What::Session(session) => {
                let over = self.over.unwrap_or(session.seen_at);
                (
                    format!("session, by {}", by(session.by)),
                    session.created_at,
                    Some(session.seen_at),
                    over,
                    session.from,
                )
            }
        };
        let maybe = |text: Option<String>| text.map_or_else(Cell::none, Cell::plain);
        vec![
            Cell::plain(who(self.visitor)),
            Cell::plain(name),
            Cell::plain(what),
            Cell::plain(relative(began, self.now)),
            maybe(seen.map(|at| relative(at, self.now))),
            Cell::plain(relative(over, self.now)),
            maybe(from.map(|from| from.to_string())),
        ]
    }
}

fn who(visitor: Visitor) -> String {
    match visitor {
        Visitor::Consumer(id) => id.to_string(),
        Visitor::Operator(id) => id.to_string(),
    }
}

fn by(by: SignedInBy) -> &'static str {
    match by {
        SignedInBy::Invite => "link",
        SignedInBy::Proxy => "identity proxy",
        SignedInBy::AdminKey => "admin key",
    }
}

fn sign_out(args: &SignOut, session: &Session) -> Outcome {
    let store = session.store_mut()?;
    let visitor = match args.who.parse() {
        Ok(id) => Visitor::Operator(store.admin_key(id)?.id),
        Err(_) => Visitor::Consumer(lookup::consumer(&store, &args.who)?.id),
    };
    let usage = usage(session, Access::Write)?;
    let sessions = usage.end_sessions(visitor, None)?;
    let (subject, invitations) = match visitor {
        Visitor::Consumer(id) => (Subject::Consumer(id), usage.withdraw_invites(id)?),
        Visitor::Operator(id) => (Subject::AdminKey(id), 0),
    };
    if sessions + invitations > 0 {
        store.note_portal(Action::PortalSignedOut { subject }, &session.act(args.note.as_deref()))?;
    }
    let text = format!(
        "ended {} and {} of {subject}",
        counted(sessions, "session"),
        counted(invitations, "open invitation")
    );
    session.ui.status(text);
    if session.ui.format() != Format::Table {
        session
            .ui
            .show(&SignedOut { values: [json!(subject.to_string()), json!(sessions), json!(invitations)] })?;
    }
    Ok(Answer::Yes)
}

struct SignedOut {
    values: [Value; 3],
}

impl Item for SignedOut {
    const HEADINGS: &'static [&'static str] = &["WHO", "SESSIONS", "INVITATIONS"];

    fn object(&self) -> Object {
        Object(named(SIGNED_OUT, self.values.clone()))
    }

    fn cells(&self) -> Vec<Cell> {
        self.values.iter().map(|value| Cell::plain(value.to_string())).collect()
    }
}
