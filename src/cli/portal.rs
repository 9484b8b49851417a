//! `kgate portal …`: who may use the portal.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::admin::api::{
    InvitationShape, NewInvitationBody, NewInvitationShape, PortalSessionShape, SignOutBody,
};
use crate::admin::shape::Spelled;
use crate::key::{Moment, Timestamp};

use super::books::PAGE;
use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::ui::{Cell, Format, Item, Object};
use super::values::{counted, relative};
use super::view::{Field, named, time};

/// What `portal invite` prints.
pub(super) const INVITE: &[Field] = &[
    ("id", "the invitation's name, by which it is withdrawn; it opens nothing"),
    ("consumer_id", "for whom"),
    ("consumer_name", "what they are called"),
    ("link", "where they sign in, once; printed this once, stored nowhere"),
    ("expires_at", "time the link is good no more"),
];

/// What `portal list` prints of each session and open invitation.
pub(super) const SESSION: &[Field] = &[
    ("kind", "`session` or `invitation`"),
    ("subject", "whose: a consumer or an admin key"),
    ("id", "its name, by which an invitation is withdrawn; it opens nothing"),
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
    Withdraw(Withdraw),
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

/// Withdraw one open invitation: its link lets nobody in any more
#[derive(Args)]
pub(super) struct Withdraw {
    /// Its name, as `kgate portal list` shows it
    invitation: String,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
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
        Portal::Withdraw(args) => withdraw(&args, session),
        Portal::SignOut(args) => sign_out(&args, session),
    }
}

fn invite(args: &InviteArgs, session: &Session) -> Outcome {
    let new = NewInvitationBody {
        consumer: args.consumer.clone(),
        expires: args.expires.map(Spelled),
        note: args.note.clone().into(),
    };
    let NewInvitationShape { link: Some(link), invitation: Some(made) } = session.books()?.invite(&new)?
    else {
        return Err(Failure::cannot("the link came once before, and is not told again")
            .help("`kgate portal list` shows the invitation; withdraw it and make another"));
    };
    let (id, name) = (made.consumer_id.0, made.consumer_name.unwrap_or_default());
    let until = relative(made.expires_at.0, session.now());
    session.ui.status(format!("invited {name} ({id}); the link is good once, until {until}"));
    if session.ui.format() == Format::Table {
        session.ui.line(link.expose())?;
    } else {
        session.ui.show(&Invited {
            values: [
                json!(made.id),
                json!(id.to_string()),
                json!(name),
                json!(link.expose()),
                time(made.expires_at.0),
            ],
        })?;
    }
    Ok(Answer::Yes)
}

/// An invitation as it is shown; as a table it is its link alone.
struct Invited {
    values: [Value; 5],
}

impl Item for Invited {
    const HEADINGS: &'static [&'static str] = &["LINK"];

    fn object(&self) -> Object {
        Object(named(INVITE, self.values.clone()))
    }

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::plain(self.values[3].as_str().unwrap_or_default())]
    }
}

fn list(args: &List, session: &Session) -> Outcome {
    let now = session.now();
    let books = session.books()?;
    let only = args.consumer.as_deref();
    let (invites, sessions) = (books.invitations(only)?, books.portal_sessions(only)?);
    let most = usize::try_from(PAGE).unwrap_or(usize::MAX);
    if session.is_elsewhere() && invites.len().max(sessions.len()) == most {
        session.ui.warn(format!(
            "the server tells the latest {most} of each and no more: name one with --consumer"
        ));
    }
    let mut list = session.ui.list();
    for invite in invites {
        list.row(&Row { what: What::Invite(invite), now })?;
    }
    for one in sessions {
        list.row(&Row { what: What::Session(one), now })?;
    }
    if list.end()? == 0 {
        session.ui.status("nobody is signed in, and no invitation is open");
    }
    Ok(Answer::Yes)
}

struct Row {
    what: What,
    now: Timestamp,
}

enum What {
    Invite(InvitationShape),
    Session(PortalSessionShape),
}

impl Item for Row {
    const HEADINGS: &'static [&'static str] =
        &["WHO", "NAME", "WHAT", "ID", "BEGAN", "LAST SEEN", "OVER", "FROM"];

    fn object(&self) -> Object {
        let values: [Value; 9] = match &self.what {
            What::Invite(invite) => [
                json!("invitation"),
                json!(invite.consumer_id.0.to_string()),
                json!(invite.id),
                json!("link"),
                time(invite.created_at.0),
                Value::Null,
                time(invite.expires_at.0),
                Value::Null,
                Value::Null,
            ],
            What::Session(session) => [
                json!("session"),
                json!(session.subject),
                json!(session.id),
                json!(session.by),
                time(session.created_at.0),
                time(session.seen_at.0),
                time(session.over_at.0),
                json!(session.from),
                json!(session.agent),
            ],
        };
        Object(named(SESSION, values))
    }

    fn cells(&self) -> Vec<Cell> {
        let at = |at: Timestamp| Cell::plain(relative(at, self.now));
        let maybe = |text: Option<&String>| text.map_or_else(Cell::none, Cell::plain);
        match &self.what {
            What::Invite(invite) => vec![
                Cell::plain(invite.consumer_id.0.to_string()),
                maybe(invite.consumer_name.as_ref()),
                Cell::plain("open invitation"),
                Cell::plain(&invite.id),
                at(invite.created_at.0),
                Cell::none(),
                at(invite.expires_at.0),
                Cell::none(),
            ],
            What::Session(session) => vec![
                Cell::plain(&session.subject),
                maybe(session.name.as_ref()),
                Cell::plain(format!("session, by {}", session.by)),
                Cell::plain(&session.id),
                at(session.created_at.0),
                at(session.seen_at.0),
                at(session.over_at.0),
                maybe(session.from.as_ref()),
            ],
        }
    }
}

fn withdraw(args: &Withdraw, session: &Session) -> Outcome {
    let done = session.books()?.withdraw(&args.invitation, args.note.as_deref())?;
    session.ui.status(format!("withdrew an open invitation of {}", done.subject));
    Ok(Answer::Yes)
}

fn sign_out(args: &SignOut, session: &Session) -> Outcome {
    let who = SignOutBody { subject: args.who.clone(), session: None, note: args.note.clone().into() };
    let ended = session.books()?.sign_out(&who)?;
    let text = format!(
        "ended {} and {} of {}",
        counted(ended.sessions, "session"),
        counted(ended.invitations, "open invitation"),
        ended.subject
    );
    session.ui.status(text);
    if session.ui.format() != Format::Table {
        let values = [json!(ended.subject), json!(ended.sessions), json!(ended.invitations)];
        session.ui.show(&SignedOut { values })?;
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
