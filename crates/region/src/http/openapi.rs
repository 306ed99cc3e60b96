//! The OpenAPI document, put together from the same list that makes the routes. `crates/region/openapi.json` is the checked-in copy.

use std::collections::BTreeMap;

use api::session::SESSION_COOKIE;
use api::{Action, ClassAction, Resource};
use axum::http::Method;
use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn, PathItemBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, RefOr,
    Required, ResponseBuilder,
};

use crate::dispatch::model::{Create, List, Model, Perform, Update, View};

const CSRF: &str = "A browser's session; behind TLS its name is __Host-lifeboat_session. A request that may change something (any but GET, HEAD and OPTIONS) also carries X-CSRF-Token: \
    `csrf` of GET /auth/session";

type Schemas = Vec<(String, RefOr<Schema>)>;

/// One operation, and the schemas that it refers to.
pub struct Operation {
    builder: OperationBuilder,
    schemas: Schemas,
}

impl Operation {
    #[must_use]
    pub fn list<M: List>(rule: &str) -> Self {
        let mut it = Self::new::<M>(rule, &format!("List {}", <M::Api as Resource>::PLURAL));
        for (name, kind, about) in [
            ("limit", Type::Integer, "At most so many rows; 0 is the default of 20, 2000 the most"),
            ("offset", Type::Integer, "Skip so many rows"),
            ("search", Type::String, "Rows whose name contains this text"),
            ("name", Type::String, "The row of exactly this name"),
            ("order_by", Type::String, "A column; may be repeated"),
            ("order", Type::String, "asc or desc, of each column"),
            ("filter", Type::String, "column.op(values), as name.in('a','b'); may be repeated, and all must hold"),
            ("filter_any", Type::Boolean, "One of the filters is enough"),
            ("field", Type::String, "Only these keys of each row; may be repeated"),
            ("scope", Type::String, "system, domain, project or user: less than you may see"),
            ("details", Type::Boolean, "Rows are whole either way"),
            ("paging_marker", Type::String, "The next_marker of the page before, where there was one"),
        ] {
            let schema = ObjectBuilder::new().schema_type(kind);
            it = it.parameter(
                ParameterBuilder::new()
                    .name(name)
                    .parameter_in(ParameterIn::Query)
                    .description(Some(about))
                    .schema(Some(schema)),
            );
        }
        let row = it.refer::<View<M>>();
        let number = || ObjectBuilder::new().schema_type(Type::Integer);
        let body = ObjectBuilder::new()
            .property(<M::Api as Resource>::PLURAL, utoipa::openapi::schema::ArrayBuilder::new().items(row))
            .required(<M::Api as Resource>::PLURAL)
            .property("total", number())
            .required("total")
            .property("limit", number())
            .required("limit")
            .property("offset", number())
            .required("offset");
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let body = match M::MARKED {
            Some(_) => {
                body.property("next_marker", text()).property("marker_field", text()).property("marker_order", text())
            }
            None => body,
        };
        it.answer("200", "One page", body)
    }

    #[must_use]
    pub fn get<M: Model>(rule: &str) -> Self {
        let mut it = Self::new::<M>(rule, &format!("Show one {}", <M::Api as Resource>::WORD)).ident();
        let view = it.refer::<View<M>>();
        let word = <M::Api as Resource>::WORD;
        it.answer("200", "The resource", ObjectBuilder::new().property(word, view).required(word))
    }

    #[must_use]
    pub fn create<M: Create>(rule: &str) -> Self {
        let mut it = Self::new::<M>(rule, &format!("Create a {}", <M::Api as Resource>::WORD));
        let body = it.refer::<M::Body>();
        it.takes::<M>(body, Required::True).gives_task::<M>("201", "Created")
    }

    #[must_use]
    pub fn update<M: Update>(rule: &str) -> Self {
        let mut it = Self::new::<M>(rule, &format!("Change a {}", <M::Api as Resource>::WORD)).ident();
        let body = it.refer::<M::Body>();
        let view = it.refer::<View<M>>();
        let word = <M::Api as Resource>::WORD;
        let answer = ObjectBuilder::new().property(word, view).required(word);
        it.takes::<M>(body, Required::True).answer("200", "Changed", answer)
    }

    #[must_use]
    pub fn perform<M: Perform<A>, A: Action<On = M::Api> + ToSchema>(rule: &str) -> Self {
        let mut it = Self::new::<M>(rule, A::SUMMARY).ident();
        let body = it.refer::<A>();
        it.takes::<M>(body, Required::False).gives_task::<M>("200", "Done: nothing is left for a task")
    }

    #[must_use]
    pub fn class<M: Model, A: ClassAction<On = M::Api> + ToSchema>(id: &str) -> Self {
        let mut it = Self::new::<M>(id, A::SUMMARY);
        let body = it.refer::<A>();
        let content = ContentBuilder::new().schema(Some(body)).build();
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        it.builder = it.builder.request_body(Some(body.build()));
        let task = it.refer::<api::task::TaskBrief>();
        let answer = ObjectBuilder::new().property("task", task).required("task");
        it.answer("202", "Accepted: the task has one child for each", answer)
    }

    #[must_use]
    pub fn detail<M: Model>(id: &str, about: &str) -> Self {
        let told = ObjectBuilder::new().schema_type(Type::Object);
        let word = <M::Api as Resource>::WORD;
        let answer = ObjectBuilder::new().property(word, told).required(word);
        Self::new::<M>(id, about).ident().answer("200", about, answer)
    }

    /// An answer of server-sent events.
    #[must_use]
    pub fn stream(id: &str, about: &str, parameters: &[(&str, &str)]) -> Self {
        let mut it = Self::tagged(id, "stream", about);
        for (name, about) in parameters {
            let schema = ObjectBuilder::new().schema_type(Type::String);
            let parameter = ParameterBuilder::new().name(*name).parameter_in(ParameterIn::Query);
            it = it.parameter(parameter.description(Some(*about)).schema(Some(schema)));
        }
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let parameter = ParameterBuilder::new().name("Last-Event-ID").parameter_in(ParameterIn::Header);
        it = it.parameter(parameter.description(Some("The id of the last event that was read")).schema(Some(schema)));
        let content = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build();
        let response = ResponseBuilder::new().description("The stream").content("text/event-stream", content);
        it.builder = it.builder.response("200", response);
        it
    }

    /// An answer that is no JSON.
    #[must_use]
    pub fn file<M: Model>(id: &str, about: &str, kind: &str) -> Self {
        let mut it = Self::new::<M>(id, about).ident();
        let content = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build();
        let response = ResponseBuilder::new().description(about).content(kind, content);
        it.builder = it.builder.response("200", response);
        it
    }

    /// One of `/auth/...`.
    #[must_use]
    pub fn session(id: &str, about: &str) -> Self {
        let mut it = Self::tagged(id, "auth", about);
        it.builder = it.builder.securities(Some([SecurityRequirement::new("session", Vec::<String>::new())]));
        it
    }

    #[must_use]
    pub fn taking<T: ToSchema>(mut self) -> Self {
        let content = ContentBuilder::new().schema(Some(self.refer::<T>())).build();
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        self.builder = self.builder.request_body(Some(body.build()));
        self
    }

    #[must_use]
    pub fn giving<T: ToSchema>(mut self) -> Self {
        let content = ContentBuilder::new().schema(Some(self.refer::<T>())).build();
        let response = ResponseBuilder::new().description("Done").content("application/json", content);
        self.builder = self.builder.response("200", response);
        self
    }

    #[must_use]
    pub fn giving_nothing(mut self) -> Self {
        self.builder = self.builder.response("204", ResponseBuilder::new().description("Done"));
        self
    }

    /// For everybody.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.builder = self.builder.securities(Some(Vec::<SecurityRequirement>::new()));
        self
    }

    #[must_use]
    pub fn socket<M: Model>(rule: &str, about: &str) -> Self {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let ticket = ParameterBuilder::new().name("ticket").parameter_in(ParameterIn::Query);
        let told = "Instead of a token: what POST .../console-ticket gave; good once";
        let ticket = ticket.description(Some(told)).schema(Some(schema));
        let mut it = Self::new::<M>(rule, about).ident().parameter(ticket);
        let upgraded = ResponseBuilder::new().description("A WebSocket (RFC 6455), subprotocol `binary`");
        it.builder = it.builder.response("101", upgraded);
        it
    }

    fn new<M: Model>(rule: &str, summary: &str) -> Self {
        Self::tagged(rule, <M::Api as Resource>::PLURAL, summary)
    }

    fn tagged(rule: &str, tag: &str, summary: &str) -> Self {
        let security = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
        let builder = OperationBuilder::new()
            .operation_id(Some(rule))
            .tag(tag)
            .summary(Some(summary))
            .securities(Some(["token", "bearer", "session"].map(security)));
        let mut it = Self { builder, schemas: Vec::new() };
        let error = it.refer::<api::ErrorBody>();
        let content = ContentBuilder::new().schema(Some(error)).build();
        let refused = ResponseBuilder::new()
            .description("Refused: `class` says why, `details` what would be right")
            .content("application/json", content);
        it.builder = it.builder.response("default", refused);
        it
    }

    fn ident(self) -> Self {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let id = ParameterBuilder::new().name("id").parameter_in(ParameterIn::Path).required(Required::True);
        self.parameter(id.description(Some("The id, or the name")).schema(Some(schema)))
    }

    fn parameter(mut self, parameter: ParameterBuilder) -> Self {
        self.builder = self.builder.parameter(parameter);
        self
    }

    fn takes<M: Model>(mut self, body: Ref, required: Required) -> Self {
        let wrapped = ObjectBuilder::new().property(<M::Api as Resource>::WORD, body);
        let content = ContentBuilder::new().schema(Some(Schema::from(wrapped))).build();
        let body = RequestBodyBuilder::new()
            .description(Some("May also come without the resource's keyword around it"))
            .content("application/json", content)
            .required(Some(required));
        self.builder = self.builder.request_body(Some(body.build()));
        self
    }

    /// 202 with a task that does the rest; or another code where nothing is left to do.
    fn gives_task<M: Model>(mut self, at_once: &str, about: &str) -> Self {
        let view = self.refer::<View<M>>();
        let task = self.refer::<api::task::TaskBrief>();
        let word = <M::Api as Resource>::WORD;
        let body = || {
            let warnings = utoipa::openapi::schema::ArrayBuilder::new()
                .items(ObjectBuilder::new().schema_type(Type::String))
                .description(Some("Keys of the body that were not understood, and so ignored"));
            ObjectBuilder::new().property(word, view.clone()).required(word).property("warnings", warnings)
        };
        let accepted = body().property("task", task).required("task");
        self.answer(at_once, about, body()).answer("202", "Accepted: the task does the rest", accepted)
    }

    fn answer(mut self, code: &str, about: &str, body: ObjectBuilder) -> Self {
        let content = ContentBuilder::new().schema(Some(Schema::from(body))).build();
        let response = ResponseBuilder::new().description(about).content("application/json", content);
        self.builder = self.builder.response(code, response);
        self
    }

    fn refer<T: ToSchema>(&mut self) -> Ref {
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(name)
    }
}

#[derive(Default)]
pub struct Document {
    paths: BTreeMap<String, PathItemBuilder>,
    schemas: BTreeMap<String, RefOr<Schema>>,
}

impl Document {
    pub fn operation(&mut self, path: &str, method: &Method, operation: Operation) {
        self.schemas.extend(operation.schemas);
        let method = match *method {
            Method::GET => HttpMethod::Get,
            Method::DELETE => HttpMethod::Delete,
            Method::PUT => HttpMethod::Put,
            Method::PATCH => HttpMethod::Patch,
            _ => HttpMethod::Post,
        };
        let item = self.paths.remove(path).unwrap_or_default();
        self.paths.insert(path.to_owned(), item.operation(method, operation.builder));
    }

    #[must_use]
    pub fn build(self) -> OpenApi {
        let mut paths = PathsBuilder::new();
        for (path, item) in self.paths {
            paths = paths.path(path, item.build());
        }
        let mut components = ComponentsBuilder::new()
            .security_scheme("token", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Auth-Token"))))
            .security_scheme(
                "session",
                SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(SESSION_COOKIE, CSRF))),
            )
            .security_scheme("bearer", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()));
        for (name, schema) in self.schemas {
            components = components.schema(name, schema);
        }
        OpenApiBuilder::new()
            .info(
                InfoBuilder::new()
                    .title("Lifeboat")
                    .version(env!("CARGO_PKG_VERSION"))
                    .description(Some("Rescue mode for virtual machines: boot a broken server, with its own disks, into a verified rescue system, and back exactly as it was.")),
            )
            .paths(paths)
            .components(Some(components.build()))
            .build()
    }
}
