//! One event, and how it is written.

use rand::Rng;
use serde_json::{Value, json};

use crate::config::{EventKind, Webhook};
use crate::key::Timestamp;
use crate::store::{Outgoing, Parcel};

/// Something that happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// What is known of it; never a token.
    pub data: Value,
    /// If it is told once only, what tells it apart and until when that is remembered.
    pub mark: Option<(String, Timestamp)>,
}

impl Event {
    /// Addresses it to everybody who wants to know. `id` is the event's own.
    pub fn parcel(&self, id: &str, webhooks: &[Webhook], now: Timestamp) -> Parcel {
        let body = json!({
            "id": id,
            "type": self.kind.as_str(),
            "at": self.at.to_string(),
            "data": self.data,
        });
        let body = body.to_string().into_bytes();
        let wanted = webhooks.iter().filter(|webhook| webhook.events.contains(&self.kind));
        let events = wanted.map(|webhook| Outgoing {
            receiver: webhook.name.clone(),
            id: id.to_owned(),
            body: body.clone(),
            since: now,
            due: now,
            attempts: 0,
        });
        Parcel { events: events.collect(), mark: self.mark.clone() }
    }
}

/// Makes the id of an event.
pub fn event_id(random: &mut impl Rng) -> String {
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    format!("evt_{:032x}", u128::from_be_bytes(bytes))
}
