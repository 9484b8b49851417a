//! The OpenAPI 3.1 document and a page to read it, made of the table of endpoints.

use std::fmt::Write as _;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::endpoint::{Endpoint, SchemaOf};
use super::problem::ProblemShape;

/// Makes schemas as OpenAPI 3.1 has them: JSON Schema 2020-12, the named ones below `components`.
pub(super) fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.into_generator()
}

fn answer_generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.into_generator()
}

/// Returns the document.
pub(super) fn document(endpoints: &[Endpoint]) -> Value {
    let mut bodies = generator();
    let mut answers = answer_generator();
    let problem = value(answers.subschema_for::<ProblemShape>());
    let mut paths = Map::new();
    for endpoint in endpoints {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        let operation = operation(endpoint, &mut bodies, &mut answers, &problem);
        path[endpoint.method.as_str().to_ascii_lowercase()] = operation;
    }
    let mut schemas = answers.take_definitions(true);
    // What goes in and what comes out are different types, so no name is taken twice.
    schemas.extend(bodies.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "kgate admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Everything the command line does. Errors are problems (RFC 9457) with a stable `code`. Every change holds for each check of a key that begins after its answer.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "adminKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An admin key, made with `kgate admin-key create`.",
                },
            },
        },
    })
}

fn operation(
    endpoint: &Endpoint,
    bodies: &mut SchemaGenerator,
    answers: &mut SchemaGenerator,
    problem: &Value,
) -> Value {
    let needs = endpoint.role.map(|role| format!("Needs the role `{role}`."));
    let mut operation = json!({
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "description": needs.unwrap_or_else(|| "Needs no credential.".to_owned()),
        "tags": [tag(endpoint)],
        "parameters": parameters(endpoint, bodies),
        "responses": responses(endpoint, answers, problem),
        "security": endpoint.role.map_or_else(|| json!([]), |_| json!([{ "adminKey": [] }])),
    });
    if let Some(body) = endpoint.body {
        let schema = value(body(bodies));
        operation["requestBody"] = json!({
            "required": has_required(&schema, bodies),
            "content": { "application/json": { "schema": schema } },
        });
    }
    operation
}

/// The second part of the path: `keys`, `consumers`, …
fn tag(endpoint: &Endpoint) -> &str {
    endpoint.path.split('/').nth(2).unwrap_or_default()
}

fn has_required(schema: &Value, generator: &SchemaGenerator) -> bool {
    let name = schema["$ref"].as_str().and_then(|text| text.rsplit('/').next());
    let named = name.and_then(|name| generator.definitions().get(name));
    named.unwrap_or(schema)["required"].as_array().is_some_and(|names| !names.is_empty())
}

fn parameters(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut parameters: Vec<Value> = endpoint
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": path_schema(name) }))
        .collect();
    if let Some((query, _)) = &endpoint.query {
        parameters.extend(query_parameters(*query, generator));
    }
    if endpoint.creates {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A name of your choice. A request that comes again under it within a day is not carried out again; it is answered with what the first one made, without tokens.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]{1,128}$" },
        }));
    }
    if endpoint.tagged && endpoint.method != axum::http::Method::GET {
        parameters.push(json!({
            "name": "If-Match",
            "in": "header",
            "description": "The `ETag` of the version to change, or `*`. Another version is answered with 412.",
            "schema": { "type": "string" },
        }));
    }
    parameters
}

fn path_schema(name: &str) -> Value {
    let pattern = |prefix: &str| json!({ "type": "string", "pattern": format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$") });
    match name {
        "key" => pattern("key"),
        "admin_key" => pattern("akey"),
        _ => json!({
            "type": "string", "minLength": 1, "maxLength": 256,
            "description": "Identifier, external id or unambiguous name.",
        }),
    }
}

fn query_parameters(query: SchemaOf, generator: &mut SchemaGenerator) -> Vec<Value> {
    let schema = value(query(generator));
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let parameter = |(name, schema): (String, Value)| {
        let mut schema = without_null(schema);
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({
            "name": name,
            "in": "query",
            "required": required.contains(&json!(name)),
            "description": description,
            "schema": schema,
        })
    };
    properties.into_iter().map(parameter).collect()
}

/// A parameter is there or it is not; it is never null.
fn without_null(mut schema: Value) -> Value {
    if let Some(types) = schema["type"].as_array() {
        let types: Vec<Value> = types.iter().filter(|one| *one != "null").cloned().collect();
        schema["type"] = if let [only] = types.as_slice() { only.clone() } else { json!(types) };
    }
    if let Some(members) = schema.as_object_mut() {
        members.remove("default");
        if let Some(values) = members.get_mut("enum").and_then(Value::as_array_mut) {
            values.retain(|value| !value.is_null());
        }
    }
    schema
}

fn responses(endpoint: &Endpoint, answers: &mut SchemaGenerator, problem: &Value) -> Value {
    let content = match endpoint.answer {
        Some(answer) => json!({ "application/json": { "schema": value(answer(answers)) } }),
        None if endpoint.path.ends_with("backup") => {
            json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } })
        }
        None if endpoint.path.ends_with("docs") => json!({ "text/html": { "schema": { "type": "string" } } }),
        None if endpoint.path.ends_with("css") => json!({ "text/css": { "schema": { "type": "string" } } }),
        None => json!({ "application/json": { "schema": { "type": "object" } } }),
    };
    let mut success = json!({ "description": "Done.", "content": content });
    if endpoint.tagged {
        success["headers"] =
            json!({ "ETag": { "description": "Which version this is.", "schema": { "type": "string" } } });
    }
    let refusal = |text: &str| json!({ "description": text, "content": { "application/problem+json": { "schema": problem } } });
    let mut responses = json!({
        endpoint.status.to_string(): success,
        "default": refusal("Why it was not done."),
    });
    if endpoint.role.is_some() {
        responses["401"] = refusal("No valid admin key.");
        responses["403"] = refusal("The admin key's role may not do this.");
    }
    responses
}

fn value(schema: schemars::Schema) -> Value {
    schema.to_value()
}

/// Returns a page that shows the document: no script, nothing from elsewhere.
pub(super) fn page(document: &Value) -> String {
    let mut page = String::from(HEAD);
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            show(&mut page, path, method, operation);
        }
    }
    page.push_str("<h2>Forms</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = writeln!(
            page,
            "<details id=\"{0}\"><summary>{0}</summary>{1}</details>",
            escape(name),
            json_block(schema)
        );
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn show(page: &mut String, path: &str, method: &str, operation: &Value) {
    let text = |name: &str| escape(operation[name].as_str().unwrap_or_default());
    let _ = writeln!(
        page,
        "<details><summary><b>{}</b> <code>{}</code> {}</summary>\n<p>{}</p>",
        method.to_ascii_uppercase(),
        escape(path),
        text("summary"),
        text("description"),
    );
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        page.push_str("<table><tr><th>parameter</th><th>in</th><th>meaning</th></tr>\n");
        for parameter in parameters {
            let text = |name: &str| escape(parameter[name].as_str().unwrap_or_default());
            let _ = writeln!(
                page,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                text("name"),
                text("in"),
                text("description")
            );
        }
        page.push_str("</table>\n");
    }
    for (what, at) in [("Body", "/requestBody/content"), ("Answers", "/responses")] {
        if let Some(value) = operation.pointer(at) {
            let _ = write!(page, "<h3>{what}</h3>{}", json_block(value));
        }
    }
    page.push_str("</details>\n");
}

fn json_block(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("<pre>{}</pre>\n", escape(&text))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>kgate admin API</title>
<link rel=\"stylesheet\" href=\"/v1/docs.css\">
</head>
<body>
<main>
<h1>kgate admin API</h1>
<p>The machine's form of this page is <a href=\"/v1/openapi.json\">openapi.json</a>.</p>
";

/// The page's style sheet.
pub(super) const CSS: &str = "body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
details { border-top: 1px solid #8884; padding: .5rem 0; }
summary { cursor: pointer; }
pre { overflow: auto; padding: .5rem; background: #8882; }
table { border-collapse: collapse; }
td, th { text-align: left; padding: .25rem .75rem .25rem 0; vertical-align: top; }
:root { color-scheme: light dark; }
";
