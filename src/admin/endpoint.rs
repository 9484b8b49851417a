//! One endpoint of the API: where it is, who may call it, what goes in and what comes out. Routing, access,
//! the OpenAPI document and the test that tries every endpoint all read this one description.

use std::collections::BTreeMap;

use axum::http::{HeaderName, Method};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::key::{Role, Timestamp};
use crate::store::{Act, Request};

use super::caller::Caller;
use super::desk::Desk;
use super::problem::Problem;
use super::shape::Note;

/// Makes the schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// An endpoint.
pub(super) struct Endpoint {
    pub(super) method: Method,
    /// As the router has it: `/v1/keys/{key}`.
    pub(super) path: &'static str,
    /// Who may call it at least; `None` is anybody.
    pub(super) role: Option<Role>,
    /// Its name in the OpenAPI document.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: Option<(SchemaOf, Kinds)>,
    pub(super) body: Option<SchemaOf>,
    /// The longest body, in bytes.
    pub(super) max_body: usize,
    /// The status of success.
    pub(super) status: u16,
    pub(super) answer: Option<SchemaOf>,
    /// Whether it makes something, so that it takes an `Idempotency-Key`.
    pub(super) creates: bool,
    /// Whether it answers with an `ETag`, and takes `If-Match` if it changes something.
    pub(super) tagged: bool,
    pub(super) run: Run,
}

/// What an endpoint does. It may wait for the store.
pub(super) type Run = fn(&Call<'_>) -> Result<Reply, Problem>;

/// What kind of value each parameter of a query takes.
pub(super) type Kinds = BTreeMap<String, Kind>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    /// May come several times.
    Texts,
}

/// A body that names some hundred keys has some kilobytes.
const MAX_BODY: usize = 64 << 10;

impl Endpoint {
    pub(super) fn new(
        method: Method,
        path: &'static str,
        role: impl Into<Option<Role>>,
        id: &'static str,
        summary: &'static str,
        run: Run,
    ) -> Self {
        Self {
            method,
            path,
            role: role.into(),
            id,
            summary,
            query: None,
            body: None,
            max_body: MAX_BODY,
            status: 200,
            answer: None,
            creates: false,
            tagged: false,
            run,
        }
    }

    #[must_use]
    pub(super) fn query<Q: JsonSchema>(mut self) -> Self {
        let mut generator = super::openapi::generator();
        let schema = Q::json_schema(&mut generator);
        let properties = schema.get("properties").and_then(Value::as_object);
        let kinds = properties.into_iter().flatten().map(|(name, schema)| (name.clone(), kind(schema)));
        self.query = Some((Q::json_schema, kinds.collect()));
        self
    }

    #[must_use]
    pub(super) fn body<B: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<B>);
        self
    }

    #[must_use]
    pub(super) fn answers<A: JsonSchema>(mut self) -> Self {
        self.answer = Some(SchemaGenerator::subschema_for::<A>);
        self
    }

    /// It makes something: 201, once for each `Idempotency-Key`.
    #[must_use]
    pub(super) fn creates(mut self) -> Self {
        self.creates = true;
        self.status = 201;
        self
    }

    #[must_use]
    pub(super) fn tagged(mut self) -> Self {
        self.tagged = true;
        self
    }

    #[must_use]
    pub(super) fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }
}

fn kind(schema: &Value) -> Kind {
    let is = |name: &str| match &schema["type"] {
        Value::String(one) => one == name,
        Value::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    };
    match () {
        () if is("array") => Kind::Texts,
        () if is("integer") => Kind::Number,
        () if is("boolean") => Kind::Flag,
        () => Kind::Text,
    }
}

/// A request, as far as an endpoint has to do with it.
pub(super) struct Call<'a> {
    pub(super) desk: &'a Desk,
    /// Who calls; `None` where anybody may.
    pub(super) caller: Option<&'a Caller>,
    pub(super) endpoint: &'a Endpoint,
    pub(super) params: &'a [(String, String)],
    pub(super) query: Option<&'a str>,
    /// Whether only the head of the answer is asked for, of an endpoint that reads.
    pub(super) is_head: bool,
    pub(super) body: &'a [u8],
    pub(super) if_match: Option<String>,
    pub(super) request: Option<Request>,
    pub(super) now: Timestamp,
}

impl Call<'_> {
    /// Returns a part of the path, read as what it must be.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// Returns the act of whoever calls.
    pub(super) fn act(&self, note: Note) -> Act {
        let caller = self.caller.expect("whoever changes something is known: no open endpoint does");
        caller.act(self.now, note.into(), self.request)
    }

    /// Reads the body, an object; none at all is an empty one.
    pub(super) fn body<B: DeserializeOwned>(&self) -> Result<B, Problem> {
        let bytes = if self.body.is_empty() { b"{}" } else { self.body };
        // Serde would take a list of an object's values for the object.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::malformed("", "the body is not a JSON object"));
        }
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let read = serde_path_to_error::deserialize(&mut json);
        let value = read.map_err(|error| {
            let pointer = pointer(error.path());
            Problem::malformed(pointer, in_short(&error.into_inner().to_string()))
        })?;
        json.end().map_err(|_| Problem::malformed("", "there is more behind the object"))?;
        Ok(value)
    }

    /// Reads the query.
    pub(super) fn query<Q: DeserializeOwned>(&self) -> Result<Q, Problem> {
        let kinds = self.endpoint.query.as_ref().map(|(_, kinds)| kinds);
        let mut values = Map::new();
        for (name, value) in form_urlencoded::parse(self.query.unwrap_or_default().as_bytes()) {
            let at = format!("?{name}");
            let Some(kind) = kinds.and_then(|kinds| kinds.get(&*name)) else {
                return Err(Problem::malformed(in_short(&at), "there is no such parameter"));
            };
            let value = match kind {
                Kind::Texts => {
                    let list = values.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                    list.as_array_mut().expect("it was made one").push(value.into());
                    continue;
                }
                Kind::Text => Value::String(value.into_owned()),
                Kind::Number => value
                    .parse::<u64>()
                    .map(Value::from)
                    .map_err(|_| Problem::malformed(at.as_str(), "a whole number is needed"))?,
                Kind::Flag => value
                    .parse::<bool>()
                    .map(Value::from)
                    .map_err(|_| Problem::malformed(at.as_str(), "`true` or `false` is needed"))?,
            };
            if values.insert(name.into_owned(), value).is_some() {
                return Err(Problem::malformed(at, "it is given twice"));
            }
        }
        serde_path_to_error::deserialize(Value::Object(values)).map_err(|error| {
            let name = error.path().to_string();
            Problem::malformed(format!("?{name}"), in_short(&error.into_inner().to_string()))
        })
    }
}

/// A JSON pointer (RFC 6901) to what could not be read.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        text.push('/');
        text.push_str(&part);
    }
    in_short(&text)
}

/// Errors repeat what was sent, which may be long, and may hold a key.
fn in_short(text: &str) -> String {
    let text = crate::key::redact_tokens(text);
    if text.chars().count() <= LONGEST {
        return text.into_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

/// Characters of what was sent that an answer repeats.
const LONGEST: usize = 200;

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: ReplyBody,
    pub(super) headers: Vec<(HeaderName, String)>,
}

pub(super) enum ReplyBody {
    Json(Vec<u8>),
    /// A page, with its content type.
    Page(&'static str, &'static str),
    /// A file of this size, on its way out.
    File(std::fs::File, u64),
    /// A file that nobody asked to be made, and whose size nobody knows.
    Unsaid,
}

impl Reply {
    pub(super) fn json(value: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(value).expect("these values have a JSON form");
        Self { status: 200, body: ReplyBody::Json(bytes), headers: Vec::new() }
    }

    pub(super) fn created(value: &impl Serialize) -> Self {
        Self { status: 201, ..Self::json(value) }
    }

    #[must_use]
    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
