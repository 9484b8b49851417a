//! The portal: consumers keep their own keys in a browser, operators see their gateway.
//!
//! Pages are made here, on the server, and work without a script. A request goes: [`front`] (host, form,
//! origin) -> [`who`] (whose session) -> the table of [`pages`], which says who may see a page and what
//! proves that they meant it -> the page, on a thread that may wait for the store. What changes
//! something goes through the endpoints of the admin API ([`crate::admin::Acts`]): there is no second way.
//! What pages are made of is in [`look`].

mod front;
mod look;
mod pages;
mod visit;
mod who;

use std::sync::Arc;

use tokio::sync::watch;

use crate::admin::{self, Acts, Caps, Desk, Socket};
use crate::key::Role;

use front::Front;

/// The bound listeners of the portal.
pub struct Portal {
    sockets: Vec<Socket>,
    front: Arc<Front>,
}

/// A browser opens six connections, and its cookies and those of an identity proxy may be long.
const CAPS: Caps = Caps { connections: 512, head: 32 * 1024 };

impl Portal {
    /// Takes over bound sockets. Call it on the runtime that will serve.
    pub fn new(sockets: Vec<Socket>, desk: Arc<Desk>) -> Self {
        Self { sockets, front: Arc::new(Front::new(Acts::new(desk))) }
    }

    /// Answers until `stop` becomes true or its sender is gone.
    pub async fn serve(self, stop: watch::Receiver<bool>) {
        admin::serve(self.sockets, self.front, CAPS, stop).await;
    }
}

/// A page, for whoever tries them all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// `GET` or `POST`.
    pub method: String,
    /// With names in braces for what varies: `/keys/{key}`.
    pub path: &'static str,
    /// Who may call it.
    pub guard: Guard,
}

/// Who may call a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// Anybody.
    Anybody,
    /// A consumer who is signed in.
    Consumer,
    /// An operator who is signed in, with this role at least.
    Operator(Role),
    /// Anybody who is signed in.
    SignedIn,
}

/// Returns every page.
pub fn places() -> Vec<Place> {
    let place =
        |page: &visit::Page| Place { method: page.method.to_string(), path: page.path, guard: page.guard };
    pages::all().iter().map(place).collect()
}
