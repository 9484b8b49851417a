//! The promises kgate makes to its operator, each attacked over real sockets.

mod canary;
mod corpus;
mod floods;
mod framing;
mod identity;
mod limits;
mod memory;
mod paths;
mod quotas;
mod refusals;
mod smuggling;
mod sources;
