//! Domains. A name stays for good: users, projects and servers refer to it.

use api::ErrorClass;
use api::account::DEFAULT_DOMAIN;
use api::domain::{self as contract, DeleteDomain, DomainCreate, DomainUpdate, Domains};
use chrono::Utc;
use db::Conn;
use db::domain::Domain;
use db::filter::{Column, Page};
use types::id::DomainId;

use crate::app::App;
use crate::dispatch::{Create, Created, Cx, Done, List, Model, Perform, Registry, Update};
use crate::error::{Error, Result};

const KIND: &str = "domain";

pub fn register(registry: &mut Registry) {
    registry.resource::<Domain>().create().update().delete::<DeleteDomain>();
}

impl Model for Domain {
    type Api = Domains;
    const SERVICE: &'static str = "identity";

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        db::domain::find(conn, ident).await?.ok_or_else(|| Error::not_found(KIND, ident))
    }
    async fn lock(self, conn: &mut Conn) -> Result<Self> {
        db::domain::lock(conn, self.id).await?.ok_or_else(|| Error::not_found(KIND, &self.name))
    }
    async fn view(self, _: &App, _: &mut Conn) -> Result<contract::Domain> {
        Ok(view(self))
    }
    async fn project(&self, _: &mut Conn) -> Result<Option<String>> {
        Ok(Some(db::identity::place(&self.name)))
    }
    crate::dispatch::model::known_by_columns!(versioned);
}

impl List for Domain {
    const COLUMNS: &'static [Column] = db::domain::COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "id"];
    const PROJECT: Option<Column> = Some(db::domain::PLACE);
    const ORDER: (&'static str, bool) = ("name", false);

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<contract::Domain>, i64)> {
        let (rows, total) = db::domain::list(conn, page).await?;
        Ok((rows.into_iter().map(view).collect(), total))
    }
}

fn view(domain: Domain) -> contract::Domain {
    contract::Domain {
        id: domain.id,
        name: domain.name,
        description: domain.description,
        enabled: domain.enabled,
        created_at: domain.created_at,
        update_version: domain.update_version,
    }
}

impl Create for Domain {
    type Body = DomainCreate;

    async fn create(body: DomainCreate, cx: &mut Cx<'_>) -> Result<Created<Self>> {
        super::check_name(&body.name)?;
        super::check_description(&body.description)?;
        let domain = Domain {
            id: DomainId::generate(),
            name: body.name,
            description: body.description,
            enabled: true,
            created_at: Utc::now(),
            update_version: 0,
        };
        db::domain::insert(cx.conn, &domain).await.map_err(|e| super::taken(KIND, &domain.name, e))?;
        super::log(KIND, domain.id.uuid(), &domain.name, "create", String::new(), cx).await?;
        Ok(Created { model: domain, task: None })
    }
}

impl Update for Domain {
    type Body = DomainUpdate;

    async fn update(mut self, body: DomainUpdate, cx: &mut Cx<'_>) -> Result<()> {
        if body.enabled == Some(false) && self.name == DEFAULT_DOMAIN {
            return Err(Error::new(
                ErrorClass::Conflict,
                "the domain Default can't be disabled: administrators are in it",
            ));
        }
        if let Some(description) = body.description {
            super::check_description(&description)?;
            self.description = description;
        }
        let notes = match body.enabled {
            Some(enabled) if enabled != self.enabled => if enabled { "enabled" } else { "disabled" }.to_owned(),
            _ => String::new(),
        };
        self.enabled = body.enabled.unwrap_or(self.enabled);
        db::domain::update(cx.conn, &self).await?;
        super::log(KIND, self.id.uuid(), &self.name, "update", notes, cx).await
    }
}

impl Perform<DeleteDomain> for Domain {
    async fn perform(self, _: DeleteDomain, cx: &mut Cx<'_>) -> Result<Done<DeleteDomain>> {
        let (users, projects) = db::domain::members(cx.conn, &self.name).await?;
        if users + projects > 0 || self.name == DEFAULT_DOMAIN {
            let details = match self.name.as_str() {
                DEFAULT_DOMAIN => "the domain Default can't be deleted".to_owned(),
                name => format!("domain '{name}' has {users} users and {projects} projects: delete them first"),
            };
            return Err(Error::new(ErrorClass::Conflict, details));
        }
        super::log(KIND, self.id.uuid(), &self.name, "delete", String::new(), cx).await?;
        db::domain::delete(cx.conn, self.id).await?;
        Ok(Done::nothing())
    }
}
