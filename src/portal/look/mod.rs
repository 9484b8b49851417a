//! What pages are made of: the frame around each, fields of forms, tables, charts, words for times and
//! numbers. Everything that comes from data is escaped by `maud`; nothing here marks text as safe but the
//! files of this folder.

pub(super) mod assets;
mod chart;
mod form;
mod frame;
mod words;

pub(super) use chart::{Bar, days, share};
pub(super) use form::{Faults, Field, area, button, csrf, form, select};
pub(super) use frame::{Frame, error_page};
pub(super) use words::{Relative, amount, counted, day, span, when};
