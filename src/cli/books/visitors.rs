//! Who may use the portal, as commands see it: invitations and sessions, of the data directory at hand or of a
//! gateway elsewhere.

use serde::de::DeserializeOwned;
use serde_json::json;

use super::server::{PAGE, Server, Target};
use super::store::Local;
use crate::admin::api::{
    InvitationShape, InviteError, NewInvitationBody, NewInvitationShape, PortalSessionShape, SignOutBody,
    SignedOut, invite, sign_out, withdraw,
};
use crate::admin::shape::TokenText;
use crate::cli::failure::Failure;
use crate::cli::lookup::{self, refuse_token};
use crate::store::{Access, Options, Usage, Visitor};

/// Who may use the portal.
pub(in crate::cli) trait Visitors {
    /// Makes a link.
    fn invite(&self, new: &NewInvitationBody) -> Result<NewInvitationShape, Failure>;
    /// Returns open invitations, of one consumer or all, the latest first; from elsewhere the latest 500.
    fn invitations(&self, of: Option<&str>) -> Result<Vec<InvitationShape>, Failure>;
    /// Returns who is signed in, of one consumer or all, the latest seen first; from elsewhere the latest 500.
    fn portal_sessions(&self, of: Option<&str>) -> Result<Vec<PortalSessionShape>, Failure>;
    /// Withdraws the invitation of a name.
    fn withdraw(&self, name: &str, note: Option<&str>) -> Result<SignedOut, Failure>;
    /// Ends sessions, and open invitations with them.
    fn sign_out(&self, who: &SignOutBody) -> Result<SignedOut, Failure>;
}

impl Local<'_> {
    fn visitors(&self, access: Access) -> Result<Usage, Failure> {
        Ok(Usage::open(&self.session.data_dir()?, access, &Options::default())?)
    }
}

impl Visitors for Local<'_> {
    fn invite(&self, new: &NewInvitationBody) -> Result<NewInvitationShape, Failure> {
        let config = self.session.config()?;
        let store = self.session.store_mut()?;
        let consumer = lookup::consumer(&store, &new.consumer)?;
        let (usage, act) = (self.visitors(Access::Write)?, self.session.act(new.note.as_deref()));
        let expires = new.expires.map(|moment| moment.0);
        let made = invite((&store, &usage), config, &consumer, expires, &act, &mut rand::rng());
        let (link, invitation) = made.map_err(|error| match error {
            InviteError::Store(error) => error.into(),
            InviteError::NoPortal => Failure::cannot(error.to_string()).help(NO_PORTAL),
            InviteError::Disabled { id, .. } => {
                Failure::no(error.to_string()).help(format!("`kgate consumer enable {id}` switches it on"))
            }
            InviteError::NoTime => Failure::cannot(error.to_string()).help("--expires 3d"),
        })?;
        Ok(NewInvitationShape { link: Some(TokenText::of(&link)), invitation: Some(invitation) })
    }

    fn invitations(&self, of: Option<&str>) -> Result<Vec<InvitationShape>, Failure> {
        let store = self.session.store()?;
        let of = of.map(|named| lookup::consumer(&store, named)).transpose()?.map(|consumer| consumer.id);
        let open = self.visitors(Access::Read)?.invites(of, self.session.now())?;
        let shape = |(id, invite): (String, crate::store::Invite)| {
            let name = store.consumer(invite.consumer).ok().map(|consumer| consumer.name);
            InvitationShape::new(id, &invite, name)
        };
        Ok(open.into_iter().map(shape).collect())
    }

    fn portal_sessions(&self, of: Option<&str>) -> Result<Vec<PortalSessionShape>, Failure> {
        let (config, now) = (self.session.config()?, self.session.now());
        let store = self.session.store()?;
        let usage = self.visitors(Access::Read)?;
        let all = match of {
            Some(named) => {
                let visitor = Visitor::Consumer(lookup::consumer(&store, named)?.id);
                usage.sessions_of(visitor)?.into_iter().map(|one| (visitor, one)).collect()
            }
            None => usage.sessions()?,
        };
        let open = all.iter().filter(|(_, one)| config.portal.over_at(one) > now);
        Ok(open.map(|(visitor, one)| PortalSessionShape::new(*visitor, one, config, &store)).collect())
    }

    fn withdraw(&self, name: &str, note: Option<&str>) -> Result<SignedOut, Failure> {
        let store = self.session.store_mut()?;
        let usage = self.visitors(Access::Write)?;
        match withdraw((&store, &usage), name, &self.session.act(note))? {
            Some(consumer) => Ok(SignedOut { subject: consumer.to_string(), sessions: 0, invitations: 1 }),
            None => Err(Failure::no("no open invitation has this name").help(NO_INVITATION)),
        }
    }

    fn sign_out(&self, who: &SignOutBody) -> Result<SignedOut, Failure> {
        let store = self.session.store_mut()?;
        let visitor = match who.subject.parse() {
            Ok(id) => Visitor::Operator(store.admin_key(id)?.id),
            Err(_) => Visitor::Consumer(lookup::consumer(&store, &who.subject)?.id),
        };
        let (usage, act) = (self.visitors(Access::Write)?, self.session.act(who.note.as_deref()));
        Ok(sign_out((&store, &usage), visitor, who.session.clone(), &act)?)
    }
}

impl Server {
    fn latest<T: DeserializeOwned>(&self, path: &str, of: Option<&str>) -> Result<Vec<T>, Failure> {
        of.map_or(Ok(()), refuse_token)?;
        self.get(Target::new(path).with("subject", of).with("limit", Some(PAGE)))
    }
}

impl Visitors for Server {
    fn invite(&self, new: &NewInvitationBody) -> Result<NewInvitationShape, Failure> {
        refuse_token(&new.consumer)?;
        self.create(Target::new("/v1/portal/invitations"), new)
    }

    fn invitations(&self, of: Option<&str>) -> Result<Vec<InvitationShape>, Failure> {
        self.latest("/v1/portal/invitations", of)
    }

    fn portal_sessions(&self, of: Option<&str>) -> Result<Vec<PortalSessionShape>, Failure> {
        self.latest("/v1/portal/sessions", of)
    }

    fn withdraw(&self, name: &str, note: Option<&str>) -> Result<SignedOut, Failure> {
        refuse_token(name)?;
        let target = Target::new("/v1/portal/invitations").segment(name).segment("withdraw");
        self.done(target, &json!({ "note": note }))
    }

    fn sign_out(&self, who: &SignOutBody) -> Result<SignedOut, Failure> {
        refuse_token(&who.subject)?;
        self.done(Target::new("/v1/portal/sign-out"), who)
    }
}

/// What helps where there is no portal.
pub(super) const NO_PORTAL: &str =
    "set it, for example portal = \"127.0.0.1:8083\", restart `kgate serve`, and see docs/portal.md";

/// What helps where there is no such invitation.
pub(super) const NO_INVITATION: &str = "`kgate portal list` shows them; one that was used is gone";
